"""Pixels of samples: windows of their region's scenes on the grid, as stored values."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fusion import grid, modality
from fusion.errors import BadInputError, NoLocationError
from fusion.modality import Band, Modality
from fusion.source import RasterFile
from fusion.sources import geotiff
from fusion.spectrum import declare_bands
from geoquorum.catalog.checking import check_file
from geoquorum.catalog.dates import find_scene
from geoquorum.catalog.frames import VALUES_PX, Frame, find_frame
from geoquorum.catalog.models import Asset, Sample, Scene
from geoquorum.catalog.windows import Windows, has_window

RESAMPLING = "bilinear"  # for scenes that do not lie on the grid; named on the version's page
Array = npt.NDArray[np.generic]


@dataclass(frozen=True, kw_only=True)
class Pixels:
    """Stored values [sample, band, y, x] with one offset for all, and which pixels are valid [sample, y, x]."""

    values: Array
    valid: npt.NDArray[np.bool_]
    offset: float
    bands: list[str]


def read_samples(
    samples: Sequence[Sample], modality_name: str, season: str = "", *, pixels: int | None = None
) -> Pixels:
    """Stored values of patches of ONE region, in their order; the scene's offset is worked in, so that `offset` is 0
    where the modality stores whole numbers (Sentinel-2 from baseline 04.00 on is brought to the older scale)."""
    if not samples:
        raise BadInputError("No sample was asked for.")
    region = samples[0].region
    if region is None or any(not has_window(sample) or sample.region_id != region.pk for sample in samples):
        raise NoLocationError("Pixels are read by place: each sample needs a grid cell in one and the same region.")
    scene = find_scene(region, modality_name, season)
    windows = Windows.of(samples, pixels or samples[0].width_px or 32)
    read = read_scene(scene, windows.cells, pixels=windows.pixels)
    return replace(read, values=windows.join(read.values), valid=windows.join(read.valid))


def read_scene(scene: Scene, cells: Sequence[grid.Cell], *, pixels: int, only: Collection[str] | None = None) -> Pixels:
    """Stored values of grid cells on one scene: every band of the modality that the scene has, in declared order.

    With `only`, those of them that are named there.
    """
    assets = list(scene.assets.order_by("pk"))
    bands = [name for name in list_bands(scene) if only is None or name in only]
    values, valid = geotiff.read_cells([raster_of(asset) for asset in assets], bands, cells, pixels, RESAMPLING)
    return Pixels(values=remove_offset(values, assets[0]), valid=valid, offset=kept_offset(assets[0]), bands=bands)


def read_frame(scene: Scene, frame: Frame, *, only: Collection[str] | None = None) -> Pixels:
    """Stored values [1, band, y, x] of the ground that a picture shows."""
    read = read_scene(scene, frame.cells, pixels=frame.pixels, only=only)
    values, valid = _mosaic(read.values, frame.across), _mosaic(read.valid[:, None], frame.across)
    return replace(read, values=values[None], valid=valid.astype(bool))


def read_values(sample: Sample, modality_name: str, season: str = "") -> Pixels:
    """Stored values of one sample: of a patch its pixels, of an area coarse ones of what its picture shows."""
    if sample.kind != Sample.Kind.AREA or sample.region is None:
        return read_samples([sample], modality_name, season)
    frame = replace(find_frame(sample), pixels=VALUES_PX)
    return read_frame(find_scene(sample.region, modality_name, season), frame)


def _mosaic(tiles: Array, side: int) -> Array:
    """Tiles [side * side, band, y, x], row by row from the north-west, as one array [band, side * y, side * x]."""
    count, bands, height, width = tiles.shape
    rows = tiles.reshape(side, count // side, bands, height, width).transpose(2, 0, 3, 1, 4)
    return rows.reshape(bands, side * height, side * width)


def list_bands(scene: Scene) -> list[str]:
    """Bands of the scene that its modality declares, in declared order."""
    assets = list(scene.assets.all())
    if not assets:
        raise BadInputError(f"Scene {scene.name!r} has no file. Ingest it again.")
    there = {band for asset in assets for band in asset.bands}
    return [name for name in declare(scene).band_names if name in there]


def declare(scene: Scene) -> Modality:
    """The scene's modality; of one whose bands are those of each file, with the bands that this scene has."""
    declared = modality.find(scene.modality)
    if not declared.has_own_bands:
        return declared
    return declare_bands(declared, [band for asset in scene.assets.order_by("pk") for band in _own_bands(asset)])


def _own_bands(asset: Asset) -> list[Band]:
    """Those that hold data: a cube's bands where the air is black would leave no pixel of it valid."""
    waves = asset.attributes.get("wavelengths_nm") or [None] * len(asset.bands)
    known = zip(asset.bands, waves, strict=True)
    empty = asset.attributes.get("without_data", ())
    return [Band(name=name, title=name, wavelength_nm=wave) for name, wave in known if name not in empty]


def raster_of(asset: Asset) -> RasterFile:
    """The file behind an asset, as the reader wants it; one that has changed since it was taken in is refused."""
    check_file(asset)
    return RasterFile(path=Path(asset.uri), bands=tuple(asset.bands), nodata=asset.nodata)


def remove_offset(values: Array, asset: Asset) -> Array:
    """Whole numbers brought to the modality's own offset (0 for Sentinel-2): what the scene's differs by is added.

    Values that fall below 1 become 1, nodata stays what it is. Where the offsets are the same nothing is touched.
    """
    shift = round(asset.offset - modality.find(asset.modality).offset)
    if not shift or not np.issubdtype(values.dtype, np.integer):
        return values
    limits = np.iinfo(str(values.dtype))
    lowest = 1 if asset.nodata == 0 else limits.min
    moved = np.clip(values.astype(np.int64) + shift, lowest, limits.max).astype(values.dtype)
    return moved if asset.nodata is None else np.where(values == asset.nodata, values, moved)


def kept_offset(asset: Asset) -> float:
    """The offset that is left in values after `remove_offset`."""
    is_whole = np.issubdtype(np.dtype(asset.dtype), np.integer)
    return modality.find(asset.modality).offset if is_whole else asset.offset
