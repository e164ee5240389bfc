"""Files of every source through the ordinary command and the page: recognised, kept by reference, drawn, or refused."""

import io
import json
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from PIL import Image

from fusion import looking
from fusion.bounded import Bounds
from fusion.sources.geotiff import write_cog
from geoquorum.accounts.models import Project
from geoquorum.catalog import looks
from geoquorum.catalog.models import Asset, Region, Sample, Scene
from tests import given

pytestmark = pytest.mark.django_db
WEATHER = "time,station,lon,lat,airT\n2024-05-01T00:00:00Z,a,7.1,50.1,9.5\n2024-05-01T01:00:00Z,a,7.1,50.1,8.5\n"
SHAPES = {
    "type": "FeatureCollection",
    "features": [
        {
            "type": "Feature",
            "properties": {"building": "yes"},
            "geometry": {"type": "Polygon", "coordinates": [[[7, 50], [7.01, 50], [7.01, 50.01], [7, 50.01], [7, 50]]]},
        }
    ],
}


@pytest.fixture(autouse=True)
def folders(settings, tmp_path: Path) -> None:
    settings.GEOQUORUM_DATA, settings.GEOQUORUM_CACHE = tmp_path / "data", tmp_path / "cache"


def ingest(*words: object) -> str:
    out = StringIO()
    call_command("ingest", *map(str, words), stdout=out)
    return out.getvalue()


def write_envi(folder: Path) -> Path:
    """Six bands of 4 x 5 pixels in UTM 51 north."""
    header = (
        "ENVI\nsamples = 5\nlines = 4\nbands = 6\nheader offset = 0\ndata type = 1\ninterleave = bsq\nbyte order = 0\n"
        "map info = {UTM, 1, 1, 300000, 3600000, 30, 30, 51, North, WGS-84}\n"
        "wavelength units = Nanometers\nwavelength = {480, 560, 660, 830, 1650, 2220}\n"
    )
    (folder / "cube.hdr").write_text(header)
    (folder / "cube.img").write_bytes(np.arange(120, dtype=np.uint8).tobytes())
    return folder / "cube.hdr"


def write_picture(path: Path) -> Path:
    Image.new("RGB", (90, 70), (90, 120, 60)).save(path)
    return path


def rows() -> tuple[int, ...]:
    return tuple(model.objects.count() for model in (Project, Region, Scene, Asset, Sample))


def look_of(asset: Asset) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(looks.draw_asset(asset))))


def test_a_table_of_weather_is_an_asset_of_its_region_with_its_stations(tmp_path: Path) -> None:
    path = tmp_path / "weather.csv"
    path.write_text(WEATHER)
    assert "2 rows of airT at 1 stations" in ingest(path, "--region", "Eifel")
    asset = Asset.objects.get()
    assert (asset.modality, asset.region.name, asset.bands) == ("weather_station", "Eifel", ["airT"])
    assert (asset.west, asset.north, asset.captured_from.isoformat()) == (7.1, 50.1, "2024-05-01T00:00:00+00:00")
    assert asset.attributes["facts"][0]["places"] == {"a": [7.1, 50.1]}
    assert not Scene.objects.exists()
    assert look_of(asset).shape == (160, 320, 3)


def test_shapes_are_kept_with_their_place_and_drawn(tmp_path: Path) -> None:
    path = tmp_path / "houses.geojson"
    path.write_text(json.dumps(SHAPES))
    ingest(path)
    asset = Asset.objects.get()
    assert (asset.modality, asset.epsg, asset.attributes["facts"][0]["shapes"]) == ("vector", 4326, 1)
    drawn = look_of(asset)
    assert tuple(drawn[drawn.shape[0] // 2, drawn.shape[1] // 2, :3]) == looks.BUILDING


def test_shapes_without_attributes_are_drawn_too(tmp_path: Path) -> None:
    bare = SHAPES | {"features": [SHAPES["features"][0] | {"properties": {}}]}
    (tmp_path / "bare.geojson").write_text(json.dumps(bare))
    ingest(tmp_path / "bare.geojson")
    drawn = look_of(Asset.objects.get())
    assert tuple(drawn[drawn.shape[0] // 2, drawn.shape[1] // 2, :3]) == looks.OTHER


def test_an_envi_file_becomes_a_scene_that_names_what_it_was_made_of(tmp_path: Path) -> None:
    header = write_envi(tmp_path)
    ingest(header, "--region", "Taizhou")
    scene = Scene.objects.get()
    asset = scene.assets.get()
    assert (scene.name, scene.modality, scene.epsg) == ("cube", "hyperspectral", 32651)
    assert asset.attributes["origin"]["uri"] == str(tmp_path / "cube.img")
    assert asset.attributes["wavelengths_nm"] == [480, 560, 660, 830, 1650, 2220]
    assert (asset.width, asset.height, asset.dtype) == (5, 4, "uint8")
    picture = Image.open(io.BytesIO(looks.draw_scene(scene)))
    assert picture.mode == "RGBA"
    assert len(set(np.asarray(picture)[..., 0].ravel().tolist())) > 4


def test_an_array_without_a_place_is_kept_with_its_shape(tmp_path: Path) -> None:
    np.save(tmp_path / "truth.npy", np.arange(12, dtype=np.uint8).reshape(3, 4))
    ingest(tmp_path / "truth.npy")
    asset = Asset.objects.get()
    assert (asset.modality, asset.dtype, asset.west) == ("array", "uint8", None)
    assert asset.attributes["facts"][0]["shape"] == [3, 4]
    assert Region.objects.get().west is None


def test_a_folder_is_walked_and_what_no_source_reads_is_named(tmp_path: Path) -> None:
    folder = tmp_path / "mixed"
    (folder / "inner").mkdir(parents=True)
    (folder / "weather.csv").write_text(WEATHER)
    (folder / "README.md").write_text("# of these files\n")
    write_envi(folder / "inner")
    said = ingest(folder)
    assert "Left out: README.md: no source knows what it holds" in said
    assert set(Asset.objects.values_list("modality", flat=True)) == {"weather_station", "hyperspectral"}
    assert {region.name for region in Region.objects.all()} == {"mixed"}


def test_one_refused_file_refuses_the_folder_unless_it_may_be_left_out(tmp_path: Path, settings) -> None:
    folder = tmp_path / "mixed"
    folder.mkdir()
    write_envi(folder)
    (folder / "weather.csv").write_text(WEATHER.replace("8.5", "warm"))
    before = rows()
    with pytest.raises(CommandError, match=r"weather\.csv"):
        ingest(folder)
    assert rows() == before
    assert not list(Path(settings.GEOQUORUM_DATA).rglob("*.tif"))
    said = json.loads(ingest(folder, "--skip-refused", "--json"))
    assert [scene["scene"] for scene in said["scenes"]] == ["cube"]
    assert "weather.csv" in said["refused"][0]


def test_a_raster_tells_its_modality_by_its_bands_or_is_asked(tmp_path: Path) -> None:
    grid = {"epsg": 32632, "transform": (10, 0, 500_000, 0, -10, 5_300_000)}
    write_cog(tmp_path / "a.tif", np.full((2, 8, 8), -9, np.float32), band_names=("VV", "VH"), **grid)
    write_cog(tmp_path / "b.tif", np.full((1, 8, 8), 3, np.uint8), band_names=("class",), **grid)
    ingest(tmp_path / "a.tif")
    assert Scene.objects.get().modality == "sentinel1_grd"
    with pytest.raises(CommandError, match=r"b\.tif: its bands \(class\).*array is any other"):
        ingest(tmp_path / "b.tif")
    ingest(tmp_path / "b.tif", "--modality", "array")
    assert Asset.objects.get(modality="array").epsg == 32632


def test_a_picture_without_a_place_is_asked_what_it_shows(tmp_path: Path) -> None:
    path = write_picture(tmp_path / "view.png")
    with pytest.raises(CommandError, match=r"view\.png: .*street_view.*aerial"):
        ingest(path)
    ingest(path, "--modality", "aerial")
    assert (Asset.objects.get().width, Asset.objects.get().height) == (90, 70)
    assert look_of(Asset.objects.get()).shape == (70, 90, 3)
    ingest(path, "--modality", "street_view")
    assert Sample.objects.get().kind == "street_view"


def test_the_same_file_again_is_the_same_asset(tmp_path: Path) -> None:
    (tmp_path / "weather.csv").write_text(WEATHER)
    ingest(tmp_path / "weather.csv")
    ingest(tmp_path / "weather.csv")
    assert Asset.objects.count() == 1


def test_the_page_of_a_region_shows_footprints_and_pictures_to_members_alone(tmp_path: Path, client: Client) -> None:
    write_envi(tmp_path)
    (tmp_path / "weather.csv").write_text(WEATHER)
    ingest(tmp_path, "--region", "Both", "--project", "one")
    project, region = Project.objects.get(slug="one"), Region.objects.get()
    client.force_login(given.member(project, "expert"))
    page = client.get(reverse("catalog:region", args=[region.pk])).content.decode()
    scene, asset = Scene.objects.get(), Asset.objects.get(modality="weather_station")
    addresses = [reverse("catalog:scene_look", args=[scene.pk]), reverse("catalog:asset_look", args=[asset.pk])]
    assert all(address in page for address in addresses)
    assert page.count('class="footprint"') == 2
    assert "footprint-point" in page
    assert all(client.get(address)["Content-Type"] == "image/png" for address in addresses)
    client.force_login(given.member(given.project("Other"), "curator"))
    assert {client.get(address).status_code for address in addresses} <= {403, 404}


@pytest.fixture
def curator(client: Client) -> Client:
    client.force_login(given.member(given.project("Zugspitze"), "curator"))
    return client


def send(client: Client, name: str, content: bytes, **fields: object) -> tuple[int, str]:
    address = reverse("catalog:files", args=[Project.objects.get().slug])
    sent = {"kind": "source", "file": SimpleUploadedFile(name, content), "region": "Sent"} | fields
    answer = client.post(address, sent, follow=True)
    return answer.status_code, answer.content.decode()


def test_a_file_that_is_sent_is_kept_by_its_content(curator: Client, settings) -> None:
    status, page = send(curator, "weather.csv", WEATHER.encode())
    assert (status, "weather.csv is taken into Sent." in page) == (200, True)
    kept = Path(Asset.objects.get().uri)
    assert kept.read_text() == WEATHER
    assert kept.is_relative_to(settings.GEOQUORUM_DATA)


def test_parts_of_a_file_are_sent_with_it_and_other_files_are_not(curator: Client, tmp_path: Path) -> None:
    header = write_envi(tmp_path)
    pixels = SimpleUploadedFile("cube.img", (tmp_path / "cube.img").read_bytes())
    status, page = send(curator, "cube.hdr", header.read_bytes(), parts=[pixels])
    assert (status, Scene.objects.get().modality) == (200, "hyperspectral")
    overview = SimpleUploadedFile("cube.ovr", b"II*\0")
    status, page = send(curator, "cube.hdr", header.read_bytes(), parts=[overview])
    assert (status, "cube.ovr: no part of" in page) == (400, True)


@pytest.mark.parametrize(
    ("bounds", "words"),
    [
        (Bounds(seconds=0.05), "took too long and was ended"),
        (Bounds(seconds=30, memory_bytes=160 * 2**20), "its reader|needs more memory|cannot be read"),
    ],
)
def test_a_child_that_ends_badly_is_one_sentence_and_stores_nothing(
    curator: Client, settings, monkeypatch: pytest.MonkeyPatch, bounds: Bounds, words: str
) -> None:
    monkeypatch.setattr(looking, "BOUNDS", bounds)
    before = rows()
    status, page = send(curator, "weather.csv", WEATHER.encode())
    assert status == 400
    assert any(word in page for word in words.split("|"))
    assert rows() == before
    assert not [path for path in Path(settings.GEOQUORUM_DATA).rglob("*") if path.is_file()]


VRT = (
    b'<VRTDataset rasterXSize="1" rasterYSize="1"><VRTRasterBand><SourceFilename>/etc/passwd</SourceFilename>'
    b"</VRTRasterBand></VRTDataset>"
)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("sneaky.tif", VRT, "not a TIFF"),
        ("broken.tif", b"II*\0" + b"nonsense" * 40, "cannot be read"),
        ("cloud.las", b"LASF" + b"\xff" * 400, "cloud.las"),
        ("notes.docx", b"PK\3\4 words", "no source knows"),
        ("posts.csv", b"id,text\n1,hello\n", "form of their own"),
    ],
)
def test_what_is_disguised_or_broken_is_refused_by_name(
    curator: Client, settings, name: str, content: bytes, words: str
) -> None:
    before = rows()
    status, page = send(curator, name, content)
    assert (status, words in page, name.rsplit(".", 1)[0] in page) == (400, True, True)
    assert rows() == before
    assert not [path for path in Path(settings.GEOQUORUM_DATA).rglob("*") if path.is_file()]
