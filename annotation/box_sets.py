"""Votes that each draw boxes, and the boxes that they amount to."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from annotation.ballots import Ballots
from annotation.votes import BoolArray, FloatArray, IntArray
from fusion.errors import BadVotesError


@dataclass(frozen=True, kw_only=True, eq=False)
class BoxVotes(Ballots):
    """Boxes [m, 4] as x0, y0, x1, y1 with x0 < x1 and y0 < y1 (any one unit), and the ballot of each box [m]."""

    boxes: FloatArray
    ballot: IntArray

    def __post_init__(self) -> None:
        self.check(len(self.sample))
        if self.boxes.shape != (len(self.ballot), 4):
            raise BadVotesError(f"Boxes must be {len(self.ballot)} rows of 4 numbers, not {self.boxes.shape}.")
        if len(self.ballot) and not 0 <= self.ballot.min() <= self.ballot.max() < len(self.sample):
            raise BadVotesError(f"A box belongs to a ballot outside 0..{len(self.sample) - 1}.")
        is_box = np.isfinite(self.boxes).all(1) & (self.boxes[:, :2] < self.boxes[:, 2:]).all(1)
        if not is_box.all():
            raise BadVotesError(f"Box {int(np.argmin(is_box)) + 1} has no area: give x0 < x1 and y0 < y1.")


@dataclass(frozen=True, kw_only=True, eq=False)
class BoxSets:
    """Boxes that at least one voter drew: place of the sample [c], corners [c, 4], and who drew it.

    `probability` [c] is the share of the sample's voters who drew it, `low`..`high` its 95 % Wilson interval; a box
    `is_kept` when more than half of them did. `spread` [c] is the mean distance of their corners from it, `iou` [c] the
    mean intersection over union of their boxes with it.
    """

    sample_ids: tuple[Any, ...]
    sample: IntArray
    boxes: FloatArray
    probability: FloatArray
    low: FloatArray
    high: FloatArray
    spread: FloatArray
    iou: FloatArray
    is_kept: BoolArray
    votes: IntArray

    def __len__(self) -> int:
        return len(self.sample_ids)

    @property
    def decisions(self) -> FloatArray:
        """There or not, for each box, [c, 2]."""
        return np.stack([self.probability, 1 - self.probability], 1)


def overlap(one: FloatArray, other: FloatArray) -> FloatArray:
    """Intersection over union of each pair of boxes, [a, b] in 0..1."""
    low = np.maximum(one[:, None, :2], other[None, :, :2])
    high = np.minimum(one[:, None, 2:], other[None, :, 2:])
    shared = np.clip(high - low, 0, None).prod(2)
    areas = [(boxes[:, 2:] - boxes[:, :2]).prod(1) for boxes in (one, other)]
    found: FloatArray = shared / (areas[0][:, None] + areas[1][None, :] - shared)
    return found
