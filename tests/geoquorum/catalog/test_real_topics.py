"""Every topic of small real files through the ordinary command: what stands in the database afterwards, and its look.

What belongs together is linked by it, and topics with pixels are cut to patches.

The figures are those of the PROVENANCE.md beside the files, where each was opened by another program.
"""

import csv
import io
import json
from dataclasses import dataclass, field
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import call_command
from PIL import Image

from fusion.grid import cell_at, parse_cell
from fusion.link import WGS84
from geoquorum.catalog import looks, pixels
from geoquorum.catalog.linking import link_region
from geoquorum.catalog.models import Asset, Link, Post, Region, Sample, Scene
from tests import given

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
BEN = "s2-small-patches/BigEarthNet/"
SCENE = "S2A_MSIL2A_20220706T085611_N0400_R007_T33NZA_20220706T153419"
ENMAP = (
    "ENMAP01-____L2A-DT0000004950_20221103T162438Z_001_V010110_20221118T145147Z-Y01460273_X03110438-SPECTRAL_IMAGE.TIF"
)


@pytest.fixture(autouse=True)
def folders(settings, tmp_path: Path) -> None:
    settings.GEOQUORUM_DATA, settings.GEOQUORUM_CACHE = tmp_path / "data", tmp_path / "cache"
    settings.GEOQUORUM_PSEUDONYM_KEY = "a key of the tests, longer than it need be"


@dataclass(frozen=True, kw_only=True)
class Row:
    """An asset by the end of its URI, with what is known of it."""

    uri: str
    modality: str
    epsg: int | None = None
    size: tuple[int, int] | None = None
    facts: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Topic:
    """One call of the command below a topic's folder, and what it gives. `near` is a place that the region holds."""

    path: str
    rows: tuple[Row, ...] = ()
    words: tuple[str, ...] = ()
    near: tuple[float, float] | None = None
    refused: tuple[str, ...] = ()
    count: int | None = None


def topic(path: str, *rows: Row, **facts: Any) -> Any:
    return pytest.param(Topic(path=path, rows=rows, **facts), id=path)


SKIP = ("--skip-refused",)
TOPICS = [
    topic("aerial-oriented-boxes/P0706.png", Row(uri="P0706.png", modality="aerial", size=(1111, 1182)),
          words=("--modality", "aerial")),
    topic("buildings-imagery", Row(uri="labels.geojson", modality="vector", epsg=32616, facts={"shapes": 43}),
          words=SKIP, refused=("sample_geotiff.tif: its bands",), near=(-84.4, 33.6)),
    topic("buildings-imagery/sample_geotiff.tif",
          Row(uri="sample_geotiff.tif", modality="array", epsg=32616, size=(900, 900)), words=("--modality", "array")),
    topic("change-pairs/taizhou",
          Row(uri="2000TM.tif", modality="hyperspectral", epsg=32651, size=(400, 400),
              facts={"value_range": [10, 183]}),
          Row(uri="2003TM.tif", modality="hyperspectral", epsg=32651, size=(400, 400),
              facts={"value_range": [7, 194]}),
          words=SKIP, refused=("taizhou2000.jpg: a picture that does not say",), near=(119.9, 32.5)),
    topic("change-pairs/taizhou-recnn",
          Row(uri="TaizhouTm2000_norm.mat", modality="array", facts={"shape": [402, 402, 6]}), count=6),
    topic("change-pairs/levir/A/test_102_0512_0000.png",
          Row(uri="test_102_0512_0000.png", modality="aerial", size=(256, 256)), words=("--modality", "aerial")),
    topic("dsm-buildings/goteborg",
          Row(uri="DSM_KRbig.tif", modality="elevation", epsg=3007, size=(234, 223)),
          Row(uri="DEM_KRbig.tif", modality="elevation", epsg=3007, size=(234, 223)),
          Row(uri="CDSM_KRbig.asc", modality="array", size=(234, 223)),
          Row(uri="buildings.shp", modality="vector", epsg=3007, facts={"shapes": 137}),
          Row(uri="GBG_TMY_1977.txt", modality="weather_station", facts={"rows": 8_760}),
          words=SKIP, refused=("landcover.tif",), near=(11.97, 57.7)),
    topic("dsm-buildings/goteborg/CDSM_KRbig.asc",
          Row(uri="CDSM_KRbig.tif", modality="elevation", epsg=3007, size=(234, 223)), words=("--epsg", "3007")),
    topic(f"hyperspectral/enmap/{ENMAP}",
          Row(uri=ENMAP, modality="hyperspectral", epsg=32618, size=(128, 128))),
    topic("hyperspectral/gt-only",
          Row(uri="PaviaU_gt.mat", modality="array", facts={"shape": [610, 340], "value_range": [0, 9]}),
          Row(uri="Salinas_gt.mat", modality="array", facts={"shape": [512, 217], "value_range": [0, 16]})),
    topic("lcz/redon/osm_rsu_lcz.geojson",
          Row(uri="osm_rsu_lcz.geojson", modality="vector", epsg=32630, facts={"shapes": 521}), near=(-2.08, 47.65)),
    topic("lcz/nyc", Row(uri="NYC_LCZ.tif", modality="array", epsg=4326, size=(754, 588)),
          words=("--modality", "array"), near=(-74.0, 40.7)),
    topic("lidar/Topography.laz",
          Row(uri="Topography.laz", modality="lidar", epsg=2949, facts={"points": 73_403}),
          Row(uri="Topography_heights.tif", modality="lidar_heights", epsg=2949)),
    topic("lidar/autzen-thin.las", Row(uri="autzen-thin.las", modality="lidar", facts={"points": 10_653})),
    topic("osm/test.osm.pbf", Row(uri="test.osm.pbf", modality="osm_features", epsg=4326)),
    topic("s1s2-coregistered-flood/Spain_7370579_S1Hand.tif",
          Row(uri="S1Hand.tif", modality="sentinel1_grd", epsg=4326, size=(512, 512))),
    topic("s1s2-coregistered-flood/Spain_7370579_S2Hand.tif",
          Row(uri="S2Hand.tif", modality="sentinel2", epsg=4326, size=(512, 512)), words=("--offset", "0")),
    topic("s1s2-coregistered-ssl4eo",
          Row(uri="20200604T054831_T43RCP/B2.tif", modality="sentinel2", epsg=4326, size=(264, 264)),
          Row(uri="D457/VV.tif", modality="sentinel1_grd", epsg=4326, size=(264, 264)), words=SKIP),
    topic("s1s2-pixel-timeseries",
          Row(uri="s1_s2_era5_srtm.npy", modality="array", facts={"shape": [1122, 12, 18]}), words=SKIP),
    topic("s2-classmaps/raster/classif",
          Row(uri="class_v1.tif", modality="array", epsg=32720, size=(937, 636)), words=("--modality", "array")),
    topic(f"s2-l2a-scene-cloudmask/{SCENE}",
          Row(uri="B02.tif", modality="sentinel2", epsg=32633, size=(1068, 1068)), count=10),
    topic("s2-ndvi-clouds-timeseries",
          Row(uri="NDVI.npy", modality="array", facts={"shape": [68, 101, 100, 1]}),
          Row(uri="LULC.gpkg", modality="vector", epsg=32633, facts={"shapes": 88}), words=SKIP),
    topic(f"{BEN}S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_75_43",
          Row(uri="_B02.tif", modality="sentinel2", epsg=32633, size=(120, 120)), count=10),
    topic(f"{BEN}S1A_IW_GRDH_1SDV_20170613T165043_33UUP_70_48",
          Row(uri="_VV.tif", modality="sentinel1_grd", epsg=32633, size=(120, 120)), count=2),
    topic("s2-small-patches/EuroSAT_MS",
          Row(uri="AnnualCrop_1.tif", modality="sentinel2", epsg=32635, size=(64, 64)),
          Row(uri="Pasture_300.tif", modality="sentinel2", epsg=32632, size=(64, 64)), count=3),
    topic("sar-geocoded", Row(uri="norm_db.tif", modality="sentinel1_grd", epsg=32631, size=(268, 217)),
          words=("--modality", "sentinel1_grd", "--bands", "VV")),
    topic("sar-safe-metadata/Rome-30m-DEM.tif", Row(uri="Rome-30m-DEM.tif", modality="elevation"), near=(12.5, 41.9)),
    topic("urban-climate-met/nyc", Row(uri="NYC_2010_UMEP.txt", modality="weather_station", facts={"rows": 8_760})),
    topic("urban-climate-met/berlin_station_air_temperature.csv.gz",
          Row(uri="temperature.csv.gz", modality="weather_station", facts={"rows": 386_354}), near=(13.4, 52.5)),
    topic("votes/cifar10h/cifar10h-counts.npy",
          Row(uri="counts.npy", modality="array", facts={"shape": [10_000, 10], "value_range": [0, 63]})),
]  # fmt: skip


def find(real_data: Path, path: str) -> Path:
    found = real_data / path
    if not found.exists():
        pytest.skip(f"{path} is not among the real files of this machine")
    return found


def ingest(*words: object) -> dict[str, Any]:
    out = StringIO()
    call_command("ingest", *map(str, words), "--region", "Here", "--json", stdout=out)
    return dict(json.loads(out.getvalue()))


@pytest.mark.parametrize("topic", TOPICS)
def test_a_topic_is_taken_in_with_what_is_known_of_it(real_data: Path, topic: Topic) -> None:
    said = ingest(find(real_data, topic.path), *topic.words)
    assert not topic.count or Asset.objects.count() == topic.count
    for row in topic.rows:
        check(row)
    for words in topic.refused:
        assert any(words in sentence for sentence in said["refused"]), said["refused"]
    region = Region.objects.get()
    if topic.near is not None:
        longitude, latitude = topic.near
        assert region.west - 0.3 < longitude < region.east + 0.3
        assert region.south - 0.3 < latitude < region.north + 0.3
    assert all(len(asset.sha256) == 64 and asset.size_bytes > 0 for asset in Asset.objects.all())


def check(row: Row) -> None:
    asset = Asset.objects.get(uri__endswith=row.uri)
    assert (asset.modality, row.epsg in (None, asset.epsg)) == (row.modality, True)
    assert row.size in (None, (asset.width, asset.height))
    if asset.epsg is not None:
        assert -180 <= asset.west < asset.east <= 180
        assert -90 <= asset.south < asset.north <= 90
    told = (asset.attributes.get("facts") or [{}])[0]
    for name, value in row.facts.items():
        assert told[name] == value, name
    picture = np.asarray(Image.open(io.BytesIO(draw(asset))))
    assert len(np.unique(picture[..., :3].reshape(-1, 3), axis=0)) > 2  # it shows something


def draw(asset: Asset) -> bytes:
    return looks.draw_scene(asset.scene) if asset.scene_id else looks.draw_asset(asset)


def test_a_point_cloud_that_says_no_crs_is_placed_by_the_caller(real_data: Path) -> None:
    ingest(find(real_data, "lidar/simple.copc.laz"), "--epsg", "2992")
    cloud = Asset.objects.get(modality="lidar")
    assert (cloud.epsg, round(cloud.west), round(cloud.south)) == (2992, -123, 44)
    assert Scene.objects.get().modality == "lidar_heights"


def test_street_photos_are_samples_at_their_places(real_data: Path) -> None:
    assert ingest(find(real_data, "street-photos"), "--skip-refused")["samples"] == 3
    places = Sample.objects.values_list("longitude", "latitude")
    assert all(13 < longitude < 14 and 52 < latitude < 53 for longitude, latitude in places)


def test_posts_of_a_flood_come_in_once_their_columns_have_the_names_that_are_read(
    real_data: Path, tmp_path: Path
) -> None:
    source = find(real_data, "social-posts/crisislext26/2013_Alberta_floods-tweets_labeled.csv")
    with source.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))[1:51]
    with (tmp_path / "posts.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([["id", "text"], *([row[0], row[1]] for row in rows)])
    assert ingest(tmp_path / "posts.csv")["samples"] == len(rows) == Post.objects.count()


@pytest.mark.parametrize("path", ["social-posts", "satellite-video-tracks", "votes/bluebirds", "s2-classmaps/samples"])
def test_tables_that_no_source_reads_are_named_with_the_next_step(real_data: Path, path: str) -> None:
    folder = find(real_data, path)
    table = next(folder.rglob("*.csv"))
    with pytest.raises(Exception, match=r"(?s)no source knows what it holds.*Tables need the columns") as caught:
        ingest(folder)
    assert table.name in str(caught.value)
    assert not Region.objects.exists()


def test_odd_files_are_taken_with_their_flags_or_named(real_data: Path) -> None:
    said = ingest(find(real_data, "odd-files"), "--skip-refused")
    refused = " ".join(said["refused"])
    for name in ("corrupt.tif", "all-nodata.tif", "rotated.tif", "RGB.byte.rpc.vrt", "no_band.h5", "no-points.las"):
        assert name in refused
    taken = {Path(uri).name for uri in Asset.objects.values_list("uri", flat=True)}
    assert {"gps-time-nan.las", "spurious.las"} <= taken
    assert not taken & {"corrupt.tif", "no-points.las"}


def lay_patches(region: Region, *cells: str) -> None:
    """Patches where no scene lies, as a table of samples brings them in."""
    for cell in cells:
        longitude, latitude = parse_cell(cell).centre_lonlat
        given.sample(region.project, region, key=cell, cell=cell, longitude=longitude, latitude=latitude)


def list_links(**choice: Any) -> dict[str, list[Link]]:
    found: dict[str, list[Link]] = {}
    for link in Link.objects.filter(**choice).select_related("other", "asset", "sample").order_by("sample", "pk"):
        found.setdefault(Path(link.asset.uri).name if link.asset else link.other.key, []).append(link)
    return found


def test_buildings_heights_and_weather_of_a_city_belong_to_its_patches(real_data: Path) -> None:
    said = ingest(find(real_data, "dsm-buildings/goteborg"), "--skip-refused", "--cell-m", "50", "--pixels", "50")
    patches = said["patches"]["Here"]
    assert patches >= 9
    buildings = list_links(kind="footprints")["buildings.shp"]
    assert len(buildings) > patches / 2
    assert all(0 < link.share <= 1 and link.count >= 1 for link in buildings)
    assert 0.15 < sum(link.share for link in buildings) / patches < 0.6  # the centre of a dense town
    heights = list_links(kind="heights")
    assert {name: len(links) for name, links in heights.items()} == dict.fromkeys(
        ("DSM_KRbig.tif", "DEM_KRbig.tif"), patches
    )
    assert all(link.share > 0.99 for links in heights.values() for link in links)
    weather = list_links(kind="station")
    assert set(weather) == {"GBG_TMY_1977.txt", "gbg19970606_2015a.txt", "gbg20001219_2015a.txt"}
    assert all(link.distance_m is None for links in weather.values() for link in links)  # the files say no places
    assert said["links"]["Here"]["kinds"]["footprints"]["patches"] == len(buildings)


def test_street_photos_belong_to_the_patches_they_stand_on_and_to_the_nearest_tower(real_data: Path) -> None:
    ingest(find(real_data, "street-photos"), "--skip-refused")
    ingest(find(real_data, "urban-climate-met/berlin_station_air_temperature.csv.gz"))
    region, photos = Region.objects.get(), Sample.objects.filter(kind="street_view")
    lay_patches(region, *sorted(set(photos.values_list("cell", flat=True))))
    link_region(region=region)
    assert Link.objects.filter(kind="photo").values("other").distinct().count() == len(photos) == 3
    for link in Link.objects.filter(kind="photo").select_related("other"):
        assert link.distance_m < 330  # half a patch's diagonal, and 100 m beside it
    towers = Link.objects.filter(kind="station")
    assert towers.count() == Sample.objects.filter(kind="patch").count()
    for link in towers.select_related("asset", "sample"):
        places = link.asset.attributes["facts"][0]["places"]
        assert link.name == min(places, key=lambda name: measure(link.sample, places[name]))
        assert link.distance_m == pytest.approx(measure(link.sample, places[link.name]), abs=1)


def measure(sample: Sample, place: list[float]) -> float:
    return WGS84.inv(sample.longitude, sample.latitude, *place)[2]


@pytest.mark.parametrize(
    ("path", "words", "kind", "share"),
    [
        ("s2-classmaps/raster/classif", ("--modality", "array"), "map", 1.0),
        ("lcz/redon/osm_rsu_lcz.geojson", (), "shapes", 1.0),
        pytest.param("osm/Helsinki.osm.pbf", (), "footprints", 0.2),
        pytest.param("s2-ndvi-clouds-timeseries/vector_timeless", (), "shapes", 1.0),
    ],
)
def test_maps_and_shapes_belong_to_the_patches_that_they_cover(real_data, path, words, kind, share) -> None:
    ingest(find(real_data, path), *words)
    region = Region.objects.get()
    longitude, latitude = (region.west + region.east) / 2, (region.south + region.north) / 2
    middle = cell_at(longitude, latitude)
    lay_patches(region, middle.id, cell_at(longitude + 1, latitude).id)
    link_region(region=region)
    [link] = [link for links in list_links(kind=kind).values() for link in links]
    assert link.sample.key == middle.id
    assert share * 0.5 < link.share <= 1
    assert (link.count is None) == (kind == "map")


def test_heights_made_of_a_cloud_are_linked_and_cut(real_data: Path) -> None:
    said = ingest(find(real_data, "lidar/Topography.laz"), "--cell-m", "100", "--pixels", "50")
    assert said["patches"]["Here"] >= 1
    heights = list_links(kind="heights")
    assert set(heights) == {"Topography.laz", "Topography_heights.tif"}
    assert all(link.share > 0.99 for links in heights.values() for link in links)
    assert all(link.lag_s == 0 for link in heights["Topography_heights.tif"])


CUTS = [
    ("s1s2-coregistered-flood/Spain_7370579_S1Hand.tif", "sentinel1_grd", 320, ()),
    ("s1s2-coregistered-flood/Spain_7370579_S2Hand.tif", "sentinel2", 320, ("--offset", "0")),
    ("s2-small-patches/EuroSAT_MS/AnnualCrop", "sentinel2", 320, ()),
    (f"{BEN}S2A_MSIL2A_20170613T101031_N9999_R022_T33UUP_75_43", "sentinel2", 320, ()),
    (f"{BEN}S1A_IW_GRDH_1SDV_20170613T165043_33UUP_70_48", "sentinel1_grd", 320, ()),
    (f"hyperspectral/enmap/{ENMAP}", "hyperspectral", 960, ()),
    ("sar-geocoded", "sentinel1_grd", 640, ("--modality", "sentinel1_grd", "--bands", "VV")),
    ("sar-safe-metadata/Rome-30m-DEM.tif", "elevation", 3_200, ()),
    ("dsm-buildings/goteborg/DSM_KRbig.tif", "elevation", 50, ("--modality", "elevation", "--bands", "elevation")),
    pytest.param("change-pairs/taizhou", "hyperspectral", 960, SKIP),
    pytest.param("s1s2-coregistered-ssl4eo", "sentinel2", 320, SKIP),
    pytest.param(f"s2-l2a-scene-cloudmask/{SCENE}", "sentinel2", 320, ()),
]


@pytest.mark.parametrize(("path", "modality", "cell_m", "words"), CUTS)
def test_a_topic_with_pixels_is_cut_to_patches(real_data: Path, path, modality, cell_m, words) -> None:
    said = ingest(find(real_data, path), *words, "--cell-m", cell_m)
    patches = list(Sample.objects.filter(kind="patch").select_related("region").order_by("pk"))
    assert len(patches) == said["patches"]["Here"] > 0
    middle = patches[len(patches) // 2]
    read = pixels.read_samples([middle], modality)
    assert read.values.shape[2:] == (32, 32)
    assert read.valid.mean() > 0.5
    shown = read.values[0, 0][read.valid[0]]
    assert np.isfinite(shown).all()
    assert len(np.unique(shown)) > 10  # ground, not a constant


def test_scenes_smaller_than_a_patch_are_named_with_the_size_that_fits(real_data: Path) -> None:
    path, out = find(real_data, "dsm-buildings/goteborg/DSM_KRbig.tif"), StringIO()
    words = ("--modality", "elevation", "--bands", "elevation", "--region", "Here")
    call_command("ingest", str(path), *words, stdout=out)
    assert "0 patches of 320 m" in out.getvalue()
    size = int(out.getvalue().split("--cell-m ")[1].split(")")[0])
    assert ingest(path, *words[:4], "--cell-m", size)["patches"]["Here"] >= 1
