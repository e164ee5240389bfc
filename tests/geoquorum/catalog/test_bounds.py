"""Bounds join on the shorter way round the Earth."""

import pytest

from geoquorum.catalog.bounds import find_centre, join_bounds, outline


def test_bounds_hold_all_parts():
    assert join_bounds([(10, 45, 11, 46), (10.5, 44, 12, 45)]) == (10, 44, 12, 46)


def test_bounds_join_across_the_antimeridian():
    assert join_bounds([(179, -1, 179.5, 0), (-179.5, -1, -179, 1)]) == (179, -1, -179, 1)
    assert join_bounds([(179, -1, -179.5, 0), (-179.6, -1, -179, 1)]) == (179, -1, -179, 1)


def test_bounds_round_the_whole_earth_have_no_end():
    assert join_bounds([(-180, -10, 0, 10), (0, -10, 180, 10)]) == (-180, -10, 180, 10)


@pytest.mark.parametrize(("bounds", "centre"), [((10, 0, 12, 2), (11, 1)), ((179, 0, -177, 2), (-179, 1))])
def test_the_centre_lies_between_west_and_east(bounds, centre):
    assert find_centre(bounds) == centre


def test_the_outline_is_cut_at_the_antimeridian():
    shape = outline((179, 0, -179, 1))
    assert shape.area == 2
    assert [part.bounds for part in shape.geoms] == [(179, 0, 180, 1), (-180, 0, -179, 1)]
