"""From a pack to batches: rows in a seeded order, arrays as stored, turned and mirrored."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from fusion.engine.head import FloatArray

Rows = npt.NDArray[np.int64]
Array = npt.NDArray[Any]

# The eight symmetries of a square; the first four keep the shape of a rectangle too.
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


class Gathers(Protocol):
    """Anything that hands over samples by row number: an array of a pack, or one in memory."""

    def gather(self, indices: Rows) -> Array: ...


@dataclass(frozen=True, kw_only=True)
class MemoryArray:
    """An array in memory that is read like one of a pack."""

    values: Array

    def gather(self, indices: Rows) -> Array:
        return np.ascontiguousarray(self.values[indices])


@dataclass(frozen=True, kw_only=True)
class Batch:
    """Samples on a device: stored arrays by name, the rows to learn from, and the rows to be measured against."""

    inputs: dict[str, Tensor]
    target: Tensor
    truth: Tensor


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Reads batches. `target` is what is learned, `truth` what is measured; both have one row per sample."""

    arrays: Mapping[str, Gathers]
    target: FloatArray
    truth: FloatArray
    device: torch.device

    def read(self, rows: Rows, symmetries: Rows | None = None) -> Batch:
        """The batch of these rows, each turned by its symmetry where given."""
        inputs = read_inputs(self.arrays, rows, self.device, symmetries)
        target, truth = (torch.from_numpy(part[rows]).to(self.device) for part in (self.target, self.truth))
        return Batch(inputs=inputs, target=target, truth=truth)


def read_inputs(
    arrays: Mapping[str, Gathers], rows: Rows, device: torch.device, symmetries: Rows | None = None
) -> dict[str, Tensor]:
    """Stored arrays of these rows on a device, in their own dtype."""
    stored = {name: array.gather(rows) for name, array in arrays.items()}
    if symmetries is not None:
        stored = {name: turn(values, symmetries) for name, values in stored.items()}
    return {name: torch.from_numpy(values).to(device, non_blocking=True) for name, values in stored.items()}


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


def shuffle(rows: Rows, *, seed: int, epoch: int) -> Rows:
    """The order of an epoch; a pure function of the seed and the epoch."""
    return np.random.default_rng([seed, 0, epoch]).permutation(rows)


def count_batches(samples: int, batch_size: int) -> int:
    """Whole batches of an epoch (the rest waits for another order); one where there are fewer samples than that."""
    return max(1, samples // batch_size)
