"""The ground of areas: what is wrong with an outline, how large it is, and which ground two areas claim."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import shapely
from pyproj import Geod
from shapely.geometry.base import BaseGeometry

from fusion.file_info import Bounds
from fusion.grid import NORTH_LIMIT, SOUTH_LIMIT, split_at_antimeridian

WGS84 = Geod(ellps="WGS84")
MOST_GROUND_M2 = 1e10  # 100 km x 100 km: more is a country, not an area of one class
LEAST_SHARED_M2 = 1.0  # borders drawn along each other share less, by rounding

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Area:
    """Ground of one class: a polygon in longitude and latitude. `within` is where it should lie, if that is known."""

    id: str
    code: str
    polygon: BaseGeometry
    within: Bounds | None = None


@dataclass(frozen=True, kw_only=True)
class Overlap:
    """Two areas of different classes on the same ground, which neither keeps."""

    areas: tuple[str, str]
    codes: tuple[str, str]
    ground_m2: float

    def __str__(self) -> str:
        (one, two), (first, second) = self.areas, self.codes
        return (
            f"{one} (class {first}) and {two} (class {second}) share {self.ground_m2 / 1e4:.2f} ha, which is left out. "
            "Redraw one of them to keep it."
        )


def find_fault(area: Area) -> str:
    """What is wrong with an area's outline, in a sentence with the next step; '' for a sound one."""
    shape = area.polygon
    if shape is None or shape.is_empty:
        return "Its outline is empty; draw it again."
    if shape.geom_type not in ("Polygon", "MultiPolygon"):
        return f"A {shape.geom_type} encloses no ground; draw a polygon."
    points = shapely.get_coordinates(shape)
    if not np.isfinite(points).all():
        return "Its outline has corners that are no numbers; draw it again."
    if fault := _find_misplaced(points, area.within):
        return fault
    if not shape.is_valid:
        return (
            f"Its outline is not simple ({shapely.is_valid_reason(shape)}); draw it so that it does not cross itself."
        )
    if shape.area <= 0:
        return "Its outline encloses no ground; draw it again."
    if max(part.bounds[2] - part.bounds[0] for part in shapely.get_parts(shape)) > 180:
        return "It is wider than half of the Earth; cut it at the 180th meridian."
    if (ground := measure_ground(shape)) > MOST_GROUND_M2:
        return f"It covers {ground / 1e6:,.0f} km2, the most is {MOST_GROUND_M2 / 1e6:,.0f}; divide it."
    return ""


def _find_misplaced(points: Floats, within: Bounds | None) -> str:
    """What is wrong with where it lies: outside the Earth or the grid, or with latitude first."""
    (west, south), (east, north) = points.min(axis=0), points.max(axis=0)
    swapped = "Latitude and longitude seem swapped; give longitude first."
    furthest = np.abs(points).max(axis=0)
    if furthest[1] > 90:
        if furthest[0] <= 90 and furthest[1] <= 180:
            return swapped
        return (
            f"Corner {points[np.abs(points[:, 1]).argmax()].tolist()} is no place on Earth; give degrees, not metres."
        )
    if furthest[0] > 360:
        return (
            f"Corner {points[np.abs(points[:, 0]).argmax()].tolist()} is no place on Earth; give degrees, not metres."
        )
    if within is not None and not _meet((west, south, east, north), within):
        if _meet((south, west, north, east), within):
            return swapped
        return "It lies outside its region; choose the region that it lies in."
    if south < SOUTH_LIMIT or north > NORTH_LIMIT:
        return "It reaches beyond 84 N or 80 S, where the grid ends; leave out what lies beyond."
    return ""


def _meet(one: Bounds, two: Bounds) -> bool:
    """Whether two boxes touch; one over the antimeridian (west > east) is not judged."""
    if one[0] > one[2] or two[0] > two[2]:
        return True
    return one[0] <= two[2] and two[0] <= one[2] and one[1] <= two[3] and two[1] <= one[3]


def part_ground(areas: Sequence[Area]) -> tuple[dict[str, BaseGeometry], list[Overlap]]:
    """The ground that each area has to itself, by id, and which areas of different classes lie over each other."""
    whole = [split_at_antimeridian(area.polygon) for area in areas]
    grounds, overlaps = list(whole), []
    for one, two in pair_shapes(whole):
        shared = shapely.intersection(whole[one], whole[two])
        ground_m2 = sum(measure_ground(part) for part in shapely.get_parts(shared) if part.geom_type == "Polygon")
        if ground_m2 < LEAST_SHARED_M2:
            continue
        grounds[two] = shapely.difference(grounds[two], shared)
        if areas[one].code != areas[two].code:
            grounds[one] = shapely.difference(grounds[one], shared)
            names, codes = (areas[one].id, areas[two].id), (areas[one].code, areas[two].code)
            overlaps.append(Overlap(areas=names, codes=codes, ground_m2=ground_m2))
    return {area.id: ground for area, ground in zip(areas, grounds, strict=True)}, overlaps


def pair_shapes(shapes: Sequence[BaseGeometry]) -> list[tuple[int, int]]:
    """Each two shapes that meet, once, in order."""
    if not shapes:
        return []
    rows = shapely.STRtree(shapes).query(shapes, predicate="intersects").T.tolist()
    return sorted((one, two) for one, two in rows if one < two)


def measure_ground(shape: BaseGeometry) -> float:
    """Square metres on the ellipsoid."""
    return float(sum(abs(WGS84.geometry_area_perimeter(part)[0]) for part in shapely.get_parts(shape)))
