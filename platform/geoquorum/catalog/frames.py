"""The square of ground that pictures of a sample show: a patch's cell with its neighbours, or a whole area.

Pictures are asked for by a context: of a patch the number of cells on a side, of an area THE_AREA for the square that
holds it and more for as many times as much around it.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import shapely
from pyproj import Transformer
from shapely.errors import ShapelyError
from shapely.geometry import shape
from shapely.geometry.base import BaseGeometry

from fusion import grid
from fusion.errors import NoLocationError
from geoquorum.catalog.models import Sample
from geoquorum.catalog.windows import has_window, locate_square

THE_AREA = 3  # context at which an area fills its picture; contexts below show the same
LEAST_M = 960  # of an area's picture: three cells of 320 m, as patches are shown
MARGIN = 0.08  # of the area's longer side, on each side of it
CELL_M, CELL_PX = 160, 16  # pictures of areas are put together of these: pixels of 10 m, then 20 m, 40 m, ...
VALUES_PX = 4  # pixels on a cell's side in the stored values of an area, which are for a spectrum, not for eyes
MOST_ACROSS = 24
MOST_FINE = 168  # cells across of a patch between cells: 21 times as wide as one of eight of them
MOST_M = 30_720  # a wider picture would read a whole scene; of a larger area it shows the middle


@dataclass(frozen=True, kw_only=True)
class Frame:
    """`across` x `across` cells of `cell_m` metres from a south-west corner; each has `pixels` on a side."""

    epsg: int
    column: int
    row: int
    cell_m: int
    across: int
    pixels: int

    @property
    def cells(self) -> list[grid.Cell]:
        """Row by row from the north-west."""
        zone, is_north = self.epsg % 100, self.epsg < 32700
        return [
            grid.Cell(zone=zone, north=is_north, size_m=self.cell_m, column=self.column + east, row=self.row + north)
            for north in reversed(range(self.across))
            for east in range(self.across)
        ]

    @property
    def size_m(self) -> int:
        return self.cell_m * self.across

    @property
    def west_m(self) -> int:
        return self.column * self.cell_m

    @property
    def north_m(self) -> int:
        return self.row * self.cell_m + self.size_m


def find_frame(sample: Sample, context: int = 1) -> Frame:
    """What a picture of this sample shows; NoLocationError where it has no place."""
    outline = read_outline(sample) if sample.kind == Sample.Kind.AREA else shapely.Polygon()
    if not outline.is_empty:
        return _frame_area(sample, outline, context)
    if not has_window(sample):
        raise NoLocationError(f"Sample {sample.key!r} has no place, so there is no scene to draw it from.")
    if not sample.cell:
        return _frame_between(sample, context)
    cell, reach = grid.parse_cell(sample.cell), (context - 1) // 2
    return Frame(
        epsg=cell.epsg, column=cell.column - reach, row=cell.row - reach, cell_m=cell.size_m,
        across=2 * reach + 1, pixels=sample.width_px or 32,
    )  # fmt: skip


def read_outline(sample: Sample) -> BaseGeometry:
    """The outline as stored; one that is no geometry is empty, which is refused by name where it matters."""
    try:
        return shape(sample.footprint or {"type": "Polygon", "coordinates": []})
    except (ShapelyError, AttributeError, IndexError, KeyError, TypeError, ValueError):
        return shapely.Polygon()


def find_epsg(sample: Sample, outline: BaseGeometry) -> int:
    """The UTM zone of an area's middle."""
    if sample.cell:
        return grid.parse_cell(sample.cell).epsg
    middle = outline.representative_point()
    if not (-180 <= middle.x <= 180 and grid.SOUTH_LIMIT <= middle.y <= grid.NORTH_LIMIT):
        raise NoLocationError(f"Sample {sample.key!r} lies beyond the grid, which ends at 84 N and 80 S.")
    return (32600 if middle.y >= 0 else 32700) + grid.zone_of(middle.x)


def to_metres(outline: BaseGeometry, epsg: int, *, is_dense: bool = True) -> BaseGeometry:
    """An outline in degrees as metres of a UTM zone; dense, as its long edges are curves there, or corner by corner."""
    dense = shapely.segmentize(outline, grid.EDGE_STEP_DEGREES) if is_dense else outline
    return shapely.transform(dense, transformer(4326, epsg).transform, interleaved=False)


@lru_cache(maxsize=64)
def transformer(source: int, target: int) -> Transformer:
    """From one CRS to another, longitude or easting first; making it takes longer than using it."""
    return Transformer.from_crs(source, target, always_xy=True)


def _frame_between(sample: Sample, context: int) -> Frame:
    """A patch between the grid's cells, with as much around it, in the largest cells of which all of that consists."""
    epsg, west, south, size_m = locate_square(sample)
    fine_m, pixels, reach = math.gcd(west, south, size_m), sample.width_px or 32, (context - 1) // 2
    across = size_m // fine_m * (2 * reach + 1)
    if fine_m % grid.SIZE_STEP_M or fine_m * pixels % size_m or across > MOST_FINE:
        raise NoLocationError(
            f"Sample {sample.key!r} lies {fine_m} m off the grid: with so much around it there is no picture of it."
        )
    return Frame(
        epsg=epsg, column=(west - reach * size_m) // fine_m, row=(south - reach * size_m) // fine_m, cell_m=fine_m,
        across=across, pixels=fine_m * pixels // size_m,
    )  # fmt: skip


def _frame_area(sample: Sample, outline: BaseGeometry, context: int) -> Frame:
    """The smallest square of whole cells around the middle of the outline's box that holds it with its margin."""
    epsg = find_epsg(sample, outline)
    west, south, east, north = to_metres(outline, epsg).bounds
    side = max(LEAST_M, max(east - west, north - south) * (1 + 2 * MARGIN))
    wanted = min(side * max(context, THE_AREA) / THE_AREA, MOST_M)
    cell_m = CELL_M
    while math.ceil(wanted / cell_m) + 1 > MOST_ACROSS:
        cell_m *= 2
    across = math.ceil(wanted / cell_m) + 1
    column, row = (round(at / cell_m - across / 2) for at in ((west + east) / 2, (south + north) / 2))
    return Frame(epsg=epsg, column=column, row=row, cell_m=cell_m, across=across, pixels=CELL_PX)
