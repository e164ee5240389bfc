"""Every vote of a campaign, or its samples, as a file of any size: streamed, so that memory does not grow with it.

The rows are those of one snapshot of the database, in the order in which the votes came; a vote that is cast
meanwhile is in the next export.
"""

import io
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any, Literal

import pyarrow as pa
import pyarrow.csv as csv
import pyarrow.parquet as parquet
from django.db import connection, transaction

from annotation.exporters.votes_csv import format_cells
from geoquorum.campaigns.models import Campaign

Form = Literal["parquet", "csv", "jsonl"]
MEDIA_TYPES: dict[Form, str] = {
    "parquet": "application/vnd.apache.parquet",
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/x-ndjson",
}
ROWS = 65_536  # of a row group, and of what is held in memory
TIME = pa.timestamp("us", tz="UTC")
Columns = dict[str, tuple[pa.DataType, str]]  # name: type in the file, expression in SQL

VOTE_COLUMNS: Columns = {
    "vote": (pa.string(), "v.client_uuid"),
    "sequence": (pa.int64(), "v.id"),
    "round": (pa.int16(), "r.number"),
    "purpose": (pa.string(), "r.purpose"),
    "sample": (pa.string(), "s.key"),
    "voter": (pa.string(), "e.pseudonym"),
    "voter_kind": (pa.string(), "e.kind"),
    "revision": (pa.int16(), "v.revision"),
    "kind": (pa.string(), "v.kind"),
    "code": (pa.string(), "v.code"),
    "second_code": (pa.string(), "v.second_code"),
    "is_sure": (pa.bool_(), "v.is_sure"),
    "skip_reason": (pa.string(), "v.skip_reason"),
    "fields": (pa.string(), "v.answer"),
    "shown_at": (TIME, "v.shown_at"),
    "decided_at": (TIME, "v.decided_at"),
    "received_at": (TIME, "v.received_at"),
    "views_opened": (pa.string(), "array_to_string(v.views_opened, ' ')"),
    "session": (pa.int64(), "v.session_id"),
    "interface_version": (pa.string(), "v.interface_version"),
    "question_version": (pa.int16(), "v.question_version"),
    "scheme_version": (pa.int16(), "v.scheme_version"),
}
VOTES = """
FROM campaigns_vote v
JOIN campaigns_assignment a ON a.id = v.assignment_id
JOIN campaigns_round r ON r.id = a.round_id
JOIN accounts_expert e ON e.id = a.expert_id
JOIN catalog_sample s ON s.id = a.sample_id
WHERE v.campaign_id = %(campaign)s ORDER BY v.id
"""
SAMPLE_COLUMNS: Columns = {
    "sample": (pa.string(), "s.key"),
    "round": (pa.int16(), "r.number"),
    "kind": (pa.string(), "s.kind"),
    "region": (pa.string(), "g.name"),
    "cell": (pa.string(), "s.cell"),
    "block": (pa.string(), "s.block"),
    "longitude": (pa.float64(), "s.longitude"),
    "latitude": (pa.float64(), "s.latitude"),
    "epsg": (pa.int32(), "s.epsg"),
    "width_px": (pa.int32(), "s.width_px"),
    "height_px": (pa.int32(), "s.height_px"),
    "pixel_size_m": (pa.float64(), "s.pixel_size_m"),
    "prompt": (pa.string(), "m.prompt"),
}
SAMPLES = """
FROM campaigns_roundsample m
JOIN campaigns_round r ON r.id = m.round_id AND r.purpose IN ('vote', 'dispute')
JOIN catalog_sample s ON s.id = m.sample_id
LEFT JOIN catalog_region g ON g.id = s.region_id
WHERE r.campaign_id = %(campaign)s ORDER BY r.number, s.key
"""


def stream_votes(*, campaign: Campaign, form: Form) -> Iterator[bytes]:
    """Every revision of every vote, hidden known samples and repeats among them (see `purpose`)."""
    return _stream(VOTE_COLUMNS, VOTES, campaign, form)


def stream_samples(*, campaign: Campaign, form: Form) -> Iterator[bytes]:
    """The samples that the campaign asks about, by round and key; nothing that anybody said about them."""
    return _stream(SAMPLE_COLUMNS, SAMPLES, campaign, form)


def _stream(columns: Columns, source: str, campaign: Campaign, form: Form) -> Iterator[bytes]:
    write = {"parquet": _write_parquet, "csv": _write_csv, "jsonl": _write_jsonl}[form]
    with transaction.atomic():
        yield from write(columns, source, {"campaign": campaign.pk})


def _write_parquet(columns: Columns, source: str, values: dict[str, Any]) -> Iterator[bytes]:
    schema = pa.schema([(name, kind) for name, (kind, _sql) in columns.items()])
    pieces = _Pieces()
    with parquet.ParquetWriter(pieces, schema, compression="zstd") as writer:
        for table in _read_tables(columns, source, values):
            writer.write_table(table.cast(schema), row_group_size=ROWS)
            yield pieces.take()
    yield pieces.take()


def _write_csv(columns: Columns, source: str, values: dict[str, Any]) -> Iterator[bytes]:
    """Cells that a spreadsheet would run as a formula are disarmed; JSON lines and Parquet keep them as they are."""
    pieces = _Pieces()
    with csv.CSVWriter(pieces, pa.schema([(name, pa.string()) for name in columns])) as writer:
        for table in _read_tables(columns, source, values):
            cells = [format_cells(column.combine_chunks()) for column in table.columns]
            writer.write_table(pa.table(cells, names=table.column_names))
            yield pieces.take()
    yield pieces.take()


def _write_jsonl(columns: Columns, source: str, values: dict[str, Any]) -> Iterator[bytes]:
    """One object per line, made by PostgreSQL; the text form of COPY doubles each backslash."""
    chosen = ", ".join(f"{sql} AS {connection.ops.quote_name(name)}" for name, (_kind, sql) in columns.items())
    query = f"SELECT row_to_json(line) FROM (SELECT {chosen} {source}) AS line"
    with connection.cursor() as cursor, cursor.copy(f"COPY ({query}) TO STDOUT", values) as copy:
        for lines in _batch(copy, ROWS // 8):
            yield b"".join(lines).replace(rb"\\", b"\\")


def _read_tables(columns: Columns, source: str, values: dict[str, Any]) -> Iterator[pa.Table]:
    """The rows of a query in tables of at most ROWS; empty text is null where the column is not text."""
    query = f"SELECT {', '.join(sql for _kind, sql in columns.values())} {source}"
    types = {name: kind for name, (kind, _sql) in columns.items()}
    read = csv.ReadOptions(column_names=list(types), block_size=1 << 24)
    convert = csv.ConvertOptions(column_types=types, true_values=["t"], false_values=["f"], strings_can_be_null=False)
    parse = csv.ParseOptions(newlines_in_values=True)
    is_empty = True
    with connection.cursor() as cursor, cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT csv)", values) as copy:
        for lines in _batch(copy, ROWS):
            is_empty = False
            yield csv.read_csv(io.BytesIO(b"".join(lines)), read, parse, convert)
    if is_empty:
        yield pa.schema(list(types.items())).empty_table()


def _batch(lines: Iterable[Any], size: int) -> Iterator[list[Any]]:
    source = iter(lines)
    while batch := list(islice(source, size)):
        yield batch


class _Pieces(io.RawIOBase):
    """A file that is only written: what was written since the last `take` is handed on and forgotten."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, part: Any) -> int:
        self._parts.append(bytes(part))
        return len(self._parts[-1])

    def take(self) -> bytes:
        taken, self._parts = b"".join(self._parts), []
        return taken
