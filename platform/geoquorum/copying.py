"""Columns into and out of PostgreSQL by COPY: the bulk path of votes and consensus rows."""

import io
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.csv as csv
from django.db import connection, models

BLOCK = 1 << 20


def copy_in(model: type[models.Model], table: pa.Table) -> None:
    """Append a table whose column names are columns of the model's; nulls stay nulls, all or nothing."""
    # Values that need quotes come quoted; an unquoted empty field is null.
    names = ", ".join(connection.ops.quote_name(name) for name in table.column_names)
    statement = f"COPY {connection.ops.quote_name(model._meta.db_table)} ({names}) FROM STDIN (FORMAT csv)"
    with connection.cursor() as cursor:
        for block in _encode(table):  # a statement each: what triggers compare per statement stays in memory
            with cursor.copy(statement) as copy:
                copy.write(block)


def copy_out(query: str, values: dict[str, Any], types: dict[str, pa.DataType]) -> pa.Table:
    """The rows of a query as columns, named and typed by `types` in the query's order."""
    sink = io.BytesIO()
    with connection.cursor() as cursor, cursor.copy(f"COPY ({query}) TO STDOUT (FORMAT csv)", values) as copy:
        for block in copy:
            sink.write(block)
    if not sink.tell():
        return pa.schema(list(types.items())).empty_table()
    sink.seek(0)
    return csv.read_csv(
        sink,
        csv.ReadOptions(column_names=list(types), block_size=BLOCK),
        csv.ParseOptions(newlines_in_values=True),
        csv.ConvertOptions(column_types=types, true_values=["t"], false_values=["f"], strings_can_be_null=False),
    )


def next_ids(model: type[models.Model], count: int) -> npt.NDArray[np.int64]:
    """Numbers from the sequence of the model's key, for rows that other rows in the same import refer to."""
    # One text for all numbers: a row for each takes ten times as long.
    query = """
    SELECT string_agg(nextval(sequence)::text, ',')
    FROM (SELECT pg_get_serial_sequence(%s, 'id')::regclass AS sequence OFFSET 0) AS own, generate_series(1, %s)
    """
    with connection.cursor() as cursor:
        cursor.execute(query, [model._meta.db_table, count])
        (numbers,) = cursor.fetchone()
    return np.fromstring(numbers or "", np.int64, sep=",")


def _encode(table: pa.Table) -> Iterator[bytes]:
    """The table as CSV, in pieces; the next one is made while the database takes the last."""
    with ThreadPoolExecutor(1) as writer:
        waiting = None
        for batch in table.to_batches(max_chunksize=50_000):
            following = writer.submit(_encode_batch, batch)
            if waiting is not None:
                yield waiting.result()
            waiting = following
        if waiting is not None:
            yield waiting.result()


def _encode_batch(batch: pa.RecordBatch) -> bytes:
    sink = io.BytesIO()
    csv.write_csv(batch, sink, csv.WriteOptions(include_header=False))
    return sink.getvalue()
