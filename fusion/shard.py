"""The shards of an array: safetensors files with a single tensor each, streamed out and mapped back without a copy.

The library's own numpy reader copies every tensor and its writer holds a whole shard in memory, so the format
(8-byte length, JSON header, raw little-endian values) is written and mapped here; the library reads the same files.
"""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fusion.errors import PackError

SHARD_BYTES = 4 * 2**30  # of 32 x 32 patches 130,000 of Sentinel-1: one shard is gathered by one call, the fastest way
BLOCK_BYTES = 8 * 2**20  # checked, summed and written at a time, so that memory stays flat
# Hashed and written at a time, up to whole multiples in the file: ext4 takes this with a seventh of the effort of
# 8 MiB, and its pages lie together well enough for gathering at the rate of plain memory.
PIECE_BYTES = 2**20
# Written to the disk and given back to the system at a time: pages that come back soon are filled again with a fifth of
# the effort of fresh ones, and a large pack does not drive everything else out of memory.
DROP_BYTES = 256 * 2**20
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
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
        self._hash, self._bytes, self._dropped = hashlib.sha256(), 0, 0

    def __enter__(self) -> "HashedFile":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.flush()
        os.fsync(self._file.fileno())
        self._file.close()

    def write(self, data: Any) -> None:
        """Append bytes, or anything that lends its bytes."""
        view, start = memoryview(data), 0
        view = view.cast("B") if view.nbytes else memoryview(b"")  # what is empty cannot be cast
        while start < len(view):
            piece = view[start : start + PIECE_BYTES - self._bytes % PIECE_BYTES]
            self._hash.update(piece)
            self._file.write(piece)
            self._bytes += len(piece)
            start += len(piece)
            if self._bytes - self._dropped >= DROP_BYTES and hasattr(os, "posix_fadvise"):  # not on macOS
                self._drop()

    def _drop(self) -> None:
        self._file.flush()
        os.fdatasync(self._file.fileno())
        os.posix_fadvise(self._file.fileno(), 0, self._bytes, os.POSIX_FADV_DONTNEED)
        self._dropped = self._bytes

    def entry(self) -> dict[str, Any]:
        """`{"sha256", "bytes"}` of what was written."""
        return {"sha256": self._hash.hexdigest(), "bytes": self._bytes}


def encode_header(dtype: str, shape: tuple[int, ...]) -> bytes:
    """The header of one tensor called `data`, padded so that its values start on a 64-byte border."""
    return encode_headers({"data": (dtype, shape)})


def encode_headers(tensors: Mapping[str, tuple[str, tuple[int, ...]]]) -> bytes:
    """The header of tensors that follow one another without a gap, the first on a 64-byte border."""
    entries, start = {}, 0
    for name, (dtype, shape) in tensors.items():
        end = start + int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        entries[name] = {"dtype": SAFETENSORS_DTYPES[dtype], "shape": list(shape), "data_offsets": [start, end]}
        start = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % 64)
    return len(text).to_bytes(8, "little") + text


@dataclass(frozen=True, kw_only=True)
class Shard:
    """A written shard: its path in the pack, its first sample, how many it holds, and its sha256 and bytes.

    `items` counts the values' first axis where samples are of different lengths.
    """

    path: str
    first: int
    count: int
    entry: dict[str, Any]
    items: int | None = None

    def describe(self) -> dict[str, Any]:
        """Its entry in the manifest."""
        place = {"path": self.path, "first": self.first, "count": self.count}
        return place if self.items is None else {**place, "items": self.items}


def check_name(name: str, dtype: str) -> None:
    """PackError where an array cannot have this name or dtype."""
    if not NAME.fullmatch(name):
        raise PackError(f"Array name {name!r}: small letters, digits, '_', '-' and '.' only.")
    if dtype not in SAFETENSORS_DTYPES:
        raise PackError(f"Array {name!r}: {dtype} cannot be stored. Known: {', '.join(SAFETENSORS_DTYPES)}.")


def check_blocks(
    name: str, chunks: Iterable[Array], *, dtype: str, shape: tuple[int, ...], ids: Sequence[str]
) -> Iterator[Array]:
    """The chunks in blocks of bounded size; PackError where one has another dtype or shape, NaN or infinity."""
    step, row = max(1, BLOCK_BYTES // _row_bytes(dtype, shape)), 0
    for chunk in chunks:
        if chunk.dtype != np.dtype(dtype) or chunk.shape[1:] != tuple(shape):
            given = f"{chunk.dtype} {list(chunk.shape[1:])}"
            raise PackError(f"Array {name!r} at sample {row}: {given} was given, {dtype} {list(shape)} was promised.")
        for start in range(0, len(chunk), step):
            block = chunk[start : start + step]
            if chunk.dtype.kind in "fc" and not np.isfinite(block).all():
                bad = int(np.argmin(np.isfinite(block).reshape(len(block), -1).all(axis=1))) + row
                sample = ids[bad] if bad < len(ids) else f"number {bad}"
                raise PackError(f"Array {name!r}: sample {sample} holds NaN or infinity. Mask or leave it out.")
            row += len(block)
            yield block


def write_shards(
    folder: Path,
    name: str,
    blocks: Iterable[Array],
    *,
    dtype: str,
    shape: tuple[int, ...],
    total: int,
    shard_bytes: int = SHARD_BYTES,
) -> list[Shard]:
    """arrays/<name>-00000.safetensors and so on, as many as `total` samples need; PackError on too few or too many."""
    check_name(name, dtype)
    cutter, rows = _Cutter(iter(blocks)), max(1, shard_bytes // _row_bytes(dtype, shape))
    shards: list[Shard] = []
    for first in range(0, total, rows):
        count = min(rows, total - first)
        path, written = f"arrays/{name}-{len(shards):05d}.safetensors", 0
        with HashedFile(folder / path) as file:
            file.write(encode_header(dtype, (count, *shape)))
            for piece in cutter.take(count):
                file.write(np.ascontiguousarray(piece).data)
                written += len(piece)
        if written < count:
            raise PackError(f"Array {name!r} ended after {first + written} of {total} samples.")
        shards.append(Shard(path=path, first=first, count=count, entry=file.entry()))
    if any(True for _ in cutter.take(1)):
        raise PackError(f"Array {name!r} holds more than the {total} samples of the table.")
    return shards


def _row_bytes(dtype: str, shape: tuple[int, ...]) -> int:
    return max(1, np.dtype(dtype).itemsize * int(np.prod(shape, dtype=np.int64)))


class _Cutter:
    """Blocks of any length, handed on in pieces that together have the length asked for."""

    def __init__(self, blocks: Iterator[Array]) -> None:
        self._blocks = blocks
        self._rest: Array | None = None

    def take(self, count: int) -> Iterator[Array]:
        """Pieces of `count` samples in all, or of what is left."""
        while count and (block := self._rest if self._rest is not None else next(self._blocks, None)) is not None:
            piece = block[:count]
            self._rest = block[count:] if len(block) > count else None
            count -= len(piece)
            yield piece


def starts_with(path: Path, header: bytes, size: int) -> bool:
    """True where a file begins with this header and holds `size` bytes of values after it."""
    with open(path, "rb") as file:
        return file.read(len(header)) == header and os.fstat(file.fileno()).st_size == len(header) + size


def map_shard(path: Path, dtype: str, shape: tuple[int, ...]) -> Array | None:
    """The tensor as a read-only view of the file; None where header or size are not those of this dtype and shape."""
    header = encode_header(dtype, shape)
    if not starts_with(path, header, int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize):
        return None
    return np.asarray(np.memmap(path, dtype=dtype, mode="r", offset=len(header), shape=shape))
