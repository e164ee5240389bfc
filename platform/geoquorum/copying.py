"""Columns into and out of PostgreSQL by COPY: the bulk path of votes and consensus rows."""

import io
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
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for batch in table.to_batches(max_chunksize=50_000):
            sink = io.BytesIO()
            csv.write_csv(batch, sink, csv.WriteOptions(include_header=False))
            copy.write(sink.getvalue())


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
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_get_serial_sequence(%s, 'id')::regclass::oid::bigint", [model._meta.db_table])
        (sequence,) = cursor.fetchone()
    query = "SELECT nextval(%(sequence)s::oid::regclass) FROM generate_series(1, %(count)s)"
    return copy_out(query, {"sequence": sequence, "count": count}, {"id": pa.int64()})["id"].to_numpy()
