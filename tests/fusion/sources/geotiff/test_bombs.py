"""On row C4: rasters that promise more than they hold are refused from their header, cheaply, and name the limit."""

import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from fusion.errors import BadRasterError
from fusion.modality import Modality
from fusion.source import Limits
from fusion.sources.geotiff import inspect

Writer = Callable[..., Path]
GRID = (10.0, 0.0, 600_000.0, 0.0, -10.0, 5_300_480.0)
CLEAR = Path("/proc/self/clear_refs")
pytestmark = pytest.mark.skipif(not CLEAR.exists(), reason="memory is measured as Linux tells it")


def write_sparse(path: Path, *, width: int, height: int, count: int = 1, block: int = 512, **options: object) -> Path:
    """A file whose header promises much and which holds next to nothing."""
    profile = {
        "driver": "GTiff", "width": width, "height": height, "count": count, "dtype": "uint8", "crs": "EPSG:32632",
        "transform": Affine(*GRID), "SPARSE_OK": True, "tiled": True, "blockxsize": block, "blockysize": block,
        "BIGTIFF": "YES",
    }  # fmt: skip
    with rasterio.open(path, "w", **{**profile, **options}):
        pass
    return path


@pytest.mark.parametrize(
    ("shape", "limit"),
    [({"width": 200_000, "height": 200_000}, "pixels along one side, the limit is 100,000"),
     ({"width": 90_000, "height": 90_000}, "pixels, the limit is 500,000,000"),
     ({"width": 4, "height": 4, "count": 60_000, "block": 16, "interleave": "band"}, "60,000 bands, the limit is 512"),
     ({"width": 32_768, "height": 15_000, "block": 32_768}, "bytes in one block"),
     ({"width": 20_000, "height": 20_000, "block": 2048}, "times its size on disk")],
    ids=["side", "pixels", "bands", "tile", "ratio of an empty file"],
)  # fmt: skip
def test_a_bomb_is_refused_within_a_second_and_200_mb(
    tmp_path: Path, plain: Modality, shape: dict[str, int], limit: str
) -> None:
    path = write_sparse(tmp_path / "a.tif", **shape)  # type: ignore[arg-type]
    refuse_cheaply(path, plain, limit)


def refuse_cheaply(path: Path, modality: Modality, limit: str) -> None:
    """In less than a CPU second and with less than 200 MB more than before, by a sentence that names the limit."""
    CLEAR.write_text("5")  # the highest resident memory counts from here
    before, began = read_high_kb(), time.process_time()
    with pytest.raises(BadRasterError, match=limit) as caught:
        inspect([path], modality)
    assert time.process_time() - began < 1.0
    assert read_high_kb() - before < 200 * 1024
    assert str(caught.value).startswith("a.tif: it has ")


def read_high_kb() -> int:
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0])


def test_memory_is_measured() -> None:
    """Without this the bounds above could hold because nothing is counted."""
    CLEAR.write_text("5")
    before = read_high_kb()
    np.ones(2**28, np.uint8)
    assert read_high_kb() - before > 200 * 1024


def test_a_file_packed_30_000_to_1_is_refused(tmp_path: Path, plain: Modality, write_tiff: Writer) -> None:
    """16,384 x 16,384 zeros, as zstd packs them."""
    path = tmp_path / "a.tif"
    profile = {"driver": "GTiff", "count": 1, "width": 16_384, "height": 16_384, "dtype": "uint8", "crs": "EPSG:32632"}
    blocks = {"compress": "zstd", "tiled": True, "blockxsize": 16_384, "blockysize": 1_024}
    with rasterio.open(path, "w", **profile, **blocks, transform=Affine(*GRID)) as dataset:
        dataset.write(np.zeros((1, 16_384, 16_384), np.uint8))
    assert 16_384**2 / path.stat().st_size > 25_000
    refuse_cheaply(path, plain, "times its size on disk")


def test_limits_can_be_set_by_the_caller(tmp_path: Path, plain: Modality, write_tiff: Writer) -> None:
    path = write_tiff(tmp_path / "a.tif", np.ones((1, 20, 20), "uint8"))
    assert inspect([path], plain)
    with pytest.raises(BadRasterError, match="400 pixels, the limit is 100"):
        inspect([path], plain, limits=Limits(pixels=100))
