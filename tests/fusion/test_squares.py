"""Squares and what lies on them: points by their ground, photos by what they look at, shapes by what they cover."""

import numpy as np
import pytest
import shapely
from pyproj import Transformer

from fusion.errors import BadInputError
from fusion.grid import cell_at, parse_cell
from fusion.link import Things
from fusion.squares import Layer, Squares, cover_squares, join_ground, join_points

HERE = cell_at(13.4, 52.5)
EAST = parse_cell(f"{HERE.zone}N-320-{HERE.column + 1}-{HERE.row}")
BACK = Transformer.from_crs(HERE.epsg, 4326, always_xy=True)


def at(east_m, north_m):
    """Degrees of a point some metres from the south-west corner of the cell."""
    west, south = HERE.bounds[:2]
    return BACK.transform(west + east_m, south + north_m)


def box(west, south, east, north):
    """A rectangle in degrees by metres from the south-west corner of the cell."""
    ring = [at(x, y) for x, y in ((west, south), (east, south), (east, north), (west, north))]
    return shapely.Polygon(ring)


def pairs(links):
    return set(zip(links.left.tolist(), links.right.tolist(), strict=True))


def test_points_belong_to_the_ground_they_stand_on_and_to_what_is_near():
    squares = Squares.of_cells([HERE.id, EAST.id])
    places = [at(160, 160), at(310, 10), at(-50, 160), at(-150, 160), at(160, -2000)]
    things = Things(ids=list("abcde"), lonlat=np.array(places))
    assert pairs(join_points(squares, things, within_m=0)) == {(0, 0), (0, 1)}
    near = join_points(squares, things, within_m=100)
    assert pairs(near) == {(0, 0), (0, 1), (1, 1), (0, 2)}
    own = dict(zip(zip(near.left.tolist(), near.right.tolist(), strict=True), near.distance_m, strict=True))
    assert own[0, 0] == pytest.approx(0, abs=0.1)
    assert own[0, 2] == pytest.approx(210, rel=1e-3)
    assert np.isnan(near.share).all()


def test_a_photo_belongs_to_the_ground_it_looks_at():
    squares = Squares.of_cells([HERE.id, EAST.id])
    things = Things(
        ids=["out", "in", "away", "unknown"],
        lonlat=np.array([at(300, 160), at(-20, 160), at(-20, 160), at(300, 160)]),
        heading_deg=np.array([90.0, 90.0, 270.0, np.nan]),
        field_of_view_deg=np.array([60.0, 60.0, 60.0, 60.0]),
    )
    links = join_points(squares, things, within_m=100)
    assert pairs(links) == {(0, 0), (1, 0), (0, 1), (0, 3), (1, 3)}
    share = dict(zip(zip(links.left.tolist(), links.right.tolist(), strict=True), links.share, strict=True))
    sector = np.pi * 100**2 / 6 / 320**2
    assert share[0, 0] + share[1, 0] == pytest.approx(sector, rel=0.01)
    assert share[0, 0] < share[1, 0]
    assert np.isnan([share[0, 3], share[1, 3]]).all()


def test_a_view_of_all_round_is_a_circle():
    squares = Squares.of_cells([HERE.id])
    one = Things(
        ids=["ball"], lonlat=np.array([at(160, 160)]), heading_deg=np.zeros(1), field_of_view_deg=np.array([360.0])
    )
    [share] = join_points(squares, one, within_m=100).share
    assert share == pytest.approx(np.pi * 100**2 / 320**2, rel=0.02)


def test_windows_leave_out_what_came_at_another_time():
    day = np.array(["2026-06-01"], "datetime64[us]")
    squares = Squares.of_cells([HERE.id], time=day, until=day + np.timedelta64(30, "D"))
    things = Things(
        ids=list("abc"), lonlat=np.array([at(9, 9)] * 3), time=day + np.array([10, 60, 30 + 6], "timedelta64[D]")
    )
    links = join_points(squares, things, within_m=0, window_s=(-7 * 86_400, 7 * 86_400))
    assert pairs(links) == {(0, 0), (0, 2)}
    assert links.lag_s.tolist() == [0, 6 * 86_400]


def test_ground_under_two_shapes_counts_once():
    squares = Squares.of_cells([HERE.id, EAST.id])
    layer = Layer(shapes=np.array([box(0, 0, 160, 320), box(80, 0, 240, 320), box(310, 0, 330, 320)], dtype=object))
    cover = cover_squares(squares, layer)
    assert cover.count.tolist() == [3, 1]
    assert cover.share == pytest.approx([0.75 + 10 / 320, 10 / 320], rel=1e-3)
    assert cover.distance_m == pytest.approx([0, 150], abs=0.2)


def test_squares_without_a_shape_are_not_covered():
    cover = cover_squares(Squares.of_cells([HERE.id]), Layer(shapes=np.array([box(900, 0, 950, 9)], dtype=object)))
    assert (cover.count.tolist(), cover.share.tolist()) == ([0], [0])
    assert np.isnan(cover.distance_m).all()


def test_a_country_around_a_square_covers_it_whole():
    country = shapely.box(-10, 40, 30, 60)
    assert cover_squares(Squares.of_cells([HERE.id]), Layer(shapes=np.array([country]))).share.tolist() == [1]


@pytest.mark.parametrize("at", [(13.4, 52.5), (-179.9, -16.5), (-70.0, 83.0)], ids=["Berlin", "antimeridian", "north"])
def test_a_map_of_the_world_covers_every_square_and_its_halves_half_of_them(at):
    squares = Squares.of_cells([cell_at(*at).id])
    world, east = shapely.box(-180, -90, 180, 90), shapely.box(*squares.centres.lonlat[0], 180, 90)
    assert cover_squares(squares, Layer(shapes=np.array([world]))).share.tolist() == [1]
    assert cover_squares(squares, Layer(shapes=np.array([east]))).share == pytest.approx([0.25], abs=0.02)


def test_squares_of_two_zones_and_sizes_are_joined_each_on_its_own_ground():
    cells = [cell_at(11.999, 52.5, 640).id, cell_at(12.001, 52.5, 320).id, cell_at(-70.0, -33.0).id]
    squares = Squares.of_cells(cells)
    things = Things(ids=list("abc"), lonlat=np.array([parse_cell(cell).centre_lonlat for cell in cells]))
    links = join_points(squares, things, within_m=0)
    assert {(0, 0), (1, 1), (2, 2)} <= pairs(links)
    assert links.distance_m[links.left == links.right] == pytest.approx(0, abs=0.01)
    assert squares.centres.lonlat == pytest.approx(things.lonlat)


@pytest.mark.parametrize("within", [-1, 30_000, float("nan")])
def test_distances_that_bound_nothing_are_refused(within):
    with pytest.raises(BadInputError, match="0 to 20000 m away"):
        join_points(Squares.of_cells([HERE.id]), Things(ids=[], lonlat=np.empty((0, 2))), within_m=within)


def test_footprints_cover_their_share_of_a_cell():
    cell = HERE
    ring = np.array(cell.footprint_lonlat)[:4]
    middle = (ring[0] + ring[1]) / 2, (ring[3] + ring[2]) / 2
    half = shapely.Polygon([ring[0], middle[0], middle[1], ring[3]])
    far = shapely.box(0, 0, 1, 1)
    links = join_ground([cell.id], [far, half])
    assert pairs(links) == {(0, 1)}
    assert links.share == pytest.approx([0.5], abs=1e-3)
    assert links.distance_m == pytest.approx([0], abs=0.5)
    assert np.isnan(links.lag_s).all()


def test_a_neighbour_that_only_touches_shares_no_ground():
    assert len(join_ground([HERE.id], [EAST.footprint])) == 0
