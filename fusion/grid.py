"""The global patch grid: square cells in UTM metres, one id for every place, the key on which everything joins.

A cell is floor division of UTM metres by its size: column = floor(easting / size), row = floor(northing / size). A
point on its west or south edge belongs to it, a point on its east or north edge to the next one. Metres that come from
degrees are first rounded to the micrometre, so that a cell's own corner, said in degrees, finds its way back.

A lon/lat point has exactly one zone, floor((lon + 180) / 6) + 1 (lon 180 is -180, zone 1), and exactly one hemisphere
(north from latitude 0), so exactly one cell of a size. The exceptions that military grids make for south-west Norway
and Svalbard are not used: the projections EPSG:326xx / 327xx know nothing of them, and one formula for every place is
what makes an id computable everywhere. The price: Sentinel-2 tiles there lie in another zone and are resampled.

Cells at the edge of a zone reach a little into the next one, where that zone has its own cells: such cells overlap on
the ground, but no point is counted twice, as a point belongs to the cell of its own zone only.
"""

import re
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
import numpy.typing as npt
import shapely
from pyproj import Transformer
from shapely.geometry.base import BaseGeometry

from fusion.errors import BadInputError

DEFAULT_SIZE_M = 320
SIZE_STEP_M = 10
SOUTH_LIMIT, NORTH_LIMIT = -80.0, 84.0
# eastings and northings that UTM can give within a zone and a few cells beyond its edge
EASTING_LIMIT_M, NORTHING_LIMIT_M = 1_000_000, 10_000_000
MOST_CELLS = 4_000_000
# straight lon/lat edges are curves in UTM: pieces of 0.01 degrees (1.1 km) stay within 0.1 m up to 84 N
EDGE_STEP_DEGREES = 0.01
# an overlap below this share of a cell is rounding of coordinates, not ground
LEAST_SHARE = 1e-4
ID_PATTERN = re.compile(r"([1-9]|[1-5][0-9]|60)([NS])-([1-9][0-9]*)-(0|[1-9][0-9]*)-(0|[1-9][0-9]*)")

Point = tuple[float, float]


@dataclass(frozen=True, kw_only=True, order=True)
class Cell:
    """A square of `size_m` metres; `column` counts east from easting 0, `row` north from northing 0 of its zone."""

    zone: int
    north: bool
    size_m: int
    column: int
    row: int

    @property
    def id(self) -> str:
        return f"{self.zone}{'N' if self.north else 'S'}-{self.size_m}-{self.column}-{self.row}"

    @property
    def epsg(self) -> int:
        return (32600 if self.north else 32700) + self.zone

    @property
    def bounds(self) -> tuple[int, int, int, int]:
        """West, south, east, north in UTM metres of `epsg`."""
        west, south = self.column * self.size_m, self.row * self.size_m
        return west, south, west + self.size_m, south + self.size_m

    @property
    def centre_lonlat(self) -> Point:
        west, south, east, north = self.bounds
        lon, lat = _from_utm(self.epsg).transform((west + east) / 2, (south + north) / 2)
        return _wrap_longitude(float(lon)), float(lat)

    @cached_property
    def footprint_lonlat(self) -> list[Point]:
        """Closed ring of (lon, lat) from the south-west corner, counter-clockwise, never torn apart.

        A cell over the antimeridian keeps continuous longitudes (beyond 180 or below -180); `footprint` splits it.
        """
        west, south, east, north = self.bounds
        lons, lats = _from_utm(self.epsg).transform([west, east, east, west], [south, south, north, north])
        central = self.zone * 6 - 183
        ring = [(central + _wrap_longitude(lon - central), lat) for lon, lat in zip(lons, lats, strict=True)]
        return [*ring, ring[0]]

    @property
    def footprint(self) -> BaseGeometry:
        """The cell as a polygon in lon/lat, or as a multipolygon of two halves where the antimeridian cuts it."""
        return split_at_antimeridian(shapely.Polygon(self.footprint_lonlat))


def parse_cell(text: str) -> Cell:
    """The cell with this id; BadInputError when it is not one."""
    match = ID_PATTERN.fullmatch(text)
    if match is None:
        raise BadInputError(f"{text!r} is not a cell id. One looks like 32N-320-1875-16730: zone, size, column, row.")
    zone, side, size, column, row = match.groups()
    return _checked(
        Cell(zone=int(zone), north=side == "N", size_m=check_size(int(size)), column=int(column), row=int(row))
    )


def cell_at(lon: float, lat: float, size_m: int = DEFAULT_SIZE_M) -> Cell:
    """The one cell that holds a point; BadInputError beyond 84 N, 80 S or for a longitude outside -180..180."""
    check_size(size_m)
    _check_point(lon, lat)
    zone, north = zone_of(lon), lat >= 0
    easting, northing = _to_utm((32600 if north else 32700) + zone).transform(lon, lat)
    return cell_at_metres(round(easting, 6), round(northing, 6), zone=zone, north=north, size_m=size_m)


def name_cells(
    lons: npt.NDArray[np.float64], lats: npt.NDArray[np.float64], size_m: int = DEFAULT_SIZE_M
) -> npt.NDArray[np.object_]:
    """Ids of the cells that hold many points at once, [n]; BadInputError for the first that `cell_at` refuses."""
    check_size(size_m)
    bad = ~((np.abs(lons) <= 180) & (lats >= SOUTH_LIMIT) & (lats <= NORTH_LIMIT))
    if bad.any():
        _check_point(float(lons[np.argmax(bad)]), float(lats[np.argmax(bad)]))
    names = np.empty(len(lons), object)
    zones = (np.floor((lons + 180) / 6) % 60 + 1).astype(int)
    for zone, north in set(zip(zones.tolist(), (lats >= 0).tolist(), strict=True)):
        inside = np.flatnonzero((zones == zone) & ((lats >= 0) == north))
        metres = _to_utm((32600 if north else 32700) + zone).transform(lons[inside], lats[inside])
        for place, easting, northing in zip(inside.tolist(), *(side.tolist() for side in metres), strict=True):
            cell = cell_at_metres(round(easting, 6), round(northing, 6), zone=zone, north=north, size_m=size_m)
            names[place] = cell.id
    return names


def cell_at_metres(easting: float, northing: float, *, zone: int, north: bool, size_m: int = DEFAULT_SIZE_M) -> Cell:
    """The cell of this zone's own grid that holds a point given in its UTM metres, exact on the edges."""
    row = int(northing // check_size(size_m))
    if not north:  # rounding must not carry a point just south of the equator over the last southern row
        row = min(row, -(-NORTHING_LIMIT_M // size_m) - 1)
    cell = Cell(zone=zone, north=north, size_m=size_m, column=int(easting // size_m), row=row)
    return _checked(cell)


def cells_over(polygon: BaseGeometry, size_m: int = DEFAULT_SIZE_M) -> list[Cell]:
    """Every cell that holds ground of a lon/lat polygon, each once, ordered by zone, hemisphere, column and row.

    The polygon is cut into zones and hemispheres first; each piece takes the cells of its own zone that it meets with
    more than a ten-thousandth of their area. So every point's own cell is there: no hole at a zone border, no doubles.
    Over the antimeridian the polygon may go on beyond 180 or come as two halves (GeoJSON).
    """
    check_size(size_m)
    _check_polygon(polygon)
    cells = [
        cell for zone, north, piece in _cut_by_zone(polygon) for cell in _cells_of_piece(zone, north, piece, size_m)
    ]
    return sorted(set(cells))


def neighbours(cell: Cell, radius: int = 1) -> list[Cell]:
    """The square of (2 radius + 1)^2 cells around and with `cell`, row by row from the north-west, all in its zone."""
    steps = range(-radius, radius + 1)
    return [
        Cell(zone=cell.zone, north=cell.north, size_m=cell.size_m, column=cell.column + east, row=cell.row - south)
        for south in steps
        for east in steps
    ]


def zone_of(lon: float) -> int:
    """UTM zone of a longitude in -180..180; 180 is zone 1."""
    return int((lon + 180) // 6) % 60 + 1


def check_size(size_m: int) -> int:
    """`size_m`, when it is a positive multiple of 10 m."""
    if size_m <= 0 or size_m % SIZE_STEP_M:
        raise BadInputError(f"A cell of {size_m} m is not on the grid: take a positive multiple of {SIZE_STEP_M} m.")
    return size_m


def split_at_antimeridian(geometry: BaseGeometry) -> BaseGeometry:
    """The same ground with every longitude in -180..180; what lay beyond is cut off and moved to the other side."""
    west, _, east, _ = geometry.bounds
    if west >= -180 and east <= 180:
        return geometry
    parts = [
        shapely.transform(part, lambda points, turn=turn: points - [360.0 * turn, 0.0])
        for turn in (-1, 0, 1)
        for part in _polygons_in(
            shapely.intersection(geometry, shapely.box(360 * turn - 180, -90, 360 * turn + 180, 90))
        )
    ]
    return parts[0] if len(parts) == 1 else shapely.MultiPolygon(parts)


@lru_cache(maxsize=128)
def _to_utm(epsg: int) -> Transformer:
    return Transformer.from_crs(4326, epsg, always_xy=True)


@lru_cache(maxsize=128)
def _from_utm(epsg: int) -> Transformer:
    return Transformer.from_crs(epsg, 4326, always_xy=True)


def _wrap_longitude(lon: float) -> float:
    return (lon + 180) % 360 - 180


def _checked(cell: Cell) -> Cell:
    west, south, _, _ = cell.bounds
    if not (1 <= cell.zone <= 60 and 0 <= west < EASTING_LIMIT_M and 0 <= south < NORTHING_LIMIT_M):
        raise BadInputError(f"Cell {cell.id!r} lies outside the zones and metres that UTM can give.")
    return cell


def _check_point(lon: float, lat: float) -> None:
    if not (-180 <= lon <= 180 and -90 <= lat <= 90):
        raise BadInputError(f"({lon}, {lat}) is not a longitude in -180..180 and a latitude in -90..90.")
    if not SOUTH_LIMIT <= lat <= NORTH_LIMIT:
        raise BadInputError(f"Latitude {lat} is beyond the grid, which ends at 84 N and 80 S as UTM does.")


def _check_polygon(polygon: BaseGeometry) -> None:
    if polygon.is_empty or polygon.area <= 0 or not polygon.is_valid:
        cause = shapely.is_valid_reason(polygon)
        raise BadInputError(f"A valid polygon with an area is needed, this is {polygon.geom_type} ({cause}).")
    west, south, east, north = polygon.bounds
    if south < SOUTH_LIMIT or north > NORTH_LIMIT:
        raise BadInputError(f"The polygon reaches from {south} to {north}; the grid ends at 84 N and 80 S as UTM does.")
    if west < -360 or east > 360:
        raise BadInputError(f"The polygon reaches from longitude {west} to {east}; give degrees, not metres.")
    if max(part.bounds[2] - part.bounds[0] for part in _polygons_in(polygon)) > 180:
        raise BadInputError("The polygon is wider than 180 degrees. Cut it in two, or at the antimeridian.")


def _cut_by_zone(polygon: BaseGeometry) -> list[tuple[int, bool, BaseGeometry]]:
    whole = split_at_antimeridian(polygon)
    first, last = int((whole.bounds[0] + 180) // 6), int((whole.bounds[2] + 180) // 6)
    pieces = []
    for strip in range(max(first, 0), min(last, 59) + 1):
        for north in (False, True):
            west, south = strip * 6 - 180, 0 if north else -90
            piece = shapely.intersection(whole, shapely.box(west, south, west + 6, south + 90))
            pieces += [(strip + 1, north, part) for part in _polygons_in(piece)]
    return pieces


def _cells_of_piece(zone: int, north: bool, piece: BaseGeometry, size_m: int) -> list[Cell]:
    transform = _to_utm((32600 if north else 32700) + zone).transform
    ground = shapely.transform(shapely.segmentize(piece, EDGE_STEP_DEGREES), transform, interleaved=False)
    west, south, east, top = (int(edge // size_m) for edge in ground.bounds)
    if (east - west + 1) * (top - south + 1) > MOST_CELLS:
        raise BadInputError(f"The polygon needs more than {MOST_CELLS} cells of {size_m} m. Take a smaller one.")
    grid = np.meshgrid(np.arange(west, east + 1), np.arange(south, top + 1))
    columns, rows = grid[0].ravel(), grid[1].ravel()
    squares = shapely.box(columns * size_m, rows * size_m, (columns + 1) * size_m, (rows + 1) * size_m)
    taken = _meets(ground, squares, LEAST_SHARE * size_m**2)
    return [
        Cell(zone=zone, north=north, size_m=size_m, column=int(column), row=int(row))
        for column, row in zip(columns[taken], rows[taken], strict=True)
    ]


def _meets(ground: BaseGeometry, squares: np.ndarray, least_area: float) -> np.ndarray:
    """Which squares share more than `least_area` with the ground; exact areas only where an edge runs through."""
    shapely.prepare(ground)
    touched = shapely.intersects(ground, squares)
    edge = touched & ~shapely.contains(ground, squares)
    touched[edge] = shapely.area(shapely.intersection(ground, squares[edge])) > least_area
    return touched


def _polygons_in(geometry: BaseGeometry) -> list[BaseGeometry]:
    return [part for part in shapely.get_parts(geometry).tolist() if part.geom_type == "Polygon" and part.area > 0]
