"""Esri ASCII grids: numbers as text with a header of six lines, which say where they lie and not in which CRS."""

import math
import re
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fusion.errors import BadFileError
from fusion.file_info import ArrayInfo, Transform, hash_file
from fusion.places import check_place
from fusion.ranges import Range
from fusion.source import Source

SUFFIXES = (".asc",)
MOST_BYTES, MOST_SIDE, MOST_PIXELS = 2**28, 100_000, 16_000_000
NAMES = ("ncols", "nrows", "xllcorner", "xllcenter", "yllcorner", "yllcenter", "cellsize", "nodata_value")
MOST_HEAD = 4_096
Heights = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Head:
    """What the header says; `start` is the byte where the numbers begin."""

    columns: int
    rows: int
    transform: Transform
    nodata: float | None
    start: int


def inspect_grid(path: Path, epsg: int | None = None) -> list[ArrayInfo]:
    """What a grid holds. The format says no CRS: `epsg` is whatever the caller knows."""
    head, values = _read(path)
    found = Range()
    found.add(values)
    try:
        found.check_any()
        if epsg is not None:
            _check_corners(head, epsg)
    except BadFileError as error:
        raise BadFileError(f"{path.name}: {error}.") from error
    note = "The format says no coordinate reference system" if epsg is None else f"EPSG:{epsg} as stated by the caller"
    return [
        ArrayInfo(
            path=path.absolute(), sha256=hash_file(path), size_bytes=path.stat().st_size, format="Esri ASCII grid",
            variable=path.stem, dims=("y", "x"), shape=values.shape, dtype="float32", epsg=epsg,
            transform=head.transform, nodata=head.nodata, value_range=found.value_range,
            invalid_share=found.invalid_share, notes=(note,),
        )
    ]  # fmt: skip


def read_grid(path: Path) -> Heights:
    """The numbers [y, x] from north to south, NaN where there are none."""
    return _read(path)[1]


def _read(path: Path) -> tuple[Head, Heights]:
    if not path.is_file():
        raise BadFileError(f"{path}: no such file. Give an Esri ASCII grid (.asc).")
    if path.stat().st_size > MOST_BYTES:
        raise BadFileError(f"{path.name}: more than {MOST_BYTES // 2**20} MiB. Write it as a GeoTIFF.")
    content = path.read_bytes()
    try:
        head = _read_head(content)
        return head, _read_numbers(content[head.start :], head)
    except BadFileError as error:
        raise BadFileError(f"{path.name}: {error}.") from error


def _read_head(content: bytes) -> Head:
    text, fields, place = content[:MOST_HEAD].decode("latin-1"), {}, 0
    for match in re.finditer(r"[ \t]*([A-Za-z_]{4,12})[ \t]+([-+.0-9eE]{1,40})[ \t]*\r?\n", text):
        if match.start() != place or match[1].lower() not in NAMES or match[1].lower() in fields:
            break
        try:
            fields[match[1].lower()] = float(match[2])
        except ValueError:
            raise BadFileError(f"its header says {match[1]} = {match[2]!r}, which is no number") from None
        place = match.end()
    x, y = (fields.get(f"{axis}llcorner", fields.get(f"{axis}llcenter")) for axis in "xy")
    size = fields.get("cellsize", math.nan)
    if x is None or y is None or not {"ncols", "nrows"} <= fields.keys() or not math.isfinite(size) or size <= 0:
        raise BadFileError(
            "its header is not that of an Esri ASCII grid (ncols, nrows, xllcorner, yllcorner, cellsize)"
        )
    columns, rows = fields["ncols"], fields["nrows"]
    if not (1 <= columns <= MOST_SIDE and 1 <= rows <= MOST_SIDE and columns * rows <= MOST_PIXELS):
        raise BadFileError(f"its header claims {columns:g} x {rows:g} numbers, the limit is {MOST_PIXELS:,}")
    # a number and the blank behind it have two bytes at least
    if not (columns.is_integer() and rows.is_integer() and 2 * columns * rows - 1 <= len(content) - place):
        raise BadFileError(f"its header claims {columns:g} x {rows:g} numbers, {len(content) - place:,} bytes follow")
    half = size / 2 if "xllcenter" in fields else 0.0
    return Head(
        columns=int(columns), rows=int(rows), nodata=fields.get("nodata_value"), start=place,
        transform=(size, 0.0, x - half, 0.0, -size, y - half + rows * size),
    )  # fmt: skip


def _read_numbers(content: bytes, head: Head) -> Heights:
    try:
        numbers = np.array(content.split(), dtype=np.float64)
    except ValueError as error:
        raise BadFileError(f"one of its numbers cannot be read ({str(error)[:80]})") from error
    if numbers.size != head.columns * head.rows:
        raise BadFileError(f"its header claims {head.columns} x {head.rows} numbers, it has {numbers.size:,}")
    values = numbers.reshape(head.rows, head.columns)
    if head.nodata is not None:  # written with more digits than it was stored with
        values = np.where(np.isclose(values, head.nodata, rtol=1e-6, atol=0), np.nan, values)
    with np.errstate(over="ignore"):
        found = values.astype(np.float32)
    return np.where(np.isfinite(found), found, np.float32(np.nan))


def _check_corners(head: Head, epsg: int) -> None:
    size, _, west, _, _, north = head.transform
    xs = west + np.array([0, head.columns, head.columns, 0]) * size
    check_place(epsg, xs, north - np.array([0, 0, head.rows, head.rows]) * size)


SOURCE = Source(name="ascii_grid", title="Esri ASCII grid", suffixes=SUFFIXES, look=inspect_grid)
