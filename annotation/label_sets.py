"""Votes that each name a set of labels, and what they amount to."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from annotation.ballots import Ballots
from annotation.votes import BoolArray, FloatArray, IntArray
from fusion.errors import BadVotesError


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelSetVotes(Ballots):
    """`chosen` [ballots, k]: the labels that a ballot names; a row may be empty."""

    chosen: BoolArray

    def __post_init__(self) -> None:
        if self.chosen.ndim != 2 or not self.chosen.shape[1]:
            raise BadVotesError("Chosen labels must be a table with a row per ballot and a column per label.")
        self.check(len(self.chosen))


@dataclass(frozen=True, kw_only=True, eq=False)
class LabelSets:
    """Probability that each label is true of each sample [n, k], its 95 % interval, and the labels above a half.

    `is_tie` [n, k] marks probabilities of a half: such labels are not chosen.
    """

    sample_ids: tuple[Any, ...]
    probability: FloatArray
    low: FloatArray
    high: FloatArray
    is_chosen: BoolArray
    is_tie: BoolArray
    votes: IntArray

    def __len__(self) -> int:
        return len(self.sample_ids)

    @property
    def decisions(self) -> FloatArray:
        """True or not, for each label of each sample, [n * k, 2]."""
        flat = self.probability.ravel()
        return np.stack([flat, 1 - flat], 1)
