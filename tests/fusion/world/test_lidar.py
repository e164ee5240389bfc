"""The point cloud lies on the heights and names what the ground is made of."""

import numpy as np
import pytest

from fusion import modality as modalities
from fusion.world.ground import Window, draw_squares
from fusion.world.heights import render_heights
from fusion.world.lidar import BUILDING, GROUND, HIGH_PLANTS, WATER, render_points
from fusion.world.plan import plan_world
from fusion.world.world import City

WINDOW = Window(rows=(40, 80), columns=(40, 72))


@pytest.fixture(scope="module")
def city() -> City:
    return plan_world(3, cities=1, cells=4).cities[0]


@pytest.fixture(scope="module")
def points(city: City) -> np.ndarray:
    return render_points(city, WINDOW)


def squares_under(points: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    return np.minimum((rows - points[:, 1] / 1.25).astype(int), rows - 1), (points[:, 0] / 1.25).astype(int)


def test_points_have_the_bands_of_the_modality_and_lie_in_the_window(points: np.ndarray) -> None:
    lidar = modalities.find("lidar")
    assert points.shape[1] == len(lidar.bands)
    assert points.dtype == lidar.dtype
    assert points[:, :2].min() >= 0
    assert points[:, 0].max() <= 320
    assert points[:, 1].max() <= 400
    assert set(np.unique(points[:, 5]).tolist()) <= {one.value for one in lidar.classes}


def test_pulses_are_as_dense_as_asked(city: City, points: np.ndarray) -> None:
    first = points[points[:, 4] == 1]
    water = (city.truth[WINDOW.slices] == 16).mean()
    assert len(first) / (320 * 400) == pytest.approx(4.0 * (1 - 0.95 * water), rel=0.02)


def test_first_returns_lie_on_the_surface_and_second_on_the_terrain(city: City, points: np.ndarray) -> None:
    surface, terrain, _, _ = render_heights(city, WINDOW, detail=2, noise_m=0)
    place = squares_under(points, len(surface))
    first = points[:, 4] == 1
    assert first.all() or (points[~first, 5] == GROUND).all()
    error = points[:, 2] - np.where(first, surface[place], terrain[place])
    # A point on the very border of two squares may fall into either in float32.
    assert (np.abs(error) < 0.2).mean() > 0.999


def test_classes_are_what_stands_there(city: City, points: np.ndarray) -> None:
    squares = draw_squares(city, WINDOW, detail=2)
    place = squares_under(points, len(squares.material))
    is_building = points[:, 5] == BUILDING
    assert is_building.any()
    assert (squares.lot[place][is_building] > 0).mean() > 0.999
    assert (squares.height[place][points[:, 5] == HIGH_PLANTS] >= 2).mean() > 0.999
    truth = city.truth[WINDOW.slices].repeat(8, axis=0).repeat(8, axis=1)
    assert (truth[place][points[:, 5] == WATER] == 16).all()


def test_the_same_seed_gives_the_same_points_and_another_gives_others(city: City, points: np.ndarray) -> None:
    assert (render_points(city, WINDOW) == points).all()
    other = render_points(city, WINDOW, seed=1)
    assert other.shape != points.shape or (other != points).any()
