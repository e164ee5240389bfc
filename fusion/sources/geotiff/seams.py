"""Boxes over borders of blocks without decoding a block twice: what the next unit needs of this one is kept.

The library's own cache could keep whole rows of blocks instead, but that is 130 MB for a Sentinel-2 tile, too much for
the processor's caches: 1.5 times the CPU time.
"""

from collections.abc import Callable

import numpy as np

from fusion.cutting.layout import Layout
from fusion.sources.geotiff.reading import Mask, Stored
from fusion.sources.geotiff.warping import PixelBox

# fills an array [band, y, x] from a pixel (left, top) on, and gives its mask or None where all is valid
ReadInto = Callable[[Stored, int, int], Mask | None]


class Seams:
    """Units of blocks read once each in reading order; a margin of one patch above and to the left is remembered."""

    def __init__(self, layout: Layout, bands: int, side: int, read: ReadInto) -> None:
        self._layout, self._side, self._read = layout, side, read
        self._height, self._width = layout.find_unit(side)
        shape = bands, self._height + 2 * side, min(self._width, layout.width) + 2 * side
        # one unit with its margins, and the last rows of the units above
        self._array: Stored = np.zeros(shape, layout.dtype)
        self._known: Mask = np.zeros(shape[1:], dtype=bool)
        self._above: Stored = np.zeros((bands, side, layout.width), layout.dtype)
        self._known_above: Mask = np.zeros((side, layout.width), dtype=bool)
        self._above_of: dict[int, int] = {}  # unit column: the unit row whose last rows are remembered
        self._held: tuple[int, int] | None = None  # the unit in the array
        self._has_top = False  # whether its upper margin is filled, too

    def read(self, box: PixelBox) -> tuple[Stored, Mask | None] | None:
        """The box as a view, until the next read, and its mask where something is not valid.

        None where the box is small beside a unit of several blocks, or reaches more than a patch beyond it: then it is
        better read by itself.
        """
        row, column = self._find_unit(box)
        unit = self._find_place(row, column)
        if not self._is_fit(box, unit):
            return None
        self._fill(row, column, unit, box)
        margin = PixelBox(left=unit.left - self._side, top=unit.top - self._side, width=0, height=0)
        part = box.within(margin)
        known = self._known[part]
        return self._array[:, *part], None if known.all() else known

    def _find_unit(self, box: PixelBox) -> tuple[int, int]:
        """Row and column of the unit that holds the box's last pixel."""
        last_row = min(max(box.top + box.height, 1), self._layout.height) - 1
        last_column = min(max(box.left + box.width, 1), self._layout.width) - 1
        return last_row // self._height, last_column // self._width

    def _find_place(self, row: int, column: int) -> PixelBox:
        left, top = column * self._width, row * self._height
        width, height = min(self._width, self._layout.width - left), min(self._height, self._layout.height - top)
        return PixelBox(left=left, top=top, width=width, height=height)

    def _is_fit(self, box: PixelBox, unit: PixelBox) -> bool:
        side = self._side
        is_near = (
            box.left >= unit.left - side
            and box.top >= unit.top - side
            and box.left + box.width <= unit.left + unit.width + side
            and box.top + box.height <= unit.top + unit.height + side
        )
        # a block is decoded whole in any case
        is_one_block = (self._height, self._width) == (self._layout.block_height, self._layout.block_width)
        return is_near and (is_one_block or 2 * box.size >= unit.size)

    def _fill(self, row: int, column: int, unit: PixelBox, box: PixelBox) -> None:
        side, is_next = self._side, self._held == (row, column - 1)
        has_corner = is_next and self._has_top
        if is_next:  # the unit to the left is always a whole one
            last = slice(self._width, self._width + side)
            self._array[:, :, :side], self._known[:, :side] = self._array[:, :, last], self._known[:, last]
        down, across = slice(side, side + unit.height), slice(side, side + unit.width)
        self._take(down, across, unit)
        self._array[:, :, across.stop :], self._known[:, across.stop :] = 0, False
        self._array[:, down.stop :], self._known[down.stop :] = 0, False
        needs_left, needs_top = box.left < unit.left, box.top < unit.top
        margin = slice(0, side)
        if needs_left and not is_next:
            self._take(down, margin, unit)
        self._has_top = self._take_above(row, column, unit, across)
        if needs_top and not self._has_top:
            self._take(margin, across, unit)
            self._has_top = True
        if needs_left and needs_top and not has_corner:
            self._take(margin, margin, unit)
        self._held = row, column
        self._keep_last_rows(row, column, unit)

    def _take(self, down: slice, across: slice, unit: PixelBox) -> None:
        """Read a part of the array from the file; beyond its edge there is 0 and nothing is known."""
        left, top = unit.left + across.start - self._side, unit.top + down.start - self._side
        mask = self._read(self._array[:, down, across], left, top)
        self._known[down, across] = True if mask is None else mask

    def _take_above(self, row: int, column: int, unit: PixelBox, across: slice) -> bool:
        """The last rows of the unit above, if they are remembered."""
        if self._above_of.get(column) != row - 1:
            return False
        columns = slice(unit.left, unit.left + unit.width)
        self._array[:, : self._side, across] = self._above[:, :, columns]
        self._known[: self._side, across] = self._known_above[:, columns]
        return True

    def _keep_last_rows(self, row: int, column: int, unit: PixelBox) -> None:
        if unit.height < self._height:
            return  # the last row of units: nothing lies below
        columns, across = slice(unit.left, unit.left + unit.width), slice(self._side, self._side + unit.width)
        rows = slice(unit.height, unit.height + self._side)
        self._above[:, :, columns], self._known_above[:, columns] = (
            self._array[:, rows, across],
            self._known[rows, across],
        )
        self._above_of[column] = row
