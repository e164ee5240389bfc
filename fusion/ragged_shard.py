"""Shards of samples of different lengths: text, points, boxes, tracks, images of different sizes.

One safetensors file holds `offsets` [count + 1], where more than one axis varies `shapes` [count, axes], and `values`
[items, ...], in this order: sample i is values[offsets[i]:offsets[i + 1]], given its own shape again.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from math import prod
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from fusion.errors import PackError
from fusion.shard import BLOCK_BYTES, SHARD_BYTES, HashedFile, Shard, check_name, encode_headers, starts_with

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Ragged:
    """Samples of different lengths, one after the other; `shapes` are their varying axes where there are several."""

    values: Array
    offsets: Indices
    shapes: Indices | None = None

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, index: int) -> Array:
        """One sample without a copy."""
        sample = self.values[self.offsets[index] : self.offsets[index + 1]]
        return sample if self.shapes is None else sample.reshape(*self.shapes[index], *sample.shape[1:])

    @cached_property
    def lengths(self) -> Indices:
        """Items of each sample."""
        return np.diff(self.offsets)


def check_samples(
    name: str, chunks: Iterable[Sequence[Array]], *, dtype: str, shape: tuple[int | None, ...], ids: Sequence[str]
) -> Iterator[Array]:
    """The samples one by one; PackError where one has another dtype or shape, NaN or infinity."""
    row = 0
    for chunk in chunks:
        for sample in chunk:
            sample = np.asarray(sample)
            named = ids[row] if row < len(ids) else f"number {row}"
            fits = sample.ndim == len(shape) and all(
                wanted in (None, given) for wanted, given in zip(shape, sample.shape, strict=True)
            )
            if sample.dtype != np.dtype(dtype) or not fits:
                wanted = str(list(shape)).replace("None", "any")
                raise PackError(
                    f"Array {name!r}, sample {named}: {sample.dtype} {list(sample.shape)} was given, "
                    f"{dtype} {wanted} was promised."
                )
            if sample.dtype.kind in "fc" and not np.isfinite(sample).all():
                raise PackError(f"Array {name!r}: sample {named} holds NaN or infinity. Mask or leave it out.")
            row += 1
            yield sample


def write_ragged_shards(
    folder: Path,
    name: str,
    samples: Iterator[Array],
    *,
    dtype: str,
    shape: tuple[int | None, ...],
    total: int,
    shard_bytes: int = SHARD_BYTES,
) -> list[Shard]:
    """arrays/<name>-00000.safetensors and so on; PackError on too few or too many samples.

    Values go through a file beside, as the header that comes first counts them; memory holds offsets alone.
    """
    check_name(name, dtype)
    varying = count_varying(name, shape)
    shards: list[Shard] = []
    first, spool_path = 0, folder / f".{name}.values"
    while first < total or not shards:
        path = f"arrays/{name}-{len(shards):05d}.safetensors"
        with open(spool_path, "x+b") as spool:
            shapes = _spool_samples(spool, islice(samples, total - first), varying, shard_bytes)
            if not shapes:
                raise PackError(f"Array {name!r} ended after {first} of {total} samples.")
            entry, items = _join(folder / path, spool, shapes, dtype, tuple(shape[varying:]))
        os.unlink(spool_path)
        shards.append(Shard(path=path, first=first, count=len(shapes), entry=entry, items=items))
        first += len(shapes)
    if next(samples, None) is not None:
        raise PackError(f"Array {name!r} holds more than the {total} samples of the table.")
    return shards


def count_varying(name: str, shape: tuple[int | None, ...]) -> int:
    """How many leading axes differ from sample to sample; PackError where another axis does."""
    varying = next((axis for axis, size in enumerate(shape) if size is not None), len(shape))
    if None in shape[varying:]:
        raise PackError(f"Array {name!r}: only leading axes may be of any length, not those of {list(shape)}.")
    return varying


def _spool_samples(spool: IO[bytes], samples: Iterator[Array], varying: int, shard_bytes: int) -> list[tuple[int, ...]]:
    """Write samples until a shard is full; the varying shape of each."""
    shapes: list[tuple[int, ...]] = []
    for sample in samples:
        if sample.size:
            spool.write(np.ascontiguousarray(sample).data)
        shapes.append(sample.shape[:varying])
        if spool.tell() >= shard_bytes:
            break
    return shapes


def _join(
    path: Path, spool: IO[bytes], shapes: list[tuple[int, ...]], dtype: str, tail: tuple[int | None, ...]
) -> tuple[dict[str, Any], int]:
    """The shard's file from its counts and the values beside it; its hash and size, and how many items it holds."""
    lengths = [prod(shape) for shape in shapes]
    offsets = np.concatenate([[0], np.cumsum(lengths)]).astype("<i8")
    items = int(offsets[-1])
    with HashedFile(path) as file:
        file.write(_encode(dtype, tail, len(shapes), items, len(shapes[0])))
        file.write(offsets.data)
        if len(shapes[0]) > 1:
            file.write(np.array(shapes, dtype="<i8").data)
        spool.seek(0)
        while piece := spool.read(BLOCK_BYTES):
            file.write(piece)
    return file.entry(), items


def _encode(dtype: str, tail: tuple[int | None, ...], count: int, items: int, varying: int) -> bytes:
    sizes = tuple(size for size in tail if size is not None)
    shapes: dict[str, tuple[str, tuple[int, ...]]] = {"shapes": ("int64", (count, varying))} if varying > 1 else {}
    return encode_headers({"offsets": ("int64", (count + 1,)), **shapes, "values": (dtype, (items, *sizes))})


def map_ragged_shard(path: Path, dtype: str, shape: tuple[int | None, ...], count: int, items: int) -> Ragged | None:
    """The samples as read-only views of the file; None where header, offsets or shapes are not what they must be."""
    varying = count_varying(path.name, shape)
    tail = tuple(size for size in shape[varying:] if size is not None)
    header = _encode(dtype, shape[varying:], count, items, varying)
    counts = 8 * (count + 1 + (count * varying if varying > 1 else 0))
    if not starts_with(path, header, counts + items * prod(tail) * np.dtype(dtype).itemsize):
        return None
    start, found = len(header), {}
    tensors: dict[str, tuple[str, tuple[int, ...]]] = {"offsets": ("<i8", (count + 1,))}
    tensors |= {"shapes": ("<i8", (count, varying))} if varying > 1 else {}
    for name, (kind, size) in {**tensors, "values": (dtype, (items, *tail))}.items():
        found[name] = _map(path, kind, size, start)
        start += found[name].nbytes
    ragged = Ragged(**found)
    return ragged if _is_whole(ragged) else None


def _map(path: Path, dtype: str, shape: tuple[int, ...], offset: int) -> Array:
    if not prod(shape):
        return np.zeros(shape, dtype=dtype)  # nothing can be mapped where there is nothing
    return np.asarray(np.memmap(path, dtype=dtype, mode="r", offset=offset, shape=shape))


def _is_whole(ragged: Ragged) -> bool:
    """Offsets from 0 to the number of items that never fall, and shapes that hold as many items as they say."""
    offsets = ragged.offsets
    if offsets[0] != 0 or offsets[-1] != len(ragged.values) or (ragged.lengths < 0).any():
        return False
    if ragged.shapes is None:
        return True
    return bool((ragged.shapes >= 0).all() and (ragged.shapes.prod(axis=1) == ragged.lengths).all())
