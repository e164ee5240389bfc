"""The drawn ground: real mixed pixels, plausible cover per class, shadows that point away from the sun."""

from datetime import date

import numpy as np
import pytest
from scipy import ndimage

from fusion.world.forms import FORMS
from fusion.world.ground import Ground, draw_ground
from fusion.world.light import Sun, cast_shadows, find_sun, scene_date
from fusion.world.materials import INDEX, MATERIALS
from fusion.world.plan import plan_world
from fusion.world.season import season_spectra
from fusion.world.world import City

ROOFS = [index for name, index in INDEX.items() if name.startswith("roof_")]


@pytest.fixture(scope="module")
def city() -> City:
    return plan_world(3, cities=1, cells=14).cities[0]


@pytest.fixture(scope="module")
def ground(city: City) -> Ground:
    return draw_ground(city)


def test_shares_of_cover_sum_to_one(ground: Ground) -> None:
    assert ground.cover.sum(axis=-1) == pytest.approx(1, abs=1e-5)
    assert ground.cover.min() >= 0


def test_many_built_pixels_hold_several_materials(city: City, ground: Ground) -> None:
    built = ground.cover[city.truth < 10]
    assert ((built > 0).sum(axis=-1) > 1).mean() > 0.5


@pytest.mark.slow
def test_roofs_cover_what_stewart_and_oke_state() -> None:
    # Building surface fraction, table 3; motorways through a patch and crowns over roofs may take some away.
    published = {0: (0.4, 0.6), 1: (0.4, 0.7), 2: (0.4, 0.7), 3: (0.2, 0.4), 4: (0.2, 0.4), 5: (0.2, 0.4)}
    published |= {6: (0.6, 0.9), 7: (0.3, 0.5), 8: (0.1, 0.2), 9: (0.2, 0.3)}
    cities = plan_world(9, cities=2, cells=16).cities
    roofs = np.concatenate([draw_ground(city).cover[..., ROOFS].sum(axis=-1).ravel() for city in cities])
    truth = np.concatenate([city.truth.ravel() for city in cities])
    for label, (low, high) in published.items():
        assert low - 0.05 <= roofs[truth == label].mean() <= high, label


def test_heights_keep_to_their_class(city: City, ground: Ground) -> None:
    height = ground.height_m[::2, ::2]
    assert height[city.truth == 16].max() == 0
    for label, form in FORMS.items():
        roofs = ground.cover[..., ROOFS].sum(axis=-1) == 1
        inside = height[(city.truth == label) & roofs]
        assert not inside.size or inside.max() <= form.height_m[1], label


def test_water_is_only_water(city: City, ground: Ground) -> None:
    water = ground.cover[..., [INDEX["water_clear"], INDEX["water_turbid"]]].sum(axis=-1)
    assert (water[city.truth == 16] == 1).all()
    assert (water[city.truth != 16] == 0).all()


def test_a_tower_throws_its_shadow_away_from_the_sun_as_long_as_its_height_says() -> None:
    height = np.zeros((41, 41), dtype=np.float32)
    height[20, 20] = 50
    shadow = cast_shadows(height, 5.0, Sun(elevation=np.pi / 4, azimuth=np.pi / 2))  # in the east, at 45 degrees
    assert np.flatnonzero(shadow[20]).tolist() == list(range(11, 20))
    assert shadow.sum() == shadow[20].sum()
    south = cast_shadows(height, 5.0, Sun(elevation=np.pi / 4, azimuth=np.pi))
    assert np.flatnonzero(south[:, 20]).tolist() == list(range(11, 20))


def test_shadows_of_any_sun_equal_a_walk_towards_it() -> None:
    rng = np.random.default_rng(0)
    height = np.where(rng.random((60, 60)) < 0.05, rng.uniform(5, 60, (60, 60)), 0).astype(np.float32)
    sun = Sun(elevation=0.6, azimuth=-2.1)
    fast, drop = cast_shadows(height, 5.0, sun), 5.0 * np.tan(sun.elevation)
    slow = np.zeros_like(height)
    for step in range(1, 20):
        rows, columns = round(-np.cos(sun.azimuth) * step), round(np.sin(sun.azimuth) * step)
        padded = np.pad(height, 20)[20 + rows : 80 + rows, 20 + columns : 80 + columns]
        slow[padded - step * drop > height + 0.5] = 1
    # Doubling rounds the way to whole squares in other places than a walk does: by at most a square.
    assert not (fast.astype(bool) & ~ndimage.binary_dilation(slow, np.ones((3, 3)))).any()
    assert fast.mean() == pytest.approx(slow.mean(), rel=0.1)


def test_the_noon_sun_stands_south_in_europe_and_north_in_australia() -> None:
    june = date(2021, 6, 21)
    north, south = find_sun(june, 50.0), find_sun(june, -35.0)
    assert np.cos(north.azimuth) < 0 < np.cos(south.azimuth)
    assert np.sin(north.azimuth) > 0
    assert np.sin(south.azimuth) > 0
    assert np.rad2deg(north.elevation) == pytest.approx(56, abs=3)
    assert north.elevation > find_sun(date(2021, 12, 21), 50.0).elevation


def test_summer_is_in_july_in_the_north_and_in_january_in_the_south() -> None:
    cities = plan_world(2, cities=6, cells=4).cities
    assert {scene_date(city, "summer").month for city in cities if city.lat > 0} == {7}
    assert {scene_date(city, "summer").month for city in cities if city.lat < 0} == {1}


def test_leaves_fall_in_winter_and_concrete_stays() -> None:
    summer, winter = season_spectra("summer", 1.0), season_spectra("winter", 1.0)
    near_infrared = 6
    assert winter[INDEX["tree_leafy"], near_infrared] < 0.6 * summer[INDEX["tree_leafy"], near_infrared]
    assert (winter[INDEX["concrete"]] == summer[INDEX["concrete"]]).all()
    evergreen = season_spectra("winter", 0.0)
    assert (evergreen[INDEX["tree_leafy"]] == summer[INDEX["tree_leafy"]]).all()


def test_every_material_states_its_source_and_plausible_numbers() -> None:
    for material in MATERIALS:
        assert material.source.startswith("[")
        assert len(material.reflectance) == 10
        assert 0 < min(material.reflectance) <= max(material.reflectance) < 0.7
        assert material.vh_db < material.vv_db < 0
