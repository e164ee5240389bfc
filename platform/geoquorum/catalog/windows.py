"""Patches between the cells of the grid, read as smaller cells and put together again."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd

import numpy as np
import numpy.typing as npt

from fusion import grid
from fusion.errors import BadInputError, NoLocationError
from geoquorum.catalog.models import Sample

Array = npt.NDArray[np.generic]


@dataclass(frozen=True, kw_only=True)
class Windows:
    """`cells` of `pixels` each, none twice; `places` [sample, row, column] says which of them make up each patch."""

    cells: list[grid.Cell]
    pixels: int
    places: npt.NDArray[np.int64]

    @classmethod
    def of(cls, samples: Sequence[Sample], pixels: int) -> "Windows":
        """The largest cells of which all the patches consist: the patches themselves where all lie on the grid."""
        if all(sample.cell for sample in samples):
            cells = [grid.parse_cell(sample.cell) for sample in samples]
            return cls(cells=cells, pixels=pixels, places=np.arange(len(cells)).reshape(-1, 1, 1))
        squares = np.array([locate_square(sample) for sample in samples], np.int64)
        size_m = int(squares[0, 3])
        if (squares[:, 3] != size_m).any():
            raise BadInputError("Patches between grid cells are read one size at a time.")
        fine_m = gcd(*squares[:, 1:].ravel().tolist())
        if fine_m % grid.SIZE_STEP_M or fine_m * pixels % size_m:
            raise BadInputError(
                f"Patches of {size_m} m with {pixels} pixels lie {fine_m} m off the grid, which is no whole pixel. "
                "Cut them at a coarser stride."
            )
        steps = np.arange(size_m // fine_m)
        epsg, west, south, _size = (column[:, None, None] for column in squares.T)
        wanted = np.stack(
            np.broadcast_arrays(epsg, west // fine_m + steps[None, None], south // fine_m + steps[None, ::-1, None]),
            axis=-1,
        )
        parts, places = np.unique(wanted.reshape(-1, 3), axis=0, return_inverse=True)
        fine = [
            grid.Cell(zone=code % 100, north=code < 32700, size_m=fine_m, column=column, row=row)
            for code, column, row in parts.tolist()
        ]
        return cls(cells=fine, pixels=fine_m * pixels // size_m, places=places.reshape(wanted.shape[:3]))

    def join(self, values: Array) -> Array:
        """[cell, ..., y, x] as [sample, ..., y, x]."""
        found = values[self.places]  # sample, row, column, ..., y, x
        if found.shape[1:3] == (1, 1):
            return found[:, 0, 0]
        rows = np.moveaxis(np.moveaxis(found, 2, -2), 1, -4)  # sample, ..., row, y, column, x
        *lead, down, y, across, x = rows.shape
        return rows.reshape(*lead, down * y, across * x)


def has_window(sample: Sample) -> bool:
    """Whether it is a square on the ground: a grid cell, or a patch between cells."""
    return bool(sample.cell) or (sample.kind == Sample.Kind.PATCH and sample.transform is not None)


def locate_square(sample: Sample) -> tuple[int, int, int, int]:
    """EPSG code, west, south and side in metres of a square patch."""
    if sample.cell:
        cell = grid.parse_cell(sample.cell)
        return cell.epsg, cell.bounds[0], cell.bounds[1], cell.size_m
    if sample.transform is None or sample.epsg is None or not sample.width_px:
        raise NoLocationError(f"Pixels are read by place: {sample.key!r} needs a grid cell, or a CRS and a transform.")
    step, _b, west, _d, _e, north = sample.transform
    size = round(step * sample.width_px)
    return sample.epsg, round(west), round(north) - size, size
