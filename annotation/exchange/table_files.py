"""Tables of any size from outside, as CSV or Parquet: typed columns, and each bad row named by its line.

A CSV is UTF-8 with a header, commas, one row per line. It is looked over first, block by block, so that a line of any
length costs no memory; then it is read as columns.
"""

import codecs
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv
import pyarrow.parquet as parquet

from fusion.errors import BadInputError

SUFFIXES = (".csv", ".parquet")
BLOCK = 1 << 22
LONGEST_LINE = 1_000_000  # bytes
MOST_ROWS = 50_000_000
MOST_TOLD = 20
BOM = b"\xef\xbb\xbf"


@dataclass(kw_only=True)
class Faults:
    """What is wrong with a file, by place; the first MOST_TOLD are told."""

    name: str
    told: list[str] = field(default_factory=list)
    count: int = 0

    def add(self, place: str, words: str) -> None:
        self.count += 1
        if self.count <= MOST_TOLD:
            self.told.append(f"{place} {words}")

    def raise_if_any(self, error: type[BadInputError] = BadInputError) -> None:
        """Raise with every fault that is told, and how many more there are."""
        if self.count:
            more = f"; and {self.count - MOST_TOLD:,} more" if self.count > MOST_TOLD else ""
            raise error(f"{self.name}: {'; '.join(self.told)}{more}. Nothing was taken.")


@dataclass(frozen=True, kw_only=True)
class TableFile:
    """A table from a file, and how its rows are called: by line in text, by number else."""

    name: str
    table: pa.Table
    is_text: bool

    def place(self, row: int) -> str:
        """Where row 0..n-1 stands in the file."""
        return f"line {row + 2}" if self.is_text else f"row {row + 1}"


def read_table(path: Path, columns: Mapping[str, pa.DataType], needed: tuple[str, ...]) -> TableFile:
    """The known columns of a CSV or Parquet file in their types; missing optional ones are left out.

    BadInputError names each bad line; unknown columns, missing needed ones and empty files are refused.
    """
    if path.suffix.lower() not in SUFFIXES:
        raise BadInputError(f"{path.name} must end in {' or '.join(SUFFIXES)}: its ending says how it is read.")
    faults = Faults(name=path.name)
    try:
        is_text = path.suffix.lower() == ".csv"
        raw = _read_csv(path, columns, needed, faults) if is_text else _read_parquet(path, columns, needed)
    except OSError as error:
        raise BadInputError(f"{path.name} cannot be read: {error.strerror or error}.") from error
    file = TableFile(name=path.name, table=raw, is_text=is_text)
    typed = {name: _cast(file, name, columns[name], faults) for name in raw.column_names}
    faults.raise_if_any()
    return TableFile(name=path.name, table=pa.table(typed), is_text=is_text)


def _read_csv(path: Path, columns: Mapping[str, pa.DataType], needed: tuple[str, ...], faults: Faults) -> pa.Table:
    """All columns as text, empty cells as null."""
    _look_over(path, faults)
    faults.raise_if_any()
    with open(path, "rb") as file:
        header = file.readline(LONGEST_LINE).removeprefix(BOM).decode("utf-8", "replace")
    names = [name.strip().strip('"').strip() for name in header.rstrip("\r\n").split(",")]
    _check_names(path.name, names, columns, needed)

    def note(row: csv.InvalidRow) -> str:
        faults.add(f"line {row.number or '?'}", f"has {row.actual_columns} cells, the header {row.expected_columns}")
        return "skip"

    try:
        table = csv.read_csv(
            path,
            csv.ReadOptions(column_names=names, skip_rows=1, use_threads=False, block_size=BLOCK),
            csv.ParseOptions(invalid_row_handler=note, ignore_empty_lines=False),
            csv.ConvertOptions(
                column_types={name: pa.string() for name in names},
                null_values=[""],
                strings_can_be_null=True,
                quoted_strings_can_be_null=True,
            ),
        )
    except pa.ArrowInvalid as error:
        raise BadInputError(f"{path.name} cannot be read as CSV: {error}. Nothing was taken.") from error
    faults.raise_if_any()
    return _without_end(path.name, table)


def _without_end(name: str, table: pa.Table) -> pa.Table:
    """The rows before trailing empty lines."""
    rows = table.num_rows
    while rows and all(not table[column][rows - 1].is_valid for column in table.column_names):
        rows -= 1
    if not rows:
        raise BadInputError(f"{name} has a header and no row.")
    return table.slice(0, rows)


def _look_over(path: Path, faults: Faults) -> None:
    """Lines that hold NUL, are not UTF-8 or are too long; the rest of the file is looked over all the same."""
    decode = codecs.getincrementaldecoder("utf-8")()
    line, length = 1, 0
    for block in _blocks(path):
        if line == 1 and not length and block[:2] in (b"\xff\xfe", b"\xfe\xff"):
            raise BadInputError(f"{path.name} is UTF-16. Save it as UTF-8.")
        parts = block.split(b"\n")
        for number, part in enumerate(parts):
            length = length + len(part) if number == 0 else len(part)
            if length - len(part) <= LONGEST_LINE < length:
                faults.add(f"line {line + number}", f"is longer than {LONGEST_LINE:,} bytes")
            if b"\0" in part:
                faults.add(f"line {line + number}", "holds a NUL")
        try:
            decode.decode(block)
        except UnicodeDecodeError as error:
            faults.add(f"line {line + block.count(10, 0, error.start)}", "is not UTF-8")
            decode.reset()
        line += len(parts) - 1


def _blocks(path: Path) -> Iterator[bytes]:
    with open(path, "rb") as file:
        while block := file.read(BLOCK):
            yield block


def _read_parquet(path: Path, columns: Mapping[str, pa.DataType], needed: tuple[str, ...]) -> pa.Table:
    try:
        with parquet.ParquetFile(path) as file:
            _check_names(path.name, file.schema_arrow.names, columns, needed)
            if file.metadata.num_rows > MOST_ROWS:
                raise BadInputError(f"{path.name} has more than {MOST_ROWS:,} rows. Split it.")
            table = file.read()
    except (pa.ArrowException, ValueError) as error:
        raise BadInputError(f"{path.name} is not a whole Parquet file: {error}.") from error
    if not table.num_rows:
        raise BadInputError(f"{path.name} has no row.")
    return table


def _check_names(file: str, names: list[str], columns: Mapping[str, pa.DataType], needed: tuple[str, ...]) -> None:
    missing = [name for name in needed if name not in names]
    unknown = [name for name in names if name not in columns]
    twice = sorted({name for name in names if names.count(name) > 1})
    if missing or unknown or twice:
        raise BadInputError(
            f"{file}: columns missing: {', '.join(missing) or 'none'}; unknown: {', '.join(unknown)[:200] or 'none'}; "
            f"twice: {', '.join(twice) or 'none'}. Known: {', '.join(columns)}."
        )


def _cast(file: TableFile, name: str, kind: pa.DataType, faults: Faults) -> pa.ChunkedArray:
    """A column in its type; the first cell that does not fit is named."""
    column = file.table[name]
    if file.is_text and not pa.types.is_string(kind):
        column = pc.utf8_trim_whitespace(column)
    try:
        return column.cast(kind)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        row = _find_bad(column, kind)
        told = repr(column[row].as_py())[:60]
        faults.add(file.place(row), f"has {name} {told}, which is no {_say(kind)}")
        if isinstance(error, pa.ArrowNotImplementedError):
            raise BadInputError(f"{file.name}: column {name!r} holds {column.type}, not {_say(kind)}.") from error
        return pa.chunked_array([pa.nulls(len(column), kind)])


def _find_bad(column: pa.ChunkedArray, kind: pa.DataType) -> int:
    """The first row that cannot be cast, by halves."""
    first, size = 0, len(column)
    while size > 1:
        half = size // 2
        try:
            column.slice(first, half).cast(kind)
            first, size = first + half, size - half
        except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
            size = half
    return first


def _say(kind: pa.DataType) -> str:
    if pa.types.is_timestamp(kind):
        return "time in ISO 8601 with its zone, such as 2026-05-01T12:30:00Z"
    if pa.types.is_boolean(kind):
        return "true or false"
    return "whole number" if pa.types.is_integer(kind) else "number" if pa.types.is_floating(kind) else "text"
