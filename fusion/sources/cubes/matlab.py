"""MATLAB files of version 5 and 7.3: arrays of numbers alone; structures, cells, objects and functions are not read.

Version 5 is walked here first, from tag to tag and with compressed parts unpacked a piece at a time, so that what is
claimed is known to be there before SciPy allocates it.
"""

import math
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import h5py
import numpy as np
import scipy.io

from fusion.errors import BadFileError
from fusion.file_info import ArrayInfo
from fusion.hdf5 import is_hdf5, list_datasets, open_hdf5
from fusion.sources.cubes.npy import NUMBERS, CubeLimits, Stored, choose, describe_array

MATRIX, COMPRESSED = 14, 15
# array classes of numbers: double 6, single 7, int8 to uint64 8-15; 4 is text, 1-3 and 5 are cells, structs, objects,
# sparse matrices, 16 and above functions
CLASS_BYTES = {6: 8, 7: 4, 8: 1, 9: 1, 10: 2, 11: 2, 12: 4, 13: 4, 14: 8, 15: 8}
PIECE = 2**20
HEAD = 2_048  # bytes of an element that hold its flags, dimensions and name
MOST_DIMS, MOST_NAME = 32, 64


@dataclass(frozen=True, kw_only=True)
class Variable:
    """A matrix of numbers as its element says."""

    name: str
    shape: tuple[int, ...]
    value_bytes: int


def inspect_mat(path: Path, limits: CubeLimits | None = None) -> list[ArrayInfo]:
    """One info per matrix of numbers in the file; `notes` of the first name what is not read."""
    allowed = limits or CubeLimits()
    if is_hdf5(path):
        return _inspect_hdf5(path, allowed)
    try:
        variables, left = _walk(path, allowed)
        infos = [describe_array(path, one.name, _load(path, one), "MATLAB 5") for one in variables]
    except BadFileError as error:
        raise BadFileError(f"{path.name}: {error}.") from error
    return _note_left(infos, left)


def read_mat(path: Path, variable: str | None = None, limits: CubeLimits | None = None) -> Stored:
    """One matrix as MATLAB has it: rows, columns, bands."""
    allowed = limits or CubeLimits()
    if is_hdf5(path):
        with open_hdf5(path) as file:
            try:
                matrices = _list_matrices(file, allowed)
                return _turn(matrices[choose(variable, list(matrices))])
            except BadFileError as error:
                raise BadFileError(f"{path.name}: {error}.") from error
    try:
        variables, _ = _walk(path, allowed)
        names = [one.name for one in variables]
        return _load(path, variables[names.index(choose(variable, names))])
    except BadFileError as error:
        raise BadFileError(f"{path.name}: {error}.") from error


def _note_left(infos: list[ArrayInfo], left: list[str]) -> list[ArrayInfo]:
    if not left:
        return infos
    note = f"Not read, since they are no plain numbers: {', '.join(left[:10])}"
    return [replace(infos[0], notes=(*infos[0].notes, note)), *infos[1:]]


def _walk(path: Path, limits: CubeLimits) -> tuple[list[Variable], list[str]]:
    """Matrices of numbers and the names of all else, from the tags of a version 5 file."""
    variables: list[Variable] = []
    left: list[str] = []
    with path.open("rb") as file:
        head = file.read(128)
        if len(head) < 128 or head[124:128] not in (b"\x00\x01IM", b"\x01\x00MI"):
            raise BadFileError("it is no MATLAB file of version 5 or 7.3; save it with -v7 or -v7.3")
        order = "<" if head[126:128] == b"IM" else ">"
        size, place, total = path.stat().st_size, 128, 0
        while place + 8 <= size:
            file.seek(place)
            kind, length = struct.unpack(f"{order}II", file.read(8))
            if kind not in (MATRIX, COMPRESSED) or length < 8 or place + 8 + length > size:
                raise BadFileError(
                    f"its element at byte {place} claims {length:,} bytes of kind {kind}; fetch it again"
                )
            inside, unpacked = _unpack(file.read(length), limits) if kind == COMPRESSED else (file.read(HEAD), length)
            total += unpacked
            if total > limits.unpacked_bytes:
                raise BadFileError(
                    f"it unpacks to more than {limits.unpacked_bytes:,} bytes; cut it into smaller files"
                )
            if kind == COMPRESSED:
                inside, unpacked = _strip_tag(inside, unpacked, order)
            found = _read_matrix(inside, unpacked, order)
            if isinstance(found, Variable):
                variables.append(found)
            elif found:
                left.append(found)
            if len(variables) + len(left) > limits.members:
                raise BadFileError(f"it has more than {limits.members} variables")
            place += 8 + length
            if kind == MATRIX and length % 8:
                place += 8 - length % 8
    if not variables:
        raise BadFileError(f"it holds no matrix of numbers, but {', '.join(left[:5]) or 'nothing'}")
    return variables, left


def _unpack(packed: bytes, limits: CubeLimits) -> tuple[bytes, int]:
    """The first bytes of a compressed element and how many there are, unpacked a piece at a time."""
    unpacker, start, size = zlib.decompressobj(), b"", 0
    try:
        for piece in _pieces(unpacker, packed):
            start += piece[: max(0, HEAD - len(start))]
            size += len(piece)
            if size > limits.unpacked_bytes:
                raise BadFileError(f"it unpacks to more than {limits.unpacked_bytes:,} bytes; cut it")
    except zlib.error as error:
        raise BadFileError(f"a compressed part of it is damaged ({error}); fetch it again") from error
    if not unpacker.eof:
        raise BadFileError("a compressed part of it ends too early; fetch it again")
    return start, size


def _pieces(unpacker: "zlib._Decompress", packed: bytes) -> Iterator[bytes]:
    while packed and not unpacker.eof:
        yield unpacker.decompress(packed, PIECE)
        packed = unpacker.unconsumed_tail


def _strip_tag(inside: bytes, unpacked: int, order: str) -> tuple[bytes, int]:
    if len(inside) < 8:
        raise BadFileError("a compressed part of it is too short; fetch it again")
    kind, length = struct.unpack_from(f"{order}II", inside)
    if kind != MATRIX or length != unpacked - 8:
        raise BadFileError(f"a compressed part claims {length:,} bytes and has {unpacked - 8:,}; fetch it again")
    return inside[8:], length


def _read_matrix(inside: bytes, length: int, order: str) -> Variable | str:
    """The matrix that an element holds, or the name of what it holds instead."""
    try:
        flags_kind, flags_length, flags = struct.unpack_from(f"{order}III", inside)
        dims_kind, dims_length = struct.unpack_from(f"{order}II", inside, 16)
        if (flags_kind, flags_length, dims_kind) != (6, 8, 5) or not 8 <= dims_length <= 4 * MOST_DIMS:
            return ""  # an opaque object has no dimensions here
        shape = struct.unpack_from(f"{order}{dims_length // 4}i", inside, 24)
        name, place = _read_name(inside, 24 + dims_length + dims_length % 8, order)
        stored_kind, stored = struct.unpack_from(f"{order}II", inside, place)
    except struct.error as error:
        raise BadFileError("an element of it is cut short; fetch it again") from error
    width = CLASS_BYTES.get(flags & 0xFF)
    if width is None:
        return name or "a variable without a name"
    if stored_kind >> 16:  # values of up to four bytes lie in the tag itself
        stored = stored_kind >> 16
    count = math.prod(shape) if min(shape) >= 0 else 0
    if count < 1:
        return name
    if not name or stored > length or stored < count:  # a value has at least one byte, whatever its class
        raise BadFileError(f"{name or 'a variable'} claims {count:,} values and has {stored:,} bytes; fetch it again")
    return Variable(name=name, shape=shape, value_bytes=count * width)


def _read_name(inside: bytes, place: int, order: str) -> tuple[str, int]:
    """The array's name and where the next tag begins; a short name lies in its tag."""
    kind, length = struct.unpack_from(f"{order}II", inside, place)
    if kind >> 16:
        length = kind >> 16
        return inside[place + 4 : place + 4 + length].decode("ascii", "replace"), place + 8
    if length > MOST_NAME:
        raise BadFileError(f"a variable has a name of {length:,} bytes; fetch it again")
    text = inside[place + 8 : place + 8 + length].decode("ascii", "replace")
    return text, place + 8 + length + (-length) % 8


def _load(path: Path, variable: Variable) -> Stored:
    try:
        found = scipy.io.loadmat(path, variable_names=[variable.name]).get(variable.name)
    except Exception as error:  # SciPy raises whatever its parser meets
        raise BadFileError(f"{variable.name} is damaged ({type(error).__name__}); fetch it again") from error
    if not isinstance(found, np.ndarray) or found.dtype.kind not in NUMBERS or found.shape != variable.shape:
        raise BadFileError(f"{variable.name} is not the matrix that its header says; fetch it again")
    return found


def _list_matrices(file: h5py.File, limits: CubeLimits) -> dict[str, h5py.Dataset]:
    every = {name: one for name, one in list_datasets(file).items() if not name.startswith("#")}
    found = {name: one for name, one in every.items() if one.shape and one.dtype.kind in NUMBERS and one.size}
    if not found:
        raise BadFileError("it holds no matrix of numbers")
    if sum(one.nbytes for one in found.values()) > limits.unpacked_bytes:
        raise BadFileError(f"it unpacks to more than {limits.unpacked_bytes:,} bytes; cut it into smaller files")
    return found


def _turn(dataset: h5py.Dataset) -> Stored:
    """MATLAB writes columns first: in HDF5 the axes lie the other way round."""
    return np.asarray(dataset[()]).transpose()


def _inspect_hdf5(path: Path, limits: CubeLimits) -> list[ArrayInfo]:
    with open_hdf5(path) as file:
        try:
            matrices = _list_matrices(file, limits)
            infos = [describe_array(path, name, _turn(one), "MATLAB 7.3") for name, one in matrices.items()]
            return _note_left(infos, sorted(set(file) - set(matrices) - {"#refs#", "#subsystem#"}))
        except BadFileError as error:
            raise BadFileError(f"{path.name}: {error}.") from error
