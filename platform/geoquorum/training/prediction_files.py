"""Files of predictions: CSV with or without sample ids, .npy, .npz; never more in memory than the benchmark's array.

Nothing in them is run: no pickles, and of an array no byte is read before its header says that it has the right shape.
"""

import csv
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import numpy as np
import numpy.typing as npt

from fusion.errors import BadInputError
from geoquorum.training.held_out import HeldOut
from geoquorum.training.prediction_rows import FloatArray, PredictionRows, check_array, show

MOST_BYTES = 64 << 20
LONGEST_LINE = 1 << 16
LONGEST_ID = 200
MOST_PARTS = 4  # arrays of an .npz
VALUES, IDS = "probabilities", "ids"
ENDINGS = (".csv", ".npy", ".npz")


def read_predictions(path: Path, held: HeldOut) -> FloatArray:
    """Probabilities [samples, classes] in test order; BadInputError names what is wrong, and in which rows."""
    if path.stat().st_size > MOST_BYTES:
        raise BadInputError(f"{path.name} is larger than {MOST_BYTES >> 20} MiB; send it as .npz. Nothing was taken.")
    ending = path.suffix.lower()
    if ending not in ENDINGS:
        raise BadInputError(f"{path.name} is none of {', '.join(ENDINGS)}. Nothing was taken.")
    with path.open("rb") as file:
        if ending == ".csv":
            return _read_csv(file, held, path.name)
        return _read_npy(file, held, path.name) if ending == ".npy" else _read_npz(file, held, path.name)


def read_listed(rows: Sequence[Sequence[float]], ids: Sequence[str] | None, held: HeldOut) -> FloatArray:
    """Rows that came as JSON, by the same rules."""
    if ids is not None and len(ids) != len(rows):
        raise BadInputError(f"There are {len(ids):,} ids for {len(rows):,} rows. Nothing was taken.")
    taken = PredictionRows(held, "rows")
    for place, row in enumerate(rows):
        taken.add(row, None if ids is None else ids[place])
    return taken.finish()


def _read_csv(file: IO[bytes], held: HeldOut, name: str) -> FloatArray:
    rows = PredictionRows(held, name)
    order: list[int] = list(range(held.shape[1]))
    has_ids: bool | None = None
    for fields in _list_lines(file, name):
        if has_ids is None:
            has_ids = len(fields) == len(order) + 1
            found = _read_header(fields[1:] if has_ids else fields, held)
            if found is not None:
                order = found
                continue
        sample, numbers = (fields[0].strip(), fields[1:]) if has_ids else (None, fields)
        is_whole = len(numbers) == len(order)
        rows.add([numbers[place] for place in order] if is_whole else numbers, sample)
    return rows.finish()


def _list_lines(file: IO[bytes], name: str) -> Iterator[list[str]]:
    """Fields of each line that is not empty."""
    number = 0
    while line := file.readline(LONGEST_LINE):
        number += 1
        if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
            raise BadInputError(f"{name}: line {number} is longer than {LONGEST_LINE:,} bytes. Nothing was taken.")
        try:
            text = line.decode("utf-8-sig" if number == 1 else "utf-8").strip("\r\n")
        except UnicodeDecodeError as error:
            raise BadInputError(f"{name}: line {number} is not UTF-8. Save it as CSV in UTF-8.") from error
        if text.strip():
            try:
                yield next(csv.reader([text], strict=True))
            except csv.Error as error:
                raise BadInputError(f"{name}: line {number} is no line of CSV: {error}. Nothing was taken.") from error


def _read_header(fields: list[str], held: HeldOut) -> list[int] | None:
    """Where each class's column is, if these are the codes of the scheme in any order."""
    names = [field.strip() for field in fields]
    if sorted(names) != sorted(held.codes):
        return None
    return [names.index(code) for code in held.codes]


def _read_npy(file: IO[bytes], held: HeldOut, name: str) -> FloatArray:
    return check_array(_read_array(file, held.shape, "fiub", name), held, name, None)


def _read_npz(file: IO[bytes], held: HeldOut, name: str) -> FloatArray:
    try:
        with zipfile.ZipFile(file) as archive:
            parts = {Path(one).stem: one for one in archive.namelist()[: MOST_PARTS + 1]}
            if len(parts) > MOST_PARTS:
                raise BadInputError(f"{name} has more than {MOST_PARTS} arrays; it needs {VALUES!r}, and may have ids.")
            key = VALUES if VALUES in parts or len(set(parts) - {IDS}) != 1 else next(iter(set(parts) - {IDS}))
            if key not in parts:
                raise BadInputError(f"{name} has no array {VALUES!r}; it has {', '.join(map(show, parts)) or 'none'}.")
            with archive.open(parts[key]) as part:
                values = _read_array(part, held.shape, "fiub", name)
            ids = None
            if IDS in parts:
                with archive.open(parts[IDS]) as part:
                    ids = [_to_text(one) for one in _read_array(part, held.shape[:1], "US", name)]
    except (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError) as error:
        raise BadInputError(f"{name} is no whole .npz file: {error}. Write it with numpy.savez_compressed.") from error
    return check_array(values, held, name, ids)


def _to_text(one: Any) -> str:
    return one.decode("utf-8", "replace") if isinstance(one, bytes) else str(one)


def _read_array(file: IO[bytes], shape: tuple[int, ...], kinds: str, name: str) -> npt.NDArray[Any]:
    """One array of this shape; its header is checked before memory is taken for it."""
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        found, is_fortran, dtype = read(file)
    except (ValueError, EOFError) as error:
        raise BadInputError(f"{name} is no array of numpy: {error}. Write it with numpy.save.") from error
    widest = 4 * LONGEST_ID if "U" in kinds else 8
    if dtype.kind not in kinds or dtype.itemsize > widest:
        raise BadInputError(f"{name} holds {dtype}; predictions are numbers of 8 bytes at most, and ids short texts.")
    if tuple(found) != shape:
        raise BadInputError(
            f"{name}: its shape is {list(found)}, needs {list(shape)}: samples in test order, classes in the scheme's. "
            "Nothing was taken."
        )
    content = file.read(int(np.prod(shape)) * dtype.itemsize)
    if len(content) < int(np.prod(shape)) * dtype.itemsize:
        raise BadInputError(f"{name} is cut short. Send it again.")
    return np.frombuffer(content, dtype=dtype).reshape(shape, order="F" if is_fortran else "C")
