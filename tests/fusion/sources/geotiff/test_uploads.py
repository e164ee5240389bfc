"""On row C3: uploads are looked at in processes of their own, with five drivers and no network, or not at all."""

import contextlib
import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio

from fusion import modality as modalities
from fusion.bounded import Bounds, run_bounded
from fusion.errors import BadInputError, BadRasterError
from fusion.source import Limits
from fusion.sources.geotiff import inspect, upload_child, write_cog
from fusion.sources.geotiff.uploads import inspect_upload, run_pinned
from tests.listening import listen

GRID = (10.0, 0.0, 600_000.0, 0.0, -10.0, 5_300_480.0)
SENTINEL2 = modalities.find("sentinel2")
ROOT = Path(__file__).resolve().parents[4]
HERE = "tests.fusion.sources.geotiff.test_uploads"
CHILDREN = ("fusion.sources.geotiff.upload_child:inspect_all", "fusion.recognising:answer")


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


@pytest.mark.parametrize("function", CHILDREN)
def test_every_child_that_opens_uploads_refuses_to_begin_otherwise(stack: Path, function: str) -> None:
    words = {"path": str(stack), "source": "geotiff"}
    if "inspect" in function:
        words = {"paths": [str(stack)], "modality": "sentinel2", "bands": None, "offset": None, "captured": None}
        words["limits"] = asdict(Limits())
    with pytest.raises(BadInputError, match="GDAL keeps the drivers"):
        run_bounded(function, about="", surroundings={"GDAL_SKIP": "nothing"}, **words)


def test_no_other_child_opens_rasters() -> None:
    """Whoever adds one to this list asks `check_process` first, and stands in CHILDREN."""
    called = set()
    for path in (ROOT / "fusion").rglob("*.py"):
        called |= set(re.findall(r'"(fusion\.[\w.]+:\w+)"', path.read_text()))
    without = {one for one in called - set(CHILDREN) if "geotiff" in one or "recognising" in one}
    assert without == set()
    assert set(CHILDREN) <= called


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("LEAST_GDAL", "99.0", "is older than 99.0"),
        ("LEAST_RASTERIO", (99, 0), "rasterio .* is older"),
        (
            "find_drivers",
            lambda: upload_child.DRIVERS,
            "setting CPL_VSIL_CURL_ALLOWED_EXTENSIONS is not",
        ),
    ],
)
def test_another_version_or_setting_opens_nothing(
    monkeypatch: pytest.MonkeyPatch, name: str, value: Any, words: str
) -> None:
    monkeypatch.setattr(upload_child, name, value)
    with pytest.raises(BadInputError, match=words):
        upload_child.check_process()


def reach(url: str) -> bytes:
    """What a child can open of an address, by a driver that it has."""
    with contextlib.suppress(rasterio.errors.RasterioError), rasterio.open(f"/vsicurl/{url}", driver="GTiff"):
        pass
    return b"tried"


def test_a_child_reaches_no_network() -> None:
    with listen() as listener:
        url = f"http://127.0.0.1:{listener.port}/x.tif"
        assert run_pinned(f"{HERE}:reach", about="", bounds=Bounds(), url=url) == b"tried"
        assert listener.heard == []
        reach(url)
        assert listener.heard, "where nothing stops it, it calls"


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
