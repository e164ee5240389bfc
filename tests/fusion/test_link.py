"""Patches, photos, posts, stations and footprints joined in space and time: every pair that a slow search finds."""

import numpy as np
import pytest
from pyproj import Geod

from fusion.errors import BadInputError
from fusion.grid import cell_at
from fusion.link import Things, join_cells, join_near, join_nearest

GEOD = Geod(ellps="WGS84")
HOUR = 3600.0


def scatter(count, seed, spread=0.02, at=(13.4, 52.5)):
    rng = np.random.default_rng(seed)
    lonlat = np.asarray(at) + rng.uniform(-spread, spread, (count, 2))
    lonlat[:, 0] = (lonlat[:, 0] + 180) % 360 - 180
    time = np.datetime64("2026-06-01T00:00", "us") + rng.integers(0, 30 * 86400, count) * np.timedelta64(1, "s")
    return Things(
        ids=[f"{seed}-{row}" for row in range(count)],
        lonlat=lonlat,
        time=time,
        heading_deg=rng.uniform(0, 360, count),
        field_of_view_deg=np.full(count, 90.0),
    )


def pairs(links):
    return set(zip(links.left.tolist(), links.right.tolist(), strict=True))


@pytest.mark.parametrize(
    "at", [(13.4, 52.5), (180.0, -16.5), (-70.0, 83.0)], ids=["Berlin", "antimeridian", "far north"]
)
def test_every_pair_within_the_distance_is_found_with_its_geodesic(at):
    left, right = scatter(60, 1, at=at), scatter(80, 2, at=at)
    links = join_near(left, right, within_m=700)
    expected = {}
    for one in range(60):
        for two in range(80):
            distance = GEOD.inv(*left.lonlat[one], *right.lonlat[two])[2]
            if distance <= 700:
                expected[one, two] = distance
    assert pairs(links) == set(expected)
    assert len(expected) > 10
    assert links.distance_m == pytest.approx([expected[pair] for pair in zip(links.left, links.right, strict=True)])


def test_links_stand_in_order_and_the_nearest_come_first():
    links = join_near(scatter(40, 1), scatter(40, 2), within_m=1500)
    key = list(zip(links.left, links.distance_m, strict=True))
    assert key == sorted(key)
    two = links.nearest(2)
    for row in range(40):
        assert two.distance_m[two.left == row].tolist() == links.distance_m[links.left == row][:2].tolist()


def test_lags_are_seconds_from_left_to_right_and_the_window_bounds_them():
    left, right = scatter(50, 1), scatter(50, 2)
    every = join_near(left, right, within_m=3000)
    seconds = (right.time[every.right] - left.time[every.left]) / np.timedelta64(1, "s")
    assert every.lag_s == pytest.approx(seconds)
    some = join_near(left, right, within_m=3000, window_s=(0, 48 * HOUR))
    inside = (seconds >= 0) & (seconds <= 48 * HOUR)
    assert pairs(some) == {
        pair for pair, is_in in zip(zip(every.left, every.right, strict=True), inside, strict=True) if is_in
    }
    assert 0 < len(some) < len(every)


def test_a_thing_without_a_time_is_in_no_window_and_one_without_a_place_in_no_link():
    left = Things(ids=["a"], lonlat=np.array([[13.4, 52.5]]), time=np.array(["2026-06-01"], "datetime64[us]"))
    right = Things(
        ids=["dated", "undated", "lost"],
        lonlat=np.array([[13.4, 52.5], [13.4, 52.5], [np.nan, np.nan]]),
        time=np.array(["2026-06-01T01", "NaT", "2026-06-01"], "datetime64[us]"),
    )
    assert pairs(join_near(left, right, within_m=10)) == {(0, 0), (0, 1)}
    assert pairs(join_near(left, right, within_m=10, window_s=(-HOUR, HOUR))) == {(0, 0)}
    assert np.isnan(join_near(left, right, within_m=10).lag_s).tolist() == [False, True]


def test_a_photo_faces_what_lies_in_its_field_of_view():
    house = Things(ids=["house"], lonlat=np.array([[13.4, 52.5]]))
    lon, lat, _back = GEOD.fwd([13.4] * 4, [52.5] * 4, [180, 180, 0, 90], [50] * 4)  # south, south, north, east of it
    photos = Things(
        ids=["to it", "past it", "away", "wide"],
        lonlat=np.column_stack([lon, lat]),
        heading_deg=np.array([350.0, 40.0, 0.0, 200.0]),
        field_of_view_deg=np.array([60.0, 60.0, 60.0, 150.0]),
    )
    links = join_near(house, photos, within_m=60, facing=True)
    assert {photos.ids[row] for row in links.right} == {"to it", "wide"}
    assert dict(zip(links.right.tolist(), links.off_axis_deg, strict=True)) == pytest.approx({0: 10, 3: 70}, abs=0.1)
    blind = Things(ids=photos.ids, lonlat=photos.lonlat)
    with pytest.raises(BadInputError, match="Nothing here looks anywhere"):
        join_near(house, blind, within_m=60, facing=True)


def test_cells_hold_the_points_that_the_grid_gives_them():
    things = scatter(200, 3)
    cells = sorted({cell_at(*lonlat).id for lonlat in things.lonlat[:50]})
    links = join_cells(cells, things)
    expected = {
        (cells.index(own.id), row)
        for row, own in enumerate(cell_at(*lonlat) for lonlat in things.lonlat)
        if own.id in cells
    }
    assert pairs(links) == expected
    assert links.distance_m.max() <= 320 / np.sqrt(2) * 1.001
    assert links.presence(len(cells)).all()


def test_cells_of_two_sizes_and_cells_named_twice_are_refused():
    things = scatter(2, 3)
    one, other = cell_at(13.4, 52.5, 320).id, cell_at(13.4, 52.5, 640).id
    with pytest.raises(BadInputError, match=r"one size.*320, 640"):
        join_cells([one, other], things)
    with pytest.raises(BadInputError, match="named twice"):
        join_cells([one, one], things)


def test_a_table_of_links_names_ids_and_leaves_unknowns_null():
    left, right = scatter(5, 1), Things(ids=["p", "q"], lonlat=scatter(2, 1).lonlat)
    table = join_near(left, right, within_m=20_000).tabulate(left.ids, right.ids)
    assert table.num_rows == 10
    assert set(table["left"].to_pylist()) == set(left.ids)
    assert table["lag_s"].null_count == table["off_axis_deg"].null_count == table["share"].null_count == 10
    assert table["distance_m"].null_count == 0


@pytest.mark.parametrize("within", [0, -5, float("nan"), 3e7])
def test_distances_that_bound_nothing_are_refused(within):
    with pytest.raises(BadInputError, match="more than 0 m"):
        join_near(scatter(2, 1), scatter(2, 2), within_m=within)


def test_the_nearest_is_the_first_of_all_within_the_distance():
    left, right = scatter(60, 1), scatter(30, 2)
    links = join_nearest(left, right, within_m=700)
    first = join_near(left, right, within_m=700, most=1)
    assert pairs(links) == pairs(first)
    assert 10 < len(links) < 60
    assert links.distance_m == pytest.approx(first.distance_m)
    nobody = Things(ids=["lost"], lonlat=np.full((1, 2), np.nan))
    assert len(join_nearest(left, nobody, within_m=700)) == len(join_nearest(nobody, right, within_m=700)) == 0


def test_what_lasts_is_late_by_the_gap_and_not_at_all_while_it_lasts():
    days = np.array(["2026-06-01", "2026-06-10", "2026-06-20", "NaT"], "datetime64[us]")
    one = np.zeros((1, 2))
    patch = Things(ids=["p"], lonlat=one, time=days[:1], until=days[1:2])
    moments = Things(ids=list("abcd"), lonlat=np.zeros((4, 2)), time=days - np.timedelta64(2, "D"))
    links = join_near(patch, moments, within_m=9)
    lags = {moments.ids[row]: lag for row, lag in zip(links.right, links.lag_s / 86_400, strict=True)}
    assert lags == pytest.approx({"a": -2, "b": 0, "c": 8, "d": np.nan}, nan_ok=True)
    series = Things(ids=["s"], lonlat=one, time=days[:1] - np.timedelta64(90, "D"), until=days[:1])
    assert join_near(patch, series, within_m=9).lag_s.tolist() == [0]


def test_columns_of_other_lengths_and_places_off_the_earth_are_refused_by_name():
    with pytest.raises(BadInputError, match="3 of heading_deg for 2 ids"):
        Things(ids=["a", "b"], lonlat=np.zeros((2, 2)), heading_deg=np.zeros(3))
    with pytest.raises(BadInputError, match=r"b lies at \[52.5, 113.4\]"):
        Things(ids=["a", "b"], lonlat=np.array([[13.4, 52.5], [52.5, 113.4]]))
