"""Patches that are cut: the stored numbers, whatever the blocks; finite everywhere; the same in any company."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import rasterio
from pyproj import Transformer
from rasterio.env import get_gdal_config
from rasterio.transform import Affine
from rasterio.warp import Resampling, reproject

from fusion.cutting.cutter import Quality, cut
from fusion.cutting.planning import plan
from fusion.cutting.scene import CloudBand, Scene
from fusion.errors import BadRasterError
from fusion.source import RasterFile
from fusion.sources.geotiff import read_cells
from tests.fusion.cutting.scenes import NAMES, NORTH_WEST, cut_all, keep_copy, list_cells, make_noise, read_windows

MakeScene = Callable[..., Scene]


@pytest.mark.parametrize(
    ("east_px", "profile"),
    [
        (0, {}),
        (-11, {}),
        (-11, {"interleave": "band"}),
        (-5, {"tiled": False, "blockxsize": None, "blockysize": 7}),
        (9, {"blockxsize": 16, "blockysize": 16}),
    ],
)
@pytest.mark.parametrize("share", [1.0, 0.3, 0.02])
def test_patches_are_the_windows_of_the_file(make_scene: MakeScene, east_px: int, profile: dict, share: float) -> None:
    profile = {key: value for key, value in profile.items() if value is not None}
    if not profile.get("tiled", True):
        profile["blockxsize"] = 700
    scene = make_scene(make_noise(700), east_px=east_px, south_px=2 * east_px, **profile)
    cells = list_cells(25, column=-2, row=-2)
    cells = [
        cell for cell, draw in zip(cells, np.random.default_rng(1).random(len(cells)), strict=True) if draw < share
    ]
    values, valid, _ = cut_all(plan([(scene, cells)], chunk_bytes=200 * 6144), len(cells))
    expected = read_windows(scene.files[0].path, cells)
    np.testing.assert_array_equal(values, expected)
    np.testing.assert_array_equal(valid, (expected > 0).all(axis=1))


def test_cells_at_the_edge_and_outside_are_marked(make_scene: MakeScene) -> None:
    scene = make_scene(make_noise(80))
    cells = [*list_cells(3), replace(NORTH_WEST, column=NORTH_WEST.column - 30)]
    values, valid, quality = cut_all(plan([(scene, cells)]), 10)
    assert (values[9] == 0).all()
    assert not valid[9].any()
    assert quality[9] == Quality.MISSING | Quality.MOSTLY_MISSING | Quality.EMPTY
    assert quality[:2].tolist() == [0, 0]
    assert quality[2] == Quality.MISSING
    assert quality[8] == Quality.MISSING | Quality.MOSTLY_MISSING


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32", "float64", "complex64"])
def test_the_source_s_dtype_is_handed_on(make_scene: MakeScene, dtype: str) -> None:
    scene = make_scene(make_noise(96).astype(dtype), nodata=None)
    batch = next(cut(plan([(scene, list_cells(3))])[0]))
    assert batch.values.dtype == np.dtype(dtype)
    np.testing.assert_array_equal(batch.values, read_windows(scene.files[0].path, list_cells(3)))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -9999.0])
@pytest.mark.parametrize("east_px", [0, 0.3])
def test_nothing_downstream_sees_what_is_not_finite(make_scene: MakeScene, bad: float, east_px: float) -> None:
    array = make_noise(160, dtype="float32")
    array[1, 40:44, 50:90] = bad
    cells = list_cells(4)
    values, valid, quality = cut_all(plan([(make_scene(array, east_px=east_px, nodata=-9999), cells)]), 16)
    assert np.isfinite(values).all()
    assert not (values < 0).any()
    hurt = ~valid[:12].all(axis=(1, 2))
    assert hurt.tolist() == [place in (5, 6) for place in range(12)]
    assert (values.transpose(0, 2, 3, 1)[~valid] == 0).all()
    assert ((quality & Quality.MISSING > 0)[:12] == hurt).all()


def test_nodata_in_one_band_folder_file_masks_all_bands(make_scene: MakeScene) -> None:
    fine, coarse = make_noise(128, bands=2), make_noise(64, bands=1, seed=4)
    fine[0, 3, 5] = 0
    first = make_scene(fine, name="fine")
    second = make_scene(coarse, name="coarse", step_m=20, bands=("B5",))
    scene = Scene(name="both", files=(*first.files, *second.files), bands=("B3", "B5", "B2"))
    cells = list_cells(4)
    values, valid, quality = cut_all(plan([(scene, cells)], resampling="nearest"), 16)
    inside = read_windows(first.files[0].path, cells)
    np.testing.assert_array_equal(values[1:, 0], inside[1:, 1])
    np.testing.assert_array_equal(values[1:, 2], inside[1:, 0])
    np.testing.assert_array_equal(values[5, 1], np.kron(coarse[0], np.ones((2, 2)))[32:64, 32:64])
    assert np.argwhere(~valid).tolist() == [[0, 3, 5]]
    assert (values[0, :, 3, 5] == 0).all()
    assert quality[0] == Quality.MISSING


def test_two_crss_agree_with_a_reprojection_of_the_whole(make_scene: MakeScene) -> None:
    """A smooth field in zone 33, cut in zone 32, against one reprojection with exact positions."""
    cells = list_cells(12)
    west, north = cells[0].bounds[0], cells[0].bounds[3]
    x, y = Transformer.from_crs(32632, 32633, always_xy=True).transform(west + 1920, north - 1920)
    rows, columns = np.mgrid[:640, :640]
    array = np.stack([1000 + 3 * columns + 2 * rows, 5000 - 4 * columns + rows, 2000 + columns * rows / 300])
    corner = (round(x / 10) * 10 - 3200, round(y / 10) * 10 + 3200)
    scene = make_scene(array.astype("uint16"), epsg=32633, corner=corner)
    values, valid, quality = cut_all(plan([(scene, cells)], chunk_bytes=30 * 6144), 144)
    assert valid.all()
    assert (quality == Quality.RESAMPLED).all()
    whole = np.zeros((3, 384, 384), "float32")
    reproject(
        array.astype("uint16").astype("float32"), whole, src_transform=Affine(10, 0, corner[0], 0, -10, corner[1]),
        src_crs="EPSG:32633", dst_transform=Affine(10, 0, west, 0, -10, north), dst_crs="EPSG:32632",
        resampling=Resampling.bilinear, tolerance=0,
    )  # fmt: skip
    mosaic = values.reshape(12, 12, 3, 32, 32).transpose(2, 0, 3, 1, 4).reshape(3, 384, 384)
    # an eighth of a pixel along the steepest slope (5 a pixel), and rounding
    assert np.abs(mosaic - whole).max() <= 5 / 8 + 0.51


def test_resampled_patches_do_not_depend_on_chunks_or_company(make_scene: MakeScene) -> None:
    array = make_noise(700)
    array[:, 300:320, 200:500] = 0
    scene, cells = make_scene(array, east_px=0.37, south_px=0.21), list_cells(20)
    values, valid, _ = cut_all(plan([(scene, cells)]), 400)
    again, mask, _ = cut_all(plan([(scene, cells)], chunk_bytes=1), 400)
    np.testing.assert_array_equal(values, again)
    np.testing.assert_array_equal(valid, mask)
    for place in (0, 150, 399):
        alone, seen = read_cells(scene.files[0], NAMES, [cells[place]])
        np.testing.assert_array_equal(alone[0], values[place])
        np.testing.assert_array_equal(seen[0], valid[place])


def test_clouds_are_counted_among_known_pixels(make_scene: MakeScene) -> None:
    classes = np.full((1, 48, 48), 4, "uint8")
    classes[0, :16, 16:32] = 9
    classes[0, 16:24, :16] = 8
    classes[0, 24:32, :16] = 0
    classes[0, 32:] = 0
    clouds = make_scene(classes, name="scl", step_m=20, bands=("SCL",))
    scene = replace(make_scene(make_noise(96)), cloud=CloudBand(file=clouds.files[0], band="SCL"))
    batches = list(cut(plan([(scene, list_cells(3))])[0]))
    assert len(batches) == 1
    assert batches[0].cloud is not None
    np.testing.assert_allclose(batches[0].cloud, [0, 1, 0, 1, 0, 0, 1, 1, 1])
    marks = batches[0].quality & (Quality.CLOUDY | Quality.CLOUD_UNKNOWN)
    cloudy, unknown = int(Quality.CLOUDY), int(Quality.CLOUDY | Quality.CLOUD_UNKNOWN)
    assert marks.tolist() == [0, cloudy, 0, cloudy, 0, 0, unknown, unknown, unknown]


def test_batches_that_are_kept_stay_as_they_were_and_others_are_filled_again(make_scene: MakeScene) -> None:
    chunk = plan([(make_scene(make_noise(1024)), list_cells(32))])[0]
    kept, seen = [], []
    for batch in cut(chunk, batch_bytes=100_000):
        kept.append(batch)
        seen += keep_copy([batch])
    assert len(kept) == 4
    for batch, copy in zip(kept, seen, strict=True):
        np.testing.assert_array_equal(batch.values, copy)
    del batch, kept
    places = set()
    for batch in cut(chunk, batch_bytes=100_000):
        places.add(batch.values.__array_interface__["data"][0])
    assert len(places) == 2


def test_no_setting_of_the_library_stays_changed_between_batches(make_scene: MakeScene) -> None:
    before = get_gdal_config("GDAL_CACHEMAX"), get_gdal_config("GDAL_PAM_ENABLED")
    work = cut(plan([(make_scene(make_noise(1024)), list_cells(32))])[0], batch_bytes=1)
    next(work)
    assert (get_gdal_config("GDAL_CACHEMAX"), get_gdal_config("GDAL_PAM_ENABLED")) == before
    work.close()


def test_a_file_that_is_cut_short_is_named(make_scene: MakeScene) -> None:
    scene = make_scene(make_noise(512))
    path = scene.files[0].path
    chunks = plan([(scene, list_cells(16))])
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadRasterError, match=r"a.tif: cannot be read"):
        list(cut(chunks[0]))


CHILD = """
import json, sys
from fusion.cutting.cutter import cut
from fusion.cutting.scene import Chunk

def peak():
    return int(open("/proc/self/status").read().split("VmHWM:")[1].split()[0]) * 1024

chunk, first = (Chunk.from_json(json.load(open(path))) for path in sys.argv[1:])
next(cut(first))
before = peak()
print(sum(len(batch) for batch in cut(chunk)), peak() - before)
"""


@pytest.mark.parametrize("east_px", [0, *(pytest.param(value, marks=pytest.mark.slow) for value in (7, 0.5))])
def test_memory_stays_below_what_the_chunk_states(make_scene: MakeScene, tmp_path: Path, east_px: float) -> None:
    """100 MB of patches cut by a child process whose memory is measured."""
    bands = tuple(f"B{number}" for number in range(1, 13))
    array = np.tile(make_noise(512, bands=12), (1, 4, 4))
    scene = make_scene(array, east_px=east_px, bands=bands, blockxsize=512, blockysize=512, compress=None)
    small = make_scene(array[:, :64, :64], name="small", east_px=east_px, bands=bands)
    chunk, first = (plan([(one, list_cells(side))])[0] for one, side in ((scene, 64), (small, 1)))
    for name, one in (("chunk", chunk), ("first", first)):
        (tmp_path / name).write_text(json.dumps(one.to_json()))
    command = [sys.executable, "-c", CHILD, str(tmp_path / "chunk"), str(tmp_path / "first")]
    said = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    assert int(said[0]) == 64 * 64
    assert 0 < int(said[1]) < chunk.memory_bytes
    if east_px == 0:
        assert chunk.memory_bytes < 64 * 64 * 12 * 2048


def test_a_file_with_its_own_mask_is_heeded(make_scene: MakeScene, tmp_path: Path) -> None:
    path = tmp_path / "masked.tif"
    with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(
        path, "w", driver="GTiff", count=1, height=64, width=64, dtype="uint8", crs="EPSG:32632",
        transform=Affine(10, 0, NORTH_WEST.bounds[0], 0, -10, NORTH_WEST.bounds[3]),
    ) as dataset:  # fmt: skip
        dataset.write(np.full((1, 64, 64), 7, "uint8"))
        mask = np.full((64, 64), 255, "uint8")
        mask[10:20, 40:50] = 0
        dataset.write_mask(mask)
    scene = Scene(name="m", files=(RasterFile(path=path, bands=("B2",)),), bands=("B2",))
    values, valid, _ = cut_all(plan([(scene, list_cells(2))]), 4)
    np.testing.assert_array_equal(valid[1], mask[:32, 32:] > 0)
    np.testing.assert_array_equal(values[1, 0], np.where(valid[1], 7, 0))
