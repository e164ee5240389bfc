"""One row per vote as CSV; cells that a spreadsheet would run as a formula are disarmed."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as pc_csv

from annotation.exporter import VOTE_SCHEMA, Exporter
from fusion.errors import BadInputError
from fusion.pack import Pack

FILE = "votes.csv"
# First characters that make a spreadsheet see a formula (OWASP, CSV injection); such text gets a leading apostrophe.
FORMULA = r"^[=+\-@\t\r\n]"
DISARMED = r"'\0"
ROWS = 65_536


def write(pack: Pack, folder: Path, votes: pa.Table | None) -> None:
    """Votes sorted by sample and voter, UTF-8; votes on samples that are not in the pack are refused."""
    if votes is None:
        raise BadInputError(f"{FILE} needs the votes of the release; hand them in as a table.")
    known = pc.is_in(votes["sample"], value_set=pack.samples["id"].combine_chunks())
    if not pc.all(known).as_py():
        stranger = votes["sample"].filter(pc.invert(known))[0].as_py()
        raise BadInputError(f"Sample {stranger!r} has votes and is not in the release; leave its votes out.")
    cells = pa.schema([(name, pa.string()) for name in VOTE_SCHEMA.names])
    with pc_csv.CSVWriter(folder / FILE, cells) as file:
        for batch in votes.to_batches(max_chunksize=ROWS):
            file.write_batch(pa.record_batch([format_cells(column) for column in batch.columns], schema=cells))


def check(folder: Path) -> None:
    """Header as declared, as many cells in every row, an answer or a reason to skip in each, no formula anywhere."""
    as_text = pc_csv.ConvertOptions(column_types={name: pa.string() for name in VOTE_SCHEMA.names})
    many_lines = pc_csv.ParseOptions(newlines_in_values=True)
    try:
        with pc_csv.open_csv(folder / FILE, convert_options=as_text, parse_options=many_lines) as batches:
            for batch in batches:
                _check_batch(batch, folder / FILE)
        with open(folder / FILE, "rb") as file:
            file.seek(-1, os.SEEK_END)
            if file.read() != b"\n":
                raise BadInputError(f"{folder / FILE} ends in the middle of a row. Export again.")
    except (pa.ArrowInvalid, OSError) as error:
        raise BadInputError(f"{folder / FILE} cannot be read as CSV: {error}. Export again.") from error


def format_cells(column: pa.Array) -> pa.Array:
    """Cells as text: empty for null, 1 or 0 for truth, 3 decimals, ISO 8601 in UTC, formulas disarmed."""
    if pa.types.is_boolean(column.type):
        text = column.cast(pa.int8()).cast(pa.string())
    elif pa.types.is_floating(column.type):
        text = pc.round(column.cast(pa.float64()), 3).cast(pa.string())
    elif pa.types.is_timestamp(column.type):
        text = pc.strftime(column, format="%Y-%m-%dT%H:%M:%SZ")
    else:
        text = pc.replace_substring_regex(column.cast(pa.string()), FORMULA, DISARMED)
    return pc.fill_null(text, "")


def _check_batch(batch: pa.RecordBatch, path: Path) -> None:
    if batch.schema.names != VOTE_SCHEMA.names:
        raise BadInputError(f"{path} starts with {batch.schema.names}, not with {VOTE_SCHEMA.names}. Export again.")
    has_answer, has_reason = (pc.not_equal(batch[name], "") for name in ("answer", "skip_reason"))
    if not pc.all(pc.xor(has_answer, has_reason)).as_py():
        raise BadInputError(f"{path}: every vote must have either an answer or a reason to skip. Export again.")
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        if pc.any(pc.match_substring_regex(column, FORMULA)).as_py():
            raise BadInputError(f"{path}: column {name!r} has a cell that a spreadsheet would run as a formula.")


EXPORTER = Exporter(
    name="votes_csv",
    title="Votes as CSV",
    write=write,
    check=check,
    needs_votes=True,
    help="One row per vote: pseudonym, sample, answer or reason to skip, sure, seconds, time.",
)
