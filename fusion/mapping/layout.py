"""Where the windows of a map lie: one around each map pixel, or overlapping ones that are blended into every pixel."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from fusion.mapping.spec import Tile

STEP_PX = 10  # one pixel of a map of patch classes each 100 m, the resolution of published LCZ maps
Floats = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Windows:
    """Windows of one tile: `down` x `across` of them, each `stride` further; the first begins at (top, left).

    They may begin before the scene and end behind it: what lies there is the scene mirrored.
    """

    top: int
    left: int
    down: int
    across: int
    stride: int
    size: int

    def __len__(self) -> int:
        return self.down * self.across

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Row, column, height and width of the scene's pixels that they cover together."""
        height, width = ((count - 1) * self.stride + self.size for count in (self.down, self.across))
        return self.top, self.left, height, width


@dataclass(frozen=True, kw_only=True)
class MapLayout:
    """A map over a scene of `height` x `width` pixels by a network that sees `size` x `size` of them.

    For a network that gives one vector per window, a map pixel is STEP_PX scene pixels wide and has its own window
    around it. For one that gives a map per window, a map pixel is a scene pixel; windows overlap by half.
    """

    height: int
    width: int
    size: int
    output: Literal["vector", "map"]

    @property
    def step(self) -> int:
        """Scene pixels along a side of a map pixel."""
        return STEP_PX if self.output == "vector" else 1

    @property
    def stride(self) -> int:
        """Scene pixels from one window to the next."""
        return STEP_PX if self.output == "vector" else -(-self.size // 2)

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of the map: all pixels whose centre lies on the scene."""
        return count_steps(self.height, self.step), count_steps(self.width, self.step)

    def find_windows(self, tile: Tile) -> Windows:
        """The windows that the pixels of a tile need; a blended tile begins at a multiple of the stride."""
        row, column, rows, columns = tile
        if self.output == "vector":
            before = self.size // 2 - STEP_PX // 2
            top, left, down, across = row * STEP_PX - before, column * STEP_PX - before, rows, columns
        else:
            top, left = (place // self.stride * self.stride - self.stride for place in (row, column))
            down = -(-(row + rows) // self.stride) - row // self.stride + 1
            across = -(-(column + columns) // self.stride) - column // self.stride + 1
        return Windows(top=top, left=left, down=down, across=across, stride=self.stride, size=self.size)

    def list_tiles(self, most_px: int) -> list[Tile]:
        """The map in tiles of at most about `most_px` scene pixels, row by row from the north-west."""
        rows, columns = self.shape
        side = max(1, int(most_px**0.5) // self.stride) * self.stride // self.step
        return [
            (row, column, min(side, rows - row), min(side, columns - column))
            for row in range(0, rows, side)
            for column in range(0, columns, side)
        ]


def count_steps(length_px: int, step: int = STEP_PX) -> int:
    """Map pixels along a side: all whose centre lies on the scene."""
    return (length_px - step // 2 + step - 1) // step


def weigh(size: int) -> Floats:
    """Weight [size, size] of each pixel of a window: the squared sine, which with its half-shifted self sums to 1.

    The outermost pixel of a window of 32 counts 0.0024 of the middle one, so that what a network does wrongly at its
    border does not show.
    """
    along = np.sin(np.pi * (np.arange(size) + 0.5) / size) ** 2
    return (along[:, None] * along).astype(np.float32)


def mirror(first: int, count: int, length: int) -> npt.NDArray[np.int64]:
    """Places on a line of `length` pixels for `count` of them from `first` on; beyond either end it is mirrored."""
    places = np.arange(first, first + count) % (2 * length)
    return np.where(places < length, places, 2 * length - 1 - places)


def split_rows(windows: Windows, batch_size: int) -> Iterator[tuple[int, int]]:
    """Rows (first, end) of windows that make a batch of about `batch_size`."""
    step = max(1, batch_size // windows.across)
    for first in range(0, windows.down, step):
        yield first, min(first + step, windows.down)
