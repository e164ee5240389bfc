"""Labels from rasters of classes: shares per cell, and cells about which the raster says too little."""

import numpy as np
import pytest

from fusion import grid
from fusion import scheme as schemes
from fusion.sources.geotiff import write_cog
from geoquorum.catalog import services
from tests import given

pytestmark = pytest.mark.django_db
WATER = schemes.find("water")


@pytest.fixture
def half_labelled(tmp_path):
    """Two neighbouring cells of 8 x 8 pixels and a raster: one of 3/4 water, one half unknown (-1), the rest dry."""
    first = grid.cell_at(-0.76, 38.1, 80)
    cells = [first, grid.neighbours(first)[5]]
    codes = np.zeros((8, 16), dtype=np.int16)
    codes[:6, :8] = 1
    codes[:4, 8:] = -1
    west, _south, _east, north = first.bounds
    path = write_cog(tmp_path / "label.tif", codes, epsg=first.epsg, transform=(10, 0, west, 0, -10, north))
    project = given.project()
    region = given.region(project)
    samples = [given.sample(project, region, key=cell.id, cell=cell.id, width_px=8) for cell in cells]
    return {"samples": samples, "path": path, "band": path.stem, "scheme": WATER, "values": {1: "water", 0: "dry"}}


def test_a_label_holds_the_share_of_each_class_among_known_pixels(half_labelled):
    mixed, half = services.attach_references(**half_labelled, source="hand label")
    assert (mixed.code, mixed.distribution) == ("water", [0.75, 0.25])
    assert (half.code, half.distribution) == ("dry", [0.0, 1.0])


@pytest.mark.parametrize(("least_known", "rows"), [(0.0, 2), (0.5, 2), (0.51, 1), (1.0, 1)])
def test_cells_with_too_little_label_get_no_reference(half_labelled, least_known, rows):
    found = services.attach_references(**half_labelled, source="hand label", least_known=least_known)
    assert [row.sample_id for row in found] == [sample.pk for sample in half_labelled["samples"][:rows]]
