"""Tables of text from outside, line by line: UTF-8, without NUL, with a longest line; what is wrong is told by place.

Rows that people wrote (posts, known answers) come from `read_records`; tables that may have millions of rows are looked
over with the same eyes (`look_over`) before they are read as columns.
"""

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

from fusion.errors import BadInputError

MOST_TOLD = 20
BLOCK = 1 << 22  # bytes read at once
BOM = b"\xef\xbb\xbf"
FOREIGN_MARKS = {
    b"\xff\xfe": "UTF-16",
    b"\xfe\xff": "UTF-16",
    b"PK\x03\x04": "a zip archive or an Excel workbook",
    b"\xd0\xcf\x11\xe0": "an Excel workbook",
    b"\x1f\x8b": "a gzip archive",
}
SURROGATE = re.compile("[\ud800-\udfff]")


@dataclass(kw_only=True)
class Faults:
    """What is wrong with a file, by place; the first MOST_TOLD are told, and `error` is made of them."""

    name: str
    error: Callable[[str], Exception] = BadInputError
    told: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, place: str, words: str) -> None:
        """`words` go on from the place: "line 3", "holds a NUL byte"."""
        self.count += 1
        if self.count <= MOST_TOLD:
            self.told.append(f"{place} {words}")

    def raise_if_any(self) -> None:
        """Raise with every fault that is told, and how many more there are."""
        if self.count:
            more = f"; and {self.count - MOST_TOLD:,} more" if self.count > MOST_TOLD else ""
            told = "; ".join(self.told) + more
            raise self.error(f"{self.name}: {told}. Nothing was taken.")


def read_lines(file: BinaryIO, faults: Faults, *, longest: int) -> Iterator[tuple[int, str]]:
    """Number and text of each line that can be read, its end kept; the others go to `faults`.

    A line of more than `longest` bytes is named and never held whole. A file that is no text at all is refused at once.
    """
    number = 0
    for run in _read_runs(file, faults, longest):
        for raw in io.BytesIO(run):
            number += 1
            text = _read_line(raw, number, faults, longest)
            if text is not None:
                yield number, text


def look_over(file: BinaryIO, faults: Faults, *, longest: int) -> int:
    """The faults that `read_lines` finds, and how many lines there are; only blocks with a fault are read by line."""
    number = 0
    for run in _read_runs(file, faults, longest):
        if _is_clean(run, longest):
            number += run.count(b"\n") + (not run.endswith(b"\n"))
            continue
        for raw in io.BytesIO(run):
            number += 1
            _read_line(raw, number, faults, longest)
    return number


def read_records(
    file: BinaryIO,
    faults: Faults,
    *,
    known: Sequence[str],
    needed: Sequence[str],
    longest: int,
    may_have_others: bool = False,
) -> Iterator[tuple[int, dict[str, str]]]:
    """Rows of a CSV by the names of its header; a cell in quotes may run over several lines.

    Each row comes with the number of the line that it begins on; rows without a word are left out.
    """
    begun: list[int] = []  # numbers of the lines of the row that is being read

    def texts() -> Iterator[str]:
        for number, text in read_lines(file, faults, longest=longest):
            begun.append(number)
            yield text

    reader = csv.reader(texts(), strict=True)
    try:
        header = clean_header(next(reader, []))
        faults.raise_if_any()  # else a line that comes after a bad header is taken for it
        check_header(faults, header, known=known, needed=needed, may_have_others=may_have_others)
        begun.clear()
        for cells in reader:
            line = begun[0]
            begun.clear()
            if not any(cell.strip() for cell in cells):
                continue
            if len(cells) != len(header):
                faults.add(f"line {line}", f"has {len(cells)} cells, the header {len(header)}")
            else:
                yield line, dict(zip(header, cells, strict=True))
    except csv.Error as error:
        faults.add(f"line {begun[0]}", f"cannot be read as CSV ({error}); what follows was not looked at")


def clean_header(cells: Sequence[str]) -> list[str]:
    """Names of columns as they are compared: small letters, without spaces around them."""
    return [cell.strip().lower() for cell in cells]


def check_header(
    faults: Faults, names: Sequence[str], *, known: Sequence[str], needed: Sequence[str], may_have_others: bool = False
) -> None:
    """Raise where a needed column is missing, a column stands twice, or one is not known."""
    missing = [name for name in needed if name not in names]
    unknown = [] if may_have_others else [name for name in names if name not in known]
    twice = sorted({name for name, count in Counter(names).items() if count > 1} & {*known, *unknown})
    if missing or unknown or twice:
        raise faults.error(
            f"{faults.name}: columns missing: {', '.join(missing) or 'none'}; "
            f"unknown: {', '.join(unknown)[:200] or 'none'}; twice: {', '.join(twice)[:200] or 'none'}. "
            f"Known: {', '.join(known)}. Nothing was taken."
        )


def find_unstorable(*texts: str) -> str:
    """What of these texts no database keeps, which JSON can spell all the same; empty where there is nothing."""
    joined = "".join(texts)
    if "\0" in joined:
        return "holds a NUL byte"
    return "holds half of a character (a lone surrogate)" if SURROGATE.search(joined) else ""


def _read_runs(file: BinaryIO, faults: Faults, longest: int) -> Iterator[bytes]:
    """Runs of whole lines, without a mark of byte order; of a line that is too long at the end only the beginning."""
    is_first = True
    while block := file.read(BLOCK):
        run = block + file.readline(longest + 1)
        if is_first:
            _refuse_foreign(run, faults)
            run, is_first = run.removeprefix(BOM), False
        yield run
        if not run.endswith(b"\n"):
            _pass_over(file, longest)


def _refuse_foreign(run: bytes, faults: Faults) -> None:
    for mark, kind in FOREIGN_MARKS.items():
        if run.startswith(mark):
            raise faults.error(f"{faults.name} is {kind}, not UTF-8 text. Save it as text in UTF-8 first.")


def _pass_over(file: BinaryIO, longest: int) -> None:
    """The rest of a line, in pieces."""
    while (piece := file.readline(longest)) and not piece.endswith(b"\n"):
        pass


def _is_clean(run: bytes, longest: int) -> bool:
    is_short = len(run) <= longest or max(map(len, run.split(b"\n"))) < longest
    return is_short and b"\0" not in run and _decode(run) is not None


def _read_line(raw: bytes, number: int, faults: Faults, longest: int) -> str | None:
    """The line's text, or None and its fault."""
    text = None
    if len(raw) > longest:
        faults.add(f"line {number}", f"is longer than {longest:,} bytes")
    elif b"\0" in raw:
        faults.add(f"line {number}", "holds a NUL byte")
    elif (text := _decode(raw)) is None:
        faults.add(f"line {number}", "is not UTF-8")
    return text


def _decode(raw: bytes) -> str | None:
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
