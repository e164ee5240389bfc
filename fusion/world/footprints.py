"""Footprints of buildings with height and use, as polygons in longitude and latitude, traced from the drawn ground."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import shapely
from pyproj import Transformer

from fusion.world.ground import Squares, Window, draw_squares
from fusion.world.noise import hash_uniform
from fusion.world.world import City

# Uses per class of lcz17 with their weights, from the zones in which street photos show such buildings
# (fusion.world.photos.ZONES). Weights are assumptions; lightweight low-rise (7) is all houses.
USES: dict[int, tuple[tuple[str, float], ...]] = {
    0: (("office_building", 1.0),),
    1: (("apartment", 6.0), ("retail", 2.0), ("office_building", 2.0), ("church", 0.3)),
    2: (("house", 7.0), ("garage", 1.5), ("retail", 1.5), ("church", 0.2)),
    3: (("apartment", 7.0), ("office_building", 3.0)),
    4: (("apartment", 8.0), ("garage", 1.0), ("church", 0.3), ("roof", 0.3)),
    5: (("house", 8.0), ("garage", 1.5), ("church", 0.2), ("roof", 0.2)),
    6: (("house", 1.0),),
    7: (("retail", 4.0), ("industrial", 5.0), ("roof", 0.5)),
    8: (("house", 1.0),),
    9: (("industrial", 1.0),),
}
_SMALLEST_M2 = 6.0


@dataclass(frozen=True, kw_only=True)
class Footprint:
    """One building: its outline in degrees, its height, its class of building_use, and its lot (`key`)."""

    key: int
    outline: shapely.Polygon
    height_m: float
    use: str
    area_m2: float


def find_footprints(
    city: City, window: Window | None = None, *, detail: int = 2, moment: float = 1.0
) -> list[Footprint]:
    """Every building that lies in the window, ordered by lot; what reaches over its edge is cut there.

    Outlines follow squares of 2.5 m / `detail` and are straightened within one of them. What a street or the border of
    a quarter cuts in two is two buildings; pieces under 6 square metres are left out.
    """
    squares = draw_squares(city, window, detail=detail, moment=moment)
    keys, shapes = _trace(squares)
    to_degrees = Transformer.from_crs(city.epsg, 4326, always_xy=True)
    heights = _find_heights(squares)
    found = []
    for key, shape in zip(keys.tolist(), shapes, strict=True):
        for part in shapely.get_parts(shapely.simplify(shape, squares.square_m)):
            if part.area < _SMALLEST_M2:
                continue
            outline = shapely.transform(part, lambda x, y: to_degrees.transform(x, y), interleaved=False)
            found.append(
                Footprint(
                    key=key,
                    outline=outline,
                    height_m=heights[key],
                    use=_find_use(city, key),
                    area_m2=round(part.area, 1),
                )
            )
    return found


def write_footprints(footprints: Sequence[Footprint], path: Path) -> Path:
    """GeoJSON (RFC 7946) with the tags that OpenStreetMap would have: building and height."""
    features = [
        {
            "type": "Feature",
            "properties": {"id": f"{one.key:x}", "building": one.use, "height": one.height_m, "simulated": "yes"},
            "geometry": json.loads(shapely.to_geojson(shapely.set_precision(one.outline, 1e-7))),
        }
        for one in footprints
    ]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}) + "\n", encoding="utf-8")
    return path


def find_keys(squares: Squares) -> npt.NDArray[np.int64]:
    """The building of each square [y, x]: quarter and lot in one number, 0 where there is none."""
    keys = (squares.quarter.astype(np.int64) << 32) | squares.lot
    return np.where(squares.lot > 0, keys, 0)


def _trace(squares: Squares) -> tuple[npt.NDArray[np.int64], list[shapely.Geometry]]:
    """The shape of each building in UTM metres: its runs of squares, joined."""
    keys = find_keys(squares)
    step, _, west, _, _, north = squares.transform
    edges = np.ones((keys.shape[0], keys.shape[1] + 1), dtype=bool)
    edges[:, 1:-1] = keys[:, 1:] != keys[:, :-1]
    rows, columns = np.nonzero(edges)
    is_run = columns < keys.shape[1]
    # A run ends where the next edge of its row lies; the last edge of each row is its end alone.
    rows, first, last = rows[is_run], columns[is_run], np.append(columns[1:], 0)[is_run]
    owners = keys[rows, first]
    built = owners > 0
    rows, first, last, owners = rows[built], first[built], last[built], owners[built]
    order = np.argsort(owners, kind="stable")
    rows, first, last, owners = rows[order], first[order], last[order], owners[order]
    boxes = shapely.box(west + first * step, north - (rows + 1) * step, west + last * step, north - rows * step)
    known, starts = np.unique(owners, return_index=True)
    return known, [shapely.union_all(group) for group in np.split(boxes, starts[1:])] if len(known) else []


def _find_heights(squares: Squares) -> dict[int, float]:
    """Height of each building in metres: the highest of its squares."""
    keys = find_keys(squares).ravel()
    known, place = np.unique(keys, return_inverse=True)
    heights = np.zeros(len(known), dtype=np.uint8)
    np.maximum.at(heights, place.ravel(), squares.height.ravel())
    return {int(key): float(height) for key, height in zip(known, heights, strict=True)}


def _find_use(city: City, key: int) -> str:
    """The use of a building: drawn by its lot, so that it stays the same in every window and at every date."""
    quarter, lot = key >> 32, key & 0xFFFFFFFF
    uses = USES[city.neighbourhoods[quarter].label]
    i, j = np.array([lot >> 16], dtype=np.int32), np.array([lot & 0xFFFF], dtype=np.int32)
    level = float(hash_uniform(i, j, city.neighbourhoods[quarter].seed % 2**31)[0]) * sum(weight for _, weight in uses)
    for use, weight in uses:
        level -= weight
        if level < 0:
            return use
    return uses[-1][0]
