"""Which one driver a file of shapes is opened with: told from its first bytes, never left to guessing libraries."""

import shutil
import sqlite3
import struct
from pathlib import Path

from fusion.errors import BadFileError

SUFFIXES = (".geojson", ".json", ".gpkg", ".shp", ".pbf")
MOST_BYTES = 16 * 2**30
MOST_TEXT = 2 * 2**30  # GeoJSON is held in memory several times over
SIDE_CARS = (".shx", ".dbf", ".prj", ".cpg")
LAYERS_OSM = ("points", "lines", "multipolygons")


def find_driver(path: Path) -> str:
    """GDAL's name of the one driver; BadFileError where the content is none of the four formats."""
    if not path.is_file():
        raise BadFileError(f"{path}: no such file. Give a file that ends in {', '.join(SUFFIXES)}.")
    with path.open("rb") as file:
        head = file.read(4_096)
    size, driver = path.stat().st_size, _tell(head)
    if driver is None:
        raise BadFileError(
            f"{path.name}: neither GeoJSON, GeoPackage, Shapefile nor OpenStreetMap PBF (it starts with {head[:8]!r})."
        )
    if size > (MOST_TEXT if driver == "GeoJSON" else MOST_BYTES):
        raise BadFileError(f"{path.name}: {size:,} bytes are more than is read at once. Cut it into smaller files.")
    return driver


def _tell(head: bytes) -> str | None:
    if head.startswith(b"SQLite format 3\0"):
        return "GPKG" if head[68:72] in (b"GPKG", b"GP10", b"GP11") else None
    if head[:4] == b"\x00\x00\x27\x0a":
        return "ESRI Shapefile"
    if b"OSMHeader" in head[:64]:
        length = struct.unpack_from(">I", head)[0]
        return "OSM" if 0 < length < 65_536 else None
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    return "GeoJSON" if text[:1] == b"{" and b"\0" not in head else None


def stage(path: Path, driver: str, folder: Path) -> Path:
    """The file alone in `folder` under a name of ours: no side-car, journal or index beside it is met by chance.

    A Shapefile takes the four parts it consists of along, and no other. SQLite is copied, since it looks for a journal
    beside the place that a link leads to, and plays it back.
    """
    ends = {"GPKG": ".gpkg", "GeoJSON": ".geojson", "OSM": ".osm.pbf", "ESRI Shapefile": ".shp"}
    staged = folder / f"shapes{ends[driver]}"
    if driver == "GPKG":
        shutil.copyfile(path, staged)
        _check_tables(staged, path.name)
        return staged
    staged.symlink_to(path.absolute())
    if driver == "ESRI Shapefile":
        _stage_parts(path, staged)
    return staged


def _stage_parts(path: Path, staged: Path) -> None:
    for end in SIDE_CARS:
        found = next((part for part in (path.with_suffix(end), path.with_suffix(end.upper())) if part.is_file()), None)
        if found is not None:
            staged.with_suffix(end).symlink_to(found.absolute())
        elif end in (".shx", ".dbf"):
            raise BadFileError(f"{path.name}: its {end} is missing. A Shapefile is .shp, .shx, .dbf and .prj together.")


def _check_tables(staged: Path, name: str) -> None:
    """Refuse virtual tables that lead elsewhere, and triggers: a GeoPackage needs an index (rtree) at most."""
    try:
        with sqlite3.connect(f"file:{staged}?mode=ro&immutable=1", uri=True) as tables:
            rows = tables.execute("SELECT type, sql FROM sqlite_master WHERE sql IS NOT NULL LIMIT 10000").fetchall()
    except sqlite3.Error as error:
        raise BadFileError(f"{name}: its tables cannot be read ({error}). Fetch it again.") from error
    for kind, text in rows:
        words = " ".join(str(text).lower().split())
        if kind == "table" and words.startswith("create virtual table") and " using rtree" not in words:
            raise BadFileError(f"{name}: it has a virtual table that is no index. Save it anew as a plain GeoPackage.")
        if kind == "view" and ("load_extension" in words or "ogr_" in words):
            raise BadFileError(f"{name}: it has a view that calls functions. Save it anew as a plain GeoPackage.")
