"""Whole scenes as arrays, and the windows around each map pixel that a network looks at."""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fusion.errors import BadInputError
from fusion.pack import PackArray
from fusion.sources import geotiff
from geoquorum.catalog.dates import find_scene
from geoquorum.catalog.models import Region, Scene
from geoquorum.catalog.pixels import kept_offset, list_bands, raster_of, remove_offset

STEP_PX = 10  # one map pixel each 100 m, the resolution of published LCZ maps
MOST_WINDOWS = 40_000  # about 3 GB of Sentinel-1 and -2 windows; larger regions are mapped in parts


@dataclass(frozen=True, kw_only=True)
class Mosaic:
    """Stored values of one scene [band, y, x] on its own raster, its validity [y, x], EPSG and transform."""

    values: npt.NDArray[np.generic]
    valid: npt.NDArray[np.bool_]
    epsg: int
    transform: tuple[float, ...]
    offset: float


def read_mosaic(scene: Scene, bands: tuple[str, ...]) -> Mosaic:
    """A whole scene as stored, its offset worked in as in packs."""
    assets = list(scene.assets.order_by("pk"))
    missing = [band for band in bands if band not in list_bands(scene)]
    if missing or len(assets) != 1:
        raise BadInputError(
            f"Scene {scene.name!r} cannot be mapped: it needs one file with the bands {', '.join(bands)}."
        )
    asset = assets[0]
    values, valid = geotiff.read_window(raster_of(asset), bands, window=(0, 0, asset.width, asset.height))
    values = np.where(valid, values, 0).astype(values.dtype)
    return Mosaic(
        values=remove_offset(values, asset),
        valid=valid,
        epsg=asset.epsg,
        transform=tuple(asset.transform),
        offset=kept_offset(asset),
    )


def read_dates(region: Region, modality: str, date: str, array: PackArray) -> Mosaic:
    """What an array of a pack was cut from, over a whole region: of a series all its dates, band behind band."""
    parts = [read_mosaic(find_scene(region, modality, each), array.bands) for each in array.times or (date,)]
    first = parts[0]
    if any((one.transform, one.values.shape) != (first.transform, first.values.shape) for one in parts):
        raise BadInputError(f"The dates of {modality} over {region.name!r} lie on different rasters: no map of them.")
    return replace(
        first,
        values=np.concatenate([one.values for one in parts]),
        valid=np.logical_and.reduce([one.valid for one in parts]),
    )


def cut_windows(values: npt.NDArray[np.generic], size: int) -> npt.NDArray[np.generic]:
    """Windows [row, column, band, size, size] centred on every STEP_PX-th pixel block; the border is mirrored."""
    _bands, height, width = values.shape
    rows, columns = count_steps(height), count_steps(width)
    if rows * columns > MOST_WINDOWS:
        raise BadInputError(f"{rows} x {columns} map pixels are more than the {MOST_WINDOWS} that one map job takes.")
    before = size // 2 - STEP_PX // 2
    padded = np.pad(values, ((0, 0), (before, size), (before, size)), mode="symmetric")
    views = np.lib.stride_tricks.sliding_window_view(padded, (size, size), axis=(1, 2))
    return views[:, ::STEP_PX, ::STEP_PX][:, :rows, :columns].transpose(1, 2, 0, 3, 4)


def count_steps(length_px: int) -> int:
    """Map pixels along a side: all whose centre lies on the scene."""
    return (length_px - STEP_PX // 2 + STEP_PX - 1) // STEP_PX


def check_alike(region: Region, mosaics: dict[str, Mosaic], pixel_size_m: float | None) -> Mosaic:
    """The first mosaic, when all lie on one raster with the pixels that the network has learned from."""
    found = list(mosaics.values())
    first = found[0]
    for mosaic in found[1:]:
        if (mosaic.epsg, mosaic.transform, mosaic.valid.shape) != (first.epsg, first.transform, first.valid.shape):
            raise BadInputError(
                f"The scenes of {region.name!r} lie on different rasters. Bring them to one grid before mapping."
            )
    if pixel_size_m is not None and abs(first.transform[0] - pixel_size_m) > 1e-6:
        raise BadInputError(
            f"The scenes of {region.name!r} have pixels of {first.transform[0]:g} in EPSG:{first.epsg}; the run has "
            f"learned from pixels of {pixel_size_m:g} m. Ingest scenes in UTM with such pixels."
        )
    return first
