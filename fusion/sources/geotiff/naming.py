"""What names and tags say: which band a file holds, when it was taken, which offset its numbers carry."""

import math
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rasterio.io import DatasetReader

from fusion.errors import BadRasterError

# S2A_MSIL2A_20220706T085611_N0400_R007_T33NZA_20220706T153419: level, start, processing baseline
SENTINEL2_PRODUCT = re.compile(r"S2[A-D]_MSI(L1C|L2A)_(\d{8}T\d{6})_N(\d{4})_R\d{3}_T\w{5}")
# T33NZA_20220706T085611_B02_10m: a band file of a product folder
SENTINEL2_BAND_FILE = re.compile(r"T\d{2}[A-Z]{3}_(\d{8}T\d{6})_B")
# S1A_IW_GRDH_1SDV_20220706T051234_20220706T051259_...: start and end
SENTINEL1_PRODUCT = re.compile(r"S1[A-D]_\w{2}_\w{4}_\w{4}_(\d{8}T\d{6})_(\d{8}T\d{6})_")
# karlsau_sentinel2_summer_20220706, karlsau_sentinel1_20220706: the files of the made-up world
WORLD_FILE = re.compile(r"_sentinel[12](?:_[a-z]+)*_(\d{8})(?!\d)")
BAND = re.compile(r"(?:^|[_.-])B0?(\d{1,2}A?)(?:[_.-]\d{2}m)?(?:$|[_.-])", re.IGNORECASE)
FOLDERS_UP = 5
WAVELENGTHS, MOST_NM = "WAVELENGTHS_NM", 1e6
OFFSET_TAGS = ("OFFSET", "BOA_ADD_OFFSET", "RADIO_ADD_OFFSET")
# From baseline 04.00 (25 January 2022) Level-1C and Level-2A store reflectance * 10000 + 1000, so that dark and noisy
# pixels below zero survive: ESA, Sentinel-2 Products Specification Document, RADIO_ADD_OFFSET and BOA_ADD_OFFSET.
FIRST_BASELINE_WITH_OFFSET, OFFSET_SINCE = 400, -1000.0
# products that somebody made anew say baseline 99.99, which says nothing of the offset
OWN_BASELINE = 9999


def normalise_band(text: str) -> str:
    """`B02`, `b2`, `B02_10m` become B2, `B8a` becomes B8A; any other name stays as it is, without blanks around it."""
    match = re.fullmatch(r"B0?(\d{1,2})(A?)(?:_\d{2}m)?", text.strip(), re.IGNORECASE)
    return f"B{int(match[1])}{match[2].upper()}" if match else text.strip()


def name_bands(path: Path, descriptions: Sequence[str | None]) -> tuple[str, ...]:
    """Names in file order from the band descriptions; a lone band without one is named by its file; else empty."""
    names = tuple(normalise_band(text or "") for text in descriptions)
    if names == ("",):
        return (name_file_band(path),)
    return names


def name_file_band(path: Path, known: Sequence[str] = ()) -> str:
    """The band a file of a band folder holds: B02.tif, T33NZA_20220706T085611_B02_10m.tif, x_vv.tif for a known VV."""
    found = BAND.findall(path.stem)
    if found:
        return normalise_band(f"B{found[-1]}")
    words = re.split(r"[_.-]", path.stem.lower())
    return next((band for band in known if band.lower() in words), path.stem)


def find_dates(
    path: Path, tags: Mapping[str, str], captured: datetime | None
) -> tuple[tuple[datetime, datetime] | None, str]:
    """First and last moment of the picture in UTC and a sentence saying how it is known; a bare date is a whole day."""
    if captured is not None:
        return (captured, captured), "Date as stated by the caller"
    for text in _list_names(path):
        if match := SENTINEL1_PRODUCT.search(text):
            return (_parse_moment(match[1]), _parse_moment(match[2])), "Dates from the product name"
        if match := SENTINEL2_PRODUCT.search(text):
            return (_parse_moment(match[2]),) * 2, "Date from the product name"
        if match := SENTINEL2_BAND_FILE.search(text) or WORLD_FILE.search(text):
            return _span(match[1]), "Date from the file name"
    stamp = re.match(r"(\d{4})[:-](\d\d)[:-](\d\d)[ T](\d\d):(\d\d):(\d\d)", tags.get("TIFFTAG_DATETIME", ""))
    if stamp:
        moment = _parse_moment("{}{}{}T{}{}{}".format(*stamp.groups()))
        return (moment, moment), "Date from the tag TIFFTAG_DATETIME"
    return None, "No date found in names or tags"


def find_baseline(path: Path) -> tuple[str, int] | None:
    """Level and processing baseline (400 for N0400) of the Sentinel-2 product that a path names."""
    for text in _list_names(path):
        if match := SENTINEL2_PRODUCT.search(text):
            return match[1], int(match[3])
    return None


def find_tagged_offset(
    tags: Mapping[str, str], offsets: Sequence[float], scales: Sequence[float]
) -> tuple[float, str] | None:
    """The offset that tags or GDAL's band offsets state, as (stored + offset) * scale, and which of them said so."""
    for tag in OFFSET_TAGS:
        if tag in tags:
            return _parse_number(tag, tags[tag]), f"the tag {tag}"
    stated = {round(offset / scale, 6) for offset, scale in zip(offsets, scales, strict=True)}
    is_stated = any(offset != 0 for offset in offsets) or any(scale != 1 for scale in scales)
    if is_stated and len(stated) > 1:
        raise BadRasterError(f"its bands have different offsets ({sorted(stated)}); give one stack per offset")
    return (stated.pop(), "the band offset and scale in the file") if is_stated else None


def find_tagged_scale(tags: Mapping[str, str], scales: Sequence[float]) -> float | None:
    """The scale that the tag SCALE or GDAL's band scales state, None where neither does."""
    if "SCALE" in tags:
        return _parse_number("SCALE", tags["SCALE"])
    stated = set(scales) - {1.0}
    if len(stated) > 1:
        raise BadRasterError(f"its bands have different scales ({sorted(stated)}); give one stack per scale")
    return stated.pop() if stated else None


def find_wavelengths(dataset: DatasetReader) -> tuple[float, ...]:
    """Centres of all bands in nanometres from our tag WAVELENGTHS_NM or GDAL's of each band; empty if one lacks it."""
    texts = [text for text in dataset.tags().get(WAVELENGTHS, "").split(",") if text.strip()]
    factors = [1.0] * len(texts)
    if not texts:
        for place in range(1, dataset.count + 1):
            tags, imagery = dataset.tags(place), dataset.tags(place, ns="IMAGERY")
            texts.append(imagery.get("CENTRAL_WAVELENGTH_UM") or tags.get("wavelength") or "")
            is_nm = tags.get("wavelength_units", "").lower().startswith("nano")
            factors.append(1.0 if is_nm and "CENTRAL_WAVELENGTH_UM" not in imagery else 1e3)
    try:
        found = tuple(round(float(text) * factor, 6) for text, factor in zip(texts, factors, strict=True))
    except ValueError:
        return ()
    is_whole = len(found) == dataset.count and all(MOST_NM >= wave > 0 for wave in found)
    return found if is_whole else ()


def find_scene_offset(path: Path) -> tuple[float, str] | None:
    """The offset that follows from the Sentinel-2 processing baseline in the product name."""
    baseline = find_baseline(path)
    if baseline is None:
        return None
    level, number = baseline
    if number == OWN_BASELINE:
        return None
    offset = OFFSET_SINCE if number >= FIRST_BASELINE_WITH_OFFSET else 0.0
    return offset, f"processing baseline N{number:04d} ({level}) in the product name"


def _list_names(path: Path) -> list[str]:
    """The file's name, then those of its folders, nearest first; a band of a SAFE product lies five folders deep."""
    return [path.name, *(folder.name for folder in list(path.absolute().parents)[:FOLDERS_UP])]


def _parse_number(tag: str, text: str) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise BadRasterError(f"its tag {tag} is {text!r}, not a number")
    return number


def _parse_moment(text: str) -> datetime:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError as error:
        raise BadRasterError(f"its name or tag says {text!r}, which is no date") from error


def _span(text: str) -> tuple[datetime, datetime]:
    if "T" in text:
        return (_parse_moment(text),) * 2
    start = _parse_moment(f"{text}T000000")
    return start, start + timedelta(days=1) - timedelta(seconds=1)
