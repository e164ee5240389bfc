"""Votes that each paint a mask, and the masks that they amount to."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from annotation.ballots import Ballots
from annotation.votes import BoolArray, FloatArray, IntArray
from fusion.errors import BadVotesError


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskVotes(Ballots):
    """One mask [h, w] per ballot, of one shape within a sample; True = belongs to the object."""

    masks: tuple[BoolArray, ...]

    def __post_init__(self) -> None:
        self.check(len(self.masks))
        shapes: dict[int, tuple[int, ...]] = {}
        for sample, mask in zip(self.sample.tolist(), self.masks, strict=True):
            if shapes.setdefault(sample, mask.shape) != mask.shape or mask.ndim != 2 or not mask.size:
                raise BadVotesError(
                    f"Masks of sample {self.sample_ids[sample]!r} differ in shape, have no pixels or are not flat; "
                    "paint all of them on one grid."
                )


@dataclass(frozen=True, kw_only=True, eq=False)
class MaskSets:
    """Probability that each pixel belongs to the object, one [h, w] per sample, and the pixels above a half.

    `sensitivity` and `specificity` [e] are the shares of true and of other pixels that a voter paints right.
    """

    sample_ids: tuple[Any, ...]
    probability: tuple[FloatArray, ...]
    is_object: tuple[BoolArray, ...]
    sensitivity: FloatArray
    specificity: FloatArray
    votes: IntArray
    iterations: int
    converged: bool

    def __len__(self) -> int:
        return len(self.sample_ids)

    @property
    def decisions(self) -> FloatArray:
        """Object or not, for each pixel of each sample, [pixels, 2]."""
        flat = np.concatenate([table.ravel() for table in self.probability])
        return np.stack([flat, 1 - flat], 1)
