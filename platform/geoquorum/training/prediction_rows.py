"""Rows of predictions, checked one by one against the test order: what is wrong is told by row, or nothing is taken.

Values are finite, not negative and sum to 1 within TOLERANCE, as fusion.scores asks. Memory holds the array that comes
of it and MOST_FAULTS sentences, whatever is sent.
"""

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from fusion.errors import BadInputError
from geoquorum.training.held_out import HeldOut

FloatArray = npt.NDArray[np.float64]
TOLERANCE = 1e-3
MOST_FAULTS = 20
LONGEST_SHOWN = 60


class PredictionRows:
    """Takes rows in test order; `finish` answers the array [samples, classes], or refuses with every bad row."""

    def __init__(self, held: HeldOut, name: str) -> None:
        self.held, self.name = held, name
        self.values = np.zeros(held.shape)
        self.count = 0
        self.faults: list[str] = []
        self.further = 0
        self._place = {key: place for place, key in enumerate(held.ids)}
        self._seen: dict[str, int] = {}

    def add(self, numbers: Sequence[float | str], sample: str | None = None) -> None:
        """One row: a number for each class in the scheme's order, and the sample's id if ids are given."""
        self.count += 1
        if self.count > self.held.shape[0]:
            return
        if sample is not None:
            self._check_sample(sample)
        if len(numbers) != self.held.shape[1]:
            self.fault(f"has {len(numbers)} values, needs {self.held.shape[1]}")
        elif (row := self._read(numbers)) is not None:
            self.values[self.count - 1] = row
            self._check_sum(math.fsum(row))

    def fault(self, words: str) -> None:
        """What is wrong with the row that was taken last."""
        if len(self.faults) < MOST_FAULTS:
            self.faults.append(f"row {self.count} {words}")
        else:
            self.further += 1

    def finish(self) -> FloatArray:
        """All rows, or BadInputError."""
        wanted = self.held.shape[0]
        if self.count != wanted:
            self.faults.append(
                f"row {min(self.count, wanted) + 1} is {'missing' if self.count < wanted else 'one too many'}: "
                f"there are {self.count:,} rows for {wanted:,} samples of the test order"
            )
        if self.faults:
            more = f"; and {self.further:,} more" if self.further else ""
            raise BadInputError(f"{self.name}: {'; '.join(self.faults)}{more}. Nothing was taken.")
        return self.values

    def _read(self, numbers: Sequence[float | str]) -> list[float] | None:
        row = []
        for code, word in zip(self.held.codes, numbers, strict=True):
            try:
                value = float(word)
            except ValueError:
                self.fault(f"has {show(str(word))} for class {code}, which is no number")
                return None
            if not math.isfinite(value) or value < 0:
                said = "NaN" if math.isnan(value) else f"{value:g}"
                self.fault(f"has {said} for class {code}; values are finite and not negative")
                return None
            row.append(value)
        return row

    def _check_sum(self, total: float) -> None:
        if abs(total - 1) > TOLERANCE:
            self.fault(f"sums to {total:.6g}, must sum to 1 within {TOLERANCE:g}")

    def _check_sample(self, sample: str) -> None:
        first = self._seen.setdefault(sample, self.count)
        if sample not in self._place:
            self._seen.pop(sample)
            self.fault(f"names a sample that is not in the test split: {show(sample)}")
        elif first != self.count:
            self.fault(f"names sample {show(sample)} again, first in row {first}")
        elif self.held.ids[self.count - 1] != sample:
            wanted = self.held.ids[self.count - 1]
            self.fault(f"is sample {show(sample)} where the test order has {show(wanted)}; sort as the sample file is")


def check_array(values: npt.NDArray[np.generic], held: HeldOut, name: str, ids: Sequence[str] | None) -> FloatArray:
    """A whole array [samples, classes] by the same rules; refused with the rows that break them."""
    if values.shape != held.shape:
        raise BadInputError(
            f"{name}: its shape is {list(values.shape)}, needs {list(held.shape)}: samples in test order, classes in "
            "the scheme's. Nothing was taken."
        )
    rows = PredictionRows(held, name)
    found = values.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        is_right = np.isfinite(found).all(axis=1) & (found >= 0).all(axis=1) & (abs(found.sum(axis=1) - 1) <= TOLERANCE)
    if ids is None and is_right.all():
        return found
    if ids is not None and len(ids) != len(found):
        raise BadInputError(f"{name}: it has {len(ids):,} ids for {len(found):,} rows. Nothing was taken.")
    for place, row in enumerate(found):
        rows.add(row.tolist(), None if ids is None else ids[place])
    return rows.finish()


def show(word: str) -> str:
    """A word of a file as it may be repeated: short and quoted."""
    return repr(word if len(word) <= LONGEST_SHOWN else f"{word[:LONGEST_SHOWN]}…")
