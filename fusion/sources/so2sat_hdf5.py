"""So2Sat LCZ42 as it is given away (Zhu et al. 2020, doi 10.1109/MGRS.2020.2964708), versions 1 to 4.

training.h5, validation.h5 and testing.h5 hold `sen1` [n, 32, 32, 8], `sen2` [n, 32, 32, 10] and, but for the tests of
version 1, `label` [n, 17]; versions 2 and 3 differ in how samples are shared out alone. Version 4 adds places: `epsg`
[n, 1], `tfw` [n, 6] (the lines of a world file) and `city` [n, 1], in the same file or in one called *_geo.h5 beside.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
import numpy.typing as npt

from fusion.errors import BadFileError
from fusion.file_info import ArrayInfo, Transform, hash_file
from fusion.hdf5 import list_datasets, open_hdf5
from fusion.places import check_place
from fusion.ranges import Range
from fusion.source import Source

SIDE, CLASSES = 32, 17
CHANNELS = {"sen1": 8, "sen2": 10}
BANDS = {
    "sen1": ("vh_re", "vh_im", "vv_re", "vv_im", "vh_lee", "vv_lee", "cov_re", "cov_im"),
    "sen2": ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12"),
    "label": (*(str(number) for number in range(1, 11)), *"ABCDEFG"),
}
PLACES = ("epsg", "tfw", "city")
MOST_SAMPLES = 2_000_000
# 400,000 samples are 60 GB: ranges are those of samples spread over the file
LOOKED_AT = 2_048
SUFFIXES = (".h5", ".hdf5")
Stored = npt.NDArray[np.generic]


@dataclass(frozen=True, kw_only=True)
class Places:
    """Where samples lie: EPSG code (0 where unknown), transform [n, 6] as (a, b, c, d, e, f) and city by sample."""

    epsg: npt.NDArray[np.int64]
    transforms: npt.NDArray[np.float64]
    cities: tuple[str, ...]

    def transform(self, row: int) -> Transform | None:
        """Of one sample, None where it has no place."""
        a, b, c, d, e, f = self.transforms[row].tolist()
        return (a, b, c, d, e, f) if self.epsg[row] else None


def inspect_so2sat(path: Path) -> list[ArrayInfo]:
    """One info per array: sen1, sen2, label; notes say the number of samples looked at and what is not as it should."""
    with open_hdf5(path) as file:
        try:
            arrays = _find_arrays(file)
            found = {name: _measure(array) for name, array in arrays.items()}
            notes = [_say_looked(len(next(iter(arrays.values())))), *_check_labels(arrays.get("label"))]
            places = _read_places(file, path, len(next(iter(arrays.values()))))
        except BadFileError as error:
            raise BadFileError(f"{path.name}: {error}.") from error
        notes.append(_say_places(places))
        sha256, size = hash_file(path), path.stat().st_size
        return [
            ArrayInfo(
                path=path.absolute(), sha256=sha256, size_bytes=size, format="So2Sat HDF5", variable=name,
                dims=("sample", "class") if name == "label" else ("sample", "y", "x", "band"), shape=array.shape,
                dtype=array.dtype.name, bands=BANDS[name], value_range=found[name].value_range,
                invalid_share=found[name].invalid_share, notes=tuple(notes),
            )
            for name, array in arrays.items()
        ]  # fmt: skip


def read_samples(path: Path, name: str, rows: Sequence[int]) -> Stored:
    """Samples `rows` of `sen1`, `sen2` as [n, band, y, x] or `label` as [n, 17], in the stored dtype and that order."""
    with open_hdf5(path) as file:
        try:
            arrays = _find_arrays(file)
            if name not in arrays:
                raise BadFileError(f"no array {name!r}; it holds {', '.join(arrays)}")
            wanted = np.asarray(rows, dtype=np.int64)
            if wanted.size and not 0 <= wanted.min() <= wanted.max() < len(arrays[name]):
                raise BadFileError(f"a row beyond its {len(arrays[name])} samples was asked for")
        except BadFileError as error:
            raise BadFileError(f"{path.name}: {error}.") from error
        order, place = np.unique(wanted, return_inverse=True)  # HDF5 reads rising rows alone
        values = arrays[name][order][place] if wanted.size else arrays[name][:0]
        return values if name == "label" else np.ascontiguousarray(np.moveaxis(values, -1, 1))


def read_places(path: Path) -> Places | None:
    """Where the samples lie, None for versions that do not say it."""
    with open_hdf5(path) as file:
        try:
            return _read_places(file, path, len(next(iter(_find_arrays(file).values()))))
        except BadFileError as error:
            raise BadFileError(f"{path.name}: {error}.") from error


def _find_arrays(file: h5py.File) -> dict[str, h5py.Dataset]:
    """The arrays of So2Sat, with the shapes it has; any other HDF5 is refused."""
    every = list_datasets(file)
    found: dict[str, h5py.Dataset] = {name: every[name] for name in ("sen1", "sen2", "label") if name in every}
    if not found.keys() & CHANNELS.keys():
        held = ", ".join(list(file)[:10]) or "nothing"
        raise BadFileError(f"it is not So2Sat: it holds {held}, and neither sen1 nor sen2")
    counts = {len(array) if array.shape else 0 for array in found.values()}
    if len(counts) > 1 or not 1 <= max(counts) <= MOST_SAMPLES:
        raise BadFileError(
            f"its arrays have {sorted(counts)} samples; the same number, 1 to {MOST_SAMPLES:,}, is needed"
        )
    for name, array in found.items():
        wanted = (CLASSES,) if name == "label" else (SIDE, SIDE, CHANNELS[name])
        if array.shape[1:] != wanted or array.dtype.kind not in "fiu":
            raise BadFileError(f"its {name} has {array.dtype} of {array.shape}; numbers of [n, {wanted}] are needed")
    return found


def _measure(array: h5py.Dataset) -> Range:
    """Range over blocks of samples from the first to the last."""
    found, block = Range(), 64
    starts = np.unique(np.linspace(0, max(0, len(array) - block), LOOKED_AT // block).astype(int))
    for start in starts.tolist():
        found.add(array[start : start + block])
    found.check_any()
    return found


def _say_looked(count: int) -> str:
    return f"Ranges are those of {min(count, LOOKED_AT)} of {count} samples"


def _check_labels(label: h5py.Dataset | None) -> list[str]:
    if label is None:
        return ["It has no labels, as the test sets of version 1"]
    values = label[()]
    one_hot = ((values == 0) | (values == 1)).all() and (values.sum(axis=1) == 1).all()
    if not one_hot:
        raise BadFileError("its labels are not one class of seventeen per sample")
    return []


def _read_places(file: h5py.File, path: Path, count: int) -> Places | None:
    if set(PLACES[:2]) <= set(file):
        return _take_places(list_datasets(file), count)
    beside = path.with_name(f"{path.stem}_geo{path.suffix}")
    if not beside.is_file():
        return None
    with open_hdf5(beside) as other:
        return _take_places(list_datasets(other), count)


def _take_places(held: dict[str, h5py.Dataset], count: int) -> Places:
    if not {"epsg", "tfw"} <= held.keys() or held["tfw"].shape != (count, 6) or held["epsg"].size != count:
        raise BadFileError(f"its places are not epsg [{count}, 1] and tfw [{count}, 6]")
    epsg, lines = held["epsg"][()].reshape(-1).astype(np.int64), held["tfw"][()].astype(np.float64)
    known = epsg > 0
    if not np.isfinite(lines).all() or (lines[known, 0] <= 0).any() or (lines[known, 3] >= 0).any():
        raise BadFileError("its world files have a pixel size that cannot be")
    # a world file names the centre of the upper left pixel, a transform its corner
    corner_x, corner_y = lines[:, 4] - lines[:, 0] / 2, lines[:, 5] - lines[:, 3] / 2
    for code in np.unique(epsg[known]).tolist():
        check_place(code, corner_x[epsg == code], corner_y[epsg == code])
    transforms = np.stack([lines[:, 0], lines[:, 2], corner_x, lines[:, 1], lines[:, 3], corner_y], axis=1)
    return Places(epsg=epsg, transforms=transforms, cities=_read_cities(held.get("city"), count))


def _read_cities(held: h5py.Dataset | None, count: int) -> tuple[str, ...]:
    if held is None or held.size != count:
        return ("",) * count
    return tuple(
        text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text) for text in held[()].reshape(-1)
    )


def _say_places(places: Places | None) -> str:
    if places is None:
        return "No places: versions 1 to 3 do not say them"
    cities = sorted(set(places.cities) - {""})
    return f"Places of {int((places.epsg > 0).sum())} samples in {len(cities) or 'unnamed'} cities"


SOURCE = Source(name="so2sat_hdf5", title="So2Sat LCZ42 (HDF5)", suffixes=SUFFIXES, look=inspect_so2sat)
