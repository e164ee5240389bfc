"""A chunk cut: batches of patches in the source's dtype, with what is known of their quality. Memory stays flat."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import IntFlag
from typing import Any

import numpy as np
import numpy.typing as npt

from fusion.cutting.arranging import Ints, Part, Zone, arrange, count_cache, find_lead, split_zones
from fusion.cutting.planning import BATCH_BYTES
from fusion.cutting.scene import Chunk, CloudBand
from fusion.sources import geotiff

# A patch with more of its pixels missing, or under cloud, is marked so.
MOST_MISSING = 0.5
MOST_CLOUD = 0.5
# What stands where nothing is known, in every band; the mask tells it from a true 0.
FILL = 0

Values = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float32]
# references to an array that nobody but its pool holds: the list, the loop's name, the argument of the count
UNHELD = 3


class Quality(IntFlag):
    """What is to be known of a patch before it is used; several may hold at once."""

    MISSING = 1  # some of its pixels hold nothing
    MOSTLY_MISSING = 2
    EMPTY = 4  # no pixel holds anything: the cell lies outside the scene
    RESAMPLED = 8  # the scene's pixels do not lie on the grid
    CLOUDY = 16
    CLOUD_UNKNOWN = 32  # no pixel under it says whether there is cloud


@dataclass(frozen=True, kw_only=True, eq=False)
class Batch:
    """Patches [n, band, y, x] in the source's dtype, finite everywhere; where `valid` [n, y, x] is False they are 0.

    `ids` are cell ids, `places` the cells' places in the list that was planned, `first` the row of the first patch in
    its chunk. `missing` is the share of pixels that hold nothing, `cloud` the share under cloud among those that are
    known (1 where none is), None for a scene without a cloud band; `quality` holds flags of Quality.
    """

    first: int
    ids: tuple[str, ...]
    places: Ints
    values: Values
    valid: Mask
    missing: Floats
    cloud: Floats | None
    quality: npt.NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.ids)


def cut(chunk: Chunk, *, batch_bytes: int = BATCH_BYTES) -> Iterator[Batch]:
    """The chunk's patches in its order, in batches of whole units of blocks up to about `batch_bytes`.

    Arrays that nobody holds any more are filled again, so memory stays at `chunk.memory_bytes` for a consumer that
    lets go of each batch; one that keeps them keeps them unchanged. BadRasterError names a file that cannot be read.
    """
    bands, files, cloud = chunk.scene.bands, chunk.scene.files, chunk.scene.cloud
    zones = split_zones(chunk.cells, chunk.pixels)
    with ExitStack() as held:
        stack = held.enter_context(geotiff.open_stack(files, bands, zones, chunk.resampling))
        clouds = None if cloud is None else _Clouds(held, cloud, zones)
        parts = arrange(find_lead(stack.layouts, zones), zones)
        cache_bytes = sum(count_cache(layout, parts) for layout in stack.layouts)
        pool = _Pool((len(bands), chunk.pixels, chunk.pixels), stack.dtype)
        masks = _Pool((chunk.pixels, chunk.pixels), np.dtype(bool))
        patch_bytes = len(bands) * chunk.pixels**2 * stack.dtype.itemsize
        first = 0
        for run in _join_parts(parts, max(1, batch_bytes // patch_bytes)):
            count = sum(len(part.places) for part in run)
            values, valid = pool.take(count), masks.take(count)
            with geotiff.block_cache(cache_bytes):
                whole = _read(stack, run, values, valid)
                share = clouds.measure(run) if clouds else None
            yield _describe(chunk, first, run, values, valid, whole, share)
            del values, valid
            first += count


def _read(stack: geotiff.Stack, run: Sequence[Part], values: Values, valid: Mask) -> bool:
    """Fill one batch; whether every pixel of it is valid."""
    start, whole = 0, True
    for part in run:
        rows = slice(start, start + len(part.places))
        whole &= stack.read(part.group, values[rows], valid[rows])
        start = rows.stop
    return whole


def _describe(
    chunk: Chunk, first: int, run: Sequence[Part], values: Values, valid: Mask, whole: bool, cloud: Floats | None
) -> Batch:
    # a chunk's cells already stand in reading order
    rows = slice(first, first + len(values))
    missing = np.zeros(len(values), np.float32) if whole else (~valid).mean(axis=(1, 2), dtype=np.float32)
    resampled = np.repeat([not part.is_aligned for part in run], [len(part.places) for part in run])
    marks = {
        Quality.MISSING: missing > 0,
        Quality.MOSTLY_MISSING: missing > MOST_MISSING,
        Quality.EMPTY: missing == 1,
        Quality.RESAMPLED: resampled,
    }
    if cloud is not None:
        marks[Quality.CLOUD_UNKNOWN] = np.isnan(cloud)
        cloud = np.nan_to_num(cloud, nan=1.0)
        marks[Quality.CLOUDY] = cloud > MOST_CLOUD
    quality = np.zeros(len(values), np.uint8)
    for flag, is_so in marks.items():
        quality[is_so] |= np.uint8(flag)
    return Batch(
        first=first,
        ids=chunk.ids[rows],
        places=np.asarray(chunk.places[rows], dtype=np.int64),
        values=values,
        valid=valid,
        missing=missing,
        cloud=cloud,
        quality=quality,
    )


class _Clouds:
    """The scene's cloud band, read for the same cells by the nearest pixel."""

    def __init__(self, held: ExitStack, cloud: CloudBand, zones: Sequence[Zone]) -> None:
        self._cloud, self._pixels = cloud, zones[0][1].pixels
        self._stack = held.enter_context(geotiff.open_stack(cloud.file, [cloud.band], zones, "nearest"))

    def measure(self, run: Sequence[Part]) -> Floats:
        """Share of cloud among the known pixels of each patch, NaN where none is known."""
        shares = []
        for part in run:
            values = np.empty((len(part.places), 1, self._pixels, self._pixels), self._stack.dtype)
            known = np.empty((len(values), self._pixels, self._pixels), bool)
            self._stack.read(part.group, values, known)
            at_least = self._cloud.at_least
            is_cloud = np.isin(values[:, 0], self._cloud.codes) if at_least is None else values[:, 0] >= at_least
            seen = known.sum(axis=(1, 2), dtype=np.float32)
            cloudy = (is_cloud & known).sum(axis=(1, 2), dtype=np.float32)
            shares.append(np.divide(cloudy, seen, out=np.full(len(values), np.nan, np.float32), where=seen > 0))
        return np.concatenate(shares)


class _Pool:
    """Arrays [n, *shape] that are handed out again once nobody holds them or a view of them."""

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype[Any]) -> None:
        self._shape, self._dtype = shape, dtype
        self._arrays: list[Values] = []

    def take(self, count: int) -> Values:
        for array in self._arrays:
            if len(array) >= count and sys.getrefcount(array) <= UNHELD:
                return array[:count]
        fresh: Values = np.empty((count, *self._shape), self._dtype)
        # the two newest are kept: a consumer holds one while the next is filled
        self._arrays = [*self._arrays[-1:], fresh]
        return fresh[:]


def _join_parts(parts: Sequence[Part], most: int) -> Iterator[list[Part]]:
    """Units one after the other while they hold up to `most` cells, at least one unit."""
    held: list[Part] = []
    count = 0
    for part in parts:
        if held and count + len(part.places) > most:
            yield held
            held, count = [], 0
        held.append(part)
        count += len(part.places)
    if held:
        yield held
