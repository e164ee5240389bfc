"""What a photo's EXIF says of place, heading, view and time; values that cannot be are left out and named."""

import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from PIL import ExifTags, Image

GPS, EXIF = ExifTags.GPS, ExifTags.Base
FULL_FRAME_MM = 36.0  # width of the film that "focal length in 35 mm film" refers to
MADE_UP = "made-up world"  # in the tag Software of simulated photos


@dataclass(kw_only=True)
class Facts:
    """What was found; None where the file does not say it or says what cannot be."""

    longitude: float | None = None
    latitude: float | None = None
    heading_deg: float | None = None
    field_of_view_deg: float | None = None
    captured_at: datetime | None = None
    is_simulated: bool = False
    notes: tuple[str, ...] = ()


def read_facts(exif: Image.Exif) -> Facts:
    """Place, heading, field of view and time from EXIF tags."""
    facts = Facts()
    place, shot = _directory(exif, ExifTags.IFD.GPSInfo), _directory(exif, ExifTags.IFD.Exif)
    _read_place(facts, place)
    _read_heading(facts, place, exif)
    _read_view(facts, shot, exif)
    _read_time(facts, place, shot)
    facts.is_simulated = MADE_UP in str(exif.get(EXIF.Software, ""))
    return facts


def _directory(exif: Image.Exif, number: int) -> dict[int, Any]:
    """One of EXIF's directories; a broken one is read as empty."""
    try:
        return dict(exif.get_ifd(number))
    except (ValueError, TypeError, KeyError, OSError, SyntaxError, OverflowError):
        return {}


def _note(facts: Facts, words: str) -> None:
    facts.notes = (*facts.notes, words)


def _number(value: Any) -> float | None:
    """A finite number, or None."""
    try:
        number = float(value)
    except (TypeError, ValueError, ZeroDivisionError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def _degrees(value: Any, reference: Any, negative: str) -> float | None:
    """Degrees, minutes and seconds as degrees, below zero to the south and west."""
    if not isinstance(value, tuple | list) or not 1 <= len(value) <= 3:
        return None
    parts = [_number(part) for part in value]
    known = [part for part in parts if part is not None]
    if len(known) < len(parts):
        return None
    degrees = sum(part / 60**power for power, part in enumerate(known))
    return -degrees if str(reference or "").strip().upper().startswith(negative) else degrees


def _read_place(facts: Facts, place: dict[int, Any]) -> None:
    latitude = _degrees(place.get(GPS.GPSLatitude), place.get(GPS.GPSLatitudeRef), "S")
    longitude = _degrees(place.get(GPS.GPSLongitude), place.get(GPS.GPSLongitudeRef), "W")
    if latitude is None or longitude is None:
        _note(facts, "no position")
    elif not (-90 <= latitude <= 90 and -180 <= longitude <= 180) or latitude == longitude == 0:
        _note(facts, "its position cannot be, left out")  # 0, 0 is what cameras write before the first fix
    else:
        facts.latitude, facts.longitude = latitude, longitude


def _read_heading(facts: Facts, place: dict[int, Any], exif: Image.Exif) -> None:
    """EXIF's direction of the image, else the compass that Mapillary's application writes into the description."""
    heading = _number(place.get(GPS.GPSImgDirection))
    if heading is not None and str(place.get(GPS.GPSImgDirectionRef, "T")).upper().startswith("M"):
        _note(facts, "heading from magnetic north")
    if heading is None:
        heading = _number(_read_compass(exif))
    if heading is None:
        _note(facts, "no heading")
    elif -360 <= heading <= 360:
        facts.heading_deg = heading % 360
    else:
        _note(facts, "its heading cannot be, left out")


def _read_compass(exif: Image.Exif) -> Any:
    try:
        return json.loads(str(exif.get(EXIF.ImageDescription, "")))["MAPCompassHeading"]["TrueHeading"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def _read_view(facts: Facts, shot: dict[int, Any], exif: Image.Exif) -> None:
    """Horizontal angle from the focal length; a photo turned on its side has its narrow one."""
    focal_mm = _number(shot.get(EXIF.FocalLengthIn35mmFilm))
    if focal_mm is None or not 5 <= focal_mm <= 2_000:
        return
    is_upright = exif.get(EXIF.Orientation) in (5, 6, 7, 8)
    side_mm = FULL_FRAME_MM * (2 / 3 if is_upright else 1)
    facts.field_of_view_deg = math.degrees(2 * math.atan(side_mm / 2 / focal_mm))


def _read_time(facts: Facts, place: dict[int, Any], shot: dict[int, Any]) -> None:
    """The satellites' time (UTC), else the camera's own; without its offset that is taken as UTC, and named."""
    clock = [_number(part) for part in place.get(GPS.GPSTimeStamp) or ()]
    if len(clock) == 3 and None not in clock:
        day = _parse(str(place.get(GPS.GPSDateStamp, "")), "%Y:%m:%d")
        seconds = sum((part or 0) * unit for part, unit in zip(clock, (3600, 60, 1), strict=True))
        if day is not None and 0 <= seconds < 86_400:
            facts.captured_at = day.replace(tzinfo=UTC) + timedelta(seconds=int(seconds))
            return
    local = _parse(str(shot.get(EXIF.DateTimeOriginal, "")), "%Y:%m:%d %H:%M:%S")
    if local is None:
        return
    zone = _parse_offset(str(shot.get(EXIF.OffsetTimeOriginal, "")))
    if zone is None:
        _note(facts, "time without a zone, taken as UTC")
    facts.captured_at = local.replace(tzinfo=zone or UTC)


def _parse(text: str, pattern: str) -> datetime | None:
    try:
        found = datetime.strptime(text.strip("\0 "), pattern)
    except ValueError:
        return None
    return found if found.year >= 1970 else None


def _parse_offset(text: str) -> timezone | None:
    try:
        found = datetime.strptime(text.strip("\0 "), "%z").utcoffset()
    except ValueError:
        return None
    return None if found is None else timezone(found)
