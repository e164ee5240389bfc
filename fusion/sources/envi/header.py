"""The text header of an ENVI file: every count it claims is checked against a limit and against the file beside it."""

import math
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from fusion.errors import BadFileError
from fusion.file_info import Transform
from fusion.places import find_epsg

MOST_BYTES = 2**20
MOST_SIDE, MOST_BANDS = 200_000, 4_096
TYPES = {
    1: "u1", 2: "i2", 3: "i4", 4: "f4", 5: "f8", 6: "c8", 9: "c16", 12: "u2", 13: "u4", 14: "i8", 15: "u8",
}  # fmt: skip
INTERLEAVES = ("bsq", "bil", "bip")
# width of one unit in nanometres; wavelengths below 100 without a unit can only be micrometres
UNITS_NM = {"nanometers": 1.0, "nanometer": 1.0, "nm": 1.0, "micrometers": 1e3, "micrometer": 1e3, "um": 1e3, "µm": 1e3}
NOT_STATED = ("", "unknown", "index")


@dataclass(frozen=True, kw_only=True)
class Header:
    """What an ENVI header says, checked; `transform` is that of the upper left corner of the upper left pixel."""

    samples: int
    lines: int
    bands: int
    dtype: np.dtype[np.generic]
    interleave: str
    skip_bytes: int
    names: tuple[str, ...]
    wavelengths_nm: tuple[float, ...]
    bad_bands: tuple[str, ...]
    epsg: int | None
    transform: Transform | None
    nodata: float | None
    scale: float
    captured: datetime | None
    notes: tuple[str, ...]

    @property
    def data_bytes(self) -> int:
        return self.samples * self.lines * self.bands * self.dtype.itemsize


def read_header(path: Path) -> Header:
    """The header at `path`; BadFileError says which line cannot be, without the file's name."""
    fields = _read_fields(path)
    kind = _whole(fields, "data type", 1, 15)
    if kind not in TYPES:
        raise BadFileError(f"its header says data type {kind}, which ENVI does not have; {sorted(TYPES)} are known")
    if fields.get("file compression", "0").strip() not in ("", "0"):
        raise BadFileError("its pixels are compressed; write it without compression first")
    interleave = fields.get("interleave", "bsq").strip().lower()
    if interleave not in INTERLEAVES:
        raise BadFileError(f"its header says interleave {interleave[:20]!r}; bsq, bil and bip are known")
    order = _whole(fields, "byte order", 0, 1, default=0)
    count = _whole(fields, "bands", 1, MOST_BANDS)
    names, notes = _find_names(fields, count), []
    waves, wave_note = _find_wavelengths(fields, count)
    epsg, transform, place_note = _find_place(fields)
    notes += [note for note in (wave_note, place_note) if note]
    return Header(
        samples=_whole(fields, "samples", 1, MOST_SIDE),
        lines=_whole(fields, "lines", 1, MOST_SIDE),
        bands=count,
        dtype=np.dtype((">" if order else "<") + TYPES[kind]),
        interleave=interleave,
        skip_bytes=_whole(fields, "header offset", 0, 2**31, default=0),
        names=names,
        wavelengths_nm=waves,
        bad_bands=_find_bad(fields, names),
        epsg=epsg,
        transform=transform,
        nodata=_number(fields, "data ignore value"),
        scale=_find_scale(fields),
        captured=_find_moment(fields),
        notes=tuple(notes),
    )


def _read_fields(path: Path) -> dict[str, str]:
    """`name = value` by lower-case name; a value in braces may go over several lines."""
    if path.stat().st_size > MOST_BYTES:
        raise BadFileError(f"its header has more than {MOST_BYTES // 2**20} MiB; that is no ENVI header")
    content = path.read_bytes()
    if not content.lstrip(b"\xef\xbb\xbf").lstrip().startswith(b"ENVI") or b"\0" in content:
        raise BadFileError("its header does not begin with the word ENVI")
    text = content.decode("utf-8", "replace")
    pattern = re.compile(r"^[ \t]*([A-Za-z][^=\n{}]{0,60}?)[ \t]*=[ \t]*(\{[^{}]*\}|[^\n]*)", re.MULTILINE)
    found: dict[str, str] = {}
    for name, value in pattern.findall(text):
        key = " ".join(name.lower().split())
        if key in found:
            raise BadFileError(f"its header says {key!r} twice")
        if value.startswith("{") and not value.endswith("}"):
            raise BadFileError(f"its header opens a brace at {key!r} and does not close it")
        found[key] = value.strip().strip("{}").strip()
    return found


def _whole(fields: dict[str, str], name: str, low: int, high: int, default: int | None = None) -> int:
    text = fields.get(name, "").strip()
    if not text and default is not None:
        return default
    if not re.fullmatch(r"[0-9]{1,12}", text) or not low <= int(text) <= high:
        raise BadFileError(f"its header says {name} = {text[:40]!r}; a whole number from {low} to {high} is needed")
    return int(text)


def _number(fields: dict[str, str], name: str) -> float | None:
    text = fields.get(name, "").strip()
    if not text:
        return None
    try:
        return float(text)
    except ValueError:
        raise BadFileError(f"its header says {name} = {text[:40]!r}, which is no number") from None


def _list(fields: dict[str, str], name: str) -> list[str]:
    return [part.strip() for part in fields.get(name, "").split(",") if part.strip()]


def _find_names(fields: dict[str, str], count: int) -> tuple[str, ...]:
    """Names of the bands, else their numbers; commas within brackets do not part names."""
    names = [part.strip() for part in re.split(r",(?![^()]*\))", fields.get("band names", "")) if part.strip()]
    if names and len(names) != count:
        raise BadFileError(f"its header has {count} bands and {len(names)} band names")
    return tuple(names) or tuple(str(number) for number in range(1, count + 1))


def _find_wavelengths(fields: dict[str, str], count: int) -> tuple[tuple[float, ...], str]:
    texts = _list(fields, "wavelength")
    if not texts:
        return (), "No wavelengths in the header"
    try:
        values = [float(text) for text in texts]
    except ValueError:
        raise BadFileError("its header has a wavelength that is no number") from None
    if len(values) != count or not all(math.isfinite(value) and value > 0 for value in values):
        raise BadFileError(f"its header has {count} bands and {len(values)} wavelengths, or one that cannot be")
    unit = fields.get("wavelength units", "").strip().lower()
    if unit in UNITS_NM:
        return tuple(round(value * UNITS_NM[unit], 6) for value in values), ""
    if unit not in NOT_STATED:
        raise BadFileError(f"its header has wavelengths in {unit[:30]!r}; nanometres and micrometres are known")
    factor = 1e3 if max(values) < 100 else 1.0
    said = "micrometres" if factor > 1 else "nanometres"
    return tuple(round(value * factor, 6) for value in values), f"Unit of wavelengths not stated, taken as {said}"


def _find_bad(fields: dict[str, str], names: tuple[str, ...]) -> tuple[str, ...]:
    """Bands that the header's list of bad bands (bbl) marks with 0."""
    marks = _list(fields, "bbl")
    if marks and len(marks) != len(names):
        raise BadFileError(f"its header has {len(names)} bands and {len(marks)} marks of bad bands")
    return tuple(name for name, mark in zip(names, marks, strict=False) if mark in ("0", "0.0"))


def _find_scale(fields: dict[str, str]) -> float:
    """ENVI's reflectance scale factor is what stored numbers are divided by."""
    factor = _number(fields, "reflectance scale factor")
    if factor is None:
        return 1.0
    if not (math.isfinite(factor) and factor > 0):
        raise BadFileError(f"its header says a reflectance scale factor of {factor:g}")
    return 1.0 / factor


def _find_moment(fields: dict[str, str]) -> datetime | None:
    text = fields.get("acquisition time", "").strip()
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _find_place(fields: dict[str, str]) -> tuple[int | None, Transform | None, str]:
    """EPSG code and transform out of `map info`; what is rotated or has no code keeps its reason in words."""
    parts = [part.strip() for part in fields.get("map info", "").split(",")]
    if len(parts) < 7:
        return None, None, "No place in the header"
    try:
        column, row, x, y, step_x, step_y = (float(part) for part in parts[1:7])
    except ValueError:
        raise BadFileError("its map info has a number that cannot be read") from None
    if not all(map(math.isfinite, (column, row, x, y, step_x, step_y))) or step_x <= 0 or step_y <= 0:
        raise BadFileError("its map info has a pixel size or an origin that cannot be")
    turn = next((part for part in parts if part.lower().startswith("rotation=")), "rotation=0")
    if turn.partition("=")[2].strip() not in ("0", "0.0", "0.00", "0.000", "0.00000000", ""):
        raise BadFileError("its grid is rotated; write it north-up in a projected CRS first")
    epsg = find_epsg(fields.get("coordinate system string", "") or "none") or _guess_epsg(parts)
    if epsg is None:
        raise BadFileError("its coordinate reference system has no EPSG code; write it in one that has, as EPSG:32632")
    corner = x - (column - 1) * step_x, y + (row - 1) * step_y
    return epsg, (step_x, 0.0, corner[0], 0.0, -step_y, corner[1]), ""


def _guess_epsg(parts: list[str]) -> int | None:
    """UTM and geographic coordinates of WGS 84 are said in map info itself."""
    words = [part.lower() for part in parts]
    is_wgs84 = any(word.replace(" ", "").replace("-", "") in ("wgs84", "wgs1984") for word in words)
    if not is_wgs84:
        return None
    if words[0].startswith("geographic"):
        return 4326
    if words[0] == "utm" and len(words) > 8 and words[7].isdigit() and 1 <= int(words[7]) <= 60:
        return (32700 if words[8].startswith("s") else 32600) + int(words[7])
    return None
