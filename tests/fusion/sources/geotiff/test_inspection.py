"""What is taken from files and said about it: bands, dates, offsets, and sentences a person can check."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
import rasterio

from fusion import modality, source
from fusion.errors import BadRasterError
from fusion.modality import Modality
from fusion.sources.geotiff import SOURCE, inspect, read_window, write_cog
from fusion.sources.geotiff.naming import find_dates, name_file_band, normalise_band

Writer = Callable[..., Path]
GRID = (10.0, 0.0, 600_000.0, 0.0, -10.0, 5_300_480.0)
NEW_PRODUCT = "S2A_MSIL2A_20220706T085611_N0400_R007_T33NZA_20220706T153419"
OLD_PRODUCT = "S2B_MSIL1C_20190706T085611_N0207_R007_T33NZA_20190706T153419"


@pytest.fixture
def sentinel2() -> Modality:
    return modality.find("sentinel2")


def write_stack(path: Path, names: list[str], **options: object) -> Path:
    array = np.random.default_rng(0).integers(1, 9000, (len(names), 16, 16)).astype("uint16")
    return write_cog(path, array, epsg=32632, transform=GRID, band_names=names, **options)  # type: ignore[arg-type]


def write_band(path: Path, *, step: int = 10) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    transform = (step, 0.0, 600_000.0, 0.0, -step, 5_300_480.0)
    return write_cog(path, np.full((1, 320 // step, 320 // step), 1500, "uint16"), epsg=32632, transform=transform)


def test_the_source_is_found_by_name() -> None:
    assert source.find("geotiff") is SOURCE
    assert source.load_all()["geotiff"].inspect is inspect


def test_a_stack_of_the_made_up_world_says_everything_itself(tmp_path: Path, sentinel2: Modality) -> None:
    path = write_stack(
        tmp_path / "karlsau_sentinel2_summer_20220706.tif", list(sentinel2.band_names), nodata=0, offset=-1000,
        scale=1e-4, tags={"SIMULATED": "yes"},
    )  # fmt: skip
    info = inspect([path], sentinel2)[0]
    assert info.bands == info.used == sentinel2.band_names
    assert (info.offset, info.scale, info.nodata, info.epsg) == (-1000.0, 1e-4, 0.0, 32632)
    assert info.is_simulated
    assert (info.captured_from, info.captured_to) == (
        datetime(2022, 7, 6, tzinfo=UTC), datetime(2022, 7, 6, 23, 59, 59, tzinfo=UTC)
    )  # fmt: skip
    assert info.transform == GRID
    assert info.scene == path.stem
    assert "Offset -1000 from the tag OFFSET" in info.describe()
    assert "2022-07-06" in info.describe()


@pytest.mark.parametrize(
    ("product", "offset", "words"),
    [(NEW_PRODUCT, -1000.0, "N0400 (L2A)"), (OLD_PRODUCT, 0.0, "N0207 (L1C)")],
)  # fmt: skip
def test_the_processing_baseline_in_the_product_name_gives_the_offset(
    tmp_path: Path, sentinel2: Modality, product: str, offset: float, words: str
) -> None:
    info = inspect([write_stack(tmp_path / f"{product}.tif", ["B2"])], sentinel2)[0]
    assert info.offset == offset
    assert words in info.describe()
    assert info.captured_from == datetime(int(product[11:15]), 7, 6, 8, 56, 11, tzinfo=UTC)


@pytest.mark.parametrize("tag", ["BOA_ADD_OFFSET", "RADIO_ADD_OFFSET", "OFFSET"])
def test_a_tag_gives_the_offset_before_the_baseline(tmp_path: Path, sentinel2: Modality, tag: str) -> None:
    info = inspect([write_stack(tmp_path / f"{OLD_PRODUCT}.tif", ["B2"], tags={tag: "-1000"})], sentinel2)[0]
    assert info.offset == -1000
    assert f"Offset -1000 from the tag {tag}" in info.notes


def test_gdal_s_own_band_offset_is_understood(tmp_path: Path, sentinel2: Modality, write_tiff: Writer) -> None:
    path = write_tiff(tmp_path / "a.tif", np.full((1, 16, 16), 1500, "uint16"))
    with rasterio.open(path, "r+") as dataset:
        dataset.scales, dataset.offsets = [1e-4], [-0.1]
    assert inspect([path], sentinel2, bands=["B2"])[0].offset == pytest.approx(-1000)


def test_without_any_statement_sentinel2_is_refused_and_the_caller_can_state_it(
    tmp_path: Path, sentinel2: Modality
) -> None:
    path = write_stack(tmp_path / "a.tif", ["B2"])
    with pytest.raises(BadRasterError, match=r"a\.tif: neither its tags nor a product name say which offset"):
        inspect([path], sentinel2)
    info = inspect([path], sentinel2, offset=0)[0]
    assert info.offset == 0
    assert "Offset 0 as stated by the caller" in info.notes


def test_a_statement_against_the_file_is_refused(tmp_path: Path, sentinel2: Modality) -> None:
    with pytest.raises(BadRasterError, match="says an offset of -1000, the caller says 0"):
        inspect([write_stack(tmp_path / f"{NEW_PRODUCT}.tif", ["B2"])], sentinel2, offset=0)


def test_another_scale_is_refused(tmp_path: Path, sentinel2: Modality) -> None:
    path = write_stack(tmp_path / "a.tif", ["B2"], offset=0, scale=1e-3)
    with pytest.raises(BadRasterError, match=r"its scale is 0.001, that of sentinel2 is 0.0001"):
        inspect([path], sentinel2)


@pytest.mark.parametrize(("tag", "value"), [("OFFSET", "minus"), ("OFFSET", "nan"), ("SCALE", "inf")])
def test_a_tag_that_is_no_number_is_refused(tmp_path: Path, sentinel2: Modality, tag: str, value: str) -> None:
    path = write_stack(tmp_path / "a.tif", ["B2"], tags={tag: value, "BOA_ADD_OFFSET": "0"})
    with pytest.raises(BadRasterError, match=rf"a\.tif: its tag {tag} is '{value}', not a number"):
        inspect([path], sentinel2)


def test_reflectance_as_real_numbers_is_not_taken_for_stored_integers(
    tmp_path: Path, sentinel2: Modality, write_tiff: Writer
) -> None:
    path = write_tiff(tmp_path / "a.tif", np.full((1, 8, 8), 0.2, "float32"))
    with pytest.raises(BadRasterError, match="it stores float32, sentinel2 stores uint16"):
        inspect([path], sentinel2, bands=["B2"], offset=0)


def test_a_stack_without_names_needs_them_all(tmp_path: Path, sentinel2: Modality, write_tiff: Writer) -> None:
    path = write_tiff(tmp_path / "a.tif", np.ones((3, 8, 8), "uint16"))
    with pytest.raises(BadRasterError, match=r"a\.tif: its 3 bands have no names"):
        inspect([path], sentinel2, offset=0)
    with pytest.raises(BadRasterError, match=r"it has 3 bands, but 2 names were given \(B2, B3\)"):
        inspect([path], sentinel2, offset=0, bands=["B02", "B03"])
    with pytest.raises(BadRasterError, match="two of its bands are called B2"):
        inspect([path], sentinel2, offset=0, bands=["B2", "B02", "B3"])
    assert inspect([path], sentinel2, offset=0, bands=["B04", "b8a", "B02"])[0].used == ("B2", "B4", "B8A")


def test_a_stack_of_another_sensor_is_refused_by_its_bands(tmp_path: Path, sentinel2: Modality) -> None:
    with pytest.raises(BadRasterError, match="it holds VV, VH; needed are B2"):
        inspect([write_stack(tmp_path / "a.tif", ["VV", "VH"])], sentinel2, offset=0)


def test_bands_beyond_the_modality_are_left_out_and_named(tmp_path: Path, sentinel2: Modality) -> None:
    info = inspect([write_stack(tmp_path / "a.tif", ["B01", "B02", "QA"])], sentinel2, offset=0)[0]
    assert info.bands == ("B1", "B2", "QA")
    assert info.used == ("B2",)
    assert "Bands left out: B1, QA" in info.notes
    assert any(note.startswith("Not in the file: B3, B4") for note in info.notes)
    array, _ = read_window(info, ["B2"])
    np.testing.assert_array_equal(array, read_window(info.path)[0][1:2])


def test_one_faulty_file_refuses_all(tmp_path: Path, sentinel2: Modality) -> None:
    good, bad = write_stack(tmp_path / "a.tif", ["B2"]), tmp_path / "b.tif"
    bad.write_text("<VRTDataset/>")
    with pytest.raises(BadRasterError, match=r"b\.tif"):
        inspect([good, bad], sentinel2, offset=0)
    with pytest.raises(BadRasterError, match="No file given"):
        inspect([], sentinel2)


def test_a_product_folder_gives_the_finest_file_of_each_band(tmp_path: Path, sentinel2: Modality) -> None:
    folder = tmp_path / f"{NEW_PRODUCT}.SAFE"
    images = folder / "GRANULE" / "L2A_T33NZA" / "IMG_DATA"
    for resolution, band in ((10, "B02"), (20, "B02"), (60, "B02"), (20, "B8A"), (60, "B8A"), (60, "B09"), (10, "TCI")):
        name = f"T33NZA_20220706T085611_{band}_{resolution}m.tif"
        write_band(images / f"R{resolution}m" / name, step=resolution if resolution < 60 else 40)
    infos = inspect([folder], sentinel2)
    assert [(info.used, info.pixel_size) for info in infos] == [(("B2",), 10.0), (("B8A",), 20.0)]
    assert {info.scene for info in infos} == {folder.name}
    assert {info.offset for info in infos} == {-1000.0}
    left = next(note for note in infos[0].notes if note.startswith("Files left out"))
    assert "B02_20m" in left
    assert "B09_60m" in left
    assert "B02_10m" not in left


def test_a_folder_without_bands_is_refused_by_name(tmp_path: Path, sentinel2: Modality) -> None:
    write_band(tmp_path / "scene" / "cloud_mask.tif")
    with pytest.raises(BadRasterError, match="no band of sentinel2 among its 1 rasters"):
        inspect([tmp_path / "scene"], sentinel2)


def test_a_lone_band_of_a_one_band_modality_needs_no_name(tmp_path: Path, plain: Modality, write_tiff: Writer) -> None:
    info = inspect([write_tiff(tmp_path / "height.tif", np.ones((1, 8, 8), "float32"))], plain)[0]
    assert info.bands == info.used == ("value",)


def test_the_modality_s_nodata_stands_in_where_the_file_states_none(
    tmp_path: Path, plain: Modality, write_tiff: Writer
) -> None:
    array = np.ones((1, 10, 10), "int16")
    array[0, 0] = -1
    path = write_tiff(tmp_path / "a.tif", array)
    assert inspect([path], plain)[0].invalid_share == 0
    info = inspect([path], replace(plain, nodata=-1.0))[0]
    assert info.invalid_share == pytest.approx(0.1)
    assert any("as usual for plain" in note for note in info.notes)
    assert read_window(info)[1].mean() == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("text", "name"),
    [("B02", "B2"), ("b8a", "B8A"), ("B8", "B8"), ("B12_20m", "B12"), (" B11 ", "B11"), ("VV", "VV"), ("nir", "nir")],
)  # fmt: skip
def test_band_names_are_made_alike(text: str, name: str) -> None:
    assert normalise_band(text) == name


@pytest.mark.parametrize(
    ("file", "name"),
    [("B02.tif", "B2"), ("B8A.tif", "B8A"), ("T33NZA_20220706T085611_B8A_20m.tif", "B8A"),
     (f"{NEW_PRODUCT}_B03.tif", "B3"), ("s1a-iw-grd-vv-20220706.tif", "VV"), ("VH.tif", "VH"),
     ("cloud_mask.tif", "cloud_mask"), ("RGB.tif", "RGB"), ("B21_B2B.tif", "B21")],
)  # fmt: skip
def test_a_band_file_is_known_by_its_name(file: str, name: str) -> None:
    assert name_file_band(Path(file), ("VV", "VH")) == name


@pytest.mark.parametrize(
    ("name", "first", "last"),
    [("S1A_IW_GRDH_1SDV_20220706T051234_20220706T051259_043983.tif", "2022-07-06T05:12:34", "2022-07-06T05:12:59"),
     (f"{NEW_PRODUCT}.tif", "2022-07-06T08:56:11", "2022-07-06T08:56:11"),
     (f"{NEW_PRODUCT}/B02.tif", "2022-07-06T08:56:11", "2022-07-06T08:56:11"),
     ("karlsau_sentinel1_20220115.tif", "2022-01-15T00:00:00", "2022-01-15T23:59:59")],
)  # fmt: skip
def test_dates_are_read_from_names(name: str, first: str, last: str) -> None:
    dates, _ = find_dates(Path("/data") / name, {}, None)
    assert dates is not None
    assert [moment.isoformat()[:19] for moment in dates] == [first, last]
    assert all(moment.tzinfo is UTC for moment in dates)


def test_dates_come_from_a_tag_or_the_caller_or_stay_open() -> None:
    tagged, words = find_dates(Path("/data/a.tif"), {"TIFFTAG_DATETIME": "2022:01:17 10:43:43"}, None)
    assert tagged == (datetime(2022, 1, 17, 10, 43, 43, tzinfo=UTC),) * 2
    assert "TIFFTAG_DATETIME" in words
    assert find_dates(Path("/data/a.tif"), {}, None)[0] is None
    stated = datetime(2019, 9, 17, tzinfo=UTC)
    assert find_dates(Path("/data/karlsau_sentinel1_20220115.tif"), {}, stated)[0] == (stated, stated)


def test_a_name_with_an_impossible_date_is_refused(tmp_path: Path, sentinel2: Modality) -> None:
    with pytest.raises(BadRasterError, match="20221399T000000"):
        inspect([write_stack(tmp_path / "a_sentinel2_summer_20221399.tif", ["B2"])], sentinel2, offset=0)


def test_the_flood_chip_is_taken_with_its_bands_and_place(shared: Path, sentinel2: Modality) -> None:
    folder = shared / "s1s2-coregistered-flood"
    radar = inspect([folder / "Spain_7370579_S1Hand.tif"], modality.find("sentinel1_grd"))[0]
    assert (radar.used, radar.dtype, radar.epsg) == (("VV", "VH"), "float32", 4326)
    optical = inspect([folder / "Spain_7370579_S2Hand.tif"], sentinel2, offset=0)[0]
    assert optical.used == sentinel2.band_names
    assert optical.bands[0] == "B1"
    assert optical.lonlat_bounds == pytest.approx(radar.lonlat_bounds)


def test_the_real_scene_gives_ten_bands_with_date_and_offset(shared: Path, sentinel2: Modality) -> None:
    infos = inspect([shared / "s2-l2a-scene-cloudmask" / NEW_PRODUCT], sentinel2)
    assert [info.used[0] for info in infos] == list(sentinel2.band_names)
    assert {info.pixel_size for info in infos} == {10.0, 20.0}
    assert {info.offset for info in infos} == {-1000.0}
    assert {info.captured_from for info in infos} == {datetime(2022, 7, 6, 8, 56, 11, tzinfo=UTC)}
    assert "Files left out: B01.tif, B09.tif, cloud_mask.tif" in infos[0].notes
