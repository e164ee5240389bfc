"""The order in which a file gives its cells: unit of blocks by unit, so that no block is decoded twice. Pure numbers.

A cell belongs to the unit that holds its last (south-eastern) pixel: by then every block it needs has been decoded, and
those above and to the left are still in the block cache. Cells that are resampled come in squares of fixed size, which
belong to the unit under their centre: GDAL approximates positions along the lines it warps, so values would otherwise
depend on which cells are read together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from fusion.cutting.layout import GridBlock, Layout, transformer
from fusion.errors import BadInputError
from fusion.grid import Cell

# What the block cache may take. A wider raster (many bands) is read in panels of fewer columns.
CACHE_BYTES = 512 * 2**20
# Side of the squares in which cells are resampled. One call costs 2 to 4 ms before the first pixel.
SQUARE_PIXELS = 256

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Group:
    """Cells of one zone and size as arrays; `columns` and `rows` count as in Cell."""

    epsg: int
    size_m: int
    pixels: int
    columns: Ints
    rows: Ints

    def __len__(self) -> int:
        return len(self.columns)

    @property
    def step_m(self) -> float:
        """Metres of a pixel."""
        return self.size_m / self.pixels

    @cached_property
    def x(self) -> Ints:
        """Grid column of each cell's first pixel."""
        return self.columns * self.pixels

    @cached_property
    def y(self) -> Ints:
        """Grid row, counted southwards, of each cell's first pixel."""
        return -(self.rows + 1) * self.pixels

    @property
    def square_cells(self) -> int:
        """Cells along a side of the squares in which they are resampled."""
        return max(1, SQUARE_PIXELS // self.pixels)

    @cached_property
    def squares(self) -> tuple[Ints, Ints]:
        """Column and row (northwards) of the square that holds each cell."""
        return self.columns // self.square_cells, self.rows // self.square_cells

    def take(self, places: Ints) -> "Group":
        """Some of the cells."""
        return Group(
            epsg=self.epsg,
            size_m=self.size_m,
            pixels=self.pixels,
            columns=self.columns[places],
            rows=self.rows[places],
        )

    def find_square(self, column: int, row: int) -> GridBlock:
        """The pixels of one square."""
        side = self.square_cells * self.pixels
        return GridBlock(
            epsg=self.epsg, step_m=self.step_m, column=column * side, row=-(row + 1) * side, width=side, height=side
        )


Zone = tuple[Ints, Group]


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """Cells of one unit in reading order; `places` is where they stand in the list given, `row` (panel, unit row)."""

    group: Group
    places: Ints
    row: tuple[int, int]
    is_aligned: bool


def arrange(layout: Layout, zones: Sequence[Zone]) -> list[Part]:
    """Every cell exactly once, in the order in which the file is read: zone, panel, unit row, unit column, place."""
    parts: list[Part] = []
    for places, group in zones:
        keys, is_aligned = _list_keys(layout, group)
        order = np.lexsort(keys[::-1])
        panel, unit_row, unit_column = (key[order] for key in keys[:3])
        turns = (np.diff(panel) != 0) | (np.diff(unit_row) != 0) | (np.diff(unit_column) != 0)
        for run in np.split(order, np.flatnonzero(turns) + 1):
            row = int(keys[0][run[0]]), int(keys[1][run[0]])
            parts.append(Part(group=group.take(run), places=places[run], row=row, is_aligned=is_aligned))
    return parts


def split_zones(cells: Sequence[Cell], pixels: int) -> list[Zone]:
    """The cells of each zone with their places in the list; cells of several sizes are refused."""
    if not cells or pixels < 1:
        raise BadInputError(f"{len(cells)} cells of {pixels} pixels: at least one of each is needed.")
    codes, sizes, columns, rows = tabulate(cells)
    if (sizes != sizes[0]).any():
        raise BadInputError("Cells of different sizes are read one size at a time.")
    found = []
    for epsg in np.unique(codes).tolist():
        places = np.flatnonzero(codes == epsg)
        group = Group(epsg=epsg, size_m=int(sizes[0]), pixels=pixels, columns=columns[places], rows=rows[places])
        found.append((places, group))
    return found


def tabulate(cells: Sequence[Cell]) -> Ints:
    """EPSG code, size, column and row [4, n]."""
    table = np.array([(cell.zone, cell.north, cell.size_m, cell.column, cell.row) for cell in cells], dtype=np.int64)
    zones, norths, *others = table.T
    return np.stack([np.where(norths, 32600, 32700) + zones, *others])


def find_lead(layouts: Sequence[Layout], zones: Sequence[Zone]) -> Layout:
    """The file in whose order a scene is read: the first on the grid of the cells, else that of the finest pixels.

    Where the cells lie in several zones, the first of them decides.
    """
    first = zones[0][1]
    aligned = [layout for layout in layouts if layout.find_origin(first.epsg, first.step_m) is not None]
    return aligned[0] if aligned else min(layouts, key=lambda layout: layout.transform[0])


def find_panel(layout: Layout, pixels: int) -> int:
    """Units side by side that are read before the next row of units, so that three rows of them fit the cache."""
    height, width = layout.find_unit(pixels)
    across = -(-layout.width // width)
    affordable = (CACHE_BYTES // (height * width * layout.pixel_bytes) - 4) // 3
    return max(1, min(across, affordable))


def count_cache(layout: Layout, parts: Sequence[Part]) -> int:
    """Bytes of decoded blocks to be kept so that none is decoded twice while these parts are read in order.

    Two units where no cell crosses a border of units, or where cells are so dense that units are read whole and their
    margins remembered; a row of units where windows do cross; three rows where lines run aslant.
    """
    pixels = parts[0].group.pixels
    height, width = layout.find_unit(pixels)
    across = find_panel(layout, pixels)
    capacity = len(parts) * (height // pixels) * (width // pixels)
    is_dense = 2 * sum(len(part.places) for part in parts) >= capacity
    if any(layout.find_origin(part.group.epsg, part.group.step_m) is None for part in parts):
        units = 3 * across + 4
    elif is_dense or not any(is_crossing(layout, part.group) for part in parts):
        units = 2
    else:
        units = across + 3
    return units * min(height, _up(layout.height, layout.block_height)) * width * layout.pixel_bytes


def is_crossing(layout: Layout, group: Group) -> bool:
    """Whether any of these cells, on the file's own pixels, lies over a border of units."""
    origin = layout.find_origin(group.epsg, group.step_m)
    if origin is None:
        return False
    height, width = layout.find_unit(group.pixels)
    x, y, more = group.x - origin[0], group.y - origin[1], group.pixels - 1
    return bool((x // width != (x + more) // width).any() or (y // height != (y + more) // height).any())


def _list_keys(layout: Layout, group: Group) -> tuple[list[Ints], bool]:
    """Sorting keys (panel, unit row, unit column, ...), and whether the file's pixels are the grid's."""
    height, width = layout.find_unit(group.pixels)
    origin = layout.find_origin(group.epsg, group.step_m)
    if origin is not None:
        last_x, last_y = group.x - origin[0] + group.pixels - 1, group.y - origin[1] + group.pixels - 1
        keys = [group.y, group.x]
    else:
        last_x, last_y = _find_centres(layout, group)
        columns, rows = group.squares
        keys = [-rows, columns, group.y, group.x]
    unit_columns = np.clip(last_x, 0, layout.width - 1) // width
    unit_rows = np.clip(last_y, 0, layout.height - 1) // height
    return [unit_columns // find_panel(layout, group.pixels), unit_rows, unit_columns, *keys], origin is not None


def _find_centres(layout: Layout, group: Group) -> tuple[Ints, Ints]:
    """Column and row, in pixels of the file, under the centre of each cell's square."""
    side_m = group.square_cells * group.size_m
    columns, rows = group.squares
    xs, ys = transformer(group.epsg, layout.crs).transform((columns + 0.5) * side_m, (rows + 0.5) * side_m)
    step_x, _, west, _, step_y, north = layout.transform
    across, down = (np.asarray(xs) - west) / step_x, (np.asarray(ys) - north) / step_y
    # a place that the file's CRS cannot say is infinite: it lies outside in any case
    return _floor(across), _floor(down)


def _floor(values: npt.NDArray[np.float64]) -> Ints:
    return np.nan_to_num(np.floor(np.clip(values, -1e9, 1e9)), nan=-1).astype(np.int64)


def _up(length: int, step: int) -> int:
    return -(-length // step) * step
