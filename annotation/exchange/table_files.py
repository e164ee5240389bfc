"""Tables of any size from outside, as CSV or Parquet: typed columns, and each bad row named by its line.

A CSV is UTF-8 with a header, commas, one row per line. It is looked over first, block by block, so that a line of any
length costs no memory; then it is read as columns.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as csv
import pyarrow.parquet as parquet

from fusion.errors import BadInputError
from fusion.lines import BOM, Faults, check_header, clean_header, look_over
from fusion.sample import NOT_CAST

SUFFIXES = (".csv", ".parquet")
BLOCK = 1 << 22  # bytes that are parsed at once
LONGEST_LINE = 1_000_000  # bytes; more than a block could not be parsed
MOST_ROWS = 50_000_000


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
    if path.is_dir():
        raise BadInputError(f"{path} is a folder, not a file. Name the table in it.")
    if path.suffix.lower() not in SUFFIXES:
        raise BadInputError(f"{path.name} must end in {' or '.join(SUFFIXES)}: its ending says how it is read.")
    faults = Faults(name=path.name)
    try:
        is_text = path.suffix.lower() == ".csv"
        raw = _read_csv(path, columns, needed, faults) if is_text else _read_parquet(path, columns, needed, faults)
    except OSError as error:
        raise BadInputError(f"{path.name} cannot be read: {error.strerror or error}.") from error
    file = TableFile(name=path.name, table=raw, is_text=is_text)
    typed = {name: _cast(file, name, columns[name], faults) for name in raw.column_names}
    if not is_text:
        _tell_nul(file, typed, faults)
    faults.raise_if_any()
    return TableFile(name=path.name, table=pa.table(typed), is_text=is_text)


def _read_csv(path: Path, columns: Mapping[str, pa.DataType], needed: tuple[str, ...], faults: Faults) -> pa.Table:
    """All columns as text, empty cells as null."""
    with open(path, "rb") as file:
        lines = look_over(file, faults, longest=LONGEST_LINE)
        faults.raise_if_any()
        file.seek(0)
        header = file.readline().removeprefix(BOM).decode("utf-8").split("\r")[0]
    names = clean_header([name.strip().strip('"') for name in header.split(",")])
    check_header(faults, names, known=tuple(columns), needed=needed)

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
    if table.num_rows < lines - 1:
        _tell_open_quote(table, faults)
    faults.raise_if_any()
    return _without_end(path.name, table)


def _tell_open_quote(table: pa.Table, faults: Faults) -> None:
    """The first row with a cell that runs over lines: most often a quote is not closed, and rows are swallowed."""
    rows = [pc.index(pc.match_substring(column, "\n"), True).as_py() for column in table.columns]
    first = min((row for row in rows if row >= 0), default=None)
    if first is not None:
        faults.add(f"line {first + 2}", "has a quote that is not closed, or a cell of several lines")


def _without_end(name: str, table: pa.Table) -> pa.Table:
    """The rows before trailing empty lines."""
    rows = table.num_rows
    while rows and all(not table[column][rows - 1].is_valid for column in table.column_names):
        rows -= 1
    if not rows:
        raise BadInputError(f"{name} has a header and no row.")
    return table.slice(0, rows)


def _read_parquet(path: Path, columns: Mapping[str, pa.DataType], needed: tuple[str, ...], faults: Faults) -> pa.Table:
    try:
        with parquet.ParquetFile(path) as file:
            check_header(faults, file.schema_arrow.names, known=tuple(columns), needed=needed)
            if file.metadata.num_rows > MOST_ROWS:
                raise BadInputError(f"{path.name} has more than {MOST_ROWS:,} rows. Split it.")
            table = file.read()
        table.validate(full=True)  # else text that is not UTF-8 comes to light where nobody looks for it
    except (pa.ArrowException, ValueError) as error:
        raise BadInputError(f"{path.name} is not a whole Parquet file: {error}.") from error
    if not table.num_rows:
        raise BadInputError(f"{path.name} has no row.")
    return table


def _cast(file: TableFile, name: str, kind: pa.DataType, faults: Faults) -> pa.ChunkedArray:
    """A column in its type; the first cell that does not fit is named."""
    column = file.table[name]
    if file.is_text and not pa.types.is_string(kind):
        column = pc.utf8_trim_whitespace(column)
    try:
        return column.cast(kind)
    except NOT_CAST as error:
        row = _find_bad(column, kind)
        told = repr(column[row].as_py())[:60]
        faults.add(file.place(row), f"has {name} {told}, which is no {_say(kind)}")
        if isinstance(error, pa.ArrowNotImplementedError):
            raise BadInputError(f"{file.name}: column {name!r} holds {column.type}, not {_say(kind)}.") from error
        return pa.chunked_array([pa.nulls(len(column), kind)])


def _tell_nul(file: TableFile, columns: Mapping[str, pa.ChunkedArray], faults: Faults) -> None:
    """Texts with a NUL byte, which no database keeps."""
    for name, column in columns.items():
        if pa.types.is_string(column.type):
            held = pc.fill_null(pc.match_substring(column, "\0"), False)
            for row in pc.indices_nonzero(held).to_pylist():
                faults.add(file.place(row), f"holds a NUL byte in {name}")


def _find_bad(column: pa.ChunkedArray, kind: pa.DataType) -> int:
    """The first row that cannot be cast, by halves."""
    first, size = 0, len(column)
    while size > 1:
        half = size // 2
        try:
            column.slice(first, half).cast(kind)
            first, size = first + half, size - half
        except NOT_CAST:
            size = half
    return first


def _say(kind: pa.DataType) -> str:
    if pa.types.is_timestamp(kind):
        return "time in ISO 8601 with its zone, such as 2026-05-01T12:30:00Z"
    if pa.types.is_boolean(kind):
        return "true or false"
    return "whole number" if pa.types.is_integer(kind) else "number" if pa.types.is_floating(kind) else "text"
