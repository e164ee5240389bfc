"""NumPy files: numbers alone, never pickled objects; every claimed size is checked against the bytes that are there."""

import math
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from tokenize import TokenError
from typing import IO

import numpy as np
import numpy.typing as npt
from numpy.lib import format as npy_format

from fusion.errors import BadFileError
from fusion.file_info import ArrayInfo, hash_file
from fusion.ranges import Range
from fusion.zips import has_more_members

Stored = npt.NDArray[np.generic]
MOST_HEADER = 10_000
NUMBERS = "buifc"
# axes by their number, for arrays whose file names none: pictures and cubes are written with bands last
DIMS = {
    0: (), 1: ("sample",), 2: ("y", "x"), 3: ("y", "x", "band"), 4: ("time", "y", "x", "band"),
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class CubeLimits:
    """The largest file that is read: one array, an archive's unpacked members together, and how tightly they pack."""

    array_bytes: int = 16 * 2**30
    members: int = 64
    unpacked_bytes: int = 4 * 2**30
    ratio: float = 1100.0
    free_bytes: int = 64 * 2**20


@dataclass(frozen=True, kw_only=True)
class NpyHeader:
    """What the header of an .npy says."""

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic]
    is_fortran: bool

    @property
    def data_bytes(self) -> int:
        return math.prod(self.shape) * self.dtype.itemsize


def inspect_npy(path: Path, limits: CubeLimits | None = None) -> list[ArrayInfo]:
    """One info per array of numbers; text and objects are refused."""
    allowed = limits or CubeLimits()
    try:
        if path.suffix.lower() == ".npz":
            arrays = {name: _read_member(path, name, allowed) for name in _list_members(path, allowed)}
        else:
            arrays = {path.stem: _map(path, allowed)}
        return [describe_array(path, name, array, "NumPy") for name, array in arrays.items()]
    except BadFileError as error:
        raise BadFileError(f"{path.name}: {error}.") from error


def read_npy(path: Path, variable: str | None = None, limits: CubeLimits | None = None) -> Stored:
    """The array as stored; that of an .npy is mapped from disk."""
    allowed = limits or CubeLimits()
    try:
        if path.suffix.lower() != ".npz":
            return _map(path, allowed)
        return _read_member(path, choose(variable, _list_members(path, allowed)), allowed)
    except BadFileError as error:
        raise BadFileError(f"{path.name}: {error}.") from error


def choose(variable: str | None, names: list[str]) -> str:
    """The one name that is meant."""
    if variable in names or (variable is None and len(names) == 1):
        return variable or names[0]
    asked = f"no array {variable!r} in it" if variable else "it holds several arrays; name one"
    raise BadFileError(f"{asked}. There are {', '.join(names[:20]) or 'none'}")


def describe_array(path: Path, name: str, array: Stored, kind: str) -> ArrayInfo:
    """What an array holds, every value looked at, some millions at a time."""
    found = Range()
    flat_step = max(1, 2**22 // max(1, math.prod(array.shape[1:])))
    if array.ndim == 0:
        found.add(array[None])
    for row in range(0, len(array) if array.ndim else 0, flat_step):
        found.add(np.asarray(array[row : row + flat_step]))
    found.check_any()
    dims = DIMS.get(array.ndim) or tuple(f"axis{place}" for place in range(array.ndim))
    notes = [f"Axes are not named in the file, taken as {', '.join(dims)}"] if array.ndim else []
    if found.invalid:
        notes.append(f"{found.invalid} values are not finite")
    return ArrayInfo(
        path=path.absolute(), sha256=hash_file(path), size_bytes=path.stat().st_size, format=kind, variable=name,
        dims=dims, shape=array.shape, dtype=array.dtype.newbyteorder("=").name, value_range=found.value_range,
        invalid_share=found.invalid_share, notes=(*notes, "The file says no place"),
    )  # fmt: skip


def _read_header(file: IO[bytes]) -> NpyHeader:
    """The header of an .npy at the place where `file` stands, which then stands at the values."""
    try:
        version = npy_format.read_magic(file)
        if version not in ((1, 0), (2, 0), (3, 0)):
            raise BadFileError(f"its NumPy format is {version[0]}.{version[1]}; 1.0 to 3.0 are known")
        read = npy_format.read_array_header_1_0 if version == (1, 0) else npy_format.read_array_header_2_0
        shape, is_fortran, dtype = read(file, max_header_size=MOST_HEADER)
    except (ValueError, EOFError, OSError, SyntaxError, TokenError, MemoryError, RecursionError) as error:
        raise BadFileError(f"it is no NumPy array ({str(error).splitlines()[0][:120]})") from error
    if dtype.hasobject:
        raise BadFileError("it holds Python objects, which may run code when read; save numbers alone")
    if dtype.kind not in NUMBERS:
        raise BadFileError(f"it holds {dtype}, which are no plain numbers; save them as CSV or as arrays of numbers")
    if min(shape, default=1) < 1:
        raise BadFileError(f"its shape is {shape}: it is empty")
    return NpyHeader(shape=tuple(int(size) for size in shape), dtype=np.dtype(dtype), is_fortran=is_fortran)


def _map(path: Path, limits: CubeLimits) -> Stored:
    with path.open("rb") as file:
        header = _read_header(file)
        start, size = file.tell(), path.stat().st_size
    if header.data_bytes > limits.array_bytes:
        raise BadFileError(f"it claims {header.data_bytes:,} bytes, the limit is {limits.array_bytes:,}; cut it")
    if size - start != header.data_bytes:
        raise BadFileError(f"it claims {header.data_bytes:,} bytes of values and has {size - start:,}; fetch it again")
    values: Stored = np.memmap(
        path, dtype=header.dtype, mode="r", offset=start, shape=header.shape, order="F" if header.is_fortran else "C"
    )
    return np.asarray(values)


def _list_members(path: Path, limits: CubeLimits) -> list[str]:
    """Names of the arrays of an archive; what it claims is checked before anything is unpacked."""
    with path.open("rb") as file:
        if has_more_members(file, limits.members):
            raise BadFileError(f"it has more than {limits.members} members, the most that are read")
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise BadFileError(f"it is no NumPy archive ({error})") from error
    if not 1 <= len(entries) <= limits.members:
        raise BadFileError(f"it has {len(entries)} members; 1 to {limits.members} are read")
    for entry in entries:
        _check_entry(entry, limits)
    total = sum(entry.file_size for entry in entries)
    if total > limits.unpacked_bytes:
        raise BadFileError(f"it unpacks to {total:,} bytes, the limit is {limits.unpacked_bytes:,}")
    names = [entry.filename.removesuffix(".npy") for entry in entries]
    if len(set(names)) < len(names):
        raise BadFileError("two of its members have the same name")
    return names


def _check_entry(entry: zipfile.ZipInfo, limits: CubeLimits) -> None:
    name = entry.filename
    if not name.endswith(".npy") or name.startswith(("/", "\\")) or ".." in name.replace("\\", "/").split("/"):
        raise BadFileError(f"its member {name[:60]!r} is no array of NumPy; nothing is unpacked")
    if entry.flag_bits & 1 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        raise BadFileError(f"its member {name[:60]!r} is encrypted or packed in an unknown way; use numpy.savez")
    if entry.file_size > limits.free_bytes and entry.file_size > limits.ratio * max(entry.compress_size, 1):
        raise BadFileError(f"its member {name[:60]!r} claims {entry.file_size:,} bytes; nothing packs so well")


def _read_member(path: Path, name: str, limits: CubeLimits) -> Stored:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(f"{name}.npy") as member:
            claimed = archive.getinfo(f"{name}.npy").file_size
            header = _read_header(member)
            if not 0 <= claimed - header.data_bytes <= MOST_HEADER + 16:
                raise BadFileError(f"{name} claims {header.data_bytes:,} bytes of values, its member has {claimed:,}")
            content = member.read(header.data_bytes + 1)
    except (zipfile.BadZipFile, OSError, EOFError, KeyError, NotImplementedError, zlib.error) as error:
        raise BadFileError(f"its member {name[:60]!r} is damaged ({error}); fetch it again") from error
    if len(content) != header.data_bytes:
        raise BadFileError(
            f"{name} claims {header.data_bytes:,} bytes of values and has another number; fetch it again"
        )
    array = np.frombuffer(content, dtype=header.dtype)
    return array.reshape(header.shape, order="F" if header.is_fortran else "C")
