"""The layout of So2Sat LCZ42 (Zhu et al. 2020, doi 10.1109/MGRS.2020.2964708), which its loaders read as it is.

training.h5, validation.h5, testing.h5 hold, per sample and as little-endian float64 with channels last: `sen1`
[n, 32, 32, 8], `sen2` [n, 32, 32, 10] (reflectance: (DN + offset) * scale, 0 where there is no data), `label` [n, 17]
one-hot; beside them our `votes` [n, 17] (counts) and `label_distr` [n, 17] (the consensus distribution).

*_geo.h5 hold, in the same order, `epsg` [n, 1], `tfw` [n, 6] (the six lines of a world file: pixel width, two zeros
around the negative pixel height, centre of the upper left pixel) and `city` [n, 1] (UTF-8). A sample without a
location has epsg 0, tfw of zeros and its city if it has one: never NaN. A split without samples has no files.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import numpy.typing as npt
import pyarrow as pa

from annotation.exporter import Exporter
from fusion import grid
from fusion import modality as modalities
from fusion.errors import BadInputError
from fusion.pack import Pack, PackArray

SIDE, CLASSES = 32, 17
FILES = {"train": "training", "validation": "validation", "test": "testing"}
CHANNELS = {"sen1": ("sentinel1", 8), "sen2": ("sentinel2", 10)}
ROWS = 256  # read and written at a time: 38 MB as float64
FLOAT = np.dtype("<f8")


def write(pack: Pack, folder: Path, votes: pa.Table | None) -> None:
    """Both files of every split that has samples."""
    if pack.scheme() != "lcz17":
        raise BadInputError(f"So2Sat's layout holds Local Climate Zones; this release is of scheme {pack.scheme()!r}.")
    arrays = {key: _find_array(pack, modality) for key, (modality, _) in CHANNELS.items()}
    for split, name in FILES.items():
        rows = pack.indices(split)
        if len(rows):
            _write_samples(pack, arrays, rows, folder / f"{name}.h5")
            _write_places(pack, rows, folder / f"{name}_geo.h5")


def check(folder: Path) -> None:
    """Read every file back: shapes, types, one-hot labels, finite values, and as many places as samples."""
    found = [name for name in FILES.values() if (folder / f"{name}.h5").is_file()]
    if not found:
        raise BadInputError(f"{folder} holds none of {', '.join(f'{name}.h5' for name in FILES.values())}.")
    for name in found:
        try:
            with h5py.File(folder / f"{name}.h5") as file, h5py.File(folder / f"{name}_geo.h5") as places:
                _check_samples(file, folder / f"{name}.h5")
                _check_places(places, len(file["label"]), folder / f"{name}_geo.h5")
        except (OSError, KeyError) as error:
            raise BadInputError(f"{folder / name}.h5 or its places cannot be read: {error}. Export again.") from error


def _find_array(pack: Pack, modality: str) -> PackArray:
    """The pack's array of a modality: the one of that name, else the only one; all bands of 32 x 32 pixels."""
    every = [name for name in pack.array_names if pack.array(name).entry["modality"] == modality]
    chosen = [modality] if modality in every else every
    if len(chosen) != 1:
        raise BadInputError(
            f"So2Sat's layout needs one array of {modality}; this release has {', '.join(every) or 'none'}."
        )
    array = pack.array(chosen[0])
    if not (is_there := pack.present(chosen[0])).all():
        raise BadInputError(
            f"So2Sat's layout has no place for what is missing: {np.sum(~is_there)} of {len(pack)} samples have no "
            f"{modality}. Build a version in which it is not optional."
        )
    wanted = (len(modalities.find(modality).bands), SIDE, SIDE)
    dims = tuple(array.entry["dims"])
    if array.shape[1:] != wanted or dims != ("band", "y", "x"):
        raise BadInputError(
            f"So2Sat's layout needs {modality} as band, y, x of {list(wanted)}; array {chosen[0]!r} has "
            f"{', '.join(dims)} of {list(array.shape[1:])}."
        )
    return array


def _write_samples(pack: Pack, arrays: dict[str, PackArray], rows: npt.NDArray[np.int64], path: Path) -> None:
    with h5py.File(path, "w", track_order=False) as file:
        for key, array in arrays.items():
            data = _create(file, key, (len(rows), SIDE, SIDE, CHANNELS[key][1]), FLOAT)
            for start, part in _split(rows):
                data[start : start + len(part)] = _to_physical(array.gather(part), array.entry)
        votes = pack.samples.column("votes").to_pylist()
        labels = pack.labels()[rows]
        _create(file, "label", (len(rows), CLASSES), FLOAT)[...] = np.eye(CLASSES)[labels]
        _create(file, "votes", (len(rows), CLASSES), FLOAT)[...] = [votes[row] or [0] * CLASSES for row in rows]
        _create(file, "label_distr", (len(rows), CLASSES), FLOAT)[...] = pack.distribution()[rows]


def _write_places(pack: Pack, rows: npt.NDArray[np.int64], path: Path) -> None:
    cells = pack.samples.column("cell").to_pylist()
    cities = [pack.samples.column("city")[int(row)].as_py() or "" for row in rows]
    places = [_find_place(cells[row]) for row in rows]
    with h5py.File(path, "w", track_order=False) as file:
        _create(file, "epsg", (len(rows), 1), np.dtype("<i4"))[...] = [[epsg] for epsg, _ in places]
        _create(file, "tfw", (len(rows), 6), FLOAT)[...] = [tfw for _, tfw in places]
        text = np.array([[city.encode()] for city in cities])
        text = text.astype("S1") if text.dtype.itemsize == 0 else text
        file.create_dataset("city", data=text, track_times=False)


def _create(file: h5py.File, name: str, shape: tuple[int, ...], dtype: np.dtype[Any]) -> h5py.Dataset:
    """A dataset in chunks of one sample, without compression and without times, so that bytes repeat."""
    return file.create_dataset(name, shape, dtype, chunks=(1, *shape[1:]), track_times=False)


def _split(rows: npt.NDArray[np.int64]) -> Iterator[tuple[int, npt.NDArray[np.int64]]]:
    for start in range(0, len(rows), ROWS):
        yield start, rows[start : start + ROWS]


def _to_physical(stored: npt.NDArray[Any], entry: dict[str, Any]) -> npt.NDArray[np.float64]:
    """Physical values with channels last; 0 where the stored value is the modality's nodata."""
    values = (stored.astype(np.float64) + entry["offset"]) * entry["scale"]
    if entry["nodata"] is not None:
        values[stored == entry["nodata"]] = 0
    return np.moveaxis(values, 1, -1)


def _find_place(cell_id: str | None) -> tuple[int, list[float]]:
    """EPSG code and world file of a grid cell of 32 x 32 pixels; zeros where there is none."""
    if not cell_id:
        return 0, [0.0] * 6
    cell = grid.parse_cell(cell_id)
    west, _, _, north = cell.bounds
    pixel = cell.size_m / SIDE
    return cell.epsg, [pixel, 0.0, 0.0, -pixel, west + pixel / 2, north - pixel / 2]


def _check_samples(file: h5py.File, path: Path) -> None:
    n = len(file["label"])
    shapes: dict[str, tuple[int, ...]] = {key: (n, SIDE, SIDE, bands) for key, (_, bands) in CHANNELS.items()}
    shapes |= {key: (n, CLASSES) for key in ("label", "votes", "label_distr")}
    for key, shape in shapes.items():
        data = file[key]
        if data.shape != shape or data.dtype != FLOAT:
            raise BadInputError(f"{path}: {key} is {data.dtype} {data.shape}, not float64 {shape}. Export again.")
        for start in range(0, n, ROWS):
            if not np.isfinite(data[start : start + ROWS]).all():
                raise BadInputError(f"{path}: {key} holds values that are not finite. Export again.")
    label = file["label"][...]
    if not (np.isin(label, (0, 1)).all() and (label.sum(1) == 1).all()):
        raise BadInputError(f"{path}: label is not one-hot. Export again.")


def _check_places(file: h5py.File, n: int, path: Path) -> None:
    for key, width in {"epsg": 1, "tfw": 6, "city": 1}.items():
        if file[key].shape != (n, width):
            raise BadInputError(f"{path}: {key} has shape {file[key].shape}, not {(n, width)}. Export again.")
    if not np.isfinite(file["tfw"][...]).all():
        raise BadInputError(f"{path}: tfw holds values that are not finite. Export again.")


EXPORTER = Exporter(
    name="so2sat_hdf5",
    title="So2Sat LCZ42 (HDF5)",
    write=write,
    check=check,
    help="training.h5, validation.h5, testing.h5 with sen1, sen2, label, votes, label_distr; *_geo.h5 with places.",
)
