"""Folders of patches by the names that data sets give them, read by the GeoTIFF source.

Sentinel-2 products (SAFE, and Major-TOM's cells named like them), SSL4EO-S12, BigEarthNet and EuroSAT: which file holds
which band, when it was seen and which offset its numbers carry is told from names and from metadata.json beside.
"""

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fusion.errors import BadRasterError
from fusion.modality import Modality
from fusion.source import Limits, RasterInfo, Source
from fusion.sources.geotiff import inspect as inspect_rasters
from fusion.sources.geotiff.naming import FIRST_BASELINE_WITH_OFFSET, OFFSET_SINCE, SENTINEL2_PRODUCT

MOST_TEXT = 2**20
# EuroSAT (Helber et al. 2019, doi 10.1109/JSTARS.2019.2918242) keeps Level-1C in the order of its authors: B8A is last
EUROSAT_BANDS = ("B1", "B2", "B3", "B4", "B5", "B6", "B7", "B8", "B9", "B10", "B11", "B12", "B8A")
# BigEarthNet v2 (Clasen et al. 2024, arXiv 2407.03653): Level-2A made anew of 2017 and 2018 data, which carry no offset
# (seen: least blue 35); such products say baseline 99.99 and must not be taken for ones later than 04.00
BIGEARTHNET = re.compile(r"S(?:1[A-D]_IW_GRDH|2[A-D]_MSIL2A)_.*_\d+_\d+$")
SSL4EO = re.compile(r"\d{8}T\d{6}_\d{8}T\d{6}_T\w{5}$")
EUROSAT_CLASSES = (
    "AnnualCrop", "Forest", "HerbaceousVegetation", "Highway", "Industrial", "Pasture", "PermanentCrop",
    "Residential", "River", "SeaLake",
)  # fmt: skip
PREDATES_OFFSET = datetime(2022, 1, 25, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True)
class Layout:
    """A way of naming. `fits` looks at one path; the rest is handed to the GeoTIFF source for it."""

    name: str
    fits: Callable[[Path], bool]
    bands: tuple[str, ...] | None = None
    find_offset: Callable[[Path], float | None] | None = None
    find_moment: Callable[[Path], datetime | None] | None = None


def inspect(
    paths: Sequence[Path | str],
    modality: Modality,
    *,
    limits: Limits | None = None,
    bands: Sequence[str] | None = None,
    offset: float | None = None,
    captured: datetime | None = None,
) -> list[RasterInfo]:
    """As the GeoTIFF source does; what a data set's names say fills in what the caller does not state."""
    found: list[RasterInfo] = []
    for path in map(Path, paths):
        layout = find_layout(path)
        said_offset, said_moment = _ask(layout.find_offset, path), _ask(layout.find_moment, path)
        infos = inspect_rasters(
            [path],
            modality,
            limits=limits,
            bands=bands or layout.bands,
            offset=said_offset if offset is None and modality.name.startswith("sentinel2") else offset,
            captured=captured or said_moment,
        )
        found += [replace(info, notes=_say_origin(info, layout, offset, captured)) for info in infos]
    return found


def _say_origin(info: RasterInfo, layout: Layout, offset: float | None, captured: datetime | None) -> tuple[str, ...]:
    """The notes, where what the names say is not said to come from the caller."""
    notes = list(info.notes)
    for word, stated in (("Offset", offset), ("Date", captured)):
        if stated is None:
            end = "as stated by the caller"
            notes = [note.replace(end, f"as {layout.name} has it") if note.startswith(word) else note for note in notes]
    return tuple(notes)


def find_layout(path: Path) -> Layout:
    """The way of naming that a folder or file follows; BadRasterError where none is known."""
    if not path.exists():
        raise BadRasterError(f"{path}: no such folder or file. Give one patch or product of a known data set.")
    for layout in LAYOUTS:
        if layout.fits(path.absolute()):
            return layout
    known = ", ".join(layout.name for layout in LAYOUTS)
    raise BadRasterError(f"{path.name}: its name is that of no known data set ({known}). Use the source geotiff.")


def _ask(question: Callable[[Path], Any] | None, path: Path) -> Any:
    return None if question is None else question(path.absolute())


def _is_product(path: Path) -> bool:
    return path.is_dir() and SENTINEL2_PRODUCT.fullmatch(path.name.split(".")[0].rsplit("_", 1)[0]) is not None


def _is_bigearthnet(path: Path) -> bool:
    return path.is_dir() and BIGEARTHNET.match(path.name) is not None


def _is_ssl4eo(path: Path) -> bool:
    is_scene = SSL4EO.match(path.name) is not None or path.name.startswith("S1")
    return is_scene and (path / "metadata.json").is_file()


def _is_eurosat(path: Path) -> bool:
    names = "|".join(EUROSAT_CLASSES)
    return path.suffix.lower() == ".tif" and re.fullmatch(rf"({names})_\d+", path.stem) is not None


def _read_metadata(folder: Path) -> dict[str, Any]:
    path = folder / "metadata.json"
    try:
        held = json.loads(path.read_bytes()) if path.stat().st_size <= MOST_TEXT else None
    except (OSError, ValueError, RecursionError):
        held = None
    if not isinstance(held, dict):
        raise BadRasterError(f"{folder.name}: its metadata.json is no JSON object of at most {MOST_TEXT:,} bytes.")
    return held


def _find_ssl4eo_offset(folder: Path) -> float | None:
    """From the processing baseline that metadata.json states, such as 02.14."""
    text = str(_read_metadata(folder).get("PROCESSING_BASELINE", ""))
    if not re.fullmatch(r"\d\d\.\d\d", text):
        return None
    return OFFSET_SINCE if int(text.replace(".", "")) >= FIRST_BASELINE_WITH_OFFSET else 0.0


def _find_ssl4eo_moment(folder: Path) -> datetime | None:
    match = re.match(r"(\d{8}T\d{6})_", folder.name)
    return None if match is None else _parse(match[1])


def _find_bigearthnet_moment(folder: Path) -> datetime | None:
    match = re.search(r"_(\d{8}T\d{6})", folder.name)
    return None if match is None else _parse(match[1])


def _find_bigearthnet_offset(folder: Path) -> float | None:
    moment = _find_bigearthnet_moment(folder)
    return 0.0 if moment is not None and moment < PREDATES_OFFSET else None


def _parse(text: str) -> datetime | None:
    try:
        return datetime.strptime(text, "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None


LAYOUTS = (
    Layout(
        name="BigEarthNet",
        fits=_is_bigearthnet,
        find_offset=_find_bigearthnet_offset,
        find_moment=_find_bigearthnet_moment,
    ),
    Layout(name="SSL4EO-S12", fits=_is_ssl4eo, find_offset=_find_ssl4eo_offset, find_moment=_find_ssl4eo_moment),
    # all of EuroSAT was seen before 2019, and says no date
    Layout(name="EuroSAT", fits=_is_eurosat, bands=EUROSAT_BANDS, find_offset=lambda _path: 0.0),
    Layout(name="Sentinel-2 product or Major-TOM", fits=_is_product),
)
SOURCE = Source(
    name="band_folders",
    title="Sentinel products and patches of known data sets",
    suffixes=(),
    inspect=inspect,
)
