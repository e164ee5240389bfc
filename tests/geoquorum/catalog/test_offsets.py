"""Whole numbers keep the offset that is their modality's own, and lose no value to it."""

import io

import numpy as np
import pytest
from PIL import Image

from fusion.modality import find
from fusion.sources.geotiff import write_cog
from geoquorum.catalog import pictures, pixels, services
from tests import given
from tests.geoquorum.catalog import shown

pytestmark = pytest.mark.django_db


def test_landsat_is_read_as_it_is_stored_dark_water_too(tmp_path, settings):
    """7,273 is a reflectance of 0; water and shadow may lie below, and were raised to it by a shifted offset."""
    settings.GEOQUORUM_CACHE = tmp_path / "cache"
    kind, region = find("landsat"), services.get_region(project=given.project(), name="Lake")
    numbers = np.array([1, 2, 5000, 7272, 7273, 20_000, 43_636])
    array = np.broadcast_to(numbers[:, None, None], (7, 32, 32)).astype(np.uint16)
    write_cog(
        tmp_path / "lake.tif", array, epsg=shown.EPSG, transform=(10, 0, shown.WEST, 0, -10, shown.NORTH), nodata=0,
        band_names=kind.band_names,
    )  # fmt: skip
    services.ingest(region=region, paths=[tmp_path / "lake.tif"], modality="landsat")
    cell = given.sample(region.project, region, cell="32N-320-1562-16562", width_px=32)
    read = pixels.read_samples([cell], "landsat")
    assert read.values[0, :, 0, 0].tolist() == numbers.tolist()
    assert read.offset == kind.offset
    physical = (read.values[0, :, 0, 0] + read.offset) * kind.scale
    assert physical == pytest.approx((numbers * 0.0000275) - 0.2, abs=1e-9)
    drawn = np.asarray(Image.open(io.BytesIO(pictures.picture(cell, "landsat", "swir"))))
    assert drawn.shape == (32, 32, 4)
