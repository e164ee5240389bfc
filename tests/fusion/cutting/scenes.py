"""Cells and numbers of the cutting tests."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import rasterio

from fusion.cutting.cutter import Batch, cut
from fusion.cutting.scene import Chunk
from fusion.grid import Cell

NORTH_WEST = Cell(zone=32, north=True, size_m=320, column=1875, row=16563)
NAMES = ("B2", "B3", "B4")


def list_cells(side: int, *, column: int = 0, row: int = 0) -> list[Cell]:
    """Cells row by row from the north-west, `column` and `row` (southwards) cells from NORTH_WEST."""
    return [
        Cell(
            zone=32, north=True, size_m=320, column=NORTH_WEST.column + column + east, row=NORTH_WEST.row - row - south
        )
        for south in range(side)
        for east in range(side)
    ]


def make_noise(side: int, bands: int = 3, dtype: str = "uint16", seed: int = 3) -> np.ndarray:
    """Numbers from 1 to 8999."""
    return np.random.default_rng(seed).integers(1, 9000, (bands, side, side)).astype(dtype)


def cut_all(chunks: Sequence[Chunk], count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Values, masks and quality of every chunk in the order of the cells that were planned; each exactly once."""
    batches = [batch for chunk in chunks for batch in cut(chunk)]
    places = np.concatenate([batch.places for batch in batches])
    assert sorted(places.tolist()) == list(range(count))
    return tuple(np.concatenate([getattr(batch, name) for batch in batches])[np.argsort(places)] for name in PARTS)


PARTS = ("values", "valid", "quality")


def read_windows(path: Path, cells: Sequence[Cell], pixels: int = 32) -> np.ndarray:
    """The same cells as windows of the whole file, read plainly; 0 beyond its edge."""
    with rasterio.open(path) as dataset:
        around = pixels * 40
        array = np.pad(dataset.read(), ((0, 0), (around, around), (around, around)))
        left, top = dataset.bounds.left, dataset.bounds.top
    places = [
        (around + round((top - cell.bounds[3]) / 10), around + round((cell.bounds[0] - left) / 10)) for cell in cells
    ]
    return np.stack([array[:, row : row + pixels, column : column + pixels] for row, column in places])


def keep_copy(batches: Sequence[Batch]) -> list[np.ndarray]:
    """Values as they are now."""
    return [batch.values.copy() for batch in batches]
