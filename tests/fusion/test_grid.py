"""The global grid: one cell for every place, exact edges, no holes and no doubles at the borders of zones."""

import math

import numpy as np
import pytest
import shapely
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from pyproj import Transformer

from fusion.errors import BadInputError
from fusion.grid import (
    Cell,
    cell_at,
    cell_at_metres,
    cells_over,
    name_cells,
    neighbours,
    parse_cell,
    split_at_antimeridian,
    zone_of,
)

sizes = st.sampled_from([10, 30, 160, 320, 640, 2560])
longitudes = st.floats(-180, 180)
latitudes = st.floats(-80, 84)
cells = st.builds(cell_at, longitudes, latitudes, sizes)


@given(cells)
@settings(max_examples=100, deadline=None)
def test_an_id_comes_back_as_the_same_cell(cell: Cell) -> None:
    assert parse_cell(cell.id) == cell


def test_the_id_names_zone_size_column_and_row() -> None:
    cell = parse_cell("32N-320-1875-16730")
    assert (cell.zone, cell.north, cell.size_m, cell.column, cell.row) == (32, True, 320, 1875, 16730)
    assert cell.epsg == 32632
    assert cell.bounds == (600_000, 5_353_600, 600_320, 5_353_920)
    assert parse_cell("33S-320-1875-16730").epsg == 32733


def test_the_size_is_part_of_the_id() -> None:
    assert cell_at(11.6, 48.1, 320).id != cell_at(11.6, 48.1, 640).id


@pytest.mark.parametrize(
    "text",
    ["", "32N", "0N-320-1-1", "61N-320-1-1", "32X-320-1-1", "32N-320-01-1", "32N-325-1-1", "32N-0-1-1", "32N-320--1-1",
     "32n-320-1-1", "32N-320-1-1 ", "32N-320-1-1\n", "032N-320-1-1", "32N-320-3125-1", "32N-320-1-31250",
     "32N-320-١-1"],
)  # fmt: skip
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(BadInputError):
        parse_cell(text)


@pytest.mark.parametrize("size_m", [0, -320, 5, 325])
def test_a_size_off_the_ten_metre_step_is_refused(size_m: int) -> None:
    with pytest.raises(BadInputError, match="multiple of 10"):
        cell_at(11.6, 48.1, size_m)


@given(cells)
@settings(max_examples=100, deadline=None)
def test_west_and_south_edges_belong_to_the_cell_and_east_and_north_to_the_next(cell: Cell) -> None:
    west, south, east, north = cell.bounds
    assume(east < 1_000_000 and north < 10_000_000)

    def owner(x: float, y: float) -> tuple[int, int]:
        found = cell_at_metres(x, y, zone=cell.zone, north=cell.north, size_m=cell.size_m)
        return found.column - cell.column, found.row - cell.row

    below_east, below_north = math.nextafter(east, 0), math.nextafter(north, 0)
    assert owner(west, south) == owner(below_east, south) == owner(west, below_north) == (0, 0)
    assert owner(east, south) == (1, 0)
    assert owner(west, north) == (0, 1)


@given(longitudes, latitudes, sizes)
@example(12.0, 50.0, 320)
@example(180.0, 10.0, 320)
@example(-180.0, -10.0, 320)
@example(11.999999999999998, 0.0, 320)
@example(10.0, -1e-13, 320)
@example(10.0, -1e-13, 30)
@settings(max_examples=200, deadline=None)
def test_a_point_lies_in_its_own_cell(lon: float, lat: float, size_m: int) -> None:
    cell = cell_at(lon, lat, size_m)
    x, y = Transformer.from_crs(4326, cell.epsg, always_xy=True).transform(lon, lat)
    west, south, east, north = cell.bounds
    assert west - 1e-6 <= x <= east + 1e-6
    assert south - 1e-6 <= y <= north + 1e-6
    assert cell.north == (lat >= 0)
    assert cell.zone == zone_of(lon)


@given(cells)
@settings(max_examples=100, deadline=None)
def test_the_south_west_corner_in_degrees_finds_its_cell(cell: Cell) -> None:
    lon, lat = cell.footprint_lonlat[0]
    assume(-180 <= lon <= 180 and -80 <= lat <= 84 and zone_of(lon) == cell.zone and (lat >= 0) == cell.north)
    assert cell_at(lon, lat, cell.size_m) == cell


@pytest.mark.parametrize(
    ("lon", "zone"), [(-180, 1), (180, 1), (179.9999, 60), (-174.0001, 1), (-174, 2), (5.9999, 31), (6, 32), (0, 31)]
)
def test_a_longitude_has_exactly_one_zone(lon: float, zone: int) -> None:
    assert zone_of(lon) == zone
    assert cell_at(lon, 10).zone == zone


def test_norway_and_svalbard_follow_the_plain_formula() -> None:
    assert cell_at(5.3, 60.4).zone == 31  # Bergen; the military grid says 32
    assert cell_at(15.6, 78.2).zone == 33


def test_the_equator_is_north_and_the_hemispheres_have_their_own_cells() -> None:
    assert cell_at(9.0, 0.0).id == "32N-320-1562-0"
    assert cell_at(9.0, -1e-9).id == "32S-320-1562-31249"


@pytest.mark.parametrize("lat", [84.0001, 90, -80.0001, -90])
def test_beyond_84_north_and_80_south_is_refused(lat: float) -> None:
    with pytest.raises(BadInputError, match="84 N and 80 S"):
        cell_at(10.0, lat)
    with pytest.raises(BadInputError, match="84 N and 80 S"):
        cells_over(shapely.box(10, min(lat, 70), 10.1, max(lat, 70)))


@pytest.mark.parametrize(("lon", "lat"), [(181, 0), (-180.1, 0), (math.nan, 0), (0, math.nan), (0, 91), (math.inf, 0)])
def test_what_is_no_longitude_and_latitude_is_refused(lon: float, lat: float) -> None:
    with pytest.raises(BadInputError):
        cell_at(lon, lat)


@given(cells)
@settings(max_examples=100, deadline=None)
def test_no_footprint_is_wider_than_the_cell(cell: Cell) -> None:
    west, south, east, north = shapely.Polygon(cell.footprint_lonlat).bounds
    assert east - west < 1
    assert cell.footprint.is_valid
    for part in shapely.get_parts(cell.footprint):
        assert -180 <= part.bounds[0] < part.bounds[2] <= 180
    lon, lat = cell.centre_lonlat
    assert -180 <= lon <= 180
    assert south <= lat <= north


def test_a_cell_over_the_antimeridian_is_split_in_two_halves() -> None:
    cell = cell_at(179.9999, 10.0)
    parts = shapely.get_parts(cell.footprint)
    assert len(parts) == 2
    assert sorted(round(edge) for part in parts for edge in (part.bounds[0], part.bounds[2])) == [-180, -180, 180, 180]
    assert sum(part.area for part in parts) == pytest.approx(shapely.Polygon(cell.footprint_lonlat).area)


def test_neighbours_run_row_by_row_from_the_north_west() -> None:
    cell = parse_cell("32N-320-1875-16730")
    around = neighbours(cell)
    assert len(around) == 9
    assert around[4] == cell
    assert (around[0].column, around[0].row) == (1874, 16731)
    assert (around[2].column, around[2].row) == (1876, 16731)
    assert (around[8].column, around[8].row) == (1876, 16729)
    assert len(neighbours(cell, radius=2)) == 25


def test_a_cell_s_own_footprint_gives_that_cell_alone() -> None:
    for lon, lat in [(11.6, 48.1), (-70.6, -33.4), (20.0, 83.9), (9.0, 0.01)]:
        cell = cell_at(lon, lat)
        assert cells_over(shapely.Polygon(cell.footprint_lonlat)) == [cell]


@given(
    st.sampled_from([(12.0, 48.0), (12.0, 0.0), (180.0, -17.0), (9.0, 0.0), (18.0, 80.0), (-6.0, -60.0)]),
    st.floats(0.004, 0.02),
    st.floats(0.004, 0.02),
    st.lists(st.tuples(st.floats(0.02, 0.98), st.floats(0.02, 0.98)), min_size=5, max_size=5),
)
@settings(max_examples=25, deadline=None)
def test_every_point_of_a_polygon_has_its_cell_across_borders(
    corner: tuple[float, float], width: float, height: float, places: list[tuple[float, float]]
) -> None:
    west, south = corner[0] - width / 2, corner[1] - height / 2
    found = cells_over(shapely.box(west, south, west + width, south + height))
    assert len({cell.id for cell in found}) == len(found)
    for across, up in places:
        lon, lat = west + across * width, south + up * height
        assert cell_at(lon - 360 if lon > 180 else lon, lat) in found


def test_a_polygon_over_a_zone_border_takes_each_zone_s_own_cells_and_nothing_else() -> None:
    area = shapely.box(11.99, 48.0, 12.01, 48.01)
    found = cells_over(area)
    assert {cell.zone for cell in found} == {32, 33}
    for cell in found:
        strip = shapely.box(cell.zone * 6 - 186, -80, cell.zone * 6 - 180, 84)
        assert cell.footprint.intersection(area).intersection(strip).area > 0


def test_a_polygon_beyond_180_and_its_two_halves_give_the_same_cells() -> None:
    area = shapely.box(179.99, -17.0, 180.01, -16.99)
    halves = split_at_antimeridian(area)
    assert halves.geom_type == "MultiPolygon"
    assert cells_over(area) == cells_over(halves)
    assert {cell.zone for cell in cells_over(area)} == {60, 1}


def test_a_hole_in_the_polygon_is_left_out() -> None:
    ring = shapely.box(11.5, 48.0, 11.6, 48.1).difference(shapely.box(11.52, 48.02, 11.58, 48.08))
    assert cell_at(11.55, 48.05) not in cells_over(ring)
    assert cell_at(11.51, 48.01) in cells_over(ring)


@pytest.mark.parametrize(
    "polygon",
    [shapely.Point(10, 50), shapely.Polygon(), shapely.Polygon([(0, 0), (1, 1), (1, 0), (0, 1)]),
     shapely.box(-100, 0, 100, 1), shapely.box(600_000, 0, 600_320, 80)],
    ids=["point", "empty", "crossing itself", "wider than 180 degrees", "metres"],
)  # fmt: skip
def test_a_polygon_that_no_cells_can_be_made_of_is_refused(polygon: shapely.Geometry) -> None:
    with pytest.raises(BadInputError):
        cells_over(polygon)


def test_a_polygon_with_too_many_cells_is_refused_before_memory_fills() -> None:
    with pytest.raises(BadInputError, match="Take a smaller one"):
        cells_over(shapely.box(6, 40, 12, 50), 10)


def test_many_points_get_the_cells_they_get_one_by_one():
    rng = np.random.default_rng(4)
    lons = np.concatenate([rng.uniform(-180, 180, 300), [180.0, -180.0, 6.0]])
    lats = np.concatenate([rng.uniform(-80, 84, 300), [0.0, -0.0001, 84.0]])
    assert name_cells(lons, lats).tolist() == [
        cell_at(lon, lat).id for lon, lat in zip(lons.tolist(), lats.tolist(), strict=True)
    ]
    with pytest.raises(BadInputError, match="beyond the grid"):
        name_cells(np.array([0.0, 0.0]), np.array([0.0, 84.1]))
    with pytest.raises(BadInputError, match="is not a longitude"):
        name_cells(np.array([np.nan]), np.array([0.0]))
