"""Square patches on the ground, and what lies on them: points beside them, what a photo looks at, shapes, rasters.

A patch is joined by its ground and not by its centre: a photo that stands at its edge, or looks into it from outside,
belongs to it. Distances are from its centre all the same, as everywhere in fusion.link. Areas are those of the patch's
own UTM zone.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Self

import numpy as np
import numpy.typing as npt
import shapely
from pyproj import CRS, Proj, Transformer

from fusion.errors import BadInputError
from fusion.grid import NORTH_LIMIT, SOUTH_LIMIT, parse_cell
from fusion.link import MOST_LINKS, Floats, Ints, Links, Things, Times, arrange_links, measure_pairs

ZONE_REACH_DEGREES = 30.0  # from a zone's middle meridian: what lies further away is on no patch of the zone
WIDE_DEGREES = 5.0  # what is wider is cut to the zone first, and its long edges are bent as the zone's are
STEP_DEGREES = 0.1
ARC_STEPS = 24  # straight pieces of the far edge of a view: of a whole circle they leave out 1 % of its ground
WIDEST_VIEW_DEG = 359.0  # a ring that touched itself would be no polygon
MOST_WITHIN_M = 20_000.0
LEAST_SHARE = 1e-6  # of a square: less is rounding of coordinates at an edge, no ground
POINTS_AT_ONCE = 100_000
Geometries = npt.NDArray[np.object_]


@dataclass(frozen=True, kw_only=True, eq=False)
class Squares:
    """Patches [n]: EPSG code of their UTM zone, western and southern edge and side in its metres.

    `time` and `until` [n] UTC bound what a patch shows, NaT where that is unknown.
    """

    epsg: Ints
    west: Floats
    south: Floats
    size_m: Floats
    time: Times | None = None
    until: Times | None = None

    @classmethod
    def of_cells(cls, cells: Sequence[str], time: Times | None = None, until: Times | None = None) -> Self:
        """Grid cells by their ids, of any sizes."""
        found = [parse_cell(cell) for cell in cells]
        edges = np.array([(cell.epsg, *cell.bounds[:2], cell.size_m) for cell in found], np.int64).reshape(-1, 4).T
        west, south, size_m = edges[1:].astype(np.float64)
        return cls(epsg=edges[0], west=west, south=south, size_m=size_m, time=time, until=until)

    def __len__(self) -> int:
        return len(self.epsg)

    @cached_property
    def centres(self) -> Things:
        """Their centres, as things to be joined."""
        lonlat = np.empty((len(self), 2))
        for epsg in np.unique(self.epsg).tolist():
            rows = self.epsg == epsg
            half = self.size_m[rows] / 2
            back = _transformer(epsg).transform(self.west[rows] + half, self.south[rows] + half, direction="INVERSE")
            lonlat[rows] = np.column_stack(back)
        lonlat[:, 0] = (lonlat[:, 0] + 180) % 360 - 180
        return Things(ids=[str(row) for row in range(len(self))], lonlat=lonlat, time=self.time, until=self.until)

    @cached_property
    def boxes(self) -> Geometries:
        """Their ground in the metres of their zones."""
        east, north = self.west + self.size_m, self.south + self.size_m
        return np.asarray(shapely.box(self.west, self.south, east, north), dtype=object)


@dataclass(frozen=True, kw_only=True, eq=False)
class Layer:
    """Shapes [m] in lon/lat that squares are laid over, in metres of each zone once it is asked for."""

    shapes: Geometries
    _zones: dict[int, tuple[shapely.STRtree, Geometries]] = field(default_factory=dict)

    def in_zone(self, epsg: int) -> tuple[shapely.STRtree, Geometries]:
        """The shapes in metres, valid, and a tree of them; empty ones stand for what is far away."""
        if epsg not in self._zones:
            metres = np.full(len(self.shapes), shapely.Polygon(), dtype=object)
            near, shapes = _clip_to_zone(epsg, self.shapes)
            moved = shapely.transform(shapes, _transformer(epsg).transform, interleaved=False)
            metres[near] = shapely.make_valid(np.asarray(moved, dtype=object))
            shapely.prepare(metres)
            self._zones[epsg] = shapely.STRtree(metres), metres
        return self._zones[epsg]


@dataclass(frozen=True, kw_only=True, eq=False)
class Cover:
    """What a layer is on each square [n]: how many of its shapes share ground with it, the share 0..1 that they cover
    together, and metres from its centre to the nearest of them, NaN where there is none."""

    count: Ints
    share: Floats
    distance_m: Floats


def join_points(
    squares: Squares, right: Things, *, within_m: float, window_s: tuple[float, float] | None = None
) -> Links:
    """Links from squares to what stands on them or at most `within_m` beside them, or looks at them from there.

    What has a heading and a field of view is linked to the ground that it looks at, up to `within_m` away, and `share`
    says how much of the square that is; what has none to the ground where it stands. Beside a window of time pairs
    without both times are left out.
    """
    if not 0 <= within_m <= MOST_WITHIN_M:
        raise BadInputError(f"Patches are joined with what is 0 to {MOST_WITHIN_M:g} m away; got {within_m:g} m.")
    views = _has_view(right) & (within_m > 0)
    left, rows, share = [np.empty(0, np.int64)], [np.empty(0, np.int64)], [np.empty(0)]
    for epsg in np.unique(squares.epsg).tolist():
        own = np.flatnonzero(squares.epsg == epsg)
        tree = shapely.STRtree(squares.boxes[own])
        near = _find_near(squares, own, epsg, right, within_m)
        for start in range(0, len(near), POINTS_AT_ONCE):
            part = near[start : start + POINTS_AT_ONCE]
            for found in (
                _stand(tree, epsg, right, part[~views[part]], within_m),
                _look(tree, squares.boxes[own], epsg, right, part[views[part]], within_m),
            ):
                left.append(own[found[0]])
                rows.append(found[1])
                share.append(found[2])
        if (count := sum(map(len, left))) > MOST_LINKS:
            raise BadInputError(f"{count} pairs lie within {within_m:g} m; at most {MOST_LINKS} are joined at once.")
    return measure_pairs(
        squares.centres, right, np.concatenate(left), np.concatenate(rows), share=np.concatenate(share),
        window_s=window_s,
    )  # fmt: skip


def join_ground(cells: Sequence[str], shapes: Sequence[shapely.Geometry]) -> Links:
    """Links from grid cells to shapes in lon/lat that share ground with them, with the share of the cell they cover.

    Footprints and areas: `share` is the covered part of the cell, and `distance_m` is from the cell's centre to the
    shape, 0 where it lies inside.
    """
    squares, layer = Squares.of_cells(cells), Layer(shapes=np.array(list(shapes), dtype=object))
    left, right, pieces, distance = _overlay(squares, layer)
    share = shapely.area(pieces) / squares.size_m[left] ** 2
    nothing = np.full(len(left), np.nan)
    return arrange_links(left, right, distance, nothing, nothing, share)


def cover_squares(squares: Squares, layer: Layer) -> Cover:
    """How a layer of shapes covers squares; ground under several shapes counts once."""
    left, _right, pieces, distance = _overlay(squares, layer)
    count = np.bincount(left, minlength=len(squares)).astype(np.int64)
    area = np.bincount(left, weights=shapely.area(pieces), minlength=len(squares))
    nearest = np.full(len(squares), np.nan)
    np.fmin.at(nearest, left, distance)
    ends = np.cumsum(count)
    order = np.argsort(left, kind="stable")
    for row in np.flatnonzero(count > 1).tolist():
        area[row] = shapely.union_all(pieces[order[ends[row] - count[row] : ends[row]]]).area
    return Cover(count=count, share=np.minimum(area / squares.size_m**2, 1.0), distance_m=nearest)


def _overlay(squares: Squares, layer: Layer) -> tuple[Ints, Ints, Geometries, Floats]:
    """Squares, shapes, the ground that they share, and the distance from the square's centre to the shape."""
    left, right = [np.empty(0, np.int64)], [np.empty(0, np.int64)]
    pieces, distance = [np.empty(0, dtype=object)], [np.empty(0)]
    for epsg in np.unique(squares.epsg).tolist():
        own = np.flatnonzero(squares.epsg == epsg)
        tree, metres = layer.in_zone(epsg)
        rows, shapes = tree.query(squares.boxes[own], predicate="intersects")
        boxes = squares.boxes[own[rows]]
        inside = shapely.contains_properly(metres[shapes], boxes)  # prepared: quick, however long the outline
        ground = boxes.copy()
        ground[~inside] = shapely.intersection(metres[shapes[~inside]], boxes[~inside])
        shared = shapely.area(ground) > LEAST_SHARE * shapely.area(boxes)
        left.append(own[rows[shared]])
        right.append(shapes[shared])
        pieces.append(ground[shared])
        distance.append(shapely.distance(metres[shapes[shared]], shapely.centroid(boxes[shared])))
    return np.concatenate(left), np.concatenate(right), np.concatenate(pieces), np.concatenate(distance)


def _stand(tree: shapely.STRtree, epsg: int, right: Things, rows: Ints, within_m: float) -> tuple[Ints, Ints, Floats]:
    points = shapely.points(*_transformer(epsg).transform(*right.lonlat[rows].T))
    found, square = tree.query(points, predicate="dwithin", distance=within_m)
    return square, rows[found], np.full(len(square), np.nan)


def _look(
    tree: shapely.STRtree, boxes: Geometries, epsg: int, right: Things, rows: Ints, within_m: float
) -> tuple[Ints, Ints, Floats]:
    if not len(rows):
        return np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0)
    views = _draw_views(epsg, right, rows, within_m)
    found, square = tree.query(views, predicate="intersects")
    share = shapely.area(shapely.intersection(views[found], boxes[square])) / shapely.area(boxes[square])
    seen = share > LEAST_SHARE
    return square[seen], rows[found[seen]], share[seen]


def _draw_views(epsg: int, right: Things, rows: Ints, reach_m: float) -> Geometries:
    """The ground that each looks at as a sector of a circle. Headings are from true north, which the grid's is not."""
    assert right.heading_deg is not None
    assert right.field_of_view_deg is not None
    lonlat = right.lonlat[rows]
    x, y = _transformer(epsg).transform(*lonlat.T)
    skew = _projection(epsg).get_factors(*lonlat.T).meridian_convergence
    opening = np.minimum(right.field_of_view_deg[rows], WIDEST_VIEW_DEG)
    turn = opening[:, None] * np.linspace(-0.5, 0.5, ARC_STEPS + 1)
    angle = np.radians((right.heading_deg[rows] - skew)[:, None] + turn)
    ring = np.stack([x[:, None] + reach_m * np.sin(angle), y[:, None] + reach_m * np.cos(angle)], axis=-1)
    apex = np.stack([x, y], axis=-1)[:, None]
    return np.asarray(shapely.polygons(np.concatenate([apex, ring, apex], axis=1)), dtype=object)


def _has_view(things: Things) -> npt.NDArray[np.bool_]:
    if things.heading_deg is None or things.field_of_view_deg is None:
        return np.zeros(len(things.ids), bool)
    return np.isfinite(things.heading_deg) & (things.field_of_view_deg > 0)


def _find_near(squares: Squares, own: Ints, epsg: int, right: Things, within_m: float) -> Ints:
    """Rows of things about the ground of the squares of one zone."""
    placed = np.flatnonzero(right.is_placed)
    placed = placed[_is_near(epsg, right.lonlat[placed, 0])]
    x, y = _transformer(epsg).transform(*right.lonlat[placed].T)
    edge, size = (squares.west[own], squares.south[own]), squares.size_m[own].max()
    inside = np.ones(len(placed), bool)
    for at, low in zip((x, y), edge, strict=True):
        inside &= (at >= low.min() - within_m) & (at <= low.max() + size + within_m)
    return placed[inside]


def _clip_to_zone(epsg: int, shapes: Geometries) -> tuple[Ints, Geometries]:
    """Rows of shapes about a zone, and their ground there: of a country, or a map of the world, the part in reach."""
    middle = _find_middle(epsg)
    west, south, east, north = shapely.bounds(shapes).T
    turns = (-360.0, 0.0, 360.0)
    near = np.any(
        [(west + turn <= middle + ZONE_REACH_DEGREES) & (east + turn >= middle - ZONE_REACH_DEGREES) for turn in turns],
        axis=0,
    )
    rows = np.flatnonzero(near)
    found = shapes[rows].copy()
    wide = (east - west > WIDE_DEGREES) | (south < SOUTH_LIMIT) | (north > NORTH_LIMIT)
    for place in np.flatnonzero(wide[rows]).tolist():
        windows = [(middle - ZONE_REACH_DEGREES - turn, middle + ZONE_REACH_DEGREES - turn) for turn in turns]
        parts = [shapely.clip_by_rect(found[place], w, SOUTH_LIMIT, e, NORTH_LIMIT) for w, e in windows]
        ground = [part for part in parts if not part.is_empty]
        found[place] = shapely.segmentize(ground[0] if len(ground) == 1 else shapely.union_all(ground), STEP_DEGREES)
    return rows, found


def _find_middle(epsg: int) -> float:
    """Longitude of a zone's middle meridian."""
    return epsg % 100 * 6 - 183.0


def _is_near(epsg: int, longitude: Floats) -> npt.NDArray[np.bool_]:
    return np.asarray(np.abs((longitude - _find_middle(epsg) + 180) % 360 - 180) <= ZONE_REACH_DEGREES)


@lru_cache(maxsize=128)
def _transformer(epsg: int) -> Transformer:
    return Transformer.from_crs(4326, epsg, always_xy=True)


@lru_cache(maxsize=128)
def _projection(epsg: int) -> Proj:
    return Proj(CRS.from_epsg(epsg))
