"""On row C6: rasters that were cut short or have flipped bytes are refused by name, or their sum tells of it.

What becomes of a stored file that changes later: tests/geoquorum/catalog/test_rot.py.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fusion.errors import BadRasterError
from fusion.modality import Modality
from fusion.sources.geotiff import hash_file, inspect, write_cog

Writer = Callable[..., Path]
GRID = (10.0, 0.0, 600_000.0, 0.0, -10.0, 5_300_480.0)


@pytest.fixture(scope="module")
def good_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    array = np.random.default_rng(0).integers(0, 4000, (1, 300, 300)).astype("uint16")
    return write_cog(tmp_path_factory.mktemp("good") / "a.tif", array, epsg=32632, transform=GRID).read_bytes()


@pytest.mark.parametrize("cut", range(60))
def test_a_truncated_file_is_refused(tmp_path: Path, plain: Modality, good_file: bytes, cut: int) -> None:
    path = tmp_path / "cut.tif"
    path.write_bytes(good_file[: len(good_file) * cut // 60])
    with pytest.raises(BadRasterError, match=r"cut\.tif"):
        inspect([path], plain)


@pytest.mark.parametrize("packing", [{"tiled": True, "blockxsize": 64, "blockysize": 64}, {"interleave": "band"}])
@pytest.mark.parametrize("predictor", [1, 2])
def test_three_flipped_bytes_in_packed_pixels_are_refused(
    tmp_path: Path, plain: Modality, write_tiff: Writer, packing: dict[str, object], predictor: int
) -> None:
    draw = np.random.default_rng(predictor)
    pixels = np.cumsum(draw.integers(-9, 10, (2, 96, 96)), axis=2).astype("uint16")
    path = write_tiff(tmp_path / "flip.tif", pixels, compress="deflate", predictor=predictor, **packing)
    good = path.read_bytes()
    assert inspect([path], plain, bands=["value", "other"])
    for _ in range(50):  # of four kinds of files: 200
        content = bytearray(good)
        for place in draw.choice(np.arange(len(good) // 4, len(good) * 3 // 4), 3, replace=False):
            content[place] ^= int(draw.integers(1, 256))
        path.write_bytes(content)
        with pytest.raises(BadRasterError, match=r"flip\.tif"):
            inspect([path], plain, bands=["value", "other"])


def test_a_flipped_byte_in_a_cog_of_ours_is_refused(tmp_path: Path, plain: Modality, good_file: bytes) -> None:
    draw = np.random.default_rng(5)
    path = tmp_path / "flip.tif"
    for place in draw.integers(1000, len(good_file) - 1000, 40):
        content = bytearray(good_file)
        content[place] ^= 1
        path.write_bytes(content)
        with pytest.raises(BadRasterError, match=r"flip\.tif"):
            inspect([path], plain)


def test_one_flipped_byte_in_unpacked_pixels_changes_the_checksum(
    tmp_path: Path, plain: Modality, write_tiff: Writer
) -> None:
    path = write_tiff(tmp_path / "a.tif", np.ones((1, 64, 64), "uint16"))
    info = inspect([path], plain)[0]
    assert hash_file(path) == info.sha256
    content = bytearray(path.read_bytes())
    content[-50] ^= 1
    path.write_bytes(content)
    assert hash_file(path) != info.sha256
