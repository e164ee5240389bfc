"""Uploads are looked at in a process of their own, with five drivers, and nothing of theirs is seen or written."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from fusion import modality as modalities
from fusion.bounded import run_bounded
from fusion.errors import BadInputError, BadRasterError
from fusion.source import Limits
from fusion.sources.geotiff import inspect, upload_child, write_cog
from fusion.sources.geotiff.uploads import inspect_upload

GRID = (10.0, 0.0, 600_000.0, 0.0, -10.0, 5_300_480.0)
SENTINEL2 = modalities.find("sentinel2")


@pytest.fixture
def stack(tmp_path: Path) -> Path:
    values = np.random.default_rng(1).integers(1, 4_000, (10, 64, 64), dtype=np.uint16)
    return write_cog(
        tmp_path / "city_sentinel2_summer_20220706.tif", values, epsg=32632, transform=GRID,
        band_names=SENTINEL2.band_names, offset=-1000.0, scale=1e-4,
    )  # fmt: skip


def test_an_upload_is_described_as_a_curated_file_is(stack: Path) -> None:
    assert inspect_upload([stack], SENTINEL2) == inspect([stack], SENTINEL2)


def test_the_process_knows_five_drivers_and_no_network() -> None:
    found = set(json.loads(run_bounded("fusion.sources.geotiff.upload_child:list_drivers", about="")))
    assert {"GTiff", "COG", "MEM"} <= found
    assert found <= upload_child.DRIVERS | upload_child.HARMLESS
    assert {"VRT", "HTTP", "WMS", "MRF", "GTI", "STACIT"} & upload_child.find_drivers(), "here they are all known"


def test_a_process_that_keeps_other_drivers_opens_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GDAL_SKIP", "nothing")
    with pytest.raises(BadInputError, match=r"GDAL keeps the drivers .*VRT.*: uploads are not opened"):
        upload_child.check_process()


def test_a_disguised_upload_is_refused_by_its_name_and_leaves_nothing(tmp_path: Path, stack: Path) -> None:
    folder = tmp_path / "upload"
    folder.mkdir()
    band = f"<VRTRasterBand dataType='UInt16' band='1'><SimpleSource><SourceFilename>{stack}</SourceFilename>"
    (folder / "a.tif").write_text(
        f"<VRTDataset rasterXSize='64' rasterYSize='64'>{band}</SimpleSource></VRTRasterBand></VRTDataset>"
    )
    with pytest.raises(BadRasterError, match=r"a\.tif: not a TIFF"):
        inspect_upload([folder / "a.tif"], SENTINEL2)
    assert [one.name for one in folder.iterdir()] == ["a.tif"]


def test_limits_hold_in_the_child(stack: Path) -> None:
    with pytest.raises(BadRasterError, match="pixels along one side, the limit is 32"):
        inspect_upload([stack], SENTINEL2, limits=replace(Limits(), side=32))
