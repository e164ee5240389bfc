"""A made-up city as scenes and as files that ordinary readers take."""

import json
from pathlib import Path

import numpy as np
import pytest

from fusion import modality as modalities
from fusion.sources.geotiff import inspect
from fusion.world.ground import Ground, draw_ground
from fusion.world.light import SEASONS, scene_date
from fusion.world.optics import render_sentinel2
from fusion.world.plan import plan_world
from fusion.world.radar import render_sentinel1
from fusion.world.render import CityFiles, render_city, write_description
from fusion.world.world import City, World

GREEN, RED, NEAR_INFRARED = 1, 2, 6


@pytest.fixture(scope="module")
def world() -> World:
    return plan_world(3, cities=2, cells=10)


@pytest.fixture(scope="module")
def city(world: World) -> City:
    return world.cities[0]


@pytest.fixture(scope="module")
def ground(city: City) -> Ground:
    return draw_ground(city)


@pytest.fixture(scope="module")
def files(world: World, city: City, tmp_path_factory: pytest.TempPathFactory) -> CityFiles:
    return render_city(world, city, tmp_path_factory.mktemp("world"))


def reflectance(city: City, ground: Ground, season: str) -> np.ndarray:
    scene = render_sentinel2(city, ground, season)
    return modalities.physical(modalities.find("sentinel2"), scene.numbers, scene.offset)


def test_woods_are_green_and_water_is_dark_in_the_near_infrared(city: City, ground: Ground) -> None:
    seen = reflectance(city, ground, "summer")
    woods, water = city.truth == 10, city.truth == 16
    vegetation = (seen[NEAR_INFRARED] - seen[RED]) / (seen[NEAR_INFRARED] + seen[RED])
    assert vegetation[woods].mean() > 0.4
    assert seen[NEAR_INFRARED][water].mean() < 0.1
    assert seen.min() > -0.05
    assert np.quantile(seen, 0.99) < 0.9


def test_seasons_differ_more_over_plants_than_over_roofs(city: City, ground: Ground) -> None:
    summer, winter = (reflectance(city, ground, season)[NEAR_INFRARED] for season in ("summer", "winter"))
    change = np.abs(summer - winter) / summer
    assert change[np.isin(city.truth, (10, 13))].mean() > change[city.truth == 7].mean() + 0.03


def test_scenes_after_baseline_4_carry_the_offset_and_older_ones_do_not() -> None:
    offsets = {}
    for city in plan_world(2, cities=3, cells=4).cities:
        ground = draw_ground(city)
        for season in SEASONS:
            scene = render_sentinel2(city, ground, season)
            offsets[scene.day] = scene.offset
    assert {offset for day, offset in offsets.items() if f"{day}" >= "2022-01-25"} == {-1000}
    assert {offset for day, offset in offsets.items() if f"{day}" < "2022-01-25"} == {0}


def test_bands_of_twenty_metres_repeat_their_pixels(city: City, ground: Ground) -> None:
    scene = render_sentinel2(city, ground, "summer").numbers.astype(float)
    fine, coarse = (np.abs(np.diff(scene[band], axis=1))[:, ::2].mean() for band in (RED, 8))
    across = np.abs(np.diff(scene[8], axis=1))[:, 1::2].mean()
    assert coarse < 0.5 * across
    assert fine > coarse


def test_buildings_are_bright_and_water_is_dark_in_radar(city: City, ground: Ground) -> None:
    channels = render_sentinel1(city, ground).channels
    vv = {label: channels[5][city.truth == label].mean() for label in np.unique(city.truth)}
    high = np.mean([vv[label] for label in (0, 1, 3) if label in vv])
    assert high > 10 * vv[16]
    assert high > 3 * vv[13]
    assert np.isfinite(channels).all()


def test_the_same_city_is_rendered_to_the_same_numbers(city: City, ground: Ground) -> None:
    again = draw_ground(city)
    first, second = (render_sentinel2(city, drawn, "autumn").numbers for drawn in (ground, again))
    assert (first == second).all()
    assert (render_sentinel1(city, ground).channels == render_sentinel1(city, again).channels).all()


def test_the_ordinary_inspection_takes_every_scene_on_the_grid(city: City, files: CityFiles) -> None:
    for season, path in files.sentinel2.items():
        [info] = inspect([path], modalities.find("sentinel2"))
        assert info.bands == modalities.find("sentinel2").band_names
        assert (info.epsg, info.width, info.height) == (city.epsg, city.size_px, city.size_px)
        assert tuple(info.transform) == city.transform
        assert info.offset == (-1000 if scene_date(city, season).isoformat() >= "2022-01-25" else 0)
        assert info.captured_from is not None
        assert info.captured_from.date() == scene_date(city, season)
    [info] = inspect([files.sentinel1], modalities.find("sentinel1"))
    assert info.bands == modalities.find("sentinel1").band_names


def test_every_file_says_that_it_is_simulated(files: CityFiles) -> None:
    for path in (*files.sentinel2.values(), files.sentinel1, files.truth):
        assert b'<Item name="SIMULATED">yes</Item>' in path.read_bytes()


def test_file_names_say_city_sensor_season_and_day(city: City, files: CityFiles) -> None:
    day = scene_date(city, "summer")
    assert files.sentinel2["summer"].name == f"{city.slug}_sentinel2_summer_{day:%Y%m%d}.tif"
    assert files.sentinel1.name.startswith(f"{city.slug}_sentinel1_")


def test_the_description_names_the_seed_and_every_city(world: World, tmp_path: Path) -> None:
    page = json.loads(write_description(world, tmp_path).read_text())
    assert (page["seed"], page["simulated"]) == (3, True)
    assert [city["slug"] for city in page["cities"]] == [city.slug for city in world.cities]
