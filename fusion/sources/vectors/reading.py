"""Shapes of a file: valid, in a CRS that is known, with their attributes."""

import json
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely

from fusion.bounded import run_bounded
from fusion.errors import BadFileError
from fusion.file_info import LayerInfo, hash_file
from fusion.places import check_place, find_epsg, transformer_to_lonlat
from fusion.sources.vectors.formats import SUFFIXES, find_driver

__all__ = ["SUFFIXES", "Shapes", "inspect_layers", "read_layer"]

MOST_SHAPES = 5_000_000
CHILD = "fusion.sources.vectors.child"
Geometries = npt.NDArray[np.object_]
# drivers that a child leaves out for the one it is to know
_skipped: dict[str, str] = {}


@dataclass(frozen=True, kw_only=True)
class Shapes:
    """Geometries [n] in `info.epsg`, x before y, each valid, and a table [n] of their attributes."""

    info: LayerInfo
    geometries: Geometries
    attributes: pa.Table

    def to_lonlat(self) -> Geometries:
        """The geometries in degrees of WGS 84, longitude first."""
        transform = transformer_to_lonlat(self.info.epsg).transform
        return np.asarray(shapely.transform(self.geometries, transform, interleaved=False), dtype=object)


def inspect_layers(path: Path, epsg: int | None = None) -> list[LayerInfo]:
    """One info per layer that holds shapes; a file whose layers are all empty is refused."""
    driver = find_driver(path)
    tables = _ask(path, driver, None, is_whole=True)
    found = [shapes.info for name, table in tables if (shapes := _take(path, driver, name, table, epsg)) is not None]
    if not found:
        raise BadFileError(f"{path.name}: it holds no shapes. Leave it out, or fetch it again.")
    return found


def read_layer(path: Path, layer: str | None = None, *, epsg: int | None = None, where: str | None = None) -> Shapes:
    """The shapes of one layer. `epsg` is used where the file states no CRS; `where` is a condition of SQL.

    Without a name the file must have one layer only.
    """
    driver = find_driver(path)
    [(name, table)] = _ask(path, driver, layer, is_whole=False, where=where)
    found = _take(path, driver, name, table, epsg)
    if found is None:
        raise BadFileError(f"{path.name}: layer {name} holds no shapes.")
    return found


def _ask(
    path: Path, driver: str, layer: str | None, *, is_whole: bool, where: str | None = None
) -> list[tuple[str, pa.Table]]:
    """Layers as a child read them. Once one has found which drivers to leave out, the next is told and starts once."""
    content = run_bounded(
        f"{CHILD}:read",
        about=path.name,
        surroundings={"OGR_SKIP": _skipped[driver]} if _skipped.get(driver) else {},
        path=str(path.absolute()),
        driver=driver,
        layer=layer,
        is_whole=is_whole,
        most=MOST_SHAPES,
        where=where,
    )
    line, _, streams = content.partition(b"\n")
    told, found, place = json.loads(line), [], 0
    _skipped[driver] = told["skipped"]
    for name, length in zip(told["names"], told["lengths"], strict=True):
        with pa.ipc.open_stream(pa.py_buffer(streams[place : place + length])) as stream:
            found.append((str(name), stream.read_all()))
        place += length
    return found


def _take(path: Path, driver: str, layer: str, table: pa.Table, epsg: int | None) -> Shapes | None:
    """The shapes of a layer, None where it has none."""
    known = {key.decode(): value.decode() for key, value in (table.schema.metadata or {}).items()}
    name = known["geometry"] if known["geometry"] in table.column_names else "wkb_geometry"
    raw = shapely.from_wkb(table.column(name).to_numpy(zero_copy_only=False), on_invalid="ignore")
    geometries, kept, notes = _mend(raw)
    if not len(geometries):
        return None
    code, crs_note = _find_crs(path, known, epsg)
    try:
        corners = shapely.bounds(geometries)
        whole = np.array([corners[:, 0].min(), corners[:, 1].min(), corners[:, 2].max(), corners[:, 3].max()])
        bounds = check_place(code, whole[[0, 2, 2, 0]], whole[[1, 1, 3, 3]])
    except BadFileError as error:
        raise BadFileError(f"{path.name}: {error}.") from error
    attributes = table.drop_columns([name]).filter(pa.array(kept))
    info = LayerInfo(
        path=path.absolute(),
        sha256=hash_file(path),
        size_bytes=path.stat().st_size,
        format=driver,
        layer=layer,
        shapes=len(geometries),
        geometry_types=dict(Counter(shape.geom_type for shape in geometries)),
        fields=tuple(attributes.column_names),
        epsg=code,
        lonlat_bounds=bounds,
        notes=tuple(note for note in (crs_note, known["note"], *notes) if note),
    )
    return Shapes(info=info, geometries=geometries, attributes=attributes.replace_schema_metadata(None))


def _mend(raw: Geometries) -> tuple[Geometries, npt.NDArray[np.bool_], list[str]]:
    """Valid geometries, which rows they are of, and what was mended or left out, in words."""
    bounds = shapely.bounds(raw)
    kept = ~shapely.is_missing(raw) & ~shapely.is_empty(raw) & np.isfinite(bounds).all(axis=1)
    found, notes = np.asarray(shapely.force_2d(raw[kept]), dtype=object), []
    if len(raw) > len(found):
        notes.append(f"{len(raw) - len(found)} rows without a geometry, or with an endless one, left out")
    broken = ~shapely.is_valid(found)
    if broken.any():
        found[broken] = shapely.make_valid(found[broken])
        notes.append(f"{int(broken.sum())} invalid geometries mended (self-crossing rings and the like)")
    return found, kept, notes


def _find_crs(path: Path, known: dict[str, str], stated: int | None) -> tuple[int, str]:
    if not known["crs"]:
        if stated is None:
            raise BadFileError(
                f"{path.name}: it has no coordinate reference system. State the one it is in, or write its .prj."
            )
        return stated, f"EPSG:{stated} as stated by the caller"
    code = find_epsg(known["crs"])
    if code is None:
        raise BadFileError(f"{path.name}: its coordinate reference system has no EPSG code. Write it in EPSG:4326.")
    if stated is not None and stated != code:
        raise BadFileError(f"{path.name}: it is in EPSG:{code}, the caller says EPSG:{stated}. Leave one of them out.")
    return code, f"EPSG:{code} as the file states" if known["states_crs"] else "EPSG:4326 as RFC 7946 has it"
