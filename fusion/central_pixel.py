"""The pixel in the middle of every sample at each of its dates: what baselines that know no neighbourhood look at."""

from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from fusion import modality as kinds
from fusion.errors import PackError
from fusion.pack import Pack, PackArray

BLOCK = 4096  # samples at a time

FloatArray = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]


def find_arrays(pack: Pack, names: Sequence[str]) -> list[PackArray]:
    """The arrays called so, or every array of the modality called so; PackError lists what the pack has."""
    return [pack.array(found) for name in names for found in _match(pack, name)]


def read_central_pixels(array: PackArray, rows: Indices) -> FloatArray:
    """Stretched values [rows, times, bands] of the central pixel; NaN where there is no data.

    Where a side is even, the one behind the middle is taken. An array without dates has one.
    """
    return np.concatenate(list(_read_blocks(array, rows)))


def _read_blocks(array: PackArray, rows: Indices) -> Iterator[FloatArray]:
    dims = array.entry["dims"]
    if tuple(dims[-3:]) != ("band", "y", "x") or len(dims) > 4:
        raise PackError(f"Array {array.name!r} has dims {', '.join(dims)}; a series of rasters ends in band, y, x.")
    middle = [side // 2 for side in array.shape[-2:]]
    for start in range(0, max(1, len(rows)), BLOCK):
        stored = array.gather(rows[start : start + BLOCK])[..., middle[0], middle[1]]
        by_band = np.moveaxis(stored.reshape(len(stored), -1, stored.shape[-1]), -1, 0)
        values = kinds.stretch(array.modality, kinds.physical(array.modality, by_band))
        values = np.where(kinds.find_valid(array.modality, by_band), values, np.float32(np.nan))
        yield np.moveaxis(values, 0, -1).astype(np.float32)


def _match(pack: Pack, name: str) -> list[str]:
    if name in pack.array_names:
        return [name]
    found = [key for key in pack.array_names if pack.manifest["arrays"][key]["modality"] == name]
    if not found:
        raise PackError(f"{pack.folder} has no array of {name!r}. It has {', '.join(pack.array_names)}.")
    return found
