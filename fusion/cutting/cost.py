"""What reading costs before anything is read: blocks touched, bytes decoded, calls. Decides between box and windows."""

from dataclasses import dataclass

import numpy as np

from fusion.cutting.arranging import Ints
from fusion.cutting.layout import Layout

# Seconds on one core of an EPYC, zstd and Deflate with ten uint16 bands: decoding 3 to 4 ns a byte, copying 0.2 to 0.4,
# a call of the library 40 to 80 us. Only their proportions matter here.
DECODE_S = 3e-9
COPY_S = 0.3e-9
CALL_S = 60e-6


Blocks = set[tuple[int, int]]


@dataclass(frozen=True, kw_only=True)
class Cost:
    """Blocks decoded, their decoded bytes, bytes copied out of them, and calls to the library."""

    blocks: int = 0
    decoded_bytes: int = 0
    copied_bytes: int = 0
    calls: int = 0

    @property
    def seconds(self) -> float:
        """An estimate for one core, good for comparing and for progress."""
        return self.decoded_bytes * DECODE_S + self.copied_bytes * COPY_S + self.calls * CALL_S

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(
            blocks=self.blocks + other.blocks,
            decoded_bytes=self.decoded_bytes + other.decoded_bytes,
            copied_bytes=self.copied_bytes + other.copied_bytes,
            calls=self.calls + other.calls,
        )


def cost_box(layout: Layout, x: Ints, y: Ints, pixels: int) -> Cost:
    """One rectangle around windows of `pixels` whose first pixels are `x`, `y`; what lies outside the file is free."""
    box = _find_box(layout, x, y, pixels)
    if box is None:
        return Cost()
    left, top, right, bottom = box
    return _cost(layout, len(find_box_blocks(layout, x, y, pixels)), (right - left) * (bottom - top), 1)


def cost_windows(layout: Layout, x: Ints, y: Ints, pixels: int) -> Cost:
    """Each window by itself, every block that any of them touches decoded once."""
    left, top, right, bottom = _clip(layout, x, y, pixels)
    copied = int(((right - left) * (bottom - top)).sum())
    return _cost(layout, len(find_window_blocks(layout, x, y, pixels)), copied, len(left))


def find_box_blocks(layout: Layout, x: Ints, y: Ints, pixels: int) -> Blocks:
    """Row and column of the blocks under the rectangle around all windows."""
    box = _find_box(layout, x, y, pixels)
    if box is None:
        return set()
    left, top, right, bottom = box
    return _list_blocks(layout, left, right - 1, top, bottom - 1)


def find_window_blocks(layout: Layout, x: Ints, y: Ints, pixels: int) -> Blocks:
    """Row and column of the blocks under any of the windows."""
    left, top, right, bottom = _clip(layout, x, y, pixels)
    steps = layout.block_width, layout.block_width, layout.block_height, layout.block_height
    edges = [edge // step for edge, step in zip((left, right - 1, top, bottom - 1), steps, strict=True)]
    touched: Blocks = set()
    for first_column, last_column, first_row, last_row in np.unique(np.stack(edges, axis=1), axis=0).tolist():
        rows, columns = range(first_row, last_row + 1), range(first_column, last_column + 1)
        touched.update((row, column) for row in rows for column in columns)
    return touched


def choose(layout: Layout, x: Ints, y: Ints, pixels: int) -> tuple[bool, Cost]:
    """Whether one box around the windows is cheaper than the windows, and what the cheaper way costs."""
    box = cost_box(layout, x, y, pixels)
    if box.copied_bytes <= len(x) * pixels**2 * layout.pixel_bytes:  # dense without a gap: nothing can be cheaper
        return True, box
    windows = cost_windows(layout, x, y, pixels)
    return (True, box) if box.seconds <= windows.seconds else (False, windows)


def _cost(layout: Layout, blocks: int, copied_pixels: int, calls: int) -> Cost:
    return Cost(
        blocks=blocks,
        decoded_bytes=blocks * layout.block_bytes,
        copied_bytes=copied_pixels * layout.pixel_bytes,
        calls=calls,
    )


def _find_box(layout: Layout, x: Ints, y: Ints, pixels: int) -> tuple[int, int, int, int] | None:
    left, top, right, bottom = _clip(layout, x, y, pixels)
    if not len(left):
        return None
    return int(left.min()), int(top.min()), int(right.max()), int(bottom.max())


def _list_blocks(layout: Layout, left: int, right: int, top: int, bottom: int) -> Blocks:
    rows = range(top // layout.block_height, bottom // layout.block_height + 1)
    columns = range(left // layout.block_width, right // layout.block_width + 1)
    return {(row, column) for row in rows for column in columns}


def _clip(layout: Layout, x: Ints, y: Ints, pixels: int) -> tuple[Ints, Ints, Ints, Ints]:
    """Left, top, right and bottom of what of the windows lies in the file; those outside are left out."""
    left, top = np.maximum(x, 0), np.maximum(y, 0)
    right, bottom = np.minimum(x + pixels, layout.width), np.minimum(y + pixels, layout.height)
    inside = (right > left) & (bottom > top)
    return left[inside], top[inside], right[inside], bottom[inside]
