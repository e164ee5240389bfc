"""The plan of a made-up world: repeatable, on the grid, with every class."""

import numpy as np
import pytest

from fusion.errors import BadInputError
from fusion.world.places import PLACES
from fusion.world.plan import plan_world
from fusion.world.world import CELL_M, World, cell_truth, describe


@pytest.fixture(scope="module")
def world() -> World:
    return plan_world(7, cities=3, cells=20)


def test_the_same_seed_plans_the_same_world_and_another_seed_another() -> None:
    first, again, other = (describe(plan_world(seed, cities=1, cells=6)) for seed in (4, 4, 5))
    assert first == again
    assert first["cities"][0]["truth_sha256"] != other["cities"][0]["truth_sha256"]


def test_fewer_cities_are_the_beginning_of_more() -> None:
    few, many = (describe(plan_world(4, cities=count, cells=4))["cities"] for count in (2, 4))
    assert few == many[:2]


def test_places_lie_in_different_utm_zones_well_inside_them() -> None:
    zones = {(place.lat > 0, int((place.lon + 180) // 6)) for place in PLACES}
    assert len(zones) == len(PLACES)
    # A city lies up to 0.3 degrees from its place.
    assert all(0.35 < (place.lon + 180) % 6 < 5.65 for place in PLACES)


def test_cities_of_a_world_have_their_own_zone_name_and_culture(world: World) -> None:
    assert len({city.epsg for city in world.cities}) == 3
    assert len({city.slug for city in world.cities}) == 3
    assert len({city.culture_zone for city in world.cities}) == 3


def test_corners_of_a_city_are_corners_of_grid_cells(world: World) -> None:
    for city in world.cities:
        assert all(metres % CELL_M == 0 for metres in city.origin)
        assert city.truth.shape == (city.size_px, city.size_px) == (640, 640)


@pytest.mark.slow
def test_most_cities_have_all_seventeen_classes_and_none_rules() -> None:
    counts = [
        np.bincount(cell_truth(city)[0].ravel(), minlength=17)
        for seed in (1, 2)
        for city in plan_world(seed, cities=3, cells=20).cities
    ]
    assert sum((count > 0).all() for count in counts) >= 4
    assert max(count.max() for count in counts) < 0.25 * 400


def test_cells_at_borders_are_mixed_and_cells_inside_are_not(world: World) -> None:
    _, share = cell_truth(world.cities[0])
    assert 0.7 < share.mean() < 0.95
    assert share.min() < 0.6
    assert (share == 1).mean() > 0.15


def test_truth_of_a_cell_is_the_class_of_most_of_its_pixels(world: World) -> None:
    city = world.cities[1]
    labels, share = cell_truth(city)
    pixels = city.truth[32:64, 96:128].ravel()
    counts = np.bincount(pixels)
    assert labels[1, 3] == counts.argmax()
    assert share[1, 3] == pytest.approx(counts.max() / 1024)


def test_towers_stand_nearer_to_the_centre_than_fields() -> None:
    towers, fields = [], []
    for seed in range(3):
        truth = plan_world(seed, cities=1, cells=20).cities[0].truth
        y, x = np.indices(truth.shape)
        distance = np.hypot(y - 320, x - 320)
        towers.append(distance[truth <= 1].mean())
        fields.append(distance[truth == 13].mean())
    assert np.mean(towers) < np.mean(fields) - 50


@pytest.mark.parametrize(("cities", "cells"), [(0, 20), (len(PLACES) + 1, 20), (1, 3), (1, 61)])
def test_a_world_that_cannot_be_is_refused(cities: int, cells: int) -> None:
    with pytest.raises(BadInputError, match="not"):
        plan_world(1, cities=cities, cells=cells)
