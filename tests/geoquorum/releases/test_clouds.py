"""The share of cloud over each patch, from the mask of the day that a version shows."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from django.urls import reverse
from rasterio.transform import from_origin

from fusion.pack import Pack
from geoquorum.campaigns.models import ConsensusRun
from geoquorum.catalog import services as catalog
from geoquorum.catalog.models import Region, Sample
from geoquorum.releases import services
from geoquorum.releases.models import BuildState, DatasetVersion
from tests import given

pytestmark = pytest.mark.django_db
SIDE = 16  # pixels of 20 m across a patch
CLEAR, CLOUD, SHADOW = 4, 9, 3


@pytest.fixture
def run(shared_run: ConsensusRun, settings: Any, tmp_path: Path) -> ConsensusRun:
    settings.GEOQUORUM_DATA = tmp_path / "data"
    return ConsensusRun.objects.select_related("campaign__project", "round").get(pk=shared_run.pk)


def write_mask(region: Region, path: Path, codes: np.ndarray) -> Path:
    """Pixels of 20 m over the 4 x 4 patches of a city."""
    patches = Sample.objects.filter(region=region)
    west, north = (min(one.transform[2] for one in patches), max(one.transform[5] for one in patches))
    shape = {"height": codes.shape[0], "width": codes.shape[1]}
    transform = from_origin(west, north, 20, 20)
    with rasterio.open(
        path, "w", driver="GTiff", count=1, dtype="uint8", crs=f"EPSG:{region.epsg}", transform=transform, **shape
    ) as file:
        file.write(codes.astype(np.uint8), 1)
        file.descriptions = ("SCL",)
    return path


def take_mask(region: Region, path: Path, codes: np.ndarray, *, days_late: int = 0) -> None:
    day = region.scenes.get(modality="sentinel2").captured_from + timedelta(days=days_late)
    path = write_mask(region, path, codes)
    catalog.ingest(region=region, paths=[path], modality="sentinel2_scl", captured=day)


def build(run: ConsensusRun) -> DatasetVersion:
    design = {"kind": "block", "block_m": 320.0, "buffer_m": 0.0}
    version = services.start_release(run=run, name="zones", modalities=given.MODALITIES, design=design, by=None)
    given.work(version.job, services.build)
    version.refresh_from_db()
    assert version.state == BuildState.READY, version.reason
    return version


def test_a_patch_knows_its_share_of_cloud(run: ConsensusRun, tmp_path: Path, client: Any) -> None:
    region = Region.objects.get(pk=run.rows.earliest("pk").sample.region_id)
    codes = np.full((4 * SIDE, 4 * SIDE), CLEAR)
    codes[:SIDE, :SIDE] = CLOUD  # the first patch from the west in the north
    codes[:SIDE, SIDE : SIDE + 4] = SHADOW  # a quarter of the second
    codes[:SIDE, 2 * SIDE : 3 * SIDE] = 0  # of the third nothing is known
    codes[: SIDE // 2, 3 * SIDE :] = 0  # of the fourth a half, and of the rest a half is cloud
    codes[SIDE // 2 : SIDE, 3 * SIDE : 3 * SIDE + SIDE // 2] = CLOUD
    take_mask(region, tmp_path / "mask.tif", codes)
    version = build(run)
    table = Pack.open(Path(version.uri), verify=True).samples
    place = {one.key: (one.transform[2], -one.transform[5]) for one in Sample.objects.filter(region=region)}
    rows = sorted(table.select(["id", "cloud", "flags"]).to_pylist(), key=lambda row: place[row["id"]][::-1])
    northern = rows[:4]
    assert [row["cloud"] for row in northern] == pytest.approx([1.0, 0.25, None, 0.5])
    assert all(row["cloud"] == 0 for row in rows[4:])
    assert ["cloudy" in row["flags"] for row in rows] == [True] + [False] * (len(rows) - 1)
    assert version.summary["cloudy"] == 1
    client.force_login(given.member(run.campaign.project, "curator"))
    page = client.get(reverse("releases:detail", args=[version.pk])).content.decode()
    assert "1 of 16 samples, more than half under cloud" in page


@pytest.mark.parametrize("has_mask", [False, True])
def test_without_a_mask_of_the_day_nothing_is_claimed(run: ConsensusRun, tmp_path: Path, has_mask: bool) -> None:
    if has_mask:
        region = Region.objects.get(pk=run.rows.earliest("pk").sample.region_id)
        take_mask(region, tmp_path / "mask.tif", np.full((4 * SIDE, 4 * SIDE), CLOUD), days_late=1)
    version = build(run)
    assert "cloud" not in Pack.open(Path(version.uri)).samples.column_names
    assert "cloudy" not in version.summary
