"""Points and heights from above: north is up, the highest point wins, light comes from the upper left."""

from pathlib import Path

import numpy as np
import pytest

from fusion import modality, painting, quicklook

LIDAR, HEIGHTS = modality.find("lidar"), modality.find("lidar_heights")
CLOUD = Path("../shared/data/lidar/autzen-thin.las")


def make_points(*rows: tuple[float, float, float, int]) -> np.ndarray:
    return np.array([(x, y, z, 100, 1, code) for x, y, z, code in rows], dtype=np.float32)


def draw(points: np.ndarray, view: str, size: tuple[int, int] = (4, 4)) -> np.ndarray:
    picture = quicklook.draw(LIDAR, points, view=view, size=size)
    assert picture is not None
    return picture


def test_north_is_up_and_the_highest_point_of_a_cell_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quicklook, "POINTS_PER_CELL", 1e-9)
    ground, roof, water = (painting.read_colour(one.colour) for one in LIDAR.classes if one.value in (2, 6, 9))
    points = make_points((0, 0, 5, 9), (10, 10, 9, 6), (10, 10, 1, 2), (10, 0, 2, 2))
    picture = draw(points, "classes")
    assert tuple(picture[0, 3, :3]) == roof
    assert tuple(picture[3, 0, :3]) == water
    assert tuple(picture[3, 3, :3]) == ground
    assert picture[0, 0, 3] == 0


def test_a_thin_cloud_shows_hardly_any_holes() -> None:
    rng = np.random.default_rng(0)
    points = make_points(*((x, y, x, 2) for x, y in rng.uniform(0, 100, (3000, 2))))
    picture = draw(points, "heights", (256, 256))
    assert (picture[..., 3] > 0).mean() > 0.9
    assert picture[:, -20:, :3].mean() > picture[:, :20, :3].mean(), "high ground is pale"


def test_no_points_are_no_picture_and_one_point_is_one() -> None:
    assert not draw(np.zeros((0, 6), dtype=np.float32), "heights").any()
    assert draw(make_points((5, 5, 5, 2)), "heights")[..., 3].any()


def test_light_comes_from_the_upper_left() -> None:
    row, column = np.mgrid[:40, :40].astype(np.float32)
    falls_to_north_west, falls_to_south_east = row + column, -(row + column)
    assert painting.shade_relief(falls_to_north_west).mean() > painting.shade_relief(falls_to_south_east).mean() + 0.3
    assert painting.shade_relief(np.zeros((4, 4), dtype=np.float32)).std() == 0


def test_missing_heights_are_transparent_and_leave_the_rest_alone() -> None:
    stored = np.random.default_rng(0).uniform(0, 30, (4, 9, 9)).astype(np.float32)
    stored[:, :3] = HEIGHTS.nodata
    picture = quicklook.draw(HEIGHTS, stored, view="surface")
    assert picture is not None
    assert not picture[:3].any()
    assert picture[3:, :, :3].std() > 10


def test_a_real_cloud_is_drawn() -> None:
    laspy = pytest.importorskip("laspy")
    if not CLOUD.is_file():
        pytest.skip("../shared/data/lidar is absent")
    cloud = laspy.read(CLOUD)
    columns = [cloud.x - cloud.header.mins[0], cloud.y - cloud.header.mins[1], cloud.z]
    columns += [cloud.intensity, cloud.return_number, cloud.classification]
    points = np.stack([np.asarray(column, dtype=np.float32) for column in columns], axis=1)
    picture = draw(points, "heights", (200, 200))
    assert (picture[..., 3] > 0).mean() > 0.5
    assert np.isfinite(modality.normalise(LIDAR, points)).all()
