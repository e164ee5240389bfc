"""A finished chunk as one file, named by what it was made from and by what it holds; whole or not there.

The file is a safetensors file of values, valid (bits, eight pixels to a byte, each patch from its own byte on),
missing, quality, and cloud where the scene says it. Any worker may write any chunk at any time: the bytes are the same.
"""

import hashlib
import json
import os
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fusion.cutting.cutter import cut
from fusion.cutting.scene import Chunk
from fusion.errors import BadInputError
from fusion.shard import SAFETENSORS_DTYPES, HashedFile

SUFFIX = ".patches"
# digits of the file's own sum in its name
SUM_DIGITS = 32

Array = npt.NDArray[Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Patches:
    """What a finished chunk holds, mapped from its file and read-only; see fusion.cutting.cutter.Batch."""

    values: Array
    valid: Array
    missing: Array
    quality: Array
    cloud: Array | None

    def __len__(self) -> int:
        return len(self.values)

    def find_valid(self, rows: slice | Array) -> Array:
        """Masks [n, y, x] of some patches."""
        side = self.values.shape[-1]
        bits = np.unpackbits(self.valid[rows], axis=1, count=side * side)
        return bits.view(bool).reshape(-1, side, side)


def write_chunk(chunk: Chunk, folder: Path) -> Path:
    """Cut the chunk into its file in this folder and return the path; a finished one is left as it is.

    Disk errors are BadInputErrors, and what was half written is removed.
    """
    done = find_finished(chunk, folder)
    if done is not None:
        return done
    try:
        folder.mkdir(parents=True, exist_ok=True)
        return _write_whole(chunk, folder)
    except OSError as error:
        raise BadInputError(
            f"{folder}: a chunk could not be written ({error}). See to the disk, then go on."
        ) from error


def _write_whole(chunk: Chunk, folder: Path) -> Path:
    partial = folder / f".{chunk.id}.{secrets.token_hex(4)}"
    try:
        with HashedFile(partial) as file:
            _write(chunk, file)
        path = folder / f"{chunk.id}.{file.entry()['sha256'][:SUM_DIGITS]}{SUFFIX}"
        os.replace(partial, path)
        return path
    finally:
        partial.unlink(missing_ok=True)


def find_finished(chunk: Chunk, folder: Path, *, verify: bool = False) -> Path | None:
    """The chunk's finished file, if there is one of the right size and, with `verify`, of the sum in its name."""
    for path in sorted(folder.glob(f"{chunk.id}.*{SUFFIX}")):
        if path.stat().st_size == _count_bytes(chunk) and not (verify and not _is_true(path)):
            return path
    return None


def open_chunk(chunk: Chunk, folder: Path) -> Patches:
    """A finished chunk; BadInputError where it is not there or is not what it should be."""
    path = find_finished(chunk, folder)
    if path is None:
        raise BadInputError(f"Chunk {chunk.id} of scene {chunk.scene.name!r} is not finished. Cut it, then go on.")
    header, places = _arrange(chunk)
    with path.open("rb") as file:
        if file.read(len(header)) != header:
            raise BadInputError(f"{path} does not hold what chunk {chunk.id} should. Delete it and cut it again.")
    found: dict[str, Any] = {
        name: np.asarray(np.memmap(path, dtype=dtype, mode="r", offset=len(header) + start, shape=shape))
        for name, (dtype, shape, start) in places.items()
    }
    return Patches(**{"cloud": None} | found)


def gather(chunks: Sequence[Chunk], folder: Path, *, rows: int = 256) -> Iterator[tuple[Array, Patches]]:
    """All patches of ONE scene's chunks in the order of the cells that were planned, `rows` at a time.

    Yields (places, patches). Whoever cut the chunks, in whatever order, the bytes are the same.
    """
    names = {chunk.scene.name for chunk in chunks}
    if len(names) != 1:
        raise BadInputError(f"Patches are gathered for one scene at a time, not for {len(names)}.")
    opened = [open_chunk(chunk, folder) for chunk in chunks]
    places = np.concatenate([np.asarray(chunk.places) for chunk in chunks])
    owner = np.repeat(np.arange(len(chunks)), [len(chunk) for chunk in chunks])
    own_row = np.concatenate([np.arange(len(chunk)) for chunk in chunks])
    order = np.argsort(places, kind="stable")
    for start in range(0, len(order), rows):
        chosen = order[start : start + rows]
        yield places[chosen], _pick(opened, owner[chosen], own_row[chosen])


def _pick(opened: Sequence[Patches], owner: Array, own_row: Array) -> Patches:
    first = opened[0]
    found: dict[str, Any] = {}
    for name in ("values", "valid", "missing", "quality", "cloud"):
        sample = getattr(first, name)
        if sample is None:
            found[name] = None
            continue
        found[name] = np.empty((len(owner), *sample.shape[1:]), sample.dtype)
        for which in np.unique(owner).tolist():
            found[name][owner == which] = getattr(opened[which], name)[own_row[owner == which]]
    return Patches(**found)


def _write(chunk: Chunk, file: HashedFile) -> None:
    """Values as they come; what is small is kept until the end."""
    header, places = _arrange(chunk)
    file.write(header)
    held: dict[str, list[Array]] = {name: [] for name in places if name != "values"}
    for batch in cut(chunk):
        file.write(batch.values.data)
        held["valid"].append(np.packbits(batch.valid.reshape(len(batch), -1), axis=1))
        held["missing"].append(batch.missing)
        held["quality"].append(batch.quality)
        if batch.cloud is not None:
            held["cloud"].append(batch.cloud)
    for parts in held.values():
        file.write(np.ascontiguousarray(np.concatenate(parts)).data)


def _arrange(chunk: Chunk) -> tuple[bytes, dict[str, tuple[str, tuple[int, ...], int]]]:
    """The header, and each tensor's dtype, shape and place behind it."""
    count, side = len(chunk), chunk.pixels
    tensors: dict[str, tuple[str, tuple[int, ...]]] = {
        "values": (chunk.dtype, (count, len(chunk.scene.bands), side, side)),
        **({"cloud": ("float32", (count,))} if chunk.scene.cloud else {}),
        "missing": ("float32", (count,)),
        "valid": ("uint8", (count, -(-side * side // 8))),
        "quality": ("uint8", (count,)),
    }
    if chunk.dtype not in SAFETENSORS_DTYPES:
        raise BadInputError(f"Patches of {chunk.dtype} cannot be stored. Known: {', '.join(SAFETENSORS_DTYPES)}.")
    entries, places, start = {}, {}, 0
    for name, (dtype, shape) in tensors.items():
        end = start + int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize
        entries[name] = {"dtype": SAFETENSORS_DTYPES[dtype], "shape": list(shape), "data_offsets": [start, end]}
        places[name] = (dtype, shape, start)
        start = end
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % 64)
    return len(text).to_bytes(8, "little") + text, places


def _count_bytes(chunk: Chunk) -> int:
    header, places = _arrange(chunk)
    dtype, shape, start = places["quality"]
    return len(header) + start + int(np.prod(shape)) * np.dtype(dtype).itemsize


def _is_true(path: Path) -> bool:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:SUM_DIGITS] == path.name.split(".")[1]
