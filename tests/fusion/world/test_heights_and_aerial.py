"""Heights and aerial photos are of the same ground as everything else, only finer."""

from datetime import date

import numpy as np
import pytest

from fusion import modality as modalities
from fusion.errors import BadInputError
from fusion.world.aerial import render_aerial, to_reflectance
from fusion.world.ground import Ground, Squares, Window, draw_ground, draw_squares
from fusion.world.heights import render_heights
from fusion.world.light import scene_date
from fusion.world.optics import find_reflectance
from fusion.world.plan import plan_world
from fusion.world.season import day_spectra, find_season, season_spectra
from fusion.world.world import City

WINDOW = Window(rows=(30, 70), columns=(40, 88))


@pytest.fixture(scope="module")
def city() -> City:
    return plan_world(3, cities=1, cells=4).cities[0]


@pytest.fixture(scope="module")
def ground(city: City) -> Ground:
    return draw_ground(city)


@pytest.fixture(scope="module")
def squares(city: City) -> Squares:
    return draw_squares(city)


def test_a_window_holds_the_squares_of_the_whole_city(city: City, squares: Squares) -> None:
    part = draw_squares(city, WINDOW)
    place = slice(120, 280), slice(160, 352)
    for name in ("material", "height", "tone", "lot", "quarter"):
        assert (getattr(part, name) == getattr(squares, name)[place]).all(), name
    assert (part.facing == squares.facing[30:70, 40:88]).all()


@pytest.mark.parametrize("detail", [2, 5])
def test_finer_squares_are_the_coarse_ones_and_more_between_them(city: City, detail: int) -> None:
    coarse, fine = draw_squares(city, WINDOW), draw_squares(city, WINDOW, detail=detail)
    for name in ("material", "height", "tone", "lot"):
        assert (getattr(fine, name)[::detail, ::detail] == getattr(coarse, name)).all(), name
    assert fine.square_m == pytest.approx(2.5 / detail)
    built = [(drawn.lot > 0).mean() for drawn in (coarse, fine)]
    assert built[0] == pytest.approx(built[1], abs=0.01)


def test_heights_above_ground_are_those_that_cast_shadows(city: City, ground: Ground) -> None:
    surface, terrain, above, canopy = render_heights(city, noise_m=0)
    highest = above.reshape(ground.height_m.shape[0], 2, -1, 2).max(axis=(1, 3))
    assert highest == pytest.approx(ground.height_m, abs=1e-3)
    assert (surface - terrain == above).all()
    assert ((canopy == 0) | (canopy == above)).all()
    assert 0 < (canopy > 0).mean() < (above > 0).mean()


def test_measured_heights_err_by_a_decimetre(city: City) -> None:
    measured, true = render_heights(city, WINDOW), render_heights(city, WINDOW, noise_m=0)
    assert (measured[0] - true[0]).std() == pytest.approx(0.1, rel=0.05)
    assert (measured[1] == true[1]).all()
    assert modalities.find("lidar_heights").band_names == ("surface", "terrain", "above_ground", "canopy")


def test_water_is_level_and_land_is_not(city: City) -> None:
    terrain = render_heights(city, noise_m=0)[1][::4, ::4]
    for number in np.unique(city.patches[city.truth == 16]):
        assert np.ptp(terrain[city.patches == number]) == 0
    assert np.ptp(terrain[city.truth != 16]) > 1


def test_an_aerial_photo_shows_what_sentinel_2_averages(city: City, ground: Ground) -> None:
    day = scene_date(city, "summer")
    photo = to_reflectance(render_aerial(city, WINDOW, day))
    assert photo.shape == (4, 320, 384)
    averages = photo.reshape(4, 40, 8, 48, 8).mean(axis=(2, 4))
    seen = find_reflectance(city, ground, day_spectra(city, day), day)[[2, 1, 0, 6]][:, *WINDOW.slices]
    inner = slice(8, -8), slice(8, -8)  # shadows from outside fall into the rim
    for band in range(4):
        one, other = averages[band][inner].ravel(), seen[band][inner].ravel()
        assert np.corrcoef(one, other)[0, 1] > 0.9, band
        assert np.median(np.abs(one - other)) < 0.02, band


def test_the_same_window_gives_the_same_photo(city: City) -> None:
    day = date(2021, 5, 2)
    first, again = (render_aerial(city, WINDOW, day) for _ in range(2))
    assert first.dtype == np.uint8
    assert (first == again).all()


def test_a_day_of_a_season_has_the_plants_of_that_season(city: City) -> None:
    for season in ("spring", "summer", "autumn", "winter"):
        day = scene_date(city, season)
        assert day_spectra(city, day) == pytest.approx(season_spectra(season, city.deciduous), abs=1e-6)
        assert find_season(city, day) == season


@pytest.mark.parametrize("window", [Window(rows=(0, 999), columns=(0, 9)), Window(rows=(5, 5), columns=(0, 9))])
def test_a_window_outside_of_the_city_is_refused(city: City, window: Window) -> None:
    with pytest.raises(BadInputError, match="do not lie in"):
        render_heights(city, window)


def test_detail_that_squares_cannot_have_is_refused(city: City) -> None:
    with pytest.raises(BadInputError, match="not / 3"):
        draw_squares(city, WINDOW, detail=3)
