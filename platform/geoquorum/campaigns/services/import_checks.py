"""What a table of votes must be before it is stored; every bad row is named by its place."""

import datetime
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from annotation.question import Question
from fusion.errors import BadVotesError
from fusion.lines import Faults
from geoquorum.campaigns.services.ballots import FIRST_YEAR, LAST_YEAR

LONGEST_VOTER = 40  # letters of a pseudonym
NEEDED = ("voter", "sample", "code")
OPTIONAL = {
    "skip_reason": pa.string(),
    "second_code": pa.string(),
    "is_sure": pa.bool_(),
    "shown_at": pa.timestamp("us", tz="UTC"),
    "decided_at": pa.timestamp("us", tz="UTC"),
}
TIMES = ("shown_at", "decided_at")
EARLIEST, LATEST = (
    pa.scalar(datetime.datetime(year, 1, 1, tzinfo=datetime.UTC), OPTIONAL["shown_at"])
    for year in (FIRST_YEAR, LAST_YEAR + 1)
)

Ints = npt.NDArray[np.int64]
Place = Callable[[int], str]


def name_row(row: int) -> str:
    """The name of row 0..n-1 of a table that came from no file."""
    return f"Row {row + 1}"


def complete(table: pa.Table, place: Place) -> pa.Table:
    """The known columns in their types, with what was left out filled in."""
    unknown = set(table.column_names) - set(NEEDED) - set(OPTIONAL)
    missing = set(NEEDED) - set(table.column_names)
    if unknown or missing or not len(table):
        raise BadVotesError(
            f"Votes need the columns {', '.join(NEEDED)} and may have {', '.join(OPTIONAL)}; "
            f"missing: {', '.join(sorted(missing)) or 'none'}, unknown: {', '.join(sorted(unknown)) or 'none'}, "
            f"rows: {len(table)}."
        )
    types = {"voter": pa.string(), "sample": pa.int64(), "code": pa.string()} | OPTIONAL
    empty = {"skip_reason": "", "second_code": "", "is_sure": True, "code": ""}
    columns = {
        name: table[name].cast(kind) if name in table.column_names else pa.nulls(len(table), kind)
        for name, kind in types.items()
    }
    faults = Faults(name="Votes", error=BadVotesError)
    for name in ("voter", "sample"):
        _tell(pc.is_null(columns[name]), f"names no {name}", place, faults)
    _tell(pc.equal(columns["voter"], ""), "names no voter", place, faults)
    _tell(pc.greater(pc.utf8_length(columns["voter"]), LONGEST_VOTER), "names a voter too long", place, faults)
    _tell(pc.match_substring(columns["voter"], "\0"), "names a voter with a NUL", place, faults)
    for name in TIMES:
        is_strange = pc.or_(pc.less(columns[name], EARLIEST), pc.greater_equal(columns[name], LATEST))
        _tell(is_strange, f"has {name} outside the years {FIRST_YEAR} to {LAST_YEAR}", place, faults)
    faults.raise_if_any()
    return pa.table(
        {name: pc.fill_null(column, empty[name]) if name in empty else column for name, column in columns.items()}
    )


def check_answers(
    rows: pa.Table, codes: tuple[str, ...], question: Question, place: Place, faults: Faults
) -> npt.NDArray[np.bool_]:
    """True for answers, False for skips; rows that are neither or both, and unknown codes and reasons, are told."""
    known = {name: list(codes) for name in ("code", "second_code")}
    known["skip_reason"] = [reason.key for reason in question.skip_reasons]
    for name, words in known.items():
        for bad in np.flatnonzero(~np.asarray(pc.is_in(rows[name], pa.array([*words, ""])))).tolist():
            faults.add(place(bad), f"has {name} {rows[name][bad].as_py()[:60]!r}; known: {', '.join(words)}")
    is_answer, is_skip = pc.not_equal(rows["code"], ""), pc.not_equal(rows["skip_reason"], "")
    _tell(pc.equal(is_answer, is_skip), "must have either a code or a skip_reason", place, faults)
    has_second = pc.not_equal(rows["second_code"], "")
    is_doubled = pc.and_(has_second, pc.equal(rows["second_code"], rows["code"]))
    _tell(is_doubled, "has a second_code that is its code", place, faults)
    _tell(pc.and_(has_second, is_skip), "is a skip and has a second_code", place, faults)
    if not question.has_second_choice:
        _tell(has_second, f"has a second_code, and question {question.name!r} takes none", place, faults)
    return is_answer.to_numpy()


def check_single(sample: Ints, voter: Ints, held: pa.Table, place: Place, faults: Faults) -> None:
    """A second vote of one expert on one sample, within the table or beside what is stored."""
    most = max(int(voter.max()), int(pc.max(held["expert"]).as_py() or 0)) + 1
    key = sample * most + voter
    stored = held["sample"].to_numpy() * most + held["expert"].to_numpy()
    order = np.argsort(key, kind="stable")
    again = np.zeros(len(key), bool)
    again[order[1:]] = key[order[1:]] == key[order[:-1]]
    for bad in np.flatnonzero(again | np.isin(key, stored)).tolist():
        faults.add(place(bad), f"is a second vote of its voter on sample {sample[bad]}")


def rank_within(which: Ints, is_answer: npt.NDArray[np.bool_]) -> Ints:
    """How many answers on the same sample come before each row."""
    order = np.argsort(which, kind="stable")
    before = np.cumsum(is_answer[order]) - is_answer[order]
    start = np.searchsorted(which[order], which[order])
    rank = np.empty(len(which), np.int64)
    rank[order] = before - before[start]
    return rank


def _tell(bad: Any, words: str, place: Place, faults: Faults) -> None:
    for row in np.flatnonzero(np.asarray(pc.fill_null(bad, False))).tolist():
        faults.add(place(row), words)
