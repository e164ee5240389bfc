"""Tables that somebody sent: small texts are read here; Parquet, which is packed, and large texts in a child."""

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa

from annotation.exchange.label_studio import read_tasks
from annotation.exchange.table_files import TableFile, read_table
from fusion.bounded import SMALL_BYTES, Bounds, run_bounded
from fusion.errors import BadInputError

# a million rows of every column take 0.4 GiB and some seconds
BOUNDS = Bounds(seconds=180, memory_bytes=4 * 2**30, disk_bytes=2 * 2**30)


def read_upload(path: Path, columns: Mapping[str, pa.DataType], needed: tuple[str, ...]) -> TableFile:
    """As `read_table` reads it, and refused as it refuses."""
    if path.suffix.lower() != ".parquet" and path.stat().st_size <= SMALL_BYTES:
        return read_table(path, columns, needed)
    content = run_bounded(
        "annotation.exchange.table_uploads:answer",
        about=path.name,
        bounds=BOUNDS,
        path=str(path.absolute()),
        columns=pa.schema(list(columns.items())).serialize().to_pybytes().hex(),
        needed=list(needed),
    )
    return TableFile(name=path.name, table=_unpack(content, path), is_text=path.suffix.lower() == ".csv")


def read_tasks_upload(path: Path, codes: tuple[str, ...]) -> pa.Table:
    """As `read_tasks` reads a Label Studio file, and refused as it refuses."""
    if path.stat().st_size <= SMALL_BYTES:
        return read_tasks(path.read_bytes(), codes)
    content = run_bounded(
        "annotation.exchange.table_uploads:answer_tasks",
        about=path.name,
        bounds=BOUNDS,
        path=str(path.absolute()),
        codes=list(codes),
    )
    return _unpack(content, path)


def answer_tasks(path: str, codes: list[str]) -> bytes:
    """What the child says of a Label Studio file."""
    return _pack(read_tasks(Path(path).read_bytes(), tuple(codes)))


def answer(path: str, columns: str, needed: list[str]) -> bytes:
    """What the child says: the table as an Arrow stream."""
    wanted = pa.ipc.read_schema(pa.py_buffer(bytes.fromhex(columns)))
    file = read_table(Path(path), dict(zip(wanted.names, wanted.types, strict=True)), tuple(needed))
    return _pack(file.table)


def _pack(table: pa.Table) -> bytes:
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as stream:
        stream.write_table(table)
    return bytes(sink.getvalue().to_pybytes())


def _unpack(content: bytes, path: Path) -> pa.Table:
    try:
        with pa.ipc.open_stream(content) as stream:
            return stream.read_all()
    except (pa.ArrowException, ValueError) as error:
        raise BadInputError(f"{path.name}: its rows did not come through ({error}). Send it again.") from error
