"""Series of weather stations: tables (CSV, plain or gzip) with a time per row, and the UMEP and SUEWS forcing format.

A table has a column of times (`date`, `time`, `datetime`), may have a station and its place, and has numbers in the
rest. UMEP's is parted by blanks: year, day of the year, hour, minute, then its variables; -999 is missing.
Times without a zone are taken as UTC, and said to be.
"""

import gzip
import io
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from pyarrow import csv

from fusion.errors import BadFileError
from fusion.file_info import SeriesInfo, hash_file
from fusion.source import Source

SUFFIXES = (".csv", ".csv.gz", ".txt")
TIMES, STATIONS = ("date", "time", "datetime", "timestamp"), ("station", "station_id", "id", "name")
LONGITUDES, LATITUDES = ("longitude", "lon", "lng"), ("latitude", "lat")
UMEP_START = ("iy", "id", "it", "imin")
UMEP_UNITS = ("%iy", "iy")
MISSING = -999.0
MOST_BYTES, MOST_RATIO, FREE_BYTES = 2 * 2**30, 200, 2**20
MOST_ROWS, MOST_STATIONS, MOST_COLUMNS, MOST_LINE = 20_000_000, 100_000, 512, 100_000
Times = npt.NDArray[np.datetime64]
Numbers = npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Series:
    """Values [n, variable] at `times` [n] (UTC) of `station` [n] (its place in info.stations); NaN where missing."""

    info: SeriesInfo
    times: Times
    station: npt.NDArray[np.int32]
    values: Numbers

    def of(self, name: str) -> tuple[Times, Numbers]:
        """Times and values of one station, in the order of time."""
        if name not in self.info.stations:
            raise BadFileError(f"{self.info.path.name}: no station {name!r}. There are {self.info.stations[:20]}.")
        rows = np.flatnonzero(self.station == self.info.stations.index(name))
        rows = rows[np.argsort(self.times[rows], kind="stable")]
        return self.times[rows], self.values[rows]


def inspect_series(path: Path) -> list[SeriesInfo]:
    """What a table of weather holds."""
    return [read_series(path).info]


def read_series(path: Path) -> Series:
    """A table of weather whole, or a BadFileError that names the file and the row."""
    if not path.is_file():
        raise BadFileError(f"{path}: no such file. Give a table that ends in {', '.join(SUFFIXES)}.")
    try:
        content = _read_bytes(path)
        start = content[:MOST_LINE].split(b"\n")[0].decode("utf-8", "replace")
        is_umep = start.lower().replace("%", "").split()[:4] == list(UMEP_START)
        return _take_umep(path, content) if is_umep else _take_table(path, content, start)
    except BadFileError as error:
        raise BadFileError(f"{path.name}: {error}.") from error


def _read_bytes(path: Path) -> bytes:
    """The bytes, unpacked where they are packed, never more than the limit."""
    with path.open("rb") as file:
        is_packed = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        most = min(MOST_BYTES, FREE_BYTES + MOST_RATIO * path.stat().st_size) if is_packed else MOST_BYTES
        try:
            content = _read(gzip.GzipFile(fileobj=file) if is_packed else file, most)
        except (OSError, EOFError, zlib.error) as error:
            raise BadFileError(f"it is damaged ({error}); fetch it again") from error
    if b"\0" in content:
        raise BadFileError("it holds NUL bytes and is no table of text; save it as UTF-8")
    content = content.removeprefix(b"\xef\xbb\xbf")
    if not content.strip():
        raise BadFileError("it is empty")
    try:
        content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadFileError(f"it is not UTF-8 (byte {error.start}); save it as UTF-8") from error
    return content


def _read(file: IO[bytes] | gzip.GzipFile, most: int) -> bytes:
    found = file.read(most + 1)
    if len(found) > most:
        raise BadFileError(f"it has, or unpacks to, more than {most:,} bytes; cut it into smaller files")
    return found


def _take_table(path: Path, content: bytes, start: str) -> Series:
    names = [name.strip().strip('"') for name in start.rstrip("\r").split(",")]
    lower = [name.lower() for name in names]
    if len(names) > MOST_COLUMNS or len(set(lower)) < len(lower):
        raise BadFileError("two of its columns have the same name, or it has too many")
    found = {key: _find(lower, known) for key, known in (
        ("time", TIMES), ("station", STATIONS), ("lon", LONGITUDES), ("lat", LATITUDES)
    )}  # fmt: skip
    if found["time"] is None:
        raise BadFileError(f"it has no column of times ({', '.join(TIMES)}), but {', '.join(names[:10])}")
    table = _parse(content, names, {key: place for key, place in found.items() if place is not None})
    variables = [name for place, name in enumerate(names) if place not in found.values()]
    if not variables:
        raise BadFileError("it has no column of numbers beside times and places")
    times, zone_note = _parse_times(table.column(found["time"]))
    station, stations = _code_stations(table, found["station"])
    values = np.stack([_numbers(table.column(names.index(name))) for name in variables], axis=1)
    places = _find_places(table, found, station, stations)
    return _finish(path, times, station, stations, variables, values, places, "CSV", [zone_note])


def _find(lower: list[str], known: tuple[str, ...]) -> int | None:
    return next((lower.index(name) for name in known if name in lower), None)


def _parse(content: bytes, names: list[str], found: Mapping[str, int]) -> pa.Table:
    """Columns with their types; the first row that does not fit is named."""
    text = {found[key] for key in ("time", "station") if key in found}
    types = {name: pa.string() if place in text else pa.float64() for place, name in enumerate(names)}
    bad: list[str] = []

    def tell(row: csv.InvalidRow) -> str:
        bad.append(f"row {row.number} has {row.actual_columns} cells, the header {row.expected_columns}")
        return "skip"

    try:
        table = csv.read_csv(
            io.BytesIO(content),
            read_options=csv.ReadOptions(use_threads=False, block_size=2**24, column_names=names, skip_rows=1),
            parse_options=csv.ParseOptions(invalid_row_handler=tell),
            convert_options=csv.ConvertOptions(
                column_types=types, null_values=["", "NA", "NaN", "nan", "null"], strings_can_be_null=True
            ),
        )
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise BadFileError(f"{str(error).splitlines()[0][:200]}; mend that row") from error
    if bad:
        raise BadFileError(f"{'; '.join(bad[:5])}{f' and {len(bad) - 5} more' if len(bad) > 5 else ''}; mend them")
    if not 0 < table.num_rows <= MOST_ROWS:
        raise BadFileError(f"it has {table.num_rows:,} rows; 1 to {MOST_ROWS:,} are read at once")
    return table


def _parse_times(column: pa.ChunkedArray) -> tuple[Times, str]:
    """Moments in UTC; a time that is none is named by its row."""
    texts = pc.utf8_trim_whitespace(column)
    has_zone = pc.any(pc.match_substring_regex(texts, r"([Zz]|[+-]\d\d:?\d\d)$")).as_py()
    if has_zone and re.search(r"[T ].*([Zz]|[+-]\d\d:?\d\d)$", str(texts[0].as_py())):
        return _parse_zoned(texts.to_pylist()), "Times with their zone"
    try:
        moments = texts.cast(pa.timestamp("s"))
    except pa.ArrowInvalid as error:
        raise BadFileError(f"a time of it is not ISO 8601 ({str(error)[:120]}); write 2026-05-01T12:00:00") from error
    if moments.null_count:
        row = int(np.argmax(moments.is_null().to_numpy())) + 2
        raise BadFileError(f"row {row} has no time")
    return moments.to_numpy().astype("datetime64[s]"), "Times without a zone, taken as UTC"


def _parse_zoned(texts: list[str]) -> Times:
    found = []
    for row, text in enumerate(texts, start=2):
        try:
            moment = datetime.fromisoformat(text.replace("Z", "+00:00"))
            found.append(moment.astimezone(UTC).replace(tzinfo=None))
        except (ValueError, AttributeError, OverflowError) as error:
            raise BadFileError(f"row {row} has a time that is not ISO 8601") from error
    return np.array(found, dtype="datetime64[s]")


def _numbers(column: pa.ChunkedArray) -> Numbers:
    found = column.to_numpy().astype(np.float32)
    found[~np.isfinite(found) | (found == np.float32(MISSING))] = np.nan
    return np.asarray(found, dtype=np.float32)


def _code_stations(table: pa.Table, place: int | None) -> tuple[npt.NDArray[np.int32], tuple[str, ...]]:
    if place is None:
        return np.zeros(table.num_rows, dtype=np.int32), ("station",)
    coded = table.column(place).fill_null("").combine_chunks().dictionary_encode()
    names = tuple(coded.dictionary.to_pylist())
    if len(names) > MOST_STATIONS or "" in names:
        raise BadFileError(f"it has {len(names):,} stations, or a row without one")
    return coded.indices.to_numpy().astype(np.int32), names


def _find_places(
    table: pa.Table, found: Mapping[str, int | None], station: npt.NDArray[np.int32], stations: tuple[str, ...]
) -> dict[str, tuple[float, float]]:
    """The place of each station, the same in all of its rows."""
    if found["lon"] is None or found["lat"] is None:
        return {}
    lons, lats = (table.column(place).to_numpy().astype(float) for place in (found["lon"], found["lat"]))
    places = {}
    for number, name in enumerate(stations):
        rows = station == number
        lon, lat = lons[rows], lats[rows]
        if not (np.isfinite(lon).all() and np.abs(lon).max() <= 180 and np.abs(lat).max() <= 90):
            raise BadFileError(f"station {name!r} has a place that cannot be")
        if np.ptp(lon) > 0.01 or np.ptp(lat) > 0.01:  # about a kilometre: stations do not travel
            raise BadFileError(f"station {name!r} has several places; give each its own name")
        places[name] = (float(np.median(lon)), float(np.median(lat)))
    return places


def _take_umep(path: Path, content: bytes) -> Series:
    lines = content.decode().splitlines()
    names = lines[0].replace("%", "").split()
    if len(names) > MOST_COLUMNS or len(names) < 5:
        raise BadFileError(f"its header has {len(names)} columns")
    try:
        numbers = np.loadtxt(io.StringIO("\n".join(lines[1:])), dtype=np.float64, ndmin=2)
    except ValueError as error:
        raise BadFileError(f"{str(error).splitlines()[0][:160]} (counted from the first row of numbers)") from error
    if numbers.size == 0 or numbers.shape[1] != len(names):
        raise BadFileError(f"its rows have {numbers.shape[-1]} numbers, its header {len(names)}")
    year, day, hour, minute = numbers[:, :4].astype(int).T
    is_time = (year >= 1800) & (year < 2200) & (day >= 1) & (day <= 366) & (hour >= 0) & (hour <= 24)
    is_time &= (minute >= 0) & (minute < 60)
    if not is_time.all():
        raise BadFileError(f"row {int(np.argmin(is_time)) + 2} has a time that cannot be")
    times = (year - 1970).astype("datetime64[Y]").astype("datetime64[s]")
    times = times + ((day - 1) * 86_400 + hour * 3_600 + minute * 60).astype("timedelta64[s]")
    values = numbers[:, 4:].astype(np.float32)
    values[values == np.float32(MISSING)] = np.nan
    station = np.zeros(len(times), dtype=np.int32)
    notes = ["Times are local, taken as UTC: the format says no zone"]
    return _finish(path, times, station, (path.stem,), names[4:], values, {}, "UMEP", notes)


def _finish(
    path: Path, times: Times, station: npt.NDArray[np.int32], stations: tuple[str, ...], variables: list[str],
    values: Numbers, places: dict[str, tuple[float, float]], kind: str, notes: list[str],
) -> Series:  # fmt: skip
    if not np.isfinite(values).any():
        raise BadFileError("not one of its values is a number")
    order = np.lexsort((times, station))
    steps = np.diff(times[order])[np.diff(station[order]) == 0].astype(np.int64)
    if (steps == 0).any():
        notes = [*notes, f"{int((steps == 0).sum())} rows repeat a time of their station"]
    known = {name: column[np.isfinite(column)] for name, column in zip(variables, values.T, strict=True)}
    info = SeriesInfo(
        path=path.absolute(), sha256=hash_file(path), size_bytes=path.stat().st_size, format=kind, stations=stations,
        places=places, variables=tuple(variables), rows=len(times), captured_from=_moment(times.min()),
        captured_to=_moment(times.max()), step_s=float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0,
        ranges={name: (float(column.min()), float(column.max())) for name, column in known.items() if len(column)},
        missing_share={name: 1 - len(column) / len(times) for name, column in known.items()},
        notes=(*notes, *([] if places else ["No places of stations"])),
    )  # fmt: skip
    return Series(info=info, times=times, station=station, values=values)


def _moment(time: np.datetime64) -> datetime:
    found: datetime = time.astype("datetime64[s]").item()
    return found.replace(tzinfo=UTC)


SOURCE = Source(name="stations", title="Weather stations (CSV, UMEP)", suffixes=SUFFIXES, look=inspect_series)
