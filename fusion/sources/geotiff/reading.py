"""Pixels of a file as they are stored, with a mask of those that mean something."""

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from rasterio.enums import MaskFlags
from rasterio.io import DatasetReader
from rasterio.windows import Window

from fusion.errors import BadRasterError
from fusion.source import RasterFile, RasterInfo
from fusion.sources.geotiff.naming import name_bands
from fusion.sources.geotiff.opening import open_raster

Stored = npt.NDArray[np.generic]
Mask = npt.NDArray[np.bool_]
Raster = RasterFile | RasterInfo | Path | str
PixelWindow = tuple[int, int, int, int]


def read_window(
    raster: Raster,
    bands: Sequence[str] | None = None,
    *,
    window: PixelWindow | None = None,
    bounds: tuple[float, float, float, float] | None = None,
) -> tuple[Stored, Mask]:
    """Array [band, y, x] as stored and mask [y, x], True where no band is nodata, masked or not finite.

    `window` is (column, row, width, height) in pixels, `bounds` is (west, south, east, north) in the file's CRS rounded
    outwards to whole pixels; both are clipped to the file, neither means all of it. No bands named means all.
    """
    raster = describe_file(raster)
    with open_raster(raster.path) as dataset:
        part = _find_window(dataset, raster.path, window, bounds)
        return read_part(dataset, find_indexes(raster, bands), part, raster.nodata)


def read_tags(path: Path | str) -> dict[str, str]:
    """The tags of a file, as text."""
    with open_raster(path) as dataset:
        return dict(dataset.tags())


def describe_file(raster: Raster) -> RasterFile:
    """The file with the names of its bands and its nodata value, read from it where only a path is given."""
    if isinstance(raster, RasterFile):
        return raster
    if isinstance(raster, RasterInfo):
        return RasterFile(path=raster.path, bands=raster.bands, nodata=raster.nodata)
    path = Path(raster)
    with open_raster(path) as dataset:
        return RasterFile(path=path, bands=name_bands(path, dataset.descriptions), nodata=dataset.nodata)


def find_indexes(raster: RasterFile, bands: Sequence[str] | None) -> list[int]:
    """Places of bands in the file, from 1; a band that is not there is named beside those that are."""
    if bands is None:
        return list(range(1, len(raster.bands) + 1))
    missing = [band for band in bands if band not in raster.bands]
    if missing:
        there = ", ".join(band for band in raster.bands if band) or "none with a name"
        raise BadRasterError(f"{raster.path.name}: no band {', '.join(missing)}. It holds {there}.")
    return [raster.bands.index(band) + 1 for band in bands]


def read_part(
    dataset: DatasetReader,
    indexes: list[int],
    window: Window,
    nodata: float | None,
    shape: tuple[int, int] | None = None,
) -> tuple[Stored, Mask]:
    """Array [band, y, x] and mask [y, x] of a window that lies within the dataset.

    A smaller `shape` (height, width) takes it from the overviews.
    """
    rows, columns = shape or (window.height, window.width)
    array = dataset.read(indexes, window=window, out_shape=(len(indexes), rows, columns))
    return array, find_valid(dataset, array, window, nodata)


def find_valid(dataset: DatasetReader, array: Stored, window: Window, nodata: float | None) -> Mask:
    """Mask [y, x] of an array read from this window: no band nodata or not finite, none under the file's own mask."""
    valid: Mask = np.ones(array.shape[1:], dtype=bool)
    for band in array:
        if array.dtype.kind in "fc":
            valid &= np.isfinite(band)
        if nodata is not None and is_storable(nodata, array.dtype):
            valid &= band != array.dtype.type(nodata)
    if has_own_mask(dataset):
        valid &= dataset.read_masks(1, window=window, out_shape=array.shape[1:]) > 0
    return valid


def has_only_data(array: Stored, nodata: float | None) -> bool:
    """Whether plainly nothing is missing: smallest and largest value are finite and nodata is not between them.

    `nodata` is a value that the array's dtype can hold. False where it cannot be told so fast; `find_valid` then looks
    at every pixel. NaN carries through both.
    """
    if array.dtype.kind in "ui":
        return nodata is None or bool(array.min() > nodata or array.max() < nodata)
    if array.dtype.kind != "f":
        return False
    low, high = array.min(), array.max()
    if not (np.isfinite(low) and np.isfinite(high)):
        return False
    return nodata is None or not low <= nodata <= high


def has_own_mask(dataset: DatasetReader) -> bool:
    """Whether the file says by a mask of its own which pixels hold data."""
    return MaskFlags.per_dataset in dataset.mask_flag_enums[0]


def is_storable(value: float, dtype: np.dtype[np.generic]) -> bool:
    """Whether a pixel of this dtype can hold the value (-9999 and NaN cannot lie in uint16)."""
    if dtype.kind in "fc":
        return True
    limits = np.iinfo(str(dtype))
    return float(value).is_integer() and limits.min <= value <= limits.max


def _find_window(
    dataset: DatasetReader,
    path: Path,
    window: PixelWindow | None,
    bounds: tuple[float, float, float, float] | None,
) -> Window:
    if bounds is not None:
        column, row, width, height = _round_outwards(dataset, bounds)
    elif window is not None:
        column, row, width, height = window
    else:
        return Window(0, 0, dataset.width, dataset.height)
    first_column, first_row = max(column, 0), max(row, 0)
    end_column, end_row = min(column + width, dataset.width), min(row + height, dataset.height)
    if end_column <= first_column or end_row <= first_row:
        raise BadRasterError(f"{path.name}: the part asked for lies outside its {dataset.width} x {dataset.height} px.")
    return Window(first_column, first_row, end_column - first_column, end_row - first_row)


def _round_outwards(dataset: DatasetReader, bounds: tuple[float, float, float, float]) -> PixelWindow:
    """Whole pixels that cover bounds; a millionth of a pixel is rounding, not ground."""
    west, south, east, north = bounds
    step_x, _, origin_x, _, step_y, origin_y = tuple(dataset.transform)[:6]
    left, right = (west - origin_x) / step_x + 1e-6, (east - origin_x) / step_x - 1e-6
    top, bottom = (north - origin_y) / step_y + 1e-6, (south - origin_y) / step_y - 1e-6
    column, row = math.floor(left), math.floor(top)
    return column, row, math.ceil(right) - column, math.ceil(bottom) - row
