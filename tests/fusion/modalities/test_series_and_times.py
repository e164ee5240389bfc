"""Time axes: a season or date is chosen for a picture, Landsat becomes reflectance, a series is drawn as a line."""

import numpy as np
import pytest

from fusion import modality, painting, quicklook
from fusion.errors import BadInputError

STATION = modality.find("weather_station")


def test_a_date_of_a_series_of_rasters_is_chosen() -> None:
    kind = modality.find("landsat")
    stored = np.zeros((3, 7, 4, 4), dtype=np.uint16)
    stored[0], stored[1], stored[2] = 8000, 14_000, 20_000
    levels = []
    for date in range(3):
        picture = quicklook.draw(kind, stored, at={"time": date})
        assert picture is not None
        levels.append(int(picture[0, 0, 0]))
    assert levels == sorted(levels)
    assert levels[0] < levels[1]


def test_seasons_may_come_before_the_axes_of_a_modality_without_a_time_axis() -> None:
    kind = modality.find("sentinel2")
    stored = np.full((4, 10, 3, 3), 500, dtype=np.uint16)
    stored[3] = 2500
    spring, winter = (quicklook.draw(kind, stored, at={"time": season}) for season in (0, 3))
    assert spring is not None
    assert winter is not None
    assert winter[0, 0, 0] > spring[0, 0, 0]
    with pytest.raises(BadInputError, match="an array of 2 axes is not it"):
        quicklook.draw(kind, stored[0, 0])


def test_landsat_numbers_become_the_reflectance_of_the_product_guide() -> None:
    kind = modality.find("landsat")
    assert modality.physical(kind, np.array([18_639], dtype=np.uint16))[0] == pytest.approx(0.313, abs=5e-4)


def test_a_series_is_a_line_with_gaps() -> None:
    stored = np.full((50, 7), STATION.nodata, dtype=np.float32)
    stored[:25, 1] = np.linspace(-10, 30, 25)
    picture = quicklook.draw(STATION, stored, size=(60, 100))
    assert picture is not None
    ink = (picture[..., :3] == painting.INK).all(axis=2)
    rows = [np.flatnonzero(ink[:, column]).mean() for column in (2, 20, 40)]
    assert rows == sorted(rows, reverse=True), "warmer is higher"
    assert not ink[:, 60:].any()


def test_a_series_of_one_moment_or_none_is_paper() -> None:
    for count in (0, 1):
        picture = quicklook.draw(STATION, np.full((count, 7), 5, dtype=np.float32))
        assert picture is not None
        assert (picture[..., 3] == 255).all()
