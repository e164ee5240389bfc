"""One row per vote as CSV; cells that a spreadsheet would run as a formula are disarmed."""

import csv
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

from annotation.exporter import VOTE_SCHEMA, Exporter
from fusion.errors import BadInputError
from fusion.pack import Pack

FILE = "votes.csv"
# First characters that make a spreadsheet see a formula (OWASP, CSV injection); such text gets a leading apostrophe.
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")
DISARMED = "'"


def disarm(text: str) -> str:
    """Text that a spreadsheet shows instead of running."""
    return DISARMED + text if text.startswith(FORMULA) else text


def write(pack: Pack, folder: Path, votes: pa.Table | None) -> None:
    """Votes sorted by sample and voter, RFC 4180, UTF-8; votes on samples that are not in the pack are refused."""
    if votes is None:
        raise BadInputError(f"{FILE} needs the votes of the release; hand them in as a table.")
    strangers = set(votes.column("sample").to_pylist()) - set(pack.samples.column("id").to_pylist())
    if strangers:
        raise BadInputError(f"Sample {min(strangers)!r} has votes and is not in the release; leave its votes out.")
    with open(folder / FILE, "w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\r\n")
        writer.writerow(VOTE_SCHEMA.names)
        for batch in votes.to_batches(max_chunksize=65_536):
            writer.writerows(_format_rows(batch))


def check(folder: Path) -> None:
    """Header as declared, as many cells in every row, an answer or a reason to skip in each, no formula anywhere."""
    with open(folder / FILE, encoding="utf-8", newline="") as file:
        rows = csv.reader(file, strict=True)
        try:
            header = next(rows, None)
            if header != VOTE_SCHEMA.names:
                raise BadInputError(f"{folder / FILE} starts with {header}, not with {VOTE_SCHEMA.names}.")
            for row in rows:
                _check_row(row, f"{folder / FILE}, line {rows.line_num}")
        except csv.Error as error:
            raise BadInputError(f"{folder / FILE}, line {rows.line_num}: {error}. Export again.") from error


def _format_rows(batch: pa.RecordBatch) -> Iterator[tuple[str, ...]]:
    """Cells as text: empty for null, 1 or 0 for truth values, times in ISO 8601 UTC."""
    return zip(*(_format_column(column) for column in batch.columns), strict=True)


def _format_column(column: pa.Array) -> list[str]:
    values = column.to_pylist()
    if pa.types.is_boolean(column.type):
        return ["" if value is None else str(int(value)) for value in values]
    if pa.types.is_timestamp(column.type):
        return ["" if value is None else value.strftime("%Y-%m-%dT%H:%M:%S.%fZ") for value in values]
    if pa.types.is_floating(column.type):
        return ["" if value is None else f"{value:.3f}" for value in values]
    return ["" if value is None else disarm(str(value)) for value in values]


def _check_row(row: list[str], where: str) -> None:
    if len(row) != len(VOTE_SCHEMA):
        raise BadInputError(f"{where} has {len(row)} cells, not {len(VOTE_SCHEMA)}. Export again.")
    cells = dict(zip(VOTE_SCHEMA.names, row, strict=True))
    if bool(cells["answer"]) == bool(cells["skip_reason"]):
        raise BadInputError(f"{where} must have either an answer or a reason to skip.")
    if any(cell.startswith(FORMULA) for cell in row):
        raise BadInputError(f"{where} has a cell that a spreadsheet would run as a formula.")


EXPORTER = Exporter(
    name="votes_csv",
    title="Votes as CSV",
    write=write,
    check=check,
    needs_votes=True,
    help="One row per vote: pseudonym, sample, answer or reason to skip, sure, seconds, time.",
)
