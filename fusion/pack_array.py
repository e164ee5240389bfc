"""One array of an opened pack: stored values, mapped from its shards, gathered fast and never changed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, cast

import numpy as np
import numpy.typing as npt

from fusion import modality as modalities

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
        entry = self.entry
        kind = modalities.find(entry["modality"])
        return declare_stored(kind, entry["bands"], entry["dtype"], entry["offset"], entry["scale"])

    @cached_property
    def _ends(self) -> Indices:
        return np.cumsum([len(shard) for shard in self.shards], dtype=np.int64)

    @cached_property
    def _starts(self) -> Indices:
        return self._ends - np.array([len(shard) for shard in self.shards], dtype=np.int64)

    def gather(self, indices: npt.ArrayLike) -> Array:
        """A fresh array [len(indices), *shape] of these samples, in this order, in the stored dtype."""
        rows = np.asarray(indices, dtype=np.int64)
        if rows.size and (rows.min() < 0 or rows.max() >= len(self)):
            raise IndexError(
                f"Array {self.name!r} has samples 0 to {len(self) - 1}; asked for {rows.min()}-{rows.max()}."
            )
        out = np.empty((len(rows), *self.shape[1:]), dtype=self.dtype)
        if len(self.shards) == 1:
            return np.take(self.shards[0], rows, axis=0, out=out, mode="clip")  # checked above; clip copies once
        shard = np.searchsorted(self._ends, rows, side="right")
        local = rows - self._starts[shard]
        shards = self.shards
        for place, which, row in zip(out, shard.tolist(), local.tolist(), strict=True):
            place[...] = shards[which][row]
        return out

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


def declare_stored(
    kind: modalities.Modality, bands: Sequence[str], dtype: str, offset: float, scale: float
) -> modalities.Modality:
    """The modality as one pack stores it: its bands in the pack's order, with the pack's offset and scale."""
    places = {band.name: band for band in kind.bands}
    return replace(kind, bands=tuple(places[band] for band in bands), dtype=dtype, offset=offset, scale=scale)
