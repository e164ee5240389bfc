"""Where a file's pixels and blocks lie, from its header alone: all that planning needs, and no pixel."""

import math
from dataclasses import dataclass
from functools import lru_cache

from pyproj import CRS, Transformer

# a shift below a ten-thousandth of a pixel is rounding in the file's header
ALIGNED_PIXELS = 1e-4
# Blocks are read in units of whole blocks: at least so many pixels along a side, while they stay below so many bytes.
UNIT_PIXELS = 512
UNIT_BYTES = 8 * 2**20

Bounds = tuple[float, float, float, float]
Affine6 = tuple[float, float, float, float, float, float]


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
    def transform(self) -> Affine6:
        """x = a * column + b * row + c, y = d * column + e * row + f."""
        return self.step_m, 0.0, self.column * self.step_m, 0.0, -self.step_m, -self.row * self.step_m

    @property
    def bounds(self) -> Bounds:
        """West, south, east, north in metres."""
        west, north = self.column * self.step_m, -self.row * self.step_m
        return west, north - self.height * self.step_m, west + self.width * self.step_m, north


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The place of a file's pixels and blocks. `crs` is WKT; `epsg` is None where it has no code.

    `pixel_bytes` is what one pixel takes when its block is decoded: all bands where they are interleaved by pixel, else
    the bands that are asked for.
    """

    width: int
    height: int
    epsg: int | None
    crs: str
    transform: Affine6
    block_width: int
    block_height: int
    pixel_bytes: int
    dtype: str

    @property
    def block_bytes(self) -> int:
        """Bytes of one decoded block."""
        return self.block_width * self.block_height * self.pixel_bytes

    def find_unit(self, pixels: int) -> tuple[int, int]:
        """Height and width of what is read at a time: whole blocks, no smaller than a patch of `pixels`."""
        width = _round_up(max(pixels, UNIT_PIXELS), self.block_width)
        affordable = UNIT_BYTES // (min(width, self.width) * self.pixel_bytes)
        height = _round_up(max(pixels, min(UNIT_PIXELS, affordable)), self.block_height)
        return height, width

    def find_origin(self, epsg: int, step_m: float) -> tuple[int, int] | None:
        """Column and row of the north-west pixel on a zone's grid; None where the pixels do not lie on that grid."""
        step_x, turn_x, west, turn_y, step_y, north = self.transform
        if self.epsg != epsg or turn_x or turn_y:
            return None
        drift = max(abs(step_x - step_m), abs(step_y + step_m)) * max(self.width, self.height) / step_m
        column, row = west / step_m, -north / step_m
        shift = max(abs(column - round(column)), abs(row - round(row)))
        return None if max(drift, shift) > ALIGNED_PIXELS else (round(column), round(row))

    def find_pixels(self, bounds: Bounds, epsg: int) -> tuple[float, float, float, float]:
        """Left, top, right and bottom, in pixels of the file, of a rectangle given in metres of a zone."""
        west, south, east, north = transformer(epsg, self.crs).transform_bounds(*bounds)
        step_x, _, origin_x, _, step_y, origin_y = self.transform
        return (
            (west - origin_x) / step_x,
            (north - origin_y) / step_y,
            (east - origin_x) / step_x,
            (south - origin_y) / step_y,
        )

    def measure_scale(self, block: GridBlock) -> tuple[float, float]:
        """Grid pixels per file pixel at the block's centre, across and down, below 1 where the file is finer."""
        west, south, east, north = block.bounds
        x, y = (west + east) / 2, (south + north) / 2
        xs, ys = transformer(block.epsg, self.crs).transform([x, x + block.step_m, x], [y, y, y - block.step_m])
        columns, rows = [value / self.transform[0] for value in xs], [value / self.transform[4] for value in ys]
        across = math.hypot(columns[1] - columns[0], rows[1] - rows[0])
        down = math.hypot(columns[2] - columns[0], rows[2] - rows[0])
        return 1 / across, 1 / down


@lru_cache(maxsize=64)
def transformer(epsg: int, crs: str) -> Transformer:
    """From metres of a zone to coordinates of a file; of a CRS with heights, its ground alone."""
    own = CRS.from_user_input(crs)
    return Transformer.from_crs(epsg, own.sub_crs_list[0] if own.is_compound else own, always_xy=True)


def _round_up(length: int, step: int) -> int:
    return math.ceil(length / step) * step
