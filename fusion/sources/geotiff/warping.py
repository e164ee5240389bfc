"""A rectangle of the grid out of one open file: the stored window where pixels coincide, else a reprojection."""

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.io import DatasetReader
from rasterio.transform import Affine
from rasterio.warp import reproject, transform, transform_bounds
from rasterio.windows import Window

from fusion.sources.geotiff.reading import Mask, Stored, read_part

# a shift below a ten-thousandth of a pixel is rounding in the file's header
ALIGNED_PIXELS = 1e-4
# pixels around a window that the widest kernel (Lanczos, 3 pixels) needs, times the shrinking factor
KERNEL_PIXELS = 4


@dataclass(frozen=True, kw_only=True)
class GridBlock:
    """Pixels of one zone's grid: `column` counts from easting 0, `row` from northing 0 down (southwards)."""

    epsg: int
    step_m: float
    column: int
    row: int
    width: int
    height: int

    @property
    def transform(self) -> Affine:
        return Affine(self.step_m, 0.0, self.column * self.step_m, 0.0, -self.step_m, -self.row * self.step_m)

    @property
    def bounds(self) -> tuple[float, float, float, float]:
        west, north = self.column * self.step_m, -self.row * self.step_m
        return west, north - self.height * self.step_m, west + self.width * self.step_m, north


def is_on_grid(dataset: DatasetReader, block: GridBlock) -> bool:
    """Whether the file's pixels are the block's: same CRS, same pixel size, same origin modulo a pixel."""
    if dataset.crs.to_epsg() != block.epsg:
        return False
    step_x, _, _, _, step_y, _ = tuple(dataset.transform)[:6]
    drift = max(abs(step_x - block.step_m), abs(step_y + block.step_m)) * max(dataset.width, dataset.height)
    column, row = _find_offset(dataset, block)
    shift = max(abs(column - round(column)), abs(row - round(row)))
    return max(drift / block.step_m, shift) <= ALIGNED_PIXELS


def read_aligned(
    dataset: DatasetReader, indexes: list[int], block: GridBlock, nodata: float | None
) -> tuple[Stored, Mask]:
    """The block's pixels as they lie in the file; False in the mask beyond its edge."""
    column, row = (round(offset) for offset in _find_offset(dataset, block))
    array = np.zeros((len(indexes), block.height, block.width), dtype=dataset.dtypes[indexes[0] - 1])
    valid = np.zeros(array.shape[1:], dtype=bool)
    window = _clip(dataset, column, row, column + block.width, row + block.height)
    if window is not None:
        across = slice(window.col_off - column, window.col_off - column + window.width)
        down = slice(window.row_off - row, window.row_off - row + window.height)
        array[:, down, across], valid[down, across] = read_part(dataset, indexes, window, nodata)
    return array, valid


def read_resampled(
    dataset: DatasetReader,
    indexes: list[int],
    block: GridBlock,
    nodata: float | None,
    method: Resampling,
) -> tuple[Stored, Mask]:
    """The block's pixels reprojected from the file, rounded to its dtype where that is an integer."""
    dtype = np.dtype(dataset.dtypes[indexes[0] - 1])
    scales = _measure_scale(dataset, block)
    window = _find_source_window(dataset, block, min(1.0, *scales))
    if window is None:
        empty = np.zeros((len(indexes), block.height, block.width), dtype=dtype)
        return empty, np.zeros(empty.shape[1:], dtype=bool)
    source = widen(*read_part(dataset, indexes, window, nodata))
    target = np.full((len(source), block.height, block.width), np.nan, dtype=source.dtype)
    reproject(
        source,
        target,
        src_transform=dataset.transform @ Affine.translation(window.col_off, window.row_off),
        src_crs=dataset.crs,
        src_nodata=np.nan,
        dst_transform=block.transform,
        dst_crs=CRS.from_epsg(block.epsg),
        dst_nodata=np.nan,
        resampling=method,
        XSCALE=scales[0],
        YSCALE=scales[1],
    )
    return restore_dtype(target, dtype)


def _measure_scale(dataset: DatasetReader, block: GridBlock) -> tuple[float, float]:
    """Grid pixels per file pixel at the block's centre, across and down, below 1 where the file is finer.

    GDAL would derive them from the windows, which are cut short at the edge of a file.
    """
    west, south, east, north = block.bounds
    x, y = (west + east) / 2, (south + north) / 2
    points = [x, x + block.step_m, x], [y, y, y - block.step_m]
    found = transform(CRS.from_epsg(block.epsg), dataset.crs, *points)
    step_x, _, _, _, step_y, _ = tuple(dataset.transform)[:6]
    columns, rows = np.asarray(found[0]) / step_x, np.asarray(found[1]) / step_y
    across, down = np.hypot(columns[1:] - columns[0], rows[1:] - rows[0])
    return 1 / float(across), 1 / float(down)


def _find_offset(dataset: DatasetReader, block: GridBlock) -> tuple[float, float]:
    """Where the block's corner lies in the file, in pixels from its own corner."""
    step_x, _, origin_x, _, step_y, origin_y = tuple(dataset.transform)[:6]
    west, _, _, north = block.bounds
    return (west - origin_x) / step_x, (north - origin_y) / step_y


def _find_source_window(dataset: DatasetReader, block: GridBlock, shrink: float) -> Window | None:
    """The part of the file that the block and its kernels reach, or None where they do not touch it."""
    west, south, east, north = transform_bounds(CRS.from_epsg(block.epsg), dataset.crs, *block.bounds)
    step_x, _, origin_x, _, step_y, origin_y = tuple(dataset.transform)[:6]
    margin = math.ceil(KERNEL_PIXELS / shrink)
    return _clip(
        dataset,
        math.floor((west - origin_x) / step_x) - margin,
        math.floor((north - origin_y) / step_y) - margin,
        math.ceil((east - origin_x) / step_x) + margin,
        math.ceil((south - origin_y) / step_y) + margin,
    )


def _clip(dataset: DatasetReader, left: int, top: int, right: int, bottom: int) -> Window | None:
    left, top, right, bottom = max(left, 0), max(top, 0), min(right, dataset.width), min(bottom, dataset.height)
    return Window(left, top, right - left, bottom - top) if right > left and bottom > top else None


def widen(array: Stored, valid: Mask) -> npt.NDArray[np.floating]:
    """Real numbers with NaN where nothing is valid; complex bands become real parts, then imaginary parts.

    float32 holds integers up to 16 bits and half a complex64 exactly; wider values need float64.
    """
    parts = np.concatenate([array.real, array.imag]) if array.dtype.kind == "c" else array
    is_narrow = parts.dtype == np.float32 or parts.dtype.itemsize <= 2
    wide: npt.NDArray[np.floating] = np.array(parts, dtype=np.float32 if is_narrow else np.float64)
    wide[:, ~valid] = np.nan
    return wide


def restore_dtype(target: npt.NDArray[np.floating], dtype: np.dtype[np.generic]) -> tuple[Stored, Mask]:
    """Numbers of `widen` in the stored dtype, integers rounded and kept in range, and the mask of those not NaN."""
    valid: Mask = np.isfinite(target).all(axis=0)
    target[:, ~valid] = 0
    if dtype.kind == "c":
        half = len(target) // 2
        return (target[:half] + 1j * target[half:]).astype(dtype), valid
    if dtype.kind in "iu":
        limits = np.iinfo(str(dtype))
        target = np.rint(target).clip(limits.min, limits.max)
    return target.astype(dtype), valid
