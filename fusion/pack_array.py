"""One array of an opened pack: stored values, mapped from its shards, gathered fast and never changed.

Nothing is decoded, joined or normalised here: what is stored is handed over in its own dtype, and the network's first
step does the rest. Joining two modalities in the reader ran at a fifth of the rate, decoding at half.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from fusion import modality as modalities
from fusion import spectrum
from fusion.ragged_shard import Ragged

Array = npt.NDArray[Any]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class PackArray:
    """One dense array of a pack, as stored and read-only; nothing is loaded until it is asked for."""

    name: str
    entry: dict[str, Any]
    shards: tuple[Array, ...]

    def __len__(self) -> int:
        return int(self._ends[-1])

    @property
    def shape(self) -> tuple[int, ...]:
        """[samples, *shape of one sample]."""
        return (len(self), *self.entry["shape"])

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.entry["dtype"])

    @property
    def bands(self) -> tuple[str, ...]:
        return tuple(self.entry["bands"])

    @property
    def statistics(self) -> dict[str, Any] | None:
        """Per band `mean` and `std` of the stretched values over the train split; None without train samples."""
        return cast(dict[str, Any] | None, self.entry.get("statistics"))

    @cached_property
    def modality(self) -> modalities.Modality:
        """The declared modality with this pack's bands, dtype, offset and scale."""
        return read_modality(self.entry)

    @property
    def times(self) -> tuple[str, ...]:
        """What the places of the time axis are called; empty where they have no names."""
        return tuple(self.entry.get("times", ()))

    @cached_property
    def _ends(self) -> Indices:
        return np.cumsum([len(shard) for shard in self.shards], dtype=np.int64)

    @cached_property
    def _starts(self) -> Indices:
        return self._ends - np.array([len(shard) for shard in self.shards], dtype=np.int64)

    def gather(self, indices: npt.ArrayLike, out: Array | None = None) -> Array:
        """An array [len(indices), *shape] of these samples, in this order, in the stored dtype: fresh, or `out`."""
        rows = check_rows(self.name, indices, len(self))
        if len(self.shards) == 1:
            return np.take(self.shards[0], rows, axis=0, out=out, mode="clip")  # checked above; clip copies once
        pieces = self._list_pieces(rows)
        if out is None and not pieces:
            return np.empty((0, *self.shape[1:]), dtype=self.dtype)
        if out is None:  # joined in C, a tenth faster than np.concatenate
            return np.frombuffer(bytearray().join(pieces), dtype=self.dtype).reshape(len(rows), *self.shape[1:])
        for place, piece in zip(out, pieces, strict=True):
            place[...] = np.frombuffer(piece, dtype=self.dtype).reshape(place.shape)
        return out

    def _list_pieces(self, rows: Indices) -> list[memoryview]:
        """The bytes of each of these samples, where they lie."""
        shard = np.searchsorted(self._ends, rows, side="right")
        size = int(np.prod(self.shape[1:], dtype=np.int64)) * self.dtype.itemsize
        starts = (rows - self._starts[shard]) * size
        lent = self._lent
        return [lent[which][start : start + size] for which, start in zip(shard.tolist(), starts.tolist(), strict=True)]

    @cached_property
    def _lent(self) -> list[memoryview]:
        return [shard.reshape(-1).view(np.uint8).data for shard in self.shards]

    def __getitem__(self, index: int) -> Array:
        """One sample, zero-copy."""
        if not 0 <= index < len(self):
            raise IndexError(f"Array {self.name!r} has samples 0 to {len(self) - 1}; asked for {index}.")
        shard = int(np.searchsorted(self._ends, index, side="right"))
        return cast(Array, self.shards[shard][index - int(self._starts[shard])])

    def blocks(self, rows: int = 1024) -> Iterator[tuple[int, Array]]:
        """(first index, zero-copy view of up to `rows` samples) through the whole array."""
        first = 0
        for shard in self.shards:
            for start in range(0, len(shard), rows):
                yield first + start, shard[start : start + rows]
            first += len(shard)


@dataclass(frozen=True, kw_only=True)
class RaggedArray:
    """One array of a pack whose samples are of different lengths, as stored and read-only."""

    name: str
    entry: dict[str, Any]
    shards: tuple[Ragged, ...]

    def __len__(self) -> int:
        return int(self._ends[-1])

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.entry["dtype"])

    @cached_property
    def modality(self) -> modalities.Modality:
        """The declared modality with this pack's bands, dtype, offset and scale."""
        return read_modality(self.entry)

    @cached_property
    def _ends(self) -> Indices:
        return np.cumsum([len(shard) for shard in self.shards], dtype=np.int64)

    @cached_property
    def lengths(self) -> Indices:
        """Items of each sample (points, bytes, boxes, pixels); 0 where a sample has none."""
        return np.concatenate([shard.lengths for shard in self.shards])

    def __getitem__(self, index: int) -> Array:
        """One sample in its own shape, zero-copy."""
        row = int(check_rows(self.name, [index], len(self))[0])
        shard = int(np.searchsorted(self._ends, row, side="right"))
        return self.shards[shard][row - int(self._ends[shard]) + len(self.shards[shard])]

    def gather(self, indices: npt.ArrayLike) -> Ragged:
        """These samples one after the other, in this order, with the offsets between them."""
        rows = check_rows(self.name, indices, len(self))
        samples = [self[row] for row in rows.tolist()]
        varying = self.entry["shape"].count(None)
        tail = tuple(self.entry["shape"][varying:])
        shapes = np.array([sample.shape[:varying] for sample in samples], dtype=np.int64).reshape(len(rows), varying)
        values = [sample.reshape(-1, *tail) for sample in samples] or [np.zeros((0, *tail), dtype=self.dtype)]
        return Ragged(
            values=np.concatenate(values),
            offsets=np.concatenate([[0], np.cumsum(shapes.prod(axis=1))]).astype(np.int64),
            shapes=shapes if varying > 1 else None,
        )

    def read_text(self, index: int) -> str:
        """One sample of UTF-8 bytes as words."""
        return self[index].tobytes().decode("utf-8")


def check_rows(name: str, indices: npt.ArrayLike, total: int) -> Indices:
    """Row numbers as int64; IndexError where one is outside."""
    rows = np.asarray(indices, dtype=np.int64)
    if rows.size and (rows.min() < 0 or rows.max() >= total):
        raise IndexError(f"Array {name!r} has samples 0 to {total - 1}; asked for {rows.min()}-{rows.max()}.")
    return rows


def read_modality(entry: dict[str, Any]) -> modalities.Modality:
    """The modality as the manifest's entry says it is stored."""
    kind = modalities.find(entry["modality"])
    wavelengths = entry.get("wavelengths_nm", ())
    return declare_stored(kind, entry["bands"], entry["dtype"], entry["offset"], entry["scale"], wavelengths)


def declare_stored(
    kind: modalities.Modality,
    bands: Sequence[str],
    dtype: str,
    offset: float,
    scale: float,
    wavelengths_nm: Sequence[float | None] = (),
) -> modalities.Modality:
    """The modality as one pack stores it: its bands in the pack's order, with the pack's offset and scale."""
    chosen: list[modalities.Band | str] = list(bands)
    if kind.has_own_bands and wavelengths_nm:
        named = spectrum.name_bands(wavelengths_nm)
        chosen = [replace(band, name=name) for band, name in zip(named, bands, strict=True)]
    return replace(spectrum.declare_bands(kind, chosen), dtype=dtype, offset=offset, scale=scale)
