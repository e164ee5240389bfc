"""Writing: whole, valid, said twice, and never through an old side-car."""

from pathlib import Path

import numpy as np
import pytest
import rasterio
from rio_cogeo.cogeo import cog_validate

from fusion.errors import BadInputError
from fusion.sources.geotiff import read_tags, read_window, write_cog

GRID = (10.0, 0.0, 600_000.0, 0.0, -10.0, 5_300_480.0)


def make_array(size: int = 600, bands: int = 3, dtype: str = "uint16") -> np.ndarray:
    return np.random.default_rng(1).integers(1, 9000, (bands, size, size)).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint8", "int16", "uint16", "float32", "float64", "complex64"])
def test_what_is_written_comes_back_and_is_a_valid_cog(tmp_path: Path, dtype: str) -> None:
    array = make_array(dtype=dtype)
    path = write_cog(tmp_path / "a.tif", array, epsg=32632, transform=GRID, band_names=["B2", "B3", "B4"])
    assert cog_validate(path, strict=True) == (True, [], [])
    found, valid = read_window(path)
    np.testing.assert_array_equal(found, array)
    assert valid.all()
    with rasterio.open(path) as dataset:
        assert (dataset.crs.to_epsg(), tuple(dataset.transform)[:6], dataset.descriptions) == (
            32632,
            GRID,
            ("B2", "B3", "B4"),
        )


def test_offset_and_scale_are_written_for_us_and_for_other_readers(tmp_path: Path) -> None:
    path = write_cog(
        tmp_path / "a.tif", make_array(16), epsg=32632, transform=GRID, nodata=0, offset=-1000, scale=1e-4,
        tags={"SIMULATED": "yes"},
    )  # fmt: skip
    assert read_tags(path)["OFFSET"] == "-1000"
    assert read_tags(path)["SIMULATED"] == "yes"
    with rasterio.open(path) as dataset:
        assert dataset.scales == pytest.approx((1e-4,) * 3)
        assert dataset.offsets == pytest.approx((-0.1,) * 3)
        assert dataset.nodata == 0


def test_the_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    paths = [
        write_cog(tmp_path / name, make_array(), epsg=32632, transform=GRID, nodata=0) for name in ("a.tif", "b.tif")
    ]
    assert paths[0].read_bytes() == paths[1].read_bytes()


def test_nothing_else_is_left_in_the_folder(tmp_path: Path) -> None:
    write_cog(tmp_path / "a.tif", make_array(), epsg=32632, transform=GRID)
    assert [path.name for path in tmp_path.iterdir()] == ["a.tif"]


def test_a_failed_write_leaves_the_old_file_and_no_part_of_the_new(tmp_path: Path) -> None:
    path = write_cog(tmp_path / "a.tif", make_array(16), epsg=32632, transform=GRID)
    before = path.read_bytes()
    with pytest.raises(rasterio.errors.CRSError):
        write_cog(path, make_array(16), epsg=1, transform=GRID)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_overwriting_spares_the_file_that_a_side_car_points_to(tmp_path: Path) -> None:
    canary = write_cog(tmp_path / "canary.tif", make_array(64), epsg=32632, transform=GRID)
    before = canary.read_bytes()
    path = write_cog(tmp_path / "a.tif", make_array(64), epsg=32632, transform=GRID)
    path.with_suffix(".tif.ovr").write_text(
        f'<VRTDataset rasterXSize="32" rasterYSize="32"><VRTRasterBand dataType="UInt16" band="1"><SimpleSource>'
        f"<SourceFilename>{canary}</SourceFilename></SimpleSource></VRTRasterBand></VRTDataset>"
    )
    write_cog(path, make_array(64) + 1, epsg=32632, transform=GRID)
    assert canary.read_bytes() == before


@pytest.mark.parametrize(("shape", "names"), [((0, 4, 4), None), ((4,), None), ((2, 4, 4), ["B2"])])
def test_an_array_that_is_no_raster_is_refused(tmp_path: Path, shape: tuple[int, ...], names: list[str] | None) -> None:
    with pytest.raises(BadInputError, match=r"a\.tif"):
        write_cog(tmp_path / "a.tif", np.zeros(shape, "uint8"), epsg=32632, transform=GRID, band_names=names)
