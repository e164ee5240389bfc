"""The one table that a consensus method sees: who said what about which sample."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from scipy import sparse

from fusion.errors import BadVotesError

IntArray = npt.NDArray[np.int32]
BoolArray = npt.NDArray[np.bool_]
FloatArray = npt.NDArray[np.float32]
Ids = Sequence[Any] | npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class VoteTable:
    """Votes as columns of equal length: places in `sample_ids` and `voter_ids`, and a class index 0..n_classes-1.

    One row per voter and sample (the latest revision: picking it is the database's work); skips are not votes.
    `sure` and `seconds` (time to decide) are optional. Raises BadVotesError when the columns contradict each other.
    """

    sample: IntArray
    voter: IntArray
    answer: IntArray
    n_classes: int
    sample_ids: tuple[Any, ...]
    voter_ids: tuple[Any, ...]
    sure: BoolArray | None = None
    seconds: FloatArray | None = None

    def __post_init__(self) -> None:
        _check_lengths(self)
        _check_range("sample", self.sample, len(self.sample_ids))
        _check_range("voter", self.voter, len(self.voter_ids))
        _check_range("answer", self.answer, self.n_classes)
        _check_single(self)

    def __len__(self) -> int:
        return len(self.sample)

    @property
    def n_samples(self) -> int:
        return len(self.sample_ids)

    @property
    def n_voters(self) -> int:
        return len(self.voter_ids)

    @cached_property
    def votes_per_sample(self) -> IntArray:
        """Number of votes of each sample, [n]."""
        return np.bincount(self.sample, minlength=self.n_samples).astype(np.int32)

    @cached_property
    def matrix(self) -> sparse.csr_matrix:
        """Votes as ones in [n, e * k]: row = sample, column = voter * n_classes + answer; columns sorted in a row."""
        shape = (self.n_samples, self.n_voters * self.n_classes)
        column = self.voter * np.int32(self.n_classes) + self.answer
        edges = np.concatenate([[0], np.cumsum(self.votes_per_sample)]).astype(np.int32)
        if (np.diff(self.sample) < 0).any():
            column = column[np.argsort(self.sample, kind="stable")]
        table = sparse.csr_matrix((np.ones(len(self), np.float32), column, edges), shape=shape)
        table.sort_indices()
        return table

    def counts(self) -> IntArray:
        """Votes per sample and class, [n, k]."""
        found = np.zeros((self.n_samples, self.n_classes), np.int32)
        np.add.at(found, (self.sample, self.answer), 1)
        return found

    def shares(self) -> FloatArray:
        """Share of the votes per sample and class, [n, k]; rows of samples without votes are zero."""
        found = self.counts().astype(np.float32)
        found /= np.maximum(self.votes_per_sample, 1)[:, None].astype(np.float32)
        return found


def from_records(
    sample: Ids, voter: Ids, answer: Ids, *, codes: Sequence[str], sure: Ids | None = None, seconds: Ids | None = None
) -> VoteTable:
    """Votes from columns of ids and of class codes; ids are sorted, so the order of the records does not matter."""
    _check_same_length(sample=sample, voter=voter, answer=answer)
    sample_index, sample_ids = _encode("sample", sample)
    voter_index, voter_ids = _encode("voter", voter)
    return VoteTable(
        sample=sample_index,
        voter=voter_index,
        answer=_encode_answers(answer, codes),
        n_classes=len(codes),
        sample_ids=sample_ids,
        voter_ids=voter_ids,
        sure=None if sure is None else np.asarray(sure, dtype=np.bool_),
        seconds=None if seconds is None else np.asarray(seconds, dtype=np.float32),
    )


def _encode(name: str, ids: Ids) -> tuple[IntArray, tuple[Any, ...]]:
    """Places of ids in their sorted list, and that list."""
    column = pa.array(ids)
    if column.null_count:
        raise BadVotesError(
            f"Vote {_first(column.is_null().to_numpy(False)) + 1} names no {name}; give every vote one."
        )
    coded = column.dictionary_encode()
    names = coded.dictionary.to_pylist()
    order = sorted(range(len(names)), key=names.__getitem__)
    place = np.empty(len(names), np.int32)
    place[order] = np.arange(len(names), dtype=np.int32)
    return place[coded.indices.to_numpy(zero_copy_only=False)], tuple(names[index] for index in order)


def _encode_answers(answer: Ids, codes: Sequence[str]) -> IntArray:
    """Class index of each code; a code that is not in the scheme is refused with its vote."""
    coded = pa.array(answer, type=pa.string()).dictionary_encode(null_encoding="encode")
    place = {code: index for index, code in enumerate(codes)}
    known = np.array([place.get(code, -1) for code in coded.dictionary.to_pylist()], dtype=np.int32)
    found = known[coded.indices.to_numpy(zero_copy_only=False)] if len(known) else np.empty(0, np.int32)
    if (found < 0).any():
        bad = _first(found < 0)
        raise BadVotesError(f"Vote {bad + 1} answers {answer[bad]!r}, which is not a code. Codes: {', '.join(codes)}.")
    return found


def _check_same_length(**columns: Ids) -> None:
    if len({len(column) for column in columns.values()}) > 1:
        lengths = ", ".join(f"{name} {len(column)}" for name, column in columns.items())
        raise BadVotesError(f"Vote columns differ in length ({lengths}); give one value of each per vote.")


def _check_lengths(votes: VoteTable) -> None:
    columns = {"sample": votes.sample, "voter": votes.voter, "answer": votes.answer}
    optional = {"sure": votes.sure, "seconds": votes.seconds}
    _check_same_length(**columns, **{name: column for name, column in optional.items() if column is not None})


def _check_range(name: str, column: IntArray, size: int) -> None:
    bad = (column < 0) | (column >= size)
    if bad.any():
        vote = _first(bad)
        raise BadVotesError(f"Vote {vote + 1} has {name} index {column[vote]}, outside 0..{size - 1}.")


def _check_single(votes: VoteTable) -> None:
    """Refuse two votes of one voter on one sample."""
    key = votes.sample.astype(np.int64) * max(votes.n_voters, 1) + votes.voter
    key.sort()
    double = key[1:] == key[:-1]
    if double.any():
        sample, voter = divmod(int(key[_first(double)]), votes.n_voters)
        raise BadVotesError(
            f"Voter {votes.voter_ids[voter]!r} has more than one vote on sample {votes.sample_ids[sample]!r}; "
            "hand in the latest revision only."
        )


def _first(mask: npt.NDArray[np.bool_]) -> int:
    return int(np.argmax(mask))
