"""A map of a run that has learned from a series reads every date of it, in the order of the pack."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from fusion.errors import BadInputError
from geoquorum.catalog.dates import EVERY
from geoquorum.catalog.models import Asset
from geoquorum.catalog.pixels import find_scene
from geoquorum.training.mapping import _lay_out
from geoquorum.training.mosaics import cut_windows, read_dates, read_mosaic
from tests import given
from tests.geoquorum.releases.test_series import add_winter

pytestmark = pytest.mark.django_db


def test_windows_of_a_series_have_its_axis_of_time(tmp_path: Path) -> None:
    region = given.city(given.project())
    add_winter(region, tmp_path)
    bands = ("B4", "B8")
    array = SimpleNamespace(times=("winter", "summer"), bands=bands)
    mosaic = read_dates(region, "sentinel2", EVERY, array)
    winter, summer = (read_mosaic(find_scene(region, "sentinel2", date), bands) for date in array.times)
    assert np.array_equal(mosaic.values, np.concatenate([winter.values, summer.values]))
    windows = _lay_out(cut_windows(mosaic.values, 32), (2, 2, 32, 32))
    one_date = cut_windows(summer.values, 32)
    assert windows.shape == (one_date.shape[0] * one_date.shape[1], 2, 2, 32, 32)
    assert np.array_equal(windows[7, 1], one_date.reshape(-1, 2, 32, 32)[7])
    assert mosaic.valid.shape == winter.valid.shape


def test_dates_on_different_rasters_are_refused(tmp_path: Path) -> None:
    region = given.city(given.project())
    scene = add_winter(region, tmp_path)
    asset = Asset.objects.get(scene=scene)
    Asset.objects.filter(scene=scene).update(
        transform=[*asset.transform[:2], asset.transform[2] + 5, *asset.transform[3:]]
    )
    array = SimpleNamespace(times=("winter", "summer"), bands=("B4",))
    with pytest.raises(BadInputError, match="lie on different rasters"):
        read_dates(region, "sentinel2", EVERY, array)
