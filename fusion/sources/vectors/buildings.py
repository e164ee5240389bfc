"""Footprints of buildings with what is known of them, from OpenStreetMap or any layer of polygons."""

import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import shapely
from shapely.geometry.base import BaseGeometry

from fusion.sources.vectors.formats import find_driver
from fusion.sources.vectors.reading import Shapes, read_layer

STOREY_M = 3.0  # assumption, for buildings that say their storeys and not their height
HEIGHTS, STOREYS = ("height", "building:height", "height_m"), ("building:levels", "levels")
POLYGONS = ("Polygon", "MultiPolygon")
MOST_HEIGHT_M = 1_000.0


@dataclass(frozen=True, kw_only=True)
class Building:
    """One footprint in degrees of WGS 84. `height_m` is None where neither height nor storeys are tagged."""

    footprint: BaseGeometry
    use: str
    height_m: float | None
    tags: Mapping[str, str]


def read_buildings(path: Path, layer: str | None = None, *, epsg: int | None = None) -> list[Building]:
    """Polygons tagged as buildings in OpenStreetMap data; elsewhere every polygon of the layer."""
    is_osm = find_driver(path) == "OSM"
    where = "building IS NOT NULL" if is_osm else None
    shapes = read_layer(path, "multipolygons" if is_osm else layer, epsg=epsg, where=where)
    return list_buildings(shapes)


def list_buildings(shapes: Shapes) -> list[Building]:
    """The polygons of a layer as buildings."""
    rows = _read_tags(shapes.attributes)
    found = []
    for footprint, tags in zip(shapes.to_lonlat(), rows, strict=True):
        if shapely.get_type_id(footprint) == 7:  # mending can leave lines beside polygons
            parts = [part for part in footprint.geoms if part.geom_type in POLYGONS]
            footprint = shapely.union_all(parts) if parts else footprint
        if footprint.geom_type in POLYGONS and not footprint.is_empty:
            found.append(
                Building(footprint=footprint, use=tags.get("building", ""), height_m=find_height(tags), tags=tags)
            )
    return found


def find_height(tags: Mapping[str, str]) -> float | None:
    """Metres from a tag such as `12`, `12 m`, `40 ft`, else from the number of storeys."""
    for names, factor in ((HEIGHTS, 1.0), (STOREYS, STOREY_M)):
        for name in names:
            match = re.fullmatch(r"\s*(\d{1,4}(?:[.,]\d+)?)\s*(m|ft|')?\s*", tags.get(name, ""))
            if match:
                feet = 0.3048 if match[2] in ("ft", "'") else 1.0
                height = float(match[1].replace(",", ".")) * factor * feet
                return height if 0 < height <= MOST_HEIGHT_M else None
    return None


def _read_tags(attributes: pa.Table) -> list[dict[str, str]]:
    """Attributes that are there, as text; OpenStreetMap's other tags come as one JSON object."""
    rows: list[dict[str, str]] = []
    for row in attributes.to_pylist():
        other = _parse(row.pop("other_tags", None))
        plain = {name: str(value) for name, value in row.items() if not _is_nothing(value)}
        rows.append({**other, **plain})
    return rows


def _parse(text: Any) -> dict[str, str]:
    try:
        found = json.loads(text) if text else {}
    except (ValueError, RecursionError):
        return {}
    return {str(name): str(value) for name, value in found.items()} if isinstance(found, dict) else {}


def _is_nothing(value: Any) -> bool:
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))
