"""Patches of areas: squares on a lattice of UTM metres that lie inside an outline, wholly or by a stated share."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import shapely
from pyproj import Transformer
from shapely.geometry.base import BaseGeometry

from fusion.areas.ground import Area, pair_shapes
from fusion.grid import DEFAULT_SIZE_M, EDGE_STEP_DEGREES, LEAST_SHARE, Cell, cells_over, split_at_antimeridian

SLACK_M = 0.01  # of a patch that fills its area to the brim

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]


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


def lay_patches(area: Area, ground: BaseGeometry, *, size_m: int, stride_m: int, least_share: float) -> list[Patch]:
    """Every patch of the area whose corner lies on the lattice of `stride_m` metres, by zone, south and west."""
    if ground.is_empty or not any(part.geom_type == "Polygon" for part in shapely.get_parts(ground)):
        return []
    corners: dict[tuple[int, bool], list[tuple[int, int]]] = {}
    for cell in cells_over(ground, stride_m):
        corners.setdefault((cell.zone, cell.north), []).append((cell.row, cell.column))
    found = []
    for (zone, north), own in sorted(corners.items()):
        lattice = np.array(own, np.int64)
        if least_share < 1:  # its corner may lie outside the area
            lattice = _widen(lattice, size_m // stride_m)
        south, west = lattice.T * stride_m
        epsg = (32600 if north else 32700) + zone
        share = _find_shares(ground, epsg, west, south, size_m, least_share)
        kept = (share >= least_share) & (west >= 0) & (south >= 0)
        kept &= _are_at_home(epsg, west + size_m / 2, south + size_m / 2)
        found += [
            Patch(area=area.id, zone=zone, north=north, south_m=y, west_m=x, size_m=size_m, code=area.code, share=each)
            for x, y, each in zip(west[kept].tolist(), south[kept].tolist(), share[kept].tolist(), strict=True)
        ]
    return found


def list_cells(polygon: BaseGeometry, size_m: int = DEFAULT_SIZE_M) -> list[Cell]:
    """Cells of the grid that lie wholly inside an outline: the patches that it gives before any are laid denser."""
    area = Area(id="", code="", polygon=polygon)
    ground = split_at_antimeridian(polygon)
    laid = lay_patches(area, ground, size_m=size_m, stride_m=size_m, least_share=1.0)
    return [patch.cell for patch in laid if patch.cell is not None]


def part_patches(patches: list[Patch]) -> list[Patch]:
    """Patches of different areas never share ground: of two that do, the one that lies less in its area goes."""
    order = sorted(patches, key=lambda patch: (-patch.share, patch))
    shapes = [patch.footprint for patch in order]
    gone: set[int] = set()
    for one, two in pair_shapes(shapes):
        if one in gone or order[one].area == order[two].area:
            continue
        if shapely.intersection(shapes[one], shapes[two]).area > LEAST_SHARE * shapes[two].area:
            gone.add(two)
    return [patch for row, patch in enumerate(order) if row not in gone]


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


@lru_cache(maxsize=256)
def _transformer(source: int, target: int) -> Transformer:
    return Transformer.from_crs(source, target, always_xy=True)
