"""Null worlds: each effect is there by default, is gone where it is switched off, and nothing else moves."""

import hashlib
import tempfile
from collections.abc import Callable
from datetime import date
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from fusion import modality as modalities
from fusion.world.ground import Ground, Window, draw_ground
from fusion.world.heights import render_heights
from fusion.world.history import draw_ground_on, render_dates
from fusion.world.hyperspectral import WAVELENGTHS, average_bands, render_hyperspectral
from fusion.world.lidar import render_points
from fusion.world.materials import INDEX
from fusion.world.nulls import NO_NULLS, Nulls
from fusion.world.optics import render_sentinel2
from fusion.world.photos import render_photos
from fusion.world.plan import plan_world
from fusion.world.posts import WORDS, WorldPost, write_posts
from fusion.world.radar import render_sentinel1
from fusion.world.render import render_city
from fusion.world.waves import render_polsar, render_slc
from fusion.world.world import City
from tests.fusion.world.chance import area_under_curve, chance_interval, hit_interval

pytestmark = pytest.mark.slow

WINDOW = Window(rows=(50, 62), columns=(50, 62))


@pytest.fixture(scope="module")
def city() -> City:
    return plan_world(3, cities=1, cells=5).cities[0]


@pytest.fixture(scope="module")
def ground(city: City) -> Ground:
    return draw_ground(city)


def test_seasons_tell_plants_from_roofs_and_null_seasons_tell_nothing(city: City, ground: Ground) -> None:
    def find_area(nulls: Nulls) -> float:
        summer, winter = (
            modalities.physical(modalities.find("sentinel2"), scene.numbers, scene.offset)[6]
            for scene in (render_sentinel2(city, ground, season, nulls) for season in ("summer", "winter"))
        )
        change = np.abs(summer - winter)
        return area_under_curve(change[np.isin(city.truth, (10, 11, 13))], change[city.truth < 10])

    assert find_area(NO_NULLS) > 0.6
    assert find_area(Nulls(seasons=True)) == pytest.approx(0.5, abs=1e-9)


def test_radar_tells_built_ground_and_null_radar_does_not(city: City, ground: Ground) -> None:
    built, open_land = city.truth < 10, city.truth >= 10

    def find_area(nulls: Nulls) -> float:
        intensity = np.abs(render_slc(city, ground, nulls)[0]) ** 2
        return area_under_curve(intensity[built], intensity[open_land])

    low, high = chance_interval(int(built.sum()), int(open_land.sum()))
    assert find_area(NO_NULLS) > high + 0.05
    assert low < find_area(Nulls(radar=True)) < high


def test_files_of_a_null_world_differ_in_what_is_null(tmp_path: Path) -> None:
    world = plan_world(5, cities=1, cells=4)
    plain, null = (
        render_city(world, world.cities[0], tmp_path / name, ("summer",), nulls=nulls)
        for name, nulls in (("plain", NO_NULLS), ("null", Nulls(radar=True)))
    )
    assert plain.sentinel1.read_bytes() != null.sentinel1.read_bytes()
    assert plain.truth.read_bytes() == null.truth.read_bytes()
    assert plain.sentinel2["summer"].read_bytes() == null.sentinel2["summer"].read_bytes()


def test_null_radar_is_as_bright_as_the_city(city: City, ground: Ground) -> None:
    told, blind = (render_sentinel1(city, ground, nulls).channels[5].mean() for nulls in (NO_NULLS, Nulls(radar=True)))
    assert blind == pytest.approx(told, rel=0.1)


def test_heights_tell_built_ground_and_null_heights_do_not(city: City) -> None:
    built, open_land = (np.repeat(np.repeat(mask, 4, 0), 4, 1) for mask in (city.truth < 10, city.truth >= 10))

    def find_area(nulls: Nulls) -> float:
        # Noise of a decimetre over hills of float32 comes in steps: a tie is a tie.
        above = render_heights(city, nulls=nulls)[2]
        return area_under_curve(above[built], above[open_land])

    low, high = chance_interval(int(built.sum()), int(open_land.sum()))
    assert find_area(NO_NULLS) > high + 0.05
    assert low < find_area(Nulls(heights=True)) < high


def test_null_point_clouds_are_bare_ground(city: City) -> None:
    told, blind = (
        render_points(city, Window(rows=(10, 60), columns=(10, 60)), nulls=nulls)
        for nulls in (NO_NULLS, Nulls(heights=True))
    )
    assert len(np.unique(told[:, 5])) > 1
    assert (blind[:, 5] == 2).all()
    assert (blind[:, 4] == 1).all()
    assert np.ptp(blind[:, 2]) < np.ptp(told[:, 2])


def test_posts_tell_the_function_and_null_posts_do_not(city: City, tmp_path: Path) -> None:
    def find_hits(nulls: Nulls) -> float:
        _, posts = write_posts(city, tmp_path, count=30, seed=5, nulls=nulls)
        return float(np.mean([_guess_function(post) == post.function for post in posts]))

    _low, high = hit_interval(1 / len(WORDS), 30)
    assert find_hits(NO_NULLS) == 1
    assert find_hits(Nulls(posts=True)) < high


@pytest.mark.slow
def test_photos_tell_the_class_and_null_photos_do_not(city: City, tmp_path: Path) -> None:
    # The nearest mean of what the drawn box measures: a poor classifier, but better than chance.
    def measure(seed: int, nulls: Nulls) -> tuple[np.ndarray, np.ndarray]:
        photos = render_photos(city, tmp_path, count=24, seed=seed, nulls=nulls)
        boxes = np.array([(x1 - x0, y1 - y0) for x0, y0, x1, y1 in (photo.box for photo in photos)])
        return boxes, np.array([photo.code for photo in photos])

    boxes, codes = measure(1, NO_NULLS)
    means = {code: boxes[codes == code].mean(axis=0) for code in codes}

    def find_hits(nulls: Nulls) -> float:
        seen, true = measure(2, nulls)
        guesses = [min(means, key=lambda code: float(np.hypot(*(means[code] - box)))) for box in seen]
        return float(np.mean(np.array(guesses) == true))

    _low, high = hit_interval(1 / 8, 24)
    assert find_hits(NO_NULLS) > high
    assert find_hits(Nulls(photos=True)) < high


def test_narrow_bands_tell_bitumen_beyond_ten_bands_and_null_spectra_do_not(city: City, ground: Ground) -> None:
    share = ground.cover[..., [INDEX[name] for name in ("asphalt_fresh", "asphalt_worn", "roof_tar")]].sum(axis=-1)
    much, none = share > 0.6, share == 0

    def find_area(nulls: Nulls) -> float:
        cube = render_hyperspectral(city, ground, nulls=nulls).numbers.astype(np.float32) / 10000
        # Ten bands of their own noise, as another sensor would give them; what they explain is taken out.
        plain = render_hyperspectral(city, ground, noise=False, nulls=nulls).numbers.astype(np.float32) / 10000
        ten = average_bands(plain).reshape(10, -1)
        known = np.vstack([ten, np.ones(ten.shape[1])]).T
        seen = cube[list(WAVELENGTHS).index(1730)].ravel()
        left = (known @ np.linalg.lstsq(known, seen, rcond=None)[0] - seen).reshape(share.shape)
        return area_under_curve(left[much], left[none])

    low, high = chance_interval(int(much.sum()), int(none.sum()))
    assert find_area(NO_NULLS) > high + 0.05
    assert low < find_area(Nulls(spectra=True)) < high


MOVES = {
    "seasons": {"sentinel2_winter", "dates", "hyperspectral"},
    "posts": {"posts"},
    "photos": {"photos"},
    "radar": {"sentinel1", "slc", "polsar"},
    "heights": {"heights", "lidar"},
    "change": {"dates"},
    "spectra": {"hyperspectral"},
}


@pytest.mark.parametrize("effect", MOVES)
def test_all_else_keeps_its_bytes(effect: str, tmp_path: Path) -> None:
    plain, null = _digest_plain(), _digest(Nulls(**{effect: True}), tmp_path)
    assert {name for name in plain if plain[name] != null[name]} == MOVES[effect]


@cache
def _small_city() -> tuple[City, Ground]:
    city = plan_world(5, cities=1, cells=4).cities[0]
    return city, draw_ground(city)


@cache
def _digest_plain() -> dict[str, str]:
    with tempfile.TemporaryDirectory() as folder:
        return _digest(NO_NULLS, Path(folder))


def _digest(nulls: Nulls, folder: Path) -> dict[str, str]:
    """A hash of every modality of a small city."""
    city, ground = _small_city()
    winter, past = date(city.first_year, 1, 20), date(city.first_year - 6, 2, 1)
    made: dict[str, Callable[[], bytes]] = {
        "sentinel2_summer": lambda: render_sentinel2(city, ground, "summer", nulls).numbers.tobytes(),
        "sentinel2_winter": lambda: render_sentinel2(city, ground, "winter", nulls).numbers.tobytes(),
        "sentinel1": lambda: render_sentinel1(city, ground, nulls).channels.tobytes(),
        "slc": lambda: render_slc(city, ground, nulls).tobytes(),
        "polsar": lambda: render_polsar(city, ground, nulls=nulls).covariance.tobytes(),
        "heights": lambda: render_heights(city, WINDOW, nulls=nulls).tobytes(),
        "lidar": lambda: render_points(city, WINDOW, nulls=nulls).tobytes(),
        "hyperspectral": lambda: render_hyperspectral(city, ground, winter, nulls=nulls).numbers.tobytes(),
        "dates": lambda: b"".join(scene.numbers.tobytes() for scene in render_dates(city, [past], nulls)),
        "ground_today": lambda: draw_ground_on(city, winter, nulls).cover.tobytes(),
        "posts": lambda: write_posts(city, folder, count=5, nulls=nulls)[0].read_bytes(),
        "photos": lambda: b"".join(
            photo.path.read_bytes() for photo in render_photos(city, folder, count=1, nulls=nulls)
        ),
    }
    return {name: hashlib.sha256(make()).hexdigest() for name, make in made.items()}


def _guess_function(post: WorldPost) -> str:
    """The function whose sentence a post begins with."""
    starts = {words.split("{plant}")[0].strip(): function for function, known in WORDS.items() for _, words in known}
    return next(function for start, function in starts.items() if post.text.startswith(start))
