"""Folders of known data sets: which band, which moment, which offset, from their names alone."""

import json
from datetime import UTC, datetime

import numpy as np
import pytest

from fusion import modality as modalities
from fusion.errors import BadRasterError
from fusion.sources.band_folders import EUROSAT_BANDS, find_layout, inspect
from fusion.sources.geotiff import write_cog

SENTINEL2 = modalities.find("sentinel2")
GRID = (10.0, 0.0, 600_000.0, 0.0, -10.0, 5_300_000.0)


def band(path, value=1500):
    path.parent.mkdir(parents=True, exist_ok=True)
    write_cog(path, np.full((1, 16, 16), value, np.uint16), epsg=32632, transform=GRID)


def test_bigearthnet_made_anew_carries_no_offset_although_its_baseline_is_high(tmp_path):
    folder = tmp_path / "S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_75_43"
    for name in ("B02", "B03"):
        band(folder / f"{folder.name}_{name}.tif")
    infos = inspect([folder], SENTINEL2)
    assert [info.used for info in infos] == [("B2",), ("B3",)]
    assert {info.offset for info in infos} == {0.0}
    assert infos[0].captured_from == datetime(2017, 6, 13, 10, 10, 31, tzinfo=UTC)
    assert any("Offset 0 as BigEarthNet has it" in note for note in infos[0].notes)


def test_ssl4eo_takes_its_offset_from_the_metadata_beside(tmp_path):
    for baseline, offset in (("02.14", 0.0), ("05.10", -1000.0)):
        folder = tmp_path / baseline / "20200604T054639_20200604T054831_T43RCP"
        band(folder / "B2.tif")
        (folder / "metadata.json").write_text(json.dumps({"PROCESSING_BASELINE": baseline}))
        [info] = inspect([folder], SENTINEL2)
        assert info.offset == offset
        assert info.captured_from == datetime(2020, 6, 4, 5, 46, 39, tzinfo=UTC)


def test_eurosat_stacks_have_the_narrow_infrared_last(tmp_path):
    path = tmp_path / "Pasture" / "Pasture_300.tif"
    path.parent.mkdir()
    stack = np.arange(13, dtype=np.uint16)[:, None, None] * 100 + np.ones((13, 8, 8), np.uint16)
    write_cog(path, stack, epsg=32632, transform=GRID)
    [info] = inspect([path], SENTINEL2)
    assert info.bands == EUROSAT_BANDS
    assert info.used == SENTINEL2.band_names
    assert info.offset == 0.0


def test_a_product_folder_keeps_the_offset_of_its_baseline(tmp_path):
    folder = tmp_path / "S2A_MSIL2A_20220706T085611_N0400_R007_T33NZA_20220706T153419"
    band(folder / "B04.tif")
    assert inspect([folder], SENTINEL2)[0].offset == -1000.0
    assert find_layout(folder).name == "Sentinel-2 product or Major-TOM"


def test_an_unknown_name_and_broken_metadata_are_refused(tmp_path):
    band(tmp_path / "holiday" / "B2.tif")
    with pytest.raises(BadRasterError, match=r"holiday: its name is that of no known data set"):
        inspect([tmp_path / "holiday"], SENTINEL2)
    with pytest.raises(BadRasterError, match="no such folder"):
        inspect([tmp_path / "gone"], SENTINEL2)
    folder = tmp_path / "20200604T054639_20200604T054831_T43RCP"
    band(folder / "B2.tif")
    (folder / "metadata.json").write_text("[" * 100_000)
    with pytest.raises(BadRasterError, match=r"metadata\.json is no JSON object"):
        inspect([folder], SENTINEL2)
