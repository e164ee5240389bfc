"""The eight symmetries of a square: what is seen from above has no up, so each of them is a sample too.

No other augmentation touches values: they are physical, and a change of them would be another ground or another sensor.
"""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from fusion.modality import Modality

Rows = npt.NDArray[np.int64]
Array = npt.NDArray[Any]

# The first four keep the shape of a rectangle too; odd ones mirror rows, those from 4 on change x and y before.
SYMMETRIES: tuple[Callable[[Array], Array], ...] = (
    lambda image: image,
    lambda image: image[..., ::-1, :],
    lambda image: image[..., :, ::-1],
    lambda image: image[..., ::-1, ::-1],
    lambda image: image.swapaxes(-1, -2),
    lambda image: image.swapaxes(-1, -2)[..., ::-1, :],
    lambda image: image.swapaxes(-1, -2)[..., :, ::-1],
    lambda image: image.swapaxes(-1, -2)[..., ::-1, ::-1],
)

# What each word of Modality.symmetries allows; of a rectangle only those that keep its shape.
ALLOWED = {"all": (0, 1, 2, 3, 4, 5, 6, 7), "turns": (0, 3, 5, 6), "mirror": (0, 2), "none": (0,)}
KEEP_SHAPE = (0, 1, 2, 3)


def list_allowed(modalities: Iterable[Modality], *, is_square: bool) -> tuple[int, ...]:
    """The symmetries that every one of these modalities allows, for samples of this shape."""
    shape = ALLOWED["all"] if is_square else KEEP_SHAPE
    sets = [set(shape), *(set(ALLOWED[one.symmetries]) for one in modalities)]
    return tuple(sorted(set.intersection(*sets)))


def turn(values: Array, symmetries: Rows) -> Array:
    """Samples [n, ..., y, x], each under its own symmetry (0-7; 0-3 where y and x differ)."""
    out = np.empty_like(values)
    for number in np.unique(symmetries):
        chosen = symmetries == number
        out[chosen] = SYMMETRIES[number](values[chosen])
    return out


def draw_symmetries(count: int, allowed: tuple[int, ...], *, seed: int, epoch: int, batch: int) -> Rows:
    """A symmetry per sample: a pure function of seed and place in the run, so that a resumed run is the same."""
    places = np.random.default_rng([seed, 1, epoch, batch]).integers(len(allowed), size=count)
    return np.asarray(allowed, dtype=np.int64)[places]
