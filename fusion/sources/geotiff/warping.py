"""A rectangle of the grid out of a file whose pixels lie elsewhere: its source window, and the reprojection."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from rasterio.crs import CRS
from rasterio.enums import Resampling
from rasterio.transform import Affine
from rasterio.warp import reproject

from fusion.cutting.layout import GridBlock, Layout
from fusion.sources.geotiff.reading import Mask, Stored

# pixels around a window that the widest kernel (Lanczos, 3 pixels) needs, times the shrinking factor
KERNEL_PIXELS = 4


@dataclass(frozen=True, kw_only=True)
class PixelBox:
    """A rectangle of a file's pixels, perhaps reaching beyond its edge."""

    left: int
    top: int
    width: int
    height: int

    @property
    def size(self) -> int:
        return self.width * self.height

    def within(self, other: "PixelBox") -> tuple[slice, slice]:
        """Rows and columns of an array over the other box that hold this one."""
        top, left = self.top - other.top, self.left - other.left
        return slice(top, top + self.height), slice(left, left + self.width)


def clip_box(layout: Layout, box: PixelBox) -> PixelBox | None:
    """What of the box lies in the file."""
    left, top = max(box.left, 0), max(box.top, 0)
    right, bottom = min(box.left + box.width, layout.width), min(box.top + box.height, layout.height)
    if right <= left or bottom <= top:
        return None
    return PixelBox(left=left, top=top, width=right - left, height=bottom - top)


def join_boxes(boxes: Sequence[PixelBox]) -> PixelBox | None:
    """The smallest box around all of them."""
    if not boxes:
        return None
    left, top = min(box.left for box in boxes), min(box.top for box in boxes)
    right, bottom = max(box.left + box.width for box in boxes), max(box.top + box.height for box in boxes)
    return PixelBox(left=left, top=top, width=right - left, height=bottom - top)


def find_source_box(layout: Layout, block: GridBlock) -> PixelBox | None:
    """What the block and its kernels reach, up to a margin beyond the file; None where they do not touch the file."""
    edges = layout.find_pixels(block.bounds, block.epsg)
    if not np.isfinite(edges).all():
        return None
    margin = math.ceil(KERNEL_PIXELS / min(1.0, *layout.measure_scale(block)))
    left, top = max(math.floor(edges[0]) - margin, -margin), max(math.floor(edges[1]) - margin, -margin)
    right = min(math.ceil(edges[2]) + margin, layout.width + margin)
    bottom = min(math.ceil(edges[3]) + margin, layout.height + margin)
    box = PixelBox(left=left, top=top, width=right - left, height=bottom - top)
    return None if clip_box(layout, box) is None else box


def warp(
    array: Stored, valid: Mask | None, box: PixelBox, layout: Layout, crs: CRS, block: GridBlock, method: Resampling
) -> tuple[Stored, Mask]:
    """The block's pixels reprojected from the box of the file held in `array`, rounded to its dtype if an integer.

    `valid` is None where every pixel that the block's kernels reach is there and holds data: without a nodata value
    the library takes a path that is 3 to 4 times as fast and gives the same numbers. The scale is measured at the
    block's centre: GDAL would derive it from the windows, which are cut short at the edge of a file.
    """
    source = widen(array, np.ones(array.shape[1:], dtype=bool) if valid is None else valid)
    target = np.full((len(source), block.height, block.width), np.nan, dtype=source.dtype)
    scales, nodata = layout.measure_scale(block), None if valid is None else np.nan
    reproject(
        source,
        target,
        src_transform=Affine(*layout.transform) @ Affine.translation(box.left, box.top),
        src_crs=crs,
        src_nodata=nodata,
        dst_transform=Affine(*block.transform),
        dst_crs=CRS.from_epsg(block.epsg),
        dst_nodata=nodata,
        init_dest_nodata=valid is not None,
        resampling=method,
        XSCALE=scales[0],
        YSCALE=scales[1],
    )
    return restore_dtype(target, array.dtype)


def widen(array: Stored, valid: Mask) -> npt.NDArray[np.floating]:
    """Real numbers with NaN where nothing is valid; complex bands become real parts, then imaginary parts.

    float32 holds integers up to 16 bits and half a complex64 exactly; wider values need float64.
    """
    parts = np.concatenate([array.real, array.imag]) if array.dtype.kind == "c" else array
    is_narrow = parts.dtype == np.float32 or parts.dtype.itemsize <= 2
    wide: npt.NDArray[np.floating] = np.array(parts, dtype=np.float32 if is_narrow else np.float64)
    if not valid.all():
        wide[:, ~valid] = np.nan
    return wide


def restore_dtype(target: npt.NDArray[np.floating], dtype: np.dtype[np.generic]) -> tuple[Stored, Mask]:
    """Numbers of `widen` in the stored dtype, integers rounded and kept in range, and the mask of those not NaN."""
    valid: Mask = np.isfinite(target).all(axis=0)
    if not valid.all():
        target[:, ~valid] = 0
    if dtype.kind == "c":
        half = len(target) // 2
        return (target[:half] + 1j * target[half:]).astype(dtype), valid
    if dtype.kind in "iu":
        limits = np.iinfo(str(dtype))
        target = np.rint(target).clip(limits.min, limits.max)
    return target.astype(dtype), valid
