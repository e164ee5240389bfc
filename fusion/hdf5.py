"""HDF5 from outside, opened so that it stays within its own file: no links, no outer storage, no bombs."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np

from fusion.errors import BadFileError

MAGIC = b"\x89HDF\r\n\x1a\n"
# filters that HDF5 itself knows: none (0 is no filter), deflate, shuffle, fletcher32, szip, nbit, scale-offset, lzf
FILTERS = {1, 2, 3, 4, 5, 6, 32_000}


@dataclass(frozen=True, kw_only=True)
class Hdf5Limits:
    """The largest dataset that is opened; a chunk is decoded whole, whatever is asked of it.

    Deflate packs at most 1032 to 1: more, in a dataset above `free_bytes`, is a bomb or holds nothing.
    """

    datasets: int = 256
    value_bytes: int = 512 * 2**30
    chunk_bytes: int = 256 * 2**20
    ratio: float = 1100.0
    free_bytes: int = 64 * 2**20


@contextmanager
def open_hdf5(path: Path) -> Iterator[h5py.File]:
    """The file for reading; what HDF5 says is wrong with it becomes a BadFileError that names it."""
    if not path.is_file():
        raise BadFileError(f"{path}: no such file. Give an HDF5 file.")
    try:
        with h5py.File(path, "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError, ValueError) as error:
        cause = str(error).split("\n")[0].rstrip(".")[:200]
        raise BadFileError(f"{path.name}: cannot be read as HDF5 ({cause}). Fetch or write it again.") from error


def is_hdf5(path: Path) -> bool:
    """Whether the file begins as HDF5 does, with or without a user block (MATLAB's has 512 bytes)."""
    with path.open("rb") as file:
        for offset in (0, 512, 1024, 2048):
            file.seek(offset)
            if file.read(8) == MAGIC:
                return True
    return False


def list_datasets(file: h5py.File, limits: Hdf5Limits | None = None) -> dict[str, h5py.Dataset]:
    """Datasets of the topmost group by name, checked; links and outer storage are refused, wherever they lead."""
    allowed, found = limits or Hdf5Limits(), {}
    if len(file) > allowed.datasets:
        raise BadFileError(f"it holds {len(file)} members, the limit is {allowed.datasets}")
    for name in file:
        if not isinstance(file.get(name, getlink=True), h5py.HardLink):
            raise BadFileError(f"its member {name[:60]!r} is a link; write the data into the file itself")
        if file.get(name, getclass=True) is h5py.Dataset:
            found[name] = check_dataset(file[name], allowed)
    return found


def check_dataset(dataset: h5py.Dataset, limits: Hdf5Limits) -> h5py.Dataset:
    """The dataset, when its values lie in this file, are as many as its storage can hold, and are plainly packed."""
    name = (dataset.name or "?").strip("/")[:60]
    if dataset.external or dataset.is_virtual:
        raise BadFileError(f"its {name} lies in other files; write the data into the file itself")
    if dataset.shape is None or (dataset.dtype.kind == "O" and not h5py.check_string_dtype(dataset.dtype)):
        return dataset  # empty, or of references: no reader here takes values of these
    plist = dataset.id.get_create_plist()
    unknown = {plist.get_filter(place)[0] for place in range(plist.get_nfilters())} - FILTERS
    if unknown:
        raise BadFileError(f"its {name} is packed by filters {sorted(unknown)}, which are not read; use gzip")
    width = dataset.dtype.itemsize
    if dataset.nbytes > limits.value_bytes:
        raise BadFileError(f"its {name} has {dataset.nbytes:,} bytes, the limit is {limits.value_bytes:,}; cut it")
    if dataset.chunks and int(np.prod(dataset.chunks, dtype=object)) * width > limits.chunk_bytes:
        raise BadFileError(f"a chunk of its {name} has more than {limits.chunk_bytes:,} bytes; write smaller chunks")
    stored = dataset.id.get_storage_size()
    if dataset.nbytes > limits.free_bytes and dataset.nbytes > limits.ratio * max(stored, 1):
        raise BadFileError(
            f"its {name} claims {dataset.nbytes:,} bytes out of {stored:,} stored; nothing packs so well"
        )
    return dataset
