"""A map of a run that has learned from a series reads every date of it, in the order of the pack."""

from pathlib import Path

import numpy as np
import pytest

from fusion.errors import BadInputError
from fusion.mapping.layout import MapLayout
from fusion.mapping.reading import SceneReader
from fusion.sources import geotiff
from geoquorum.catalog.dates import EVERY
from geoquorum.catalog.models import Asset
from geoquorum.catalog.pixels import find_scene, raster_of, remove_offset
from geoquorum.training.mosaics import describe_mosaic
from tests import given
from tests.geoquorum.releases.test_series import add_winter

pytestmark = pytest.mark.django_db
BANDS = ("B4", "B8")


def test_windows_of_a_series_have_its_dates_in_order(tmp_path: Path) -> None:
    region = given.city(given.project())
    add_winter(region, tmp_path)
    mosaic = describe_mosaic(region, "sentinel2", EVERY, BANDS, ("winter", "summer"))
    layout = MapLayout(height=mosaic.raster.height, width=mosaic.raster.width, size=32, output="vector")
    with SceneReader({"s2": mosaic.words}, layout.height, layout.width) as reader:
        stored, _ = reader.read(layout.find_windows((4, 4, 2, 2)))
    assert stored["s2"].shape == (2, 2, 42, 42)
    for place, date in enumerate(("winter", "summer")):
        asset = find_scene(region, "sentinel2", date).assets.get()
        whole, valid = geotiff.read_window(raster_of(asset), BANDS)
        wanted = remove_offset(np.where(valid, whole, 0).astype(whole.dtype), asset)
        np.testing.assert_array_equal(stored["s2"][place], wanted[:, 29:71, 29:71])


def test_dates_on_different_rasters_are_refused(tmp_path: Path) -> None:
    region = given.city(given.project())
    scene = add_winter(region, tmp_path)
    asset = Asset.objects.get(scene=scene)
    Asset.objects.filter(scene=scene).update(
        transform=[*asset.transform[:2], asset.transform[2] + 5, *asset.transform[3:]]
    )
    with pytest.raises(BadInputError, match="lie on different rasters"):
        describe_mosaic(region, "sentinel2", EVERY, ("B4",), ("winter", "summer"))
