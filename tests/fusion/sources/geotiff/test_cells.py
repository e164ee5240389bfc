"""Cells cut out of files: exact where pixels lie on the grid, the same alone as together where they do not."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import shapely
from pyproj import Transformer

from fusion.errors import BadInputError, BadRasterError
from fusion.grid import Cell, cell_at, cells_over
from fusion.source import RasterFile
from fusion.sources.geotiff import read_cell, read_cells, read_window, write_cog
from fusion.sources.geotiff.opening import open_raster

CORNER = Cell(zone=32, north=True, size_m=320, column=1875, row=16563)
NAMES = ("B2", "B3")


def write_scene(
    path: Path, array: np.ndarray, *, east_m: float = 0.0, step_m: float = 10.0, nodata: float | None = 0
) -> Path:
    """Pixels whose north-west corner is that of CORNER, moved east by `east_m`."""
    west, _, _, north = CORNER.bounds
    transform = (step_m, 0.0, west + east_m, 0.0, -step_m, north)
    return write_cog(path, array, epsg=32632, transform=transform, nodata=nodata, band_names=NAMES[: len(array)])


def square(side: int) -> list[Cell]:
    """Cells row by row from CORNER."""
    return [
        replace(CORNER, column=CORNER.column + east, row=CORNER.row - south)
        for south in range(side)
        for east in range(side)
    ]


def make_array(size: int, bands: int = 2, dtype: str = "uint16") -> np.ndarray:
    return np.random.default_rng(3).integers(1, 9000, (bands, size, size)).astype(dtype)


@pytest.mark.parametrize("dtype", ["uint16", "int16", "float32", "complex64"])
def test_aligned_cells_are_the_stored_numbers(tmp_path: Path, dtype: str) -> None:
    array = make_array(96, dtype=dtype)
    found, valid = read_cells(write_scene(tmp_path / "a.tif", array), NAMES, square(3))
    assert found.dtype == array.dtype
    assert valid.all()
    np.testing.assert_array_equal(found.reshape(3, 3, 2, 32, 32).transpose(2, 0, 3, 1, 4).reshape(2, 96, 96), array)


def test_one_cell_is_what_many_give(tmp_path: Path) -> None:
    path = write_scene(tmp_path / "a.tif", make_array(96))
    arrays, _ = read_cells(path, NAMES, square(3))
    array, valid = read_cell(path, NAMES, square(3)[4])
    np.testing.assert_array_equal(array, arrays[4])
    assert valid.shape == (32, 32)


def test_bands_come_in_the_order_asked(tmp_path: Path) -> None:
    array = make_array(32)
    found, _ = read_cell(write_scene(tmp_path / "a.tif", array), ["B3", "B2"], CORNER)
    np.testing.assert_array_equal(found, array[::-1])


def test_a_cell_beyond_the_edge_is_masked_there(tmp_path: Path) -> None:
    array = make_array(48)
    found, valid = read_cells(write_scene(tmp_path / "a.tif", array), NAMES, [*square(2), replace(CORNER, column=10)])
    np.testing.assert_array_equal(found[1][:, :, :16], array[:, :32, 32:])
    assert valid[1][:, :16].all()
    assert not valid[1][:, 16:].any()
    assert not valid[4].any()
    assert (found[4] == 0).all()


def test_nodata_in_any_band_masks_the_pixel(tmp_path: Path) -> None:
    array = make_array(32)
    array[1, 5, 7] = 0
    found, valid = read_cell(write_scene(tmp_path / "a.tif", array), NAMES, CORNER)
    assert np.argwhere(~valid).tolist() == [[5, 7]]
    assert found[:, 5, 7].tolist() == [0, 0]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, -9999.0])
@pytest.mark.parametrize("east_m", [0.0, 3.0])
def test_what_is_not_finite_or_nodata_never_leaves_the_reader(tmp_path: Path, bad: float, east_m: float) -> None:
    array = make_array(48, dtype="float32")
    array[0, 8:20, 8:20] = bad
    found, valid = read_cell(write_scene(tmp_path / "a.tif", array, east_m=east_m, nodata=-9999), NAMES, CORNER)
    assert np.isfinite(found).all()
    assert (found >= 0).all()
    assert not valid[10:18, 10:18].any()
    assert valid[25:, 25:].all()


def test_a_shifted_file_is_resampled_and_the_values_lie_where_they_should(tmp_path: Path) -> None:
    ramp = np.broadcast_to(np.arange(40, dtype="uint16") * 100, (1, 40, 40)).copy()
    found, valid = read_cell(write_scene(tmp_path / "a.tif", ramp + 100, east_m=-25.0), ["B2"], CORNER)
    assert valid.all()
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found[0, 0], np.arange(32) * 100 + 350)


def test_coarser_bands_come_to_the_cell_s_pixels(tmp_path: Path) -> None:
    coarse = make_array(20, bands=1)
    found, _ = read_cell(write_scene(tmp_path / "a.tif", coarse, step_m=20), ["B2"], CORNER, resampling="nearest")
    np.testing.assert_array_equal(found[0], np.kron(coarse[0], np.ones((2, 2), "uint16"))[:32, :32])


def test_a_finer_file_is_averaged_not_picked(tmp_path: Path) -> None:
    fine = make_array(160, bands=1, dtype="float32")
    found, _ = read_cell(
        write_scene(tmp_path / "a.tif", fine, step_m=2, nodata=None), ["B2"], CORNER, resampling="average"
    )
    np.testing.assert_allclose(found[0], fine[0].reshape(32, 5, 32, 5).mean((1, 3)), rtol=1e-4)


def test_integers_stay_within_their_range_after_overshoot(tmp_path: Path) -> None:
    array = np.zeros((1, 40, 40), "uint8")
    array[:, :, 20:] = 255
    found, _ = read_cell(
        write_scene(tmp_path / "a.tif", array, east_m=-4, nodata=None), ["B2"], CORNER, resampling="cubic"
    )
    assert (found[0, 10, :15] == 0).all()
    assert (found[0, 10, 25:] == 255).all()


@pytest.mark.parametrize(("east_m", "step_m"), [(3.0, 10.0), (0.0, 20.0), (1.0, 4.0)])
@pytest.mark.parametrize("resampling", ["bilinear", "cubic", "lanczos"])
def test_resampled_cells_do_not_depend_on_their_company(
    tmp_path: Path, east_m: float, step_m: float, resampling: str
) -> None:
    path = write_scene(tmp_path / "a.tif", make_array(200), east_m=east_m, step_m=step_m)
    cells = square(4)
    together, _ = read_cells(path, NAMES, cells, resampling=resampling)
    for index in (0, 5, 15):
        alone, _ = read_cell(path, NAMES, cells[index], resampling=resampling)
        np.testing.assert_array_equal(alone, together[index])


def test_cells_of_a_file_in_degrees_do_not_depend_on_their_company(tmp_path: Path) -> None:
    lon, lat = CORNER.footprint_lonlat[3]
    path = write_cog(
        tmp_path / "a.tif", make_array(300, dtype="float32"), epsg=4326,
        transform=(9e-5, 0.0, lon - 0.004, 0.0, -9e-5, lat + 0.004), band_names=NAMES,
    )  # fmt: skip
    together, valid = read_cells(path, NAMES, square(4))
    assert valid.all()
    for index in (0, 6, 15):
        np.testing.assert_array_equal(read_cell(path, NAMES, square(4)[index])[0], together[index])


def test_the_neighbouring_zone_reads_the_same_ground(tmp_path: Path) -> None:
    """A file in zone 32 whose pixels hold their own easting, read by a cell of zone 33 at the border."""
    cell = cell_at(12.0005, 48.0)
    to_32 = Transformer.from_crs(cell.epsg, 32632, always_xy=True)
    x, y = to_32.transform(cell.bounds[0], cell.bounds[3])
    west, north = (x // 10) * 10 - 200, (y // 10) * 10 + 200
    columns = np.arange(80) * 10 + 5 + west
    array = np.broadcast_to(columns.astype("float64"), (1, 80, 80)).copy()
    path = write_cog(
        tmp_path / "a.tif", array, epsg=32632, transform=(10.0, 0.0, west, 0.0, -10.0, north), band_names=["B2"]
    )
    found, valid = read_cell(path, ["B2"], cell)
    assert valid.all()
    xs, ys = np.meshgrid(cell.bounds[0] + 5 + 10 * np.arange(32), cell.bounds[3] - 5 - 10 * np.arange(32))
    np.testing.assert_allclose(found[0], to_32.transform(xs, ys)[0], atol=1.0)


def test_cells_of_two_zones_are_read_in_one_call(tmp_path: Path) -> None:
    cells = cells_over(shapely.box(11.998, 48.0, 12.002, 48.002))
    assert {cell.zone for cell in cells} == {32, 33}
    west, south, east, north = (6.0e5, 5.2e6, 8.0e5, 5.4e6)
    array = np.full((1, 200, 200), 7, "uint8")
    path = write_cog(
        tmp_path / "a.tif", array, epsg=32632, transform=(1000.0, 0.0, west, 0.0, -1000.0, north), band_names=["B2"]
    )
    found, valid = read_cells(path, ["B2"], cells, resampling="nearest")
    assert valid.all()
    assert (found == 7).all()
    assert (east, south) == (west + 200_000, north - 200_000)


def test_blocks_that_no_cell_touches_are_never_decoded(tmp_path: Path) -> None:
    """Two cells at opposite corners of a file of which a block between them cannot be decoded."""
    path = write_scene(tmp_path / "a.tif", make_array(1600, bands=1))
    corners = [CORNER, replace(CORNER, column=CORNER.column + 49, row=CORNER.row - 49)]
    before, _ = read_cells(path, ["B2"], corners)
    with open_raster(path) as dataset:
        place, size = (int(dataset.get_tag_item(f"BLOCK_{what}_1_1", "TIFF", bidx=1)) for what in ("OFFSET", "SIZE"))
    content = bytearray(path.read_bytes())
    content[place : place + size] = bytes(size)
    path.write_bytes(content)
    np.testing.assert_array_equal(read_cells(path, ["B2"], corners)[0], before)
    with pytest.raises(BadRasterError, match=r"a\.tif: cannot be read"):
        read_cells(path, ["B2"], [replace(CORNER, column=CORNER.column + 20, row=CORNER.row - 20)])


def test_a_band_folder_gives_each_band_from_its_own_file(tmp_path: Path) -> None:
    first, second = make_array(32, bands=1), make_array(32, bands=1) + 1
    files = [
        RasterFile(path=write_scene(tmp_path / "one.tif", first), bands=("B4",), nodata=0),
        RasterFile(path=write_scene(tmp_path / "two.tif", second), bands=("B8",), nodata=0),
    ]
    found, _ = read_cell(files, ["B8", "B4"], CORNER)
    np.testing.assert_array_equal(found, np.concatenate([second, first]))


def test_a_missing_band_is_named_beside_those_that_are_there(tmp_path: Path) -> None:
    path = write_scene(tmp_path / "a.tif", make_array(32))
    with pytest.raises(BadRasterError, match=r"a.tif: no band B12. There are B2, B3"):
        read_cell(path, ["B2", "B12"], CORNER)
    with pytest.raises(BadRasterError, match=r"a.tif: no band B12. It holds B2, B3"):
        read_window(path, ["B12"])


def test_an_unknown_resampling_is_answered_with_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(BadInputError, match="bilinear"):
        read_cell(write_scene(tmp_path / "a.tif", make_array(32)), NAMES, CORNER, resampling="smooth")


def test_a_window_is_clipped_to_the_file_and_refused_outside_it(tmp_path: Path) -> None:
    array = make_array(48)
    path = write_scene(tmp_path / "a.tif", array)
    west, _, _, north = CORNER.bounds
    np.testing.assert_array_equal(read_window(path, ["B3"], window=(40, 2, 20, 4))[0], array[1:, 2:6, 40:])
    bounds = (west + 20, north - 60, west + 50, north - 10)
    np.testing.assert_array_equal(read_window(path, bounds=bounds)[0], array[:, 1:6, 2:5])
    with pytest.raises(BadRasterError, match="outside its 48 x 48"):
        read_window(path, window=(48, 0, 4, 4))


def test_no_file_stays_open_after_a_read(tmp_path: Path) -> None:
    path = write_scene(tmp_path / "a.tif", make_array(32))
    with open_raster(path) as dataset:
        pass
    assert dataset.closed


def test_the_flood_chip_in_degrees_comes_to_the_grid(shared: Path) -> None:
    chip = shared / "s1s2-coregistered-flood" / "Spain_7370579_S1Hand.tif"
    cells = cells_over(shapely.box(-0.775, 38.09, -0.745, 38.12))
    arrays, valid = read_cells(chip, ["VV", "VH"], cells)
    assert arrays.dtype == np.float32
    assert valid.mean() > 0.99
    stored, known = read_window(chip, ["VV", "VH"])
    inside = arrays.transpose(1, 0, 2, 3)[:, valid]
    np.testing.assert_allclose(inside.mean(1), stored[:, known].mean(1), atol=1.0)
    optical, _ = read_cells(chip.with_name("Spain_7370579_S2Hand.tif"), ["B2", "B8A"], cells)
    assert optical.dtype == np.int16


def test_the_real_scene_gives_ten_and_twenty_metre_bands_on_one_grid(shared: Path) -> None:
    folder = next((shared / "s2-l2a-scene-cloudmask").glob("S2A_*"))
    cell = cell_at(17.92, 0.05)
    files = [folder / f"B{band}.tif" for band in ("02", "8A", "09")]
    array, valid = read_cell(files, ["B2", "B8A", "B9"], cell)
    assert array.dtype == np.uint16
    assert valid.all()
    raw, _ = read_window(files[0], bounds=cell.bounds)
    assert abs(float(array[0].mean()) - float(raw.mean())) < 5
    assert array[1].std() < array[0].std() * 5
