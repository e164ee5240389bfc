"""Arrays without a place: NumPy files (.npy, .npz), MATLAB cubes (.mat, version 5 and 7.3) with their ground truth."""

from pathlib import Path

from fusion.errors import BadFileError
from fusion.file_info import ArrayInfo
from fusion.source import Source
from fusion.sources.cubes.matlab import inspect_mat, read_mat
from fusion.sources.cubes.npy import Stored, inspect_npy, read_npy

__all__ = ["SOURCE", "inspect_cube", "read_cube"]

SUFFIXES = (".npy", ".npz", ".mat")


def inspect_cube(path: Path) -> list[ArrayInfo]:
    """One info per array of numbers in the file."""
    return inspect_mat(path) if _find_suffix(path) == ".mat" else inspect_npy(path)


def read_cube(path: Path, variable: str | None = None) -> Stored:
    """One array as stored, in the order of its dims; a file with several needs the name of one."""
    return read_mat(path, variable) if _find_suffix(path) == ".mat" else read_npy(path, variable)


def _find_suffix(path: Path) -> str:
    if not path.is_file():
        raise BadFileError(f"{path}: no such file. Give a file that ends in {', '.join(SUFFIXES)}.")
    if path.suffix.lower() not in SUFFIXES:
        raise BadFileError(f"{path.name}: not a NumPy or MATLAB file. Its name must end in {', '.join(SUFFIXES)}.")
    return path.suffix.lower()


SOURCE = Source(name="cubes", title="NumPy and MATLAB arrays", suffixes=SUFFIXES, look=inspect_cube)
