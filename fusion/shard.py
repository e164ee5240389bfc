"""One shard of an array: a safetensors file with a single tensor, streamed out and mapped back without a copy.

The library's own numpy reader copies every tensor and its writer holds a whole shard in memory, so the format
(8-byte length, JSON header, raw little-endian values) is written and mapped here; the library reads the same files.
"""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

SAFETENSORS_DTYPES = {
    "bool": "BOOL",
    "uint8": "U8",
    "int8": "I8",
    "uint16": "U16",
    "int16": "I16",
    "uint32": "U32",
    "int32": "I32",
    "uint64": "U64",
    "int64": "I64",
    "float16": "F16",
    "float32": "F32",
    "float64": "F64",
    "complex64": "C64",
}

Array = npt.NDArray[Any]


class HashedFile:
    """A new file that is hashed and counted while it is written, and synced to the disk when it is closed."""

    def __init__(self, path: Path) -> None:
        self._file = open(path, "xb")  # noqa: SIM115 - closed in __exit__
        self._hash, self._bytes = hashlib.sha256(), 0

    def __enter__(self) -> "HashedFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def write(self, data: Any) -> None:
        """Append bytes, or anything that lends its bytes."""
        self._hash.update(data)
        self._file.write(data)
        self._bytes += memoryview(data).nbytes

    def entry(self) -> dict[str, Any]:
        """`{"sha256", "bytes"}` of what was written."""
        return {"sha256": self._hash.hexdigest(), "bytes": self._bytes}


def encode_header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """The header of one tensor called `data`, padded so that its values start on a 64-byte border."""
    size = int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
    entry = {"data": {"dtype": SAFETENSORS_DTYPES[dtype], "shape": list(shape), "data_offsets": [0, size]}}
    text = json.dumps(entry, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % 64)
    return len(text).to_bytes(8, "little") + text


def map_shard(path: Path, dtype: str, shape: tuple[int, ...]) -> Array | None:
    """The tensor as a read-only view of the file; None where the header is not that of this dtype and shape."""
    header = encode_header(dtype, shape)
    with open(path, "rb") as file:
        if file.read(len(header)) != header:
            return None
    return np.asarray(np.memmap(path, dtype=dtype, mode="r", offset=len(header), shape=shape))
