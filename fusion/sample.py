"""The table of a pack's samples: its columns, its checks, and its bytes as GeoParquet 1.1."""

import json
from collections import Counter

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from fusion.errors import PackError

SPLITS = ("train", "validation", "test")
SAMPLE_SCHEMA = pa.schema(
    [
        ("id", pa.string()),
        ("geometry", pa.binary()),
        ("cell", pa.string()),
        ("city", pa.string()),
        ("culture_zone", pa.string()),
        ("split", pa.string()),
        ("label", pa.string()),
        ("distribution", pa.list_(pa.float32())),
        ("votes", pa.list_(pa.int32())),
        ("agreement", pa.float32()),
        ("entropy", pa.float32()),
        ("captured_from", pa.timestamp("us", tz="UTC")),
        ("captured_to", pa.timestamp("us", tz="UTC")),
        ("flags", pa.list_(pa.string())),
        ("block", pa.string()),
    ]
)
NOT_CAST = (pa.ArrowInvalid, pa.ArrowNotImplementedError)  # a column that does not go into a type
WKB_TYPES = {1: "Point", 2: "LineString", 3: "Polygon", 4: "MultiPoint", 5: "MultiLineString", 6: "MultiPolygon"}


def arrange_samples(samples: pa.Table) -> pa.Table:
    """The table in the order and types of SAMPLE_SCHEMA, absent columns as nulls, own columns after them."""
    if "id" not in samples.column_names or "split" not in samples.column_names or not samples.num_rows:
        raise PackError("A pack needs at least one sample, with an id and a split.")
    known = [_column(samples, column) for column in SAMPLE_SCHEMA]
    own = sorted(set(samples.column_names) - set(SAMPLE_SCHEMA.names))
    table = pa.table(
        [*known, *(samples.column(key).combine_chunks() for key in own)], names=[*SAMPLE_SCHEMA.names, *own]
    )
    ids = table.column("id").to_pylist()
    twice = [key for key, times in Counter(ids).items() if times > 1 or not key]
    if twice:
        raise PackError(f"Every sample needs an id of its own; missing or given twice: {twice[:3]}.")
    unknown = set(pc.unique(table.column("split")).to_pylist()) - {*SPLITS, ""}
    if unknown:
        raise PackError(f"Unknown split {sorted(map(str, unknown))}. Known: {', '.join(SPLITS)}, and '' for unused.")
    return table


def _column(samples: pa.Table, column: pa.Field) -> pa.Array:
    if column.name not in samples.column_names:
        return pa.nulls(samples.num_rows, column.type)
    try:
        return samples.column(column.name).cast(column.type).combine_chunks()
    except NOT_CAST as error:
        raise PackError(f"Column {column.name!r} of the samples is not {column.type}: {error}.") from error


def encode_samples(samples: pa.Table) -> pa.Buffer:
    """GeoParquet 1.1: WKB in lon/lat (OGC:CRS84, the default), null where there is no place; same table, same bytes."""
    shapes = [value for value in samples.column("geometry").to_pylist() if value is not None]
    types = sorted({_wkb_type(wkb) for wkb in shapes})
    geo = {
        "version": "1.1.0",
        "primary_column": "geometry",
        "columns": {"geometry": {"encoding": "WKB", "geometry_types": types}},
    }
    sink = pa.BufferOutputStream()
    table = samples.replace_schema_metadata({"geo": json.dumps(geo, sort_keys=True)})
    pq.write_table(table, sink, compression="zstd", version="2.6", row_group_size=65536)
    return sink.getvalue()


def _wkb_type(wkb: bytes) -> str:
    """GeoParquet's name of a geometry's type, from the first five bytes of its WKB."""
    number = int.from_bytes(wkb[1:5], "little" if wkb[:1] == b"\x01" else "big")
    if len(wkb) < 5 or number not in WKB_TYPES:
        raise PackError(f"A geometry is not two-dimensional WKB of a known type (type {number}).")
    return WKB_TYPES[number]
