"""Who answered which sample, for answers that are more than one class; each kind of answer has a table beside it."""

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from annotation.votes import IntArray
from fusion.errors import BadVotesError


@dataclass(frozen=True, kw_only=True, eq=False)
class Ballots:
    """One row per voter and sample: places in `sample_ids` and `voter_ids`. An empty answer is a ballot too."""

    sample: IntArray
    voter: IntArray
    sample_ids: tuple[Any, ...]
    voter_ids: tuple[Any, ...]

    def __len__(self) -> int:
        return len(self.sample)

    @cached_property
    def votes_per_sample(self) -> IntArray:
        """Number of ballots of each sample, [n]."""
        return np.bincount(self.sample, minlength=len(self.sample_ids)).astype(np.int32)

    @cached_property
    def order(self) -> IntArray:
        """Ballots by sample, then by voter: what methods go by, so that the order of the table does not matter."""
        return np.lexsort((self.voter, self.sample)).astype(np.int32)

    def by_sample(self) -> list[IntArray]:
        """The ballots of each sample, in the order of their voters."""
        return np.split(self.order, np.cumsum(self.votes_per_sample)[:-1])

    def check(self, answers: int) -> None:
        """BadVotesError where columns contradict each other or a voter answers a sample twice."""
        if len({len(self.sample), len(self.voter), answers}) > 1:
            raise BadVotesError(
                f"Ballots differ in length (sample {len(self.sample)}, voter {len(self.voter)}, answers {answers})."
            )
        for name, column, size in (
            ("sample", self.sample, len(self.sample_ids)),
            ("voter", self.voter, len(self.voter_ids)),
        ):
            if len(column) and not 0 <= column.min() <= column.max() < size:
                raise BadVotesError(f"A ballot has a {name} index outside 0..{size - 1}.")
        key = self.sample.astype(np.int64) * max(len(self.voter_ids), 1) + self.voter
        if len(np.unique(key)) < len(key):
            raise BadVotesError("A voter has more than one ballot on a sample; hand in the latest revision only.")
