"""From labelled areas to the patches inside them: rare classes sampled densely, big areas thinned.

So2Sat cuts patches of 32 x 32 pixels at 10 m out of polygons that experts drew, and balances them: big polygons of
frequent classes (water, low plants, dense trees) give fewer patches, rare classes more (Zhu et al. 2020,
https://doi.org/10.1109/MGRS.2020.2964708). That much is known; its numbers, its rule and how far its patches overlap
are not published. Ours, all stated in `Balance`: a patch lies wholly inside its area (So2Sat asks it of the centre
alone); each class has one target, by default what the middle class has on the grid; the areas of a class give equal
shares of it as far as they have so many; and where the grid holds too few, patches are laid at half, a quarter, ... of
their side, those on the grid first. The area's id is the group that no split may part.
"""

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import shapely
from pyproj import Geod, Transformer
from shapely.geometry.base import BaseGeometry

from fusion.errors import BadInputError
from fusion.file_info import Bounds
from fusion.grid import (
    EDGE_STEP_DEGREES,
    LEAST_SHARE,
    NORTH_LIMIT,
    SOUTH_LIMIT,
    Cell,
    cells_over,
    check_size,
    split_at_antimeridian,
)

WGS84 = Geod(ellps="WGS84")
MOST_GROUND_M2 = 1e10  # 100 km x 100 km: more is a country, not an area of one class
LEAST_SHARED_M2 = 1.0  # borders drawn along each other share less, by rounding
SLACK_M = 0.01  # of a patch that fills its area to the brim

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Area:
    """Ground of one class: a polygon in longitude and latitude. `within` is where it should lie, if that is known."""

    id: str
    code: str
    polygon: BaseGeometry
    within: Bounds | None = None


@dataclass(frozen=True, kw_only=True, order=True)
class Patch:
    """A square of `size_m` in UTM metres, `share` of which lies in its area. On the grid it is one of its cells."""

    area: str
    zone: int
    north: bool
    south_m: int
    west_m: int
    size_m: int
    code: str
    share: float

    @property
    def epsg(self) -> int:
        return (32600 if self.north else 32700) + self.zone

    @property
    def bounds(self) -> tuple[int, int, int, int]:
        """West, south, east, north in UTM metres of `epsg`."""
        return self.west_m, self.south_m, self.west_m + self.size_m, self.south_m + self.size_m

    @property
    def cell(self) -> Cell | None:
        """The grid cell that it is, or None where it lies between cells."""
        if self.west_m % self.size_m or self.south_m % self.size_m:
            return None
        column, row = self.west_m // self.size_m, self.south_m // self.size_m
        return Cell(zone=self.zone, north=self.north, size_m=self.size_m, column=column, row=row)

    @property
    def id(self) -> str:
        """The cell's id, or a name with the metres of the south-west corner where it lies between cells."""
        if self.cell is not None:
            return self.cell.id
        return f"{self.zone}{'N' if self.north else 'S'}-{self.size_m}-{self.west_m}m-{self.south_m}m"

    @property
    def centre_lonlat(self) -> tuple[float, float]:
        west, south, east, north = self.bounds
        lon, lat = _transformer(self.epsg, 4326).transform((west + east) / 2, (south + north) / 2)
        return float(lon), float(lat)

    @property
    def footprint(self) -> BaseGeometry:
        """The patch as a polygon in lon/lat, two halves where the antimeridian cuts it."""
        west, south, east, north = self.bounds
        lons, lats = _transformer(self.epsg, 4326).transform([west, east, east, west], [south, south, north, north])
        middle = self.zone * 6 - 183
        ring = [(middle + (lon - middle + 180) % 360 - 180, lat) for lon, lat in zip(lons, lats, strict=True)]
        return split_at_antimeridian(shapely.Polygon(ring))


@dataclass(frozen=True, kw_only=True)
class Balance:
    """How many patches come out of areas. Nothing here is So2Sat's own number.

    `target` patches per class, None for as many as the middle class has on the grid; `most_per_area` bounds one area;
    `least_share` of a patch lies in its area; rare classes are laid at strides down to `finest_m`.
    """

    size_m: int = 320
    pixels: int = 32
    target: int | None = None
    most_per_area: int | None = None
    least_share: float = 1.0
    finest_m: int = 80
    seed: int = 0

    def __post_init__(self) -> None:
        check_size(self.size_m)
        if self.pixels < 1:
            raise BadInputError(f"A patch of {self.pixels} pixels cannot be cut; give 1 or more.")
        if not 0 < self.least_share <= 1:
            raise BadInputError(
                f"The share of a patch inside its area lies above 0 and up to 1; got {self.least_share}."
            )
        for name in ("target", "most_per_area"):
            if (given := getattr(self, name)) is not None and given < 1:
                raise BadInputError(f"{name} must be 1 or more; got {given}.")
        if not 0 < self.finest_m <= self.size_m:
            raise BadInputError(f"The finest stride lies above 0 m and up to {self.size_m} m; got {self.finest_m}.")

    @property
    def strides_m(self) -> list[int]:
        """The patch's side, its half, its quarter, ...: whole pixels, on the grid of that size, no finer than asked."""
        strides, stride = [self.size_m], self.size_m // 2
        while (
            stride >= self.finest_m
            and self.size_m % stride == 0
            and stride % 10 == 0
            and stride * self.pixels % self.size_m == 0
        ):
            strides.append(stride)
            stride //= 2
        return strides


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


@dataclass(frozen=True, kw_only=True)
class Sampled:
    """The patches by area and place; what was refused, with the reason by id; and the areas that hold no patch.

    `stride_m` says how densely each class was laid; a class with fewer patches than `target` has no more ground.
    """

    patches: tuple[Patch, ...]
    target: int
    stride_m: dict[str, int] = field(default_factory=dict)
    refused: dict[str, str] = field(default_factory=dict)
    overlaps: tuple[Overlap, ...] = ()
    empty: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """Patches of each class."""
        codes = [patch.code for patch in self.patches]
        return {code: codes.count(code) for code in self.stride_m}


def sample_areas(areas: Sequence[Area], balance: Balance) -> Sampled:
    """Patches inside areas, balanced by class. The same areas and seed give the same patches, in whatever order.

    A bad area is refused with its reason and spoils no other. Ground that two classes claim is left out and named; of
    ground that areas of one class share, the first by id keeps it, so that no patch belongs to two groups.
    """
    if twice := [name for name, count in Counter(area.id for area in areas).items() if count > 1]:
        raise BadInputError(f"Area {twice[0]!r} is named twice; give each its own id.")
    faults = {area.id: find_fault(area) for area in areas}
    sound = sorted((area for area in areas if not faults[area.id]), key=lambda area: area.id)
    grounds, overlaps = _part(sound)
    codes = sorted({area.code for area in sound})
    classes = {code: {area.id: area for area in sound if area.code == code} for code in codes}
    on_grid = {area.id: _lay(area, grounds[area.id], balance, balance.size_m) for area in sound}
    target = balance.target or _middle([sum(len(on_grid[name]) for name in own) for own in classes.values()])
    patches: list[Patch] = []
    stride_m = {}
    for code, own in classes.items():
        chosen, stride_m[code] = _sample_class(own, grounds, on_grid, balance, target)
        patches += chosen
    kept = sorted(patches if balance.least_share == 1 else _part_patches(patches))
    held = {patch.area for patch in kept}
    return Sampled(
        patches=tuple(kept),
        target=target,
        stride_m=stride_m,
        refused={name: fault for name, fault in faults.items() if fault},
        overlaps=tuple(overlaps),
        empty=tuple(area.id for area in sound if area.id not in held),
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
    if (ground := _measure(shape)) > MOST_GROUND_M2:
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


def _part(areas: Sequence[Area]) -> tuple[dict[str, BaseGeometry], list[Overlap]]:
    """The ground that each area has to itself, by id, and which areas of different classes lie over each other."""
    whole = [split_at_antimeridian(area.polygon) for area in areas]
    grounds, overlaps = list(whole), []
    for one, two in _pair(whole):
        shared = shapely.intersection(whole[one], whole[two])
        ground_m2 = sum(_measure(part) for part in shapely.get_parts(shared) if part.geom_type == "Polygon")
        if ground_m2 < LEAST_SHARED_M2:
            continue
        grounds[two] = shapely.difference(grounds[two], shared)
        if areas[one].code != areas[two].code:
            grounds[one] = shapely.difference(grounds[one], shared)
            names, codes = (areas[one].id, areas[two].id), (areas[one].code, areas[two].code)
            overlaps.append(Overlap(areas=names, codes=codes, ground_m2=ground_m2))
    return {area.id: ground for area, ground in zip(areas, grounds, strict=True)}, overlaps


def _sample_class(
    areas: dict[str, Area],
    grounds: dict[str, BaseGeometry],
    on_grid: dict[str, list[Patch]],
    balance: Balance,
    target: int,
) -> tuple[list[Patch], int]:
    """Patches of one class, near its target, and the stride at which they were laid."""
    most = min(balance.most_per_area or target, target)
    found = {name: list(on_grid[name]) for name in areas}
    stride = balance.size_m
    for finer in balance.strides_m[1:]:
        if sum(min(most, len(patches)) for patches in found.values()) >= target:
            break
        stride = finer
        for name, area in areas.items():
            if len(found[name]) < most:
                found[name] = _lay(area, grounds[name], balance, finer)
    shares = _deal({name: min(most, len(patches)) for name, patches in found.items()}, target)
    chosen = [patch for name, count in shares.items() for patch in _arrange(found[name], balance)[:count]]
    return chosen, stride


def _deal(have: dict[str, int], target: int) -> dict[str, int]:
    """Equal shares of a target; what an area has not, the others give."""
    shares, left = {}, target
    for place, name in enumerate(sorted(have, key=lambda name: (have[name], name))):
        shares[name] = min(have[name], left // (len(have) - place))
        left -= shares[name]
    return shares


def _arrange(patches: list[Patch], balance: Balance) -> list[Patch]:
    """Those of the coarser strides first, drawn by seed and area within each; more patches keep those of fewer."""
    if not patches:
        return []
    name = int.from_bytes(hashlib.sha256(patches[0].area.encode()).digest()[:8])
    level = np.array([_level(patch, balance) for patch in patches])
    chance = np.empty(len(patches))
    for each in np.unique(level).tolist():
        rows = np.flatnonzero(level == each)
        chance[rows] = np.random.default_rng([balance.seed, name, each]).random(len(rows))
    return [patches[row] for row in np.lexsort((chance, level))]


def _level(patch: Patch, balance: Balance) -> int:
    """0 on the grid, 1 on the lattice of half the side, ..."""
    on = (
        level for level, stride in enumerate(balance.strides_m) if not (patch.west_m % stride or patch.south_m % stride)
    )
    return next(on)


def _lay(area: Area, ground: BaseGeometry, balance: Balance, stride: int) -> list[Patch]:
    """Every patch of the area whose corner lies on the lattice of `stride` metres, by zone, south and west."""
    if ground.is_empty or not any(part.geom_type == "Polygon" for part in shapely.get_parts(ground)):
        return []
    size = balance.size_m
    corners: dict[tuple[int, bool], list[tuple[int, int]]] = {}
    for cell in cells_over(ground, stride):
        corners.setdefault((cell.zone, cell.north), []).append((cell.row, cell.column))
    found = []
    for (zone, north), own in sorted(corners.items()):
        lattice = np.array(own, np.int64)
        if balance.least_share < 1:  # its corner may lie outside the area
            lattice = _widen(lattice, size // stride)
        south, west = lattice.T * stride
        epsg = (32600 if north else 32700) + zone
        share = _find_shares(ground, epsg, west, south, size, balance.least_share)
        kept = (share >= balance.least_share) & (west >= 0) & (south >= 0)
        kept &= _are_at_home(epsg, west + size / 2, south + size / 2)
        found += [
            Patch(area=area.id, zone=zone, north=north, south_m=y, west_m=x, size_m=size, code=area.code, share=each)
            for x, y, each in zip(west[kept].tolist(), south[kept].tolist(), share[kept].tolist(), strict=True)
        ]
    return found


def _widen(lattice: Ints, steps: int) -> Ints:
    """The corners from which a patch of so many steps reaches any of these."""
    shifts = np.stack(np.meshgrid(np.arange(steps), np.arange(steps)), axis=-1).reshape(-1, 2)
    return np.unique((lattice[:, None] - shifts).reshape(-1, 2), axis=0)


def _find_shares(ground: BaseGeometry, epsg: int, west: Ints, south: Ints, size: int, least: float) -> Floats:
    """The part of each square inside the ground, 0 where it lies below `least` for sure; a centimetre is forgiven."""
    transform = _transformer(4326, epsg).transform
    metres = shapely.transform(shapely.segmentize(ground, EDGE_STEP_DEGREES), transform, interleaved=False)
    metres = shapely.buffer(metres, SLACK_M, join_style="mitre")
    shapely.prepare(metres)
    squares = shapely.box(west, south, west + size, south + size)
    share = shapely.contains(metres, squares).astype(np.float64)
    if least < 1:
        edge = (share == 0) & shapely.intersects(metres, squares)
        share[edge] = np.minimum(shapely.area(shapely.intersection(metres, squares[edge])) / size**2, 1.0)
    return share


def _are_at_home(epsg: int, x: Floats, y: Floats) -> npt.NDArray[np.bool_]:
    """Which points lie in the zone of `epsg`: the next one has patches of its own there."""
    lons, lats = (np.asarray(axis) for axis in _transformer(epsg, 4326).transform(x, y))
    zones = np.floor((lons + 180) / 6) % 60 + 1
    return np.asarray((zones == epsg % 100) & ((lats >= 0) == (epsg < 32700)))


def _part_patches(patches: list[Patch]) -> list[Patch]:
    """Patches of different areas never share ground: of two that do, the one that lies less in its area goes."""
    order = sorted(patches, key=lambda patch: (-patch.share, patch))
    shapes = [patch.footprint for patch in order]
    gone: set[int] = set()
    for one, two in _pair(shapes):
        if one in gone or order[one].area == order[two].area:
            continue
        if shapely.intersection(shapes[one], shapes[two]).area > LEAST_SHARE * shapes[two].area:
            gone.add(two)
    return [patch for row, patch in enumerate(order) if row not in gone]


def _pair(shapes: Sequence[BaseGeometry]) -> list[tuple[int, int]]:
    """Each two shapes that meet, once, in order."""
    if not shapes:
        return []
    rows = shapely.STRtree(shapes).query(shapes, predicate="intersects").T.tolist()
    return sorted((one, two) for one, two in rows if one < two)


def _middle(counts: Sequence[int]) -> int:
    """The median of what classes have on the grid, those without anything left out; at least 1."""
    some = [count for count in counts if count]
    return int(np.median(some)) if some else 1


def _measure(shape: BaseGeometry) -> float:
    """Square metres on the ellipsoid."""
    return float(sum(abs(WGS84.geometry_area_perimeter(part)[0]) for part in shapely.get_parts(shape)))


@lru_cache(maxsize=256)
def _transformer(source: int, target: int) -> Transformer:
    return Transformer.from_crs(source, target, always_xy=True)
