"""Points of LAS, LAZ and COPC files; a child process with bounds decodes them, since decoders break on broken files."""

import io
import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fusion.bounded import Bounds, run_bounded
from fusion.errors import BadFileError
from fusion.file_info import PointsInfo, hash_file
from fusion.places import check_place
from fusion.sources.point_cloud.header import Header, PointLimits, is_copc, read_header

SUFFIXES = (".las", ".laz")
# the first moment of GPS time; LAS keeps seconds since then less a billion, or seconds of the week
GPS_START = np.datetime64("1980-01-06T00:00:00", "ms")
MOST_READ = 50_000_000
Columns = dict[str, npt.NDArray[np.generic]]


def inspect_points(path: Path, limits: PointLimits | None = None, epsg: int | None = None) -> list[PointsInfo]:
    """What a cloud holds, every point decoded once. One info, or a BadFileError that names the file.

    `epsg` replaces what the file says of its CRS: clouds often say it wrongly, or not at all.
    """
    header = _check(path, limits)
    if not header.points:
        raise BadFileError(f"{path.name}: it holds no points. Leave it out, or fetch it again.")
    found = json.loads(
        run_bounded("fusion.sources.point_cloud.child:scan", about=path.name, bounds=_bounds(header), path=_full(path))
    )
    return [_describe(path, header, found, epsg)]


def read_points(path: Path, limits: PointLimits | None = None) -> Columns:
    """Columns x, y, z (float64, in the file's CRS), intensity, classification, return_number, number_of_returns."""
    header = _check(path, limits)
    if header.points > MOST_READ:
        raise BadFileError(f"{path.name}: {header.points:,} points are not read at once. Make surfaces of it instead.")
    content = run_bounded(
        "fusion.sources.point_cloud.child:read", about=path.name, bounds=_bounds(header), path=_full(path)
    )
    with np.load(io.BytesIO(content), allow_pickle=False) as columns:
        return {name: columns[name] for name in columns}


def _check(path: Path, limits: PointLimits | None) -> Header:
    if not path.is_file():
        raise BadFileError(f"{path}: no such file. Give a LAS or LAZ file.")
    try:
        header = read_header(path, limits)
    except BadFileError as error:
        raise BadFileError(f"{path.name}: {error}.") from error
    return replace(header, is_copc=header.is_compressed and is_copc(path))


def _full(path: Path) -> str:
    return str(path.absolute())


def _bounds(header: Header) -> Bounds:
    """Seconds grow with the points: a million is decoded in less than three."""
    return Bounds(seconds=60 + header.points / 200_000)


def _describe(path: Path, header: Header, found: dict[str, Any], stated: int | None) -> PointsInfo:
    west, south, low, east, north, high = found["bounds"]
    notes = [*found["notes"], *_compare(header, found["bounds"])]
    epsg = stated or found["epsg"]
    if stated is not None and found["epsg"] != stated:
        notes.append(f"EPSG:{stated} as stated by the caller, the file says {found['epsg'] or 'none'}")
    if epsg is None:
        notes.append("It says no coordinate reference system with an EPSG code: state one before it is placed")
    else:
        try:
            check_place(epsg, np.array([west, east, east, west]), np.array([south, south, north, north]))
        except BadFileError as error:
            raise BadFileError(f"{path.name}: {error}.") from error
    times, time_note = _find_times(header, found["times"])
    return PointsInfo(
        path=path.absolute(), sha256=hash_file(path), size_bytes=path.stat().st_size, format=header.name,
        points=found["points"], point_format=header.point_format, fields=tuple(found["fields"]),
        bounds=(west, south, low, east, north, high),
        classes={int(code): count for code, count in found["classes"].items()}, epsg=epsg, times=times,
        notes=tuple([*notes, time_note]),
    )  # fmt: skip


def _compare(header: Header, bounds: list[float]) -> list[str]:
    """Say where the header's own bounds are not those of the points."""
    claimed = [*header.lows, *header.highs]
    slack = [2 * scale for scale in header.scales] * 2
    is_near = all(abs(one - other) <= room for one, other, room in zip(claimed, bounds, slack, strict=True))
    return [] if is_near else ["Its header claims other bounds than its points have; the points count"]


def _find_times(header: Header, seconds: list[float] | None) -> tuple[tuple[datetime, ...], str]:
    if seconds is None:
        return (), "No times"
    if not header.is_gps_standard:
        return (), "Times are seconds of a week that the file does not name"
    moments = [GPS_START + np.timedelta64(int((value + 1e9) * 1e3), "ms") for value in seconds]
    if not all(np.datetime64("1990") < moment < np.datetime64("2100") for moment in moments):
        return (), "Its times cannot be, left out"
    return tuple(
        moment.item().replace(tzinfo=UTC) for moment in moments
    ), "Times are GPS time, leap seconds not taken off"
