"""What is known of a file that is no raster on a grid, as the row of an asset: its place, its times, its facts."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

import numpy as np

from fusion.errors import BadFileError
from fusion.file_info import ArrayInfo, FileInfo, FramesInfo, ItemInfo, LayerInfo, PointsInfo, SeriesInfo
from fusion.places import check_place
from fusion.source import Bounds
from geoquorum.catalog import services
from geoquorum.catalog.bounds import join_bounds
from geoquorum.catalog.models import Asset, Region
from geoquorum.catalog.stating import PLAIN, Statement

LONGEST_LIST = 300  # values of one fact that are kept in a row; the file has the others
MODALITIES = {PointsInfo: "lidar", SeriesInfo: "weather_station", FramesInfo: "video"}
Infos = Sequence[FileInfo]


def store_facts(region: Region, infos: Infos, stated: Statement) -> Asset:
    """The asset of a region that a file of one or more arrays, layers or tables is."""
    first = infos[0]
    modality = stated.modality or MODALITIES.get(type(first)) or PLAIN[type(first)]
    if isinstance(first, LayerInfo) and first.format == "OSM" and not stated.modality:
        modality = "osm_features"
    bounds = [place for info in infos if (place := find_bounds(info)) is not None]
    joined = join_bounds(bounds) if bounds else None
    times = [moment for info in infos for moment in _list_times(info)] or [stated.captured]
    own = _list_own(first)
    told = {"facts": [list_facts(info) for info in infos], "notes": list(first.notes)} | own.pop("more")
    asset, _is_new = Asset.objects.update_or_create(
        region=region,
        uri=str(first.path),
        defaults={
            "project": region.project, "modality": modality, "sha256": first.sha256, "size_bytes": first.size_bytes,
            "driver": first.format[:20], "bands": [name[:40] for name in own.pop("bands", ())],
            "dtype": own.pop("dtype", ""), "epsg": getattr(first, "epsg", None),
            **dict(zip(("west", "south", "east", "north"), joined or (None,) * 4, strict=True)),
            "captured_from": min(times) if times[0] else None, "captured_to": max(times) if times[0] else None,
            "attributes": told,
            **own,
        },
    )  # fmt: skip
    if joined is not None:
        services.widen_region(region, joined, is_simulated=any(info.is_simulated for info in infos))
    return asset


def find_bounds(info: FileInfo) -> Bounds | None:
    """West, south, east, north in degrees; None where the file does not say its place."""
    if isinstance(info, LayerInfo | ItemInfo):
        return info.lonlat_bounds
    if isinstance(info, SeriesInfo):
        if not info.places:
            return None
        lons, lats = np.array(list(info.places.values())).T
        return check_place(4326, lons, lats)
    if isinstance(info, PointsInfo) and info.epsg:
        west, south, _low, east, north, _high = info.bounds
        return check_place(info.epsg, np.array([west, east, east, west]), np.array([south, south, north, north]))
    if isinstance(info, ArrayInfo | FramesInfo) and info.epsg and info.transform:
        height, width = _find_size(info)
        a, b, c, d, e, f = info.transform
        columns, rows = np.array([0, width, width, 0]), np.array([0, 0, height, height])
        return check_place(info.epsg, c + a * columns + b * rows, f + d * columns + e * rows)
    return None


def _find_size(info: ArrayInfo | FramesInfo) -> tuple[int, int]:
    if isinstance(info, FramesInfo):
        return info.height, info.width
    if not {"y", "x"} <= set(info.dims):
        raise BadFileError(f"{info.path.name}: it has a place, but no rows and columns.")
    return info.shape[info.dims.index("y")], info.shape[info.dims.index("x")]


def _list_own(info: FileInfo) -> dict[str, Any]:
    """Columns of the row that only some kinds of files fill."""
    if isinstance(info, ArrayInfo):
        has_size = {"y", "x"} <= set(info.dims)
        height, width = _find_size(info) if has_size else (None, None)
        waves = {"wavelengths_nm": list(info.wavelengths_nm)} if info.wavelengths_nm else {}
        return {
            "bands": info.bands, "dtype": info.dtype, "nodata": info.nodata, "scale": info.scale,
            "offset": info.offset, "transform": list(info.transform) if info.transform else None, "height": height,
            "width": width, "more": waves,
        }  # fmt: skip
    if isinstance(info, FramesInfo):
        place = list(info.transform) if info.transform else None
        return {"dtype": "uint8", "width": info.width, "height": info.height, "transform": place, "more": {}}
    if isinstance(info, SeriesInfo):
        return {"bands": info.variables, "dtype": "float32", "more": {}}
    return {"bands": info.fields if isinstance(info, PointsInfo) else (), "more": {}}


def _list_times(info: FileInfo) -> list[datetime]:
    if isinstance(info, SeriesInfo | ItemInfo):
        return [info.captured_from, info.captured_to]
    return list(getattr(info, "times", ()))


def list_facts(info: FileInfo) -> dict[str, Any]:
    """Everything that was told, as JSON; long lists are cut, and their length is kept."""
    held = {name: _plain(value) for name, value in asdict(info).items() if name not in ("path", "sha256", "size_bytes")}
    lengths = {f"{name}_count": len(value) for name, value in asdict(info).items() if _is_long(value)}
    return json.loads(json.dumps(held | lengths))


def _is_long(value: Any) -> bool:
    return isinstance(value, list | tuple | Mapping) and len(value) > LONGEST_LIST


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in list(value.items())[:LONGEST_LIST]}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value[:LONGEST_LIST]]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
