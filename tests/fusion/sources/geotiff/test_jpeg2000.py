"""JPEG 2000, in which Sentinel-2 products come: read from curated folders to patches, and never opened as an upload."""

from pathlib import Path

import numpy as np
import pytest

from fusion import modality as modalities
from fusion.cutting.cutter import cut
from fusion.cutting.planning import plan
from fusion.cutting.scene import Scene
from fusion.errors import BadInputError, BadRasterError
from fusion.source import RasterFile
from fusion.sources import band_folders
from fusion.sources.geotiff import read_cell, read_window
from fusion.sources.geotiff.uploads import inspect_upload
from tests.fusion.sources.geotiff.products import CELL, write_jp2, write_product

SENTINEL2 = modalities.find("sentinel2")


@pytest.fixture
def product(tmp_path: Path) -> tuple[Path, np.ndarray]:
    return write_product(tmp_path)


def test_a_product_is_taken_with_its_finest_bands_and_its_offset(product: tuple[Path, np.ndarray]) -> None:
    folder, values = product
    infos = {info.used[0]: info for info in band_folders.inspect([folder], SENTINEL2)}
    assert {band: (info.pixel_size, info.epsg, info.driver) for band, info in infos.items()} == {
        "B2": (10, 32633, "JP2OpenJPEG"), "B3": (10, 32633, "JP2OpenJPEG"), "B5": (20, 32633, "JP2OpenJPEG"),
    }  # fmt: skip
    assert {info.offset for info in infos.values()} == {-1000.0}
    assert str(infos["B2"].captured_from) == "2022-07-06 08:56:11+00:00"
    assert (read_window(infos["B3"])[0][0] == values[1]).all()
    left = [note for note in infos["B2"].notes if note.startswith("Files left out")]
    assert "MSK_QUALIT_B02.jp2" in left[0]
    assert "TCI_10m.jp2" in left[0]


def test_patches_are_cut_of_it(product: tuple[Path, np.ndarray]) -> None:
    folder, values = product
    infos = [info for info in band_folders.inspect([folder], SENTINEL2) if info.pixel_size == 10]
    array, valid = read_cell(infos, ["B2", "B3"], CELL)
    assert (array == values[:2, :32, :32]).all()
    assert valid.all()
    files = tuple(RasterFile(path=info.path, bands=info.bands, nodata=info.nodata) for info in infos)
    [chunk] = plan([(Scene(name="a", files=files, bands=("B2", "B3")), [CELL])])
    [batch] = list(cut(chunk))
    assert (batch.values[0] == array).all()


def test_it_is_not_opened_as_an_upload(tmp_path: Path) -> None:
    path = write_jp2(tmp_path / "T33NZA_20220706T085611_B02_10m.jp2", np.full((64, 64), 2_000, np.uint16))
    with pytest.raises(BadInputError, match=r"_10m\.jp2: JPEG 2000 is not opened here\. Write it as GeoTIFF"):
        inspect_upload([path], SENTINEL2, offset=0)


def test_a_name_that_claims_another_format_is_refused(tmp_path: Path) -> None:
    path = write_jp2(tmp_path / "a.jp2", np.full((64, 64), 2_000, np.uint16)).rename(tmp_path / "a.tif")
    with pytest.raises(BadRasterError, match=r"a\.tif: not a TIFF"):
        read_window(path)
    (tmp_path / "b.jp2").write_bytes(b"<VRTDataset/>")
    with pytest.raises(BadRasterError, match=r"b\.jp2: not a TIFF"):
        read_window(tmp_path / "b.jp2")


def test_half_of_one_is_refused(product: tuple[Path, np.ndarray]) -> None:
    [path] = product[0].rglob("*B03_10m.jp2")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(BadRasterError, match="B03_10m"):
        band_folders.inspect([product[0]], SENTINEL2)
