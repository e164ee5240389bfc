"""The eight symmetries of a square: what is seen from above has no up, so each of them is a sample too."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

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


def turn(values: Array, symmetries: Rows) -> Array:
    """Samples [n, ..., y, x], each under its own symmetry (0-7; 0-3 where y and x differ): all sensors allow it."""
    out = np.empty_like(values)
    for number in np.unique(symmetries):
        chosen = symmetries == number
        out[chosen] = SYMMETRIES[number](values[chosen])
    return out


def draw_symmetries(count: int, *, is_square: bool, seed: int, epoch: int, batch: int) -> Rows:
    """A symmetry per sample: a pure function of seed and place in the run, so that a resumed run is the same."""
    return np.random.default_rng([seed, 1, epoch, batch]).integers(8 if is_square else 4, size=count)
