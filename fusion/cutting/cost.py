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
    left, top, right, bottom = _clip(layout, x, y, pixels)
    inside = (right > left) & (bottom > top)
    if not inside.any():
        return Cost()
    left, top, right, bottom = left[inside].min(), top[inside].min(), right[inside].max(), bottom[inside].max()
    blocks = _count(left, right, layout.block_width) * _count(top, bottom, layout.block_height)
    return Cost(
        blocks=int(blocks),
        decoded_bytes=int(blocks) * layout.block_bytes,
        copied_bytes=int((right - left) * (bottom - top)) * layout.pixel_bytes,
        calls=1,
    )


def cost_windows(layout: Layout, x: Ints, y: Ints, pixels: int) -> Cost:
    """Each window by itself, every block that any of them touches decoded once."""
    left, top, right, bottom = _clip(layout, x, y, pixels)
    inside = (right > left) & (bottom > top)
    left, top, right, bottom = left[inside], top[inside], right[inside], bottom[inside]
    touched: set[tuple[int, int]] = set()
    first_columns, last_columns = left // layout.block_width, (right - 1) // layout.block_width
    first_rows, last_rows = top // layout.block_height, (bottom - 1) // layout.block_height
    ranges = np.unique(np.stack([first_columns, last_columns, first_rows, last_rows], axis=1), axis=0)
    for first_column, last_column, first_row, last_row in ranges.tolist():
        touched.update(
            (row, column) for row in range(first_row, last_row + 1) for column in range(first_column, last_column + 1)
        )
    return Cost(
        blocks=len(touched),
        decoded_bytes=len(touched) * layout.block_bytes,
        copied_bytes=int(((right - left) * (bottom - top)).sum()) * layout.pixel_bytes,
        calls=int(inside.sum()),
    )


def choose(layout: Layout, x: Ints, y: Ints, pixels: int) -> tuple[bool, Cost]:
    """Whether one box around the windows is cheaper than the windows, and what the cheaper way costs."""
    box = cost_box(layout, x, y, pixels)
    if box.copied_bytes <= len(x) * pixels**2 * layout.pixel_bytes:  # dense without a gap: nothing can be cheaper
        return True, box
    windows = cost_windows(layout, x, y, pixels)
    return (True, box) if box.seconds <= windows.seconds else (False, windows)


def _clip(layout: Layout, x: Ints, y: Ints, pixels: int) -> tuple[Ints, Ints, Ints, Ints]:
    left, top = np.maximum(x, 0), np.maximum(y, 0)
    return left, top, np.minimum(x + pixels, layout.width), np.minimum(y + pixels, layout.height)


def _count(first: np.int64, end: np.int64, step: int) -> int:
    return int((end - 1) // step - first // step + 1)
