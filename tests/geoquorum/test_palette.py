"""The display palette: told apart by every kind of colour vision, read on screen, and in no export."""

import itertools

import numpy as np
import pytest

from fusion import scheme as schemes
from geoquorum.palette import SAFE, contrast, ink_on, safe_colours
from geoquorum.swatches import stylesheet

# Machado, Oliveira, Fernandes 2009, severity 1.0, on linear RGB.
SIGHT = {
    "normal": np.eye(3),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
    "tritanopia": np.array(
        [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]]
    ),
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
)
WHITE = np.array([0.95047, 1.0, 1.08883])


def lab(colours: list[str], sight: np.ndarray) -> np.ndarray:
    """CIE Lab [n, 3] of `#rrggbb` as seen."""
    rgb = np.array([[int(one[at : at + 2], 16) / 255 for at in (1, 3, 5)] for one in colours])
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    xyz = np.clip(linear @ sight.T, 0, 1) @ TO_XYZ.T / WHITE
    f = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.stack([116 * f[:, 1] - 16, 500 * (f[:, 0] - f[:, 1]), 200 * (f[:, 1] - f[:, 2])], axis=1)


def closest(colours: list[str], sight: np.ndarray) -> float:
    seen = lab(colours, sight)
    return min(float(np.linalg.norm(one - other)) for one, other in itertools.combinations(seen, 2))


@pytest.mark.parametrize("sight", SIGHT)
def test_any_two_of_the_safe_colours_are_told_apart(sight: str) -> None:
    assert closest(list(SAFE), SIGHT[sight]) > 17


def test_the_wudapt_colours_are_not_told_apart_without_red_and_green() -> None:
    own = [label.colour for label in schemes.find("lcz17").classes]
    assert closest(own, SIGHT["deuteranopia"]) < 5


def test_every_code_is_read_on_its_colour() -> None:
    assert min(contrast(colour, ink_on(colour)) for colour in SAFE) >= 4.5


def test_the_safe_colours_stand_only_behind_the_choice_and_never_in_the_scheme() -> None:
    lcz = schemes.find("lcz17")
    for label in lcz.classes:
        safe, ink = safe_colours(lcz)[label.code]
        name = f".swatch-lcz17-{label.code}"
        assert f'[data-palette="safe"] {name} {{ background: {safe}; fill: {safe}; color: {ink}; }}' in stylesheet()
        assert f"\n{name} {{ background: {label.colour};" in f"\n{stylesheet()}"
