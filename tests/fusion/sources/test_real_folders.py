"""Every folder of small real files: what lies in it, as its source says it, with the shapes and ranges that are known.

The figures are those of the PROVENANCE.md beside the files, where each was opened by another program.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fusion import modality as modalities
from fusion import source as sources
from fusion.errors import BadFileError, BadInputError, BadRasterError
from fusion.file_info import ArrayInfo, FileInfo, LayerInfo, PointsInfo, SeriesInfo
from fusion.modality import Band, Modality
from fusion.source import RasterInfo
from fusion.sources import band_folders, geotiff
from fusion.sources.envi import read_bands
from fusion.sources.point_cloud import inspect_points
from fusion.sources.point_cloud.surfaces import make_surfaces
from fusion.sources.stations import read_series
from fusion.sources.vectors import read_buildings

pytestmark = pytest.mark.slow

SCENE = "S2A_MSIL2A_20220706T085611_N0400_R007_T33NZA_20220706T153419"
BEN = "s2-small-patches/BigEarthNet"
ENMAP = (
    "ENMAP01-____L2A-DT0000004950_20221103T162438Z_001_V010110_20221118T145147Z-Y01460273_X03110438-SPECTRAL_IMAGE.TIF"
)
SSL4EO = "s1s2-coregistered-ssl4eo"
slow = pytest.mark.slow


@dataclass(frozen=True, kw_only=True)
class Known:
    """A file, the source that reads it, and what is known of what it says; `nth` is which of its infos is meant."""

    path: str
    source: str
    facts: dict[str, Any]
    nth: int = 0


def array(path: str, shape: tuple[int, ...], span: tuple[float, float], source: str = "cubes", **facts: Any) -> Known:
    return Known(path=path, source=source, facts={"shape": shape, "value_range": span, **facts})


def layer(path: str, shapes: int, epsg: int, nth: int = 0, **facts: Any) -> Known:
    return Known(path=path, source="vectors", facts={"shapes": shapes, "epsg": epsg, **facts}, nth=nth)


TAIZHOU = {"epsg": 32651, "dtype": "uint8", "wavelengths_nm": (482.5, 565.0, 660.0, 825.0, 1650.0, 2220.0)}
NDVI = "s2-ndvi-clouds-timeseries"
FILES = [
    array("change-pairs/taizhou/2000TM", (6, 400, 400), (10, 183), "envi", **TAIZHOU),
    array("change-pairs/taizhou/2003TM.HDR", (6, 400, 400), (7, 194), "envi", **TAIZHOU),
    array("change-pairs/taizhou-recnn/TaizhouTm2000_norm.mat", (402, 402, 6), (0.0392, 0.7176), dtype="float64"),
    array("change-pairs/taizhou-recnn/TaizhouTestMapMulti.mat", (402, 402), (0, 4), dtype="uint8"),
    array("hyperspectral/gt-only/PaviaU_gt.mat", (610, 340), (0, 9), variable="paviaU_gt"),
    array("hyperspectral/gt-only/Salinas_gt.mat", (512, 217), (0, 16), variable="salinas_gt"),
    array("s1s2-pixel-timeseries/algae_blooms/s1_s2_era5_srtm.npy", (1122, 12, 18), (-49.95, 11_230)),
    array("s1s2-pixel-timeseries/algae_blooms/latlon.npy", (1122, 2), (-103.6, 48.39)),
    array(f"{NDVI}/data/NDVI.npy", (68, 101, 100, 1), (-0.151, 0.8602), dtype="float32"),
    array(f"{NDVI}/data_timeless/DEM.npy", (101, 100, 1), (664, 801)),
    array("votes/cifar10h/cifar10h-counts.npy", (10_000, 10), (0, 63)),
    array("dsm-buildings/goteborg/CDSM_KRbig.asc", (223, 234), (0, 24.37), "ascii_grid", nodata=-3.40282346638529e38),
    Known(path="urban-climate-met/berlin_station_air_temperature.csv.gz", source="stations", facts={"rows": 386_354}),
    Known(path="urban-climate-met/nyc/NYC_2010_UMEP.txt", source="stations", facts={"rows": 8_760, "step_s": 3_600}),
    Known(path="dsm-buildings/goteborg/GBG_TMY_1977.txt", source="stations", facts={"rows": 8_760}),
    Known(path="lidar/Topography.laz", source="point_cloud", facts={"points": 73_403, "epsg": 2949}),
    Known(path="lidar/autzen-thin.las", source="point_cloud", facts={"points": 10_653, "epsg": None}),
    pytest.param(
        Known(path="lidar/vegetation_1_3.las", source="point_cloud", facts={"points": 10_683, "epsg": None}), marks=slow
    ),
    layer("dsm-buildings/goteborg/buildings.shp", 137, 3007),
    layer("lcz/redon/osm_rsu_lcz.geojson", 521, 32630),
    pytest.param(layer("lcz/redon/bdtopo_rsu_lcz.geojson", 1553, 2154), marks=slow),
    pytest.param(layer("buildings-imagery/geotiff_labels.geojson", 43, 32616), marks=slow),
    layer(f"{NDVI}/vector_timeless/LULC.gpkg", 88, 32633),
    pytest.param(layer(f"{NDVI}/bbox.geojson", 1, 32633), marks=slow),
    layer("osm/test.osm.pbf", 2_294, 4326, nth=2, layer="multipolygons"),
    pytest.param(layer("osm/Helsinki.osm.pbf", 1_000, 4326, nth=2, layer="multipolygons"), marks=slow),
]


def find(real_data: Path, path: str) -> Path:
    found = real_data / path
    if not found.exists():
        pytest.skip(f"{path} is not among the real files of this machine")
    return found


@pytest.mark.parametrize("known", FILES, ids=lambda known: known.path)
def test_a_real_file_is_taken_with_what_is_known_of_it(real_data: Path, known: Known) -> None:
    path = find(real_data, known.path)
    look = sources.find(known.source).look
    assert look is not None
    info = list(look(path))[known.nth]
    assert len(info.sha256) == 64
    assert info.size_bytes > 0
    assert path.stem.split(".")[0].lower() in info.describe().lower()
    check(info, known.facts)


def check(info: FileInfo, facts: dict[str, Any]) -> None:
    for name, value in facts.items():
        said = getattr(info, name)
        if name == "shapes" and value == 1_000:
            assert said > value
        elif name == "value_range":
            assert said == pytest.approx(value, rel=1e-3)
        else:
            assert said == value, name
    if isinstance(info, ArrayInfo) and info.format.startswith("ENVI"):
        values, valid = read_bands(info.path, info.bands[:1], window=(10, 10, 5, 4))
        assert values.shape == (1, 4, 5)
        assert valid.all()
    if isinstance(info, PointsInfo):
        assert sum(info.classes.values()) == info.points
    if isinstance(info, LayerInfo):
        west, south, east, north = info.lonlat_bounds
        assert -180 <= west < east <= 180
        assert -90 <= south < north <= 90
    if isinstance(info, SeriesInfo):
        assert info.captured_from < info.captured_to


def plain(dtype: str = "float32", count: int = 1) -> Modality:
    bands = tuple(Band(name=f"band{number}", title="") for number in range(1, count + 1))
    return Modality(name="plain", title="Plain", kind="raster", dims=("band", "y", "x"), bands=bands, dtype=dtype)


# path, modality (name, or number of plain bands), infos, width, height, EPSG
RASTERS = [
    ("hyperspectral/enmap/" + ENMAP, 224, 1, 128, 128, 32618),
    ("lcz/nyc/NYC_LCZ.tif", 1, 1, 754, 588, 4326),
    ("lcz/redon/redonWudapt.tif", 1, 1, 60, 57, 3035),
    ("dsm-buildings/goteborg/DSM_KRbig.tif", 1, 1, 234, 223, 3007),
    ("dsm-buildings/goteborg/DEM_KRbig.tif", 1, 1, 234, 223, 3007),
    ("buildings-imagery/sample_geotiff.tif", 1, 1, 900, 900, 32616),
    ("sar-geocoded/S1A__IW___A_20150309T173017_VV_grd_mli_geo_norm_db.tif", 1, 1, 268, 217, 32631),
    ("s2-classmaps/raster/classif/SENTINEL2_MSI_20LNR_2020-06-04_2021-08-26_class_v1.tif", 1, 1, 937, 636, 32720),
    ("s2-classmaps/raster/prodes/PRODES_LANDSAT_AMZ_2000-08-01_2020-07-31_class_v20220606.tif", 1, 1, 633, 484, 4674),
    ("s1s2-coregistered-flood/Spain_7370579_S1Hand.tif", "sentinel1_grd", 1, 512, 512, 4326),
    (f"s2-l2a-scene-cloudmask/{SCENE}", "sentinel2", 10, 1068, 1068, 32633),
    (f"{BEN}/S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_75_43", "sentinel2", 10, 120, 120, 32633),
    (f"{BEN}/S1A_IW_GRDH_1SDV_20170613T165043_33UUP_70_48", "sentinel1_grd", 2, 120, 120, 32633),
    ("s2-small-patches/EuroSAT_MS/AnnualCrop/AnnualCrop_1.tif", "sentinel2", 1, 64, 64, 32635),
    ("s2-small-patches/EuroSAT_MS/Pasture/Pasture_300.tif", "sentinel2", 1, 64, 64, 32632),
    (f"{SSL4EO}/s2a/0000200/20200604T054639_20200604T054831_T43RCP", "sentinel2", 10, 264, 264, 4326),
    (f"{SSL4EO}/s2c/0000200/20200823T054639_20200823T055618_T43RCP", "sentinel2", 10, 264, 264, 4326),
    (
        f"{SSL4EO}/s1/0000200/S1A_IW_GRDH_1SDV_20200607T010800_20200607T010825_032904_03CFBA_D457",
        "sentinel1_grd", 2, 264, 264, 4326,
    ),
]  # fmt: skip


@pytest.mark.parametrize(("path", "kind", "count", "width", "height", "epsg"), RASTERS, ids=[row[0] for row in RASTERS])
def test_a_real_raster_is_taken_with_its_place(
    real_data: Path, path: str, kind: str | int, count: int, width: int, height: int, epsg: int
) -> None:
    infos = take_raster(find(real_data, path), kind)
    assert len(infos) == count
    assert (infos[0].width, infos[0].height, infos[0].epsg) == (width, height, epsg)
    if kind == "sentinel2":
        assert {info.offset for info in infos} == {-1000.0 if SCENE in path else 0.0}
    assert all(info.invalid_share < 0.5 for info in infos)


def take_raster(path: Path, kind: str | int) -> list[RasterInfo]:
    if isinstance(kind, str):
        try:
            return band_folders.inspect([path], modalities.find(kind))
        except BadRasterError:
            if path.is_dir():
                raise
            return geotiff.inspect([path], modalities.find(kind), bands=modalities.find(kind).band_names)
    modality = plain("float64", kind)
    return geotiff.inspect([path], modality, bands=modality.band_names)


def test_bands_of_a_cube_in_which_the_air_is_black_are_left_out_by_name(real_data: Path) -> None:
    [info] = take_raster(find(real_data, "hyperspectral/enmap/" + ENMAP), 224)
    assert (info.dtype, len(info.bands), len(info.used)) == ("int16", 224, 202)
    assert any(note.startswith("Bands without any data left out: band127") for note in info.notes)
    assert info.invalid_share < 0.05


def test_a_cube_with_bands_of_its_own_is_taken_whole(real_data: Path) -> None:
    path = find(real_data, "hyperspectral/enmap/" + ENMAP)
    [info] = geotiff.inspect([path], modalities.find("hyperspectral"))
    assert (info.bands[0], info.bands[-1], len(info.used)) == ("b001", "b224", 202)


def test_no_offset_is_hidden_in_patches_that_are_said_to_have_none(real_data: Path) -> None:
    """With 1000 added, the least blue of 14,400 pixels could not be 35."""
    folder = find(real_data, f"{BEN}/S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_75_43")
    [blue] = [info for info in take_raster(folder, "sentinel2") if info.used == ("B2",)]
    values, valid = geotiff.read_window(blue)
    assert values[0][valid].min() == 35


def test_a_cloud_that_states_a_wrong_crs_is_refused_and_taken_with_the_right_one(real_data: Path) -> None:
    path = find(real_data, "lidar/simple.copc.laz")
    with pytest.raises(BadFileError, match="outside the area of EPSG:2991"):
        inspect_points(path)
    [info] = inspect_points(path, epsg=2992)  # the same place counted in feet
    assert (info.points, info.format, info.epsg) == (1065, "COPC 1.4", 2992)


@slow
def test_heights_of_a_real_cloud_are_those_of_a_forest_on_a_hill(real_data: Path) -> None:
    surfaces = make_surfaces(find(real_data, "lidar/Topography.laz"), 2.0)
    known = surfaces.above_ground[np.isfinite(surfaces.above_ground)]
    assert surfaces.is_ground_classified
    assert known.size > 0.7 * surfaces.above_ground.size
    assert 788 < np.nanmin(surfaces.terrain) < np.nanmax(surfaces.terrain) < 825
    assert 0 <= np.percentile(known, 50) < np.percentile(known, 99) < 30


def test_stations_of_berlin_lie_in_berlin_and_freeze_in_winter(real_data: Path) -> None:
    series = read_series(find(real_data, "urban-climate-met/berlin_station_air_temperature.csv.gz"))
    assert len(series.info.places) == 23
    assert all(12.7 < lon < 14.2 and 52 < lat < 53 for lon, lat in series.info.places.values())
    low, high = series.info.ranges["airT"]
    assert -20 < low < 0 < 35 < high < 42


@slow
def test_buildings_of_a_real_town_have_uses_and_some_have_storeys(real_data: Path) -> None:
    buildings = read_buildings(find(real_data, "osm/Helsinki.osm.pbf"))
    assert len(buildings) > 400
    assert all(building.footprint.is_valid and building.use for building in buildings)
    tall = [building.height_m for building in buildings if building.height_m is not None]
    assert tall
    assert 2 < np.median(tall) < 60


# what is refused, and with which words
REFUSED = {
    "corrupt.tif": "cannot be read", "all-nodata.tif": "not one pixel holds data",
    "float_nan.tif": "no coordinate reference system", "rotated.tif": "no coordinate reference system",
    "test_esri_wkt.tif": "no EPSG code", "float_raster_with_nodata.tif": "no EPSG code",
    "rgb-byte-tenth.tif": "no EPSG code", "RGB.byte.rpc.vrt": "not a TIFF", "no_band.h5": "it is not So2Sat",
    "bad_vlr_count.las": "its record 3 reaches into the points", "garbage_nVariableLength.las": "records",
    "no-points.las": "no points",
}  # fmt: skip
# what is taken, and what is said of it
FLAGGED = {
    "RGBA.uint16.tif": "More than half of it holds no data", "import-tiff-test1.tiff": "no nodata value",
    "bad-geotiff-keys.las": "a week that the file does not name", "gps-time-nan.las": "1 of its times are not finite",
    "spurious.las": "other bounds than its points",
}  # fmt: skip


def take_odd(path: Path) -> str:
    """What a file's source says of it."""
    if path.suffix in (".tif", ".tiff", ".vrt"):
        count = {"RGBA.uint16.tif": 4, "all-nodata.tif": 4, "corrupt.tif": 3, "rgb-byte-tenth.tif": 3}.get(path.name, 1)
        modality = plain("float64", count)
        return geotiff.inspect([path], modality, bands=modality.band_names)[0].describe()
    [source] = [one for one in sources.find_by_suffix(path) if one.look is not None]
    assert source.look is not None
    return source.look(path)[0].describe()


@pytest.mark.parametrize("name", [*REFUSED, *FLAGGED])
def test_every_odd_file_is_refused_or_flagged_by_name(real_data: Path, name: str) -> None:
    path = find(real_data, f"odd-files/{name}")
    before = sorted(one.name for one in path.parent.iterdir())
    if name in REFUSED:
        with pytest.raises(BadInputError) as caught:
            take_odd(path)
        assert name in str(caught.value)
        assert REFUSED[name] in str(caught.value)
    else:
        said = take_odd(path)
        assert name in said
        assert FLAGGED[name] in said
    assert sorted(one.name for one in path.parent.iterdir()) == before


def test_no_odd_file_is_left_out(real_data: Path) -> None:
    folder = find(real_data, "odd-files")
    assert {one.name for one in folder.iterdir()} - {"PROVENANCE.md"} == REFUSED.keys() | FLAGGED.keys()


def test_what_is_no_table_of_weather_is_not_taken_for_one(real_data: Path) -> None:
    for path in ("satellite-video-tracks/001_gt_0_700.csv", "s2-classmaps/samples/samples_amazonia.csv"):
        with pytest.raises(BadFileError, match=Path(path).name):
            read_series(find(real_data, path))
