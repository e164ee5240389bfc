"""The cube holds what Sentinel-2 sees, drawn out to narrow bands with absorptions of their own."""

import numpy as np
import pytest

from fusion import modality as modalities
from fusion.spectrum import name_bands
from fusion.world.ground import Ground, draw_ground
from fusion.world.hyperspectral import (
    WAVELENGTHS,
    WAVELENGTHS_NM,
    Cube,
    average_bands,
    draw_out,
    render_hyperspectral,
)
from fusion.world.light import scene_date
from fusion.world.materials import INDEX, reflectance_table
from fusion.world.optics import find_reflectance, render_sentinel2
from fusion.world.plan import plan_world
from fusion.world.season import season_spectra
from fusion.world.world import City

# Of the ten, the four of 10 m: the others are blurred to 20 m in Sentinel-2's rendering.
FINE = (0, 1, 2, 6)


@pytest.fixture(scope="module")
def city() -> City:
    return plan_world(3, cities=1, cells=4).cities[0]


@pytest.fixture(scope="module")
def ground(city: City) -> Ground:
    return draw_ground(city)


@pytest.fixture(scope="module")
def cube(city: City, ground: Ground) -> Cube:
    return render_hyperspectral(city, ground)


def test_band_averages_are_sentinel_2_before_air_and_noise(city: City, ground: Ground) -> None:
    averages = average_bands(render_hyperspectral(city, ground, noise=False).numbers.astype(np.float32) / 10000)
    day = scene_date(city, "summer")
    seen = find_reflectance(city, ground, season_spectra("summer", city.deciduous), day)
    # Rounding to 1e-4, and the floor under which no band falls.
    assert np.abs(averages - seen).max() < 2e-3
    assert np.abs(averages - seen).mean() < 1e-4


def test_band_averages_agree_with_the_rendered_scene_as_far_as_its_air_allows(
    city: City, ground: Ground, cube: Cube
) -> None:
    averages = average_bands(cube.numbers.astype(np.float32) / 10000)
    scene = render_sentinel2(city, ground, "summer")
    seen = modalities.physical(modalities.find("sentinel2"), scene.numbers, scene.offset)
    for band in FINE:
        one, other = averages[band].ravel(), seen[band].ravel()
        assert np.corrcoef(one, other)[0, 1] > 0.95, band
        assert np.median(np.abs(one - other)) < 0.02, band


def test_bands_are_narrow_many_and_miss_the_water_vapour(cube: Cube) -> None:
    assert len(cube.numbers) == len(WAVELENGTHS_NM) > 150
    assert not [nm for nm in WAVELENGTHS_NM if 1350 <= nm <= 1450 or 1800 <= nm <= 1960]
    assert len(name_bands(cube.wavelengths_nm)) == len(cube.numbers)
    assert cube.numbers.dtype == modalities.find("hyperspectral").dtype
    assert (cube.numbers != modalities.find("hyperspectral").nodata).all()


def test_spectra_are_smooth_and_keep_their_ten_values() -> None:
    table = reflectance_table()
    drawn = table @ draw_out().T
    averages = average_bands(drawn.T[:, :, None])[..., 0]
    assert averages.transpose() == pytest.approx(table, abs=1e-4)
    assert drawn.min() > 0
    assert drawn.max() < 0.75


def test_tar_absorbs_at_1730_nm_and_water_does_not(city: City, ground: Ground) -> None:
    cube = render_hyperspectral(city, ground, noise=False).numbers.astype(float)
    left, middle, right = (cube[int(np.flatnonzero(nm == WAVELENGTHS)[0])] for nm in (1670, 1730, 1790))
    depth = 1 - middle / ((left + right) / 2)
    tar = ground.cover[..., [INDEX[name] for name in ("asphalt_worn", "asphalt_fresh", "roof_tar")]].sum(axis=-1)
    assert depth[tar > 0.9].mean() > depth[tar == 0].mean() + 0.02


def test_the_same_day_gives_the_same_cube(city: City, ground: Ground, cube: Cube) -> None:
    assert (render_hyperspectral(city, ground).numbers == cube.numbers).all()
