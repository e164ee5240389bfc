"""Checks before a file is taken: what holds no data is counted and marked, and real odd files are judged by name."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from fusion.errors import BadRasterError
from fusion.modality import Band, Modality
from fusion.sources.geotiff import inspect

Writer = Callable[..., Path]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -9999.0])
def test_the_share_without_data_is_reported_and_marked(
    tmp_path: Path, plain: Modality, write_tiff: Writer, bad: float
) -> None:
    array = np.ones((1, 20, 20), "float32")
    array[0, :5] = bad
    few = inspect([write_tiff(tmp_path / "few.tif", array, nodata=-9999)], plain)[0]
    assert (few.invalid_share, few.is_mostly_invalid) == (0.25, False)
    array[0, :15] = bad
    many = inspect([write_tiff(tmp_path / "many.tif", array, nodata=-9999)], plain)[0]
    assert (many.invalid_share, many.is_mostly_invalid) == (0.75, True)
    assert "More than half of it holds no data" in many.describe()
    with pytest.raises(BadRasterError, match="not one pixel holds data"):
        inspect([write_tiff(tmp_path / "all.tif", np.full_like(array, bad), nodata=-9999)], plain)


ODD_FILES = {
    "RGBA.uint16.tif": None,
    "import-tiff-test1.tiff": None,
    "all-nodata.tif": "not one pixel holds data",
    "corrupt.tif": "cannot be read",
    "float_nan.tif": "no coordinate reference system",
    "float_raster_with_nodata.tif": "no EPSG code",
    "rgb-byte-tenth.tif": "no EPSG code",
    "rotated.tif": "no coordinate reference system",
    "test_esri_wkt.tif": "no EPSG code",
    "RGB.byte.rpc.vrt": "not a TIFF",
    "no_band.h5": "not a TIFF",
    "no-points.las": "not a TIFF",
}


@pytest.mark.parametrize("name", ODD_FILES)
def test_odd_files_are_taken_or_refused_by_name(shared: Path, plain: Modality, name: str) -> None:
    path, sentence = shared / "odd-files" / name, ODD_FILES[name]
    count = {"RGBA.uint16.tif": 4, "all-nodata.tif": 4, "corrupt.tif": 3, "rgb-byte-tenth.tif": 3}.get(name, 1)
    names = ["value", *(f"other{place}" for place in range(1, count))]
    if sentence is None:
        assert inspect([path], plain, bands=names)[0].used == ("value",)
    else:
        with pytest.raises(BadRasterError, match=sentence) as caught:
            inspect([path], plain, bands=names)
        assert str(caught.value).startswith(f"{name}: ")


def test_every_tiff_among_the_odd_files_is_judged(shared: Path) -> None:
    there = {path.name for path in (shared / "odd-files").iterdir() if path.suffix in (".tif", ".tiff", ".vrt")}
    assert there <= set(ODD_FILES)


def test_bands_that_are_empty_from_edge_to_edge_are_left_out_and_named(
    tmp_path: Path, write_tiff: Callable[..., Path]
) -> None:
    bands = tuple(Band(name=name, title=name) for name in ("a", "b", "c"))
    three = Modality(name="three", title="Three", kind="raster", dims=("band", "y", "x"), bands=bands, dtype="float32")
    values = np.ones((3, 16, 16), np.float32)
    values[1], values[2, :4] = np.nan, np.nan
    [info] = inspect([write_tiff(tmp_path / "a.tif", values)], three, bands=["a", "b", "c"])
    assert info.used == ("a", "c")
    assert "Bands without any data left out: b" in info.notes
    assert info.invalid_share == 0.25
    values[:] = np.nan
    with pytest.raises(BadRasterError, match="not one pixel holds data"):
        inspect([write_tiff(tmp_path / "b.tif", values)], three, bands=["a", "b", "c"])
