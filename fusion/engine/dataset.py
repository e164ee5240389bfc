"""From a pack to batches: rows in a seeded order, arrays as stored, turned and mirrored."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import prod
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from fusion.engine.symmetries import Array, Rows, turn
from fusion.engine.targets import TargetArray, TargetReader, TargetRows, read_targets
from fusion.pack import PackArray
from fusion.pack_order import shuffle_blocks

MOST_WHOLE_BYTES = 8 * 2**30  # larger packs are read by blocks: few machines keep them in memory beside all else


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
    """Samples on a device: stored arrays by name, the rows to learn from, and the rows to be measured against.

    `targets` are those that were asked for as they are stored, by target and by part.
    """

    inputs: dict[str, Tensor]
    target: Tensor
    truth: Tensor
    targets: dict[str, dict[str, TargetRows]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Reader:
    """Reads batches. `target` is what is learned, `truth` what is measured; one reader may be both.

    `targets` (fusion.engine.targets.open_targets) are read from the pack batch by batch: masks, fields, boxes, tracks.
    """

    arrays: Mapping[str, Gathers]
    target: TargetReader
    truth: TargetReader
    device: torch.device
    targets: Mapping[str, Mapping[str, TargetArray]] = field(default_factory=dict)

    def read(self, rows: Rows, symmetries: Rows | None = None) -> Batch:
        """The batch of these rows, each turned by its symmetry where given."""
        inputs = read_inputs(self.arrays, rows, self.device, symmetries)
        target = self.target.read(rows, inputs, self.device, symmetries)
        is_same = self.truth is self.target
        truth = target if is_same else self.truth.read(rows, inputs, self.device, symmetries)
        targets = read_targets(self.targets, rows, self.device, symmetries)
        return Batch(inputs=inputs, target=target, truth=truth, targets=targets)


def read_inputs(
    arrays: Mapping[str, Gathers], rows: Rows, device: torch.device, symmetries: Rows | None = None
) -> dict[str, Tensor]:
    """Stored arrays of these rows on a device, in their own dtype."""
    stored = {name: array.gather(rows) for name, array in arrays.items()}
    if symmetries is not None:
        stored = {name: turn(values, symmetries) for name, values in stored.items()}
    return {name: torch.from_numpy(values).to(device, non_blocking=True) for name, values in stored.items()}


def shuffle(rows: Rows, *, seed: int, epoch: int, by_blocks: bool = False) -> Rows:
    """The order of an epoch; a pure function of the seed and the epoch, so that a run goes on from any batch of it.

    `by_blocks` reads neighbours together, for packs that lie on a disk rather than in memory (fusion.pack_order).
    """
    if by_blocks:
        return shuffle_blocks(rows, seed=seed, epoch=epoch)
    return np.random.default_rng([seed, 0, epoch]).permutation(rows)


def is_read_by_blocks(order: str, arrays: Iterable[PackArray]) -> bool:
    """Whether an epoch is shuffled by blocks: as the spec says, or by the size of what is read, where it says `auto`.

    The size of the pack decides, not the memory of this machine: the same run has the same order everywhere.
    """
    if order != "auto":
        return order == "blocks"
    return sum(prod(array.shape) * array.dtype.itemsize for array in arrays) > MOST_WHOLE_BYTES


def count_batches(samples: int, batch_size: int) -> int:
    """Whole batches of an epoch (the rest waits for another order); one where there are fewer samples than that."""
    return max(1, samples // batch_size)
