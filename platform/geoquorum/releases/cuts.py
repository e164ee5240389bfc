"""Patches of a version's samples before they are one array: held in memory where few, in part files where many."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fusion.cutting import scene as cutting
from fusion.cutting.files import Patches, open_chunk
from fusion.cutting.planning import plan
from fusion.cutting.scene import Chunk
from fusion.mapped import let_go
from geoquorum.catalog.models import Asset, Sample
from geoquorum.catalog.pixels import RESAMPLING, Pixels, find_scene, kept_offset, list_bands, raster_of, remove_offset
from geoquorum.catalog.windows import Windows, has_window

# Patches of one part file. A worker holds less: Chunk.memory_bytes.
CHUNK_BYTES = 2**28
# Versions with less than this are cut in memory by the job that builds them.
IN_MEMORY_BYTES = 2**28
# Part files that are open at a time; each takes a file descriptor.
OPEN_PARTS = 256

Array = npt.NDArray[Any]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Cut:
    """Stored patches [n, *shape] of samples of one region; `read` answers some of them by number.

    `missing` is the share of each patch's pixels that hold nothing.
    """

    bands: tuple[str, ...]
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: float
    missing: npt.NDArray[np.float64]
    read: Callable[[Ints], Array]


@dataclass(frozen=True, kw_only=True)
class PlannedCut:
    """Chunks of one scene; `places` [sample, row, column] are the cells of the plan that make up each patch."""

    chunks: tuple[Chunk, ...]
    places: Ints
    asset: Asset


def hold(pixels: Pixels) -> Cut:
    """Patches that are in memory."""
    return Cut(
        bands=tuple(pixels.bands),
        dtype=pixels.values.dtype,
        shape=pixels.values.shape[1:],
        offset=pixels.offset,
        missing=1 - pixels.valid.mean(axis=(1, 2)),
        read=pixels.values.__getitem__,
    )


def count_bytes(samples: Sequence[Sample], modality: str, season: str = "") -> int:
    """Bytes of the patches of samples of one region; 0 where they have no place to be cut at."""
    region = samples[0].region
    if region is None or not all(has_window(sample) and sample.region_id == region.pk for sample in samples):
        return 0
    scene = find_scene(region, modality, season)
    depths = [np.dtype(asset.dtype).itemsize for asset in scene.assets.all()]
    return len(samples) * (samples[0].width_px or 32) ** 2 * len(list_bands(scene)) * max(depths, default=0)


def plan_cut(samples: Sequence[Sample], modality: str, season: str = "") -> PlannedCut:
    """Chunks for samples of one region: the patches that `catalog.pixels.read_samples` reads."""
    region = samples[0].region
    assert region is not None  # count_bytes found more than nothing
    scene = find_scene(region, modality, season)
    assets = list(scene.assets.order_by("pk"))
    files = cutting.Scene(
        name=f"{modality} {season} of {region}".replace("  ", " "),
        files=tuple(raster_of(asset) for asset in assets),
        bands=tuple(list_bands(scene)),
        sha256=tuple(asset.sha256 for asset in assets) if all(asset.sha256 for asset in assets) else (),
    )
    windows = Windows.of(samples, samples[0].width_px or 32)
    number = {cell: place for place, cell in enumerate(dict.fromkeys(windows.cells))}  # two samples may share one
    return PlannedCut(
        chunks=plan(
            [(files, list(number))],
            pixels=windows.pixels,
            resampling=RESAMPLING,
            chunk_bytes=CHUNK_BYTES,
        ),
        places=np.array([number[cell] for cell in windows.cells], dtype=np.int64)[windows.places],
        asset=assets[0],
    )


def open_cut(planned: PlannedCut, folder: Path) -> Cut:
    """Patches of finished part files, read as they are asked for."""
    chunks = planned.chunks
    owner, row = _find_rows(chunks)
    missing = np.concatenate([open_chunk(chunk, folder).missing for chunk in chunks]).astype(np.float64)
    order = np.argsort(np.concatenate([chunk.places for chunk in chunks]))

    @lru_cache(maxsize=OPEN_PARTS)
    def open_part(which: int) -> Patches:
        return open_chunk(chunks[which], folder)

    bands, side = len(chunks[0].scene.bands), chunks[0].pixels

    def read(rows: Ints) -> Array:
        cells, where = np.unique(planned.places[rows], return_inverse=True)
        values: Array = np.empty((len(cells), bands, side, side), chunks[0].dtype)
        for which in np.unique(owner[cells]).tolist():
            here = owner[cells] == which
            stored = open_part(which).values
            values[here] = stored[row[cells[here]]]
            let_go(stored)
        windows = Windows(cells=[], pixels=side, places=where.reshape(len(rows), *planned.places.shape[1:]))
        return remove_offset(windows.join(values), planned.asset)

    return Cut(
        bands=chunks[0].scene.bands,
        dtype=np.dtype(chunks[0].dtype),
        shape=(bands, side * planned.places.shape[1], side * planned.places.shape[2]),
        offset=kept_offset(planned.asset),
        missing=missing[order][planned.places].mean(axis=(1, 2)),
        read=read,
    )


def _find_rows(chunks: Sequence[Chunk]) -> tuple[Ints, Ints]:
    """For each cell of the plan: its chunk, and its row there."""
    places = np.concatenate([chunk.places for chunk in chunks])
    owner, row = np.empty(len(places), np.int64), np.empty(len(places), np.int64)
    owner[places] = np.repeat(np.arange(len(chunks)), [len(chunk) for chunk in chunks])
    row[places] = np.concatenate([np.arange(len(chunk)) for chunk in chunks])
    return owner, row
