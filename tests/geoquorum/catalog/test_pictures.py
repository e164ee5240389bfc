"""Pixels of samples as numbers and as pictures, read where they lie and shown only to members."""

import io
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from django.urls import reverse
from PIL import Image

from fusion import grid
from fusion.errors import BadInputError, NoLocationError
from fusion.modality import find
from fusion.sources import geotiff
from fusion.sources.geotiff import write_cog
from geoquorum.catalog import pictures, pixels, services
from tests import given

pytestmark = pytest.mark.django_db
TOP = (500_000 - 500_000 % 320, 5_300_000 - 5_300_000 % 320)


@pytest.fixture(autouse=True)
def fresh_cache(settings, tmp_path):
    settings.GEOQUORUM_CACHE = tmp_path / "cache"


@pytest.fixture
def sample():
    """A patch in the middle of a made-up city, so that 3 x 3 cells around it hold data."""
    region = given.city(given.project())
    longitude, latitude = (region.west + region.east) / 2, (region.south + region.north) / 2
    return min(region.samples.all(), key=lambda s: (s.longitude - longitude) ** 2 + (s.latitude - latitude) ** 2)


@pytest.fixture
def browser(client, sample):
    client.force_login(given.member(sample.project))
    return client


def address(sample, modality="sentinel2", view="true_colour", **query):
    return reverse("catalog:picture", args=[sample.pk, modality, view], query=query or None)


def open_picture(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def take_numbers(path: Path, bands: tuple[str, ...], numbers: np.ndarray, *, offset: float = 0.0):
    """A scene of one cell with a number for each band; its only sample."""
    array = np.broadcast_to(numbers[:, None, None], (len(bands), 32, 32)).astype(np.uint16)
    tags = {"BOA_ADD_OFFSET": str(offset)}
    transform = (10, 0, TOP[0], 0, -10, TOP[1] + 320)
    write_cog(path, array, epsg=32632, transform=transform, nodata=0, band_names=bands, tags=tags)
    region = services.get_region(project=given.project(), name="Plain")
    services.ingest(region=region, paths=[path], modality="sentinel2")
    return services.cut_patches(region=region)[0]


def test_a_picture_has_the_size_of_its_patch(browser, sample):
    answer = browser.get(address(sample))
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/png")
    assert answer["X-Content-Type-Options"] == "nosniff"
    assert "private" in answer["Cache-Control"]
    image = open_picture(answer.content)
    assert (image.size, image.mode) == ((32, 32), "RGBA")
    assert np.ptp(np.asarray(image)[..., :3]) > 20


def test_the_context_shows_the_cells_around(browser, sample):
    alone = np.asarray(open_picture(browser.get(address(sample)).content))
    around = np.asarray(open_picture(browser.get(address(sample, context=3)).content))
    assert around.shape == (96, 96, 4)
    assert np.array_equal(around[32:64, 32:64], alone)
    assert around[..., 3].min() == 255


def test_what_lies_beside_the_scene_is_transparent(browser, sample):
    corner = sample.region.samples.order_by("-latitude", "longitude").first()
    around = np.asarray(open_picture(browser.get(address(corner, context=3)).content))
    assert around[32:64, 32:64, 3].min() == 255
    assert around[..., 3].min() == 0


@pytest.mark.parametrize("view", ["true_colour", "false_colour", "swir"])
def test_every_view_of_sentinel_2_is_drawn(browser, sample, view):
    assert open_picture(browser.get(address(sample, view=view)).content).size == (32, 32)


def test_radar_is_drawn(browser, sample):
    assert open_picture(browser.get(address(sample, "sentinel1", "radar")).content).size == (32, 32)


def test_a_picture_is_drawn_once_and_then_kept(browser, sample, monkeypatch):
    first = browser.get(address(sample)).content
    monkeypatch.setattr(pictures, "_draw", lambda *_: pytest.fail("drawn a second time"))
    assert browser.get(address(sample)).content == first


def test_who_has_the_picture_is_told_so(browser, sample):
    tag = browser.get(address(sample))["ETag"]
    again = browser.get(address(sample), headers={"If-None-Match": tag})
    assert (again.status_code, again.content, again["ETag"]) == (304, b"", tag)
    other = browser.get(address(sample, view="swir"), headers={"If-None-Match": tag})
    assert other.status_code == 200


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ({"modality": "sentinel9"}, "sentinel2"),
        ({"view": "x-ray"}, "true_colour"),
        ({"season": "winter"}, "sentinel2 summer"),
        ({"context": "2"}, "1, 3, 5"),
        ({"context": "²"}, "1, 3, 5"),
    ],
)
def test_what_is_not_there_is_answered_with_what_is(browser, sample, words, said):
    answer = browser.get(address(sample, **words))
    assert answer.status_code == 400
    assert said in answer.content.decode()
    assert answer["Content-Type"].startswith("text/plain")


def test_the_values_are_those_of_the_file(browser, sample):
    answer = browser.get(reverse("catalog:values", args=[sample.pk, "sentinel1"]))
    shape = tuple(map(int, answer["X-Shape"].split(",")))
    found = np.frombuffer(answer.content, np.dtype(answer["X-Dtype"]).newbyteorder("<")).reshape(shape)
    _planned, files = given.city_files()
    bands = find("sentinel1").band_names
    stored, _valid = geotiff.read_window(files.sentinel1, bands, bounds=grid.parse_cell(sample.cell).bounds)
    assert answer["X-Bands"].split(",") == list(bands)
    assert np.array_equal(found, stored)


def test_an_offset_is_worked_into_whole_numbers(browser, sample, tmp_path):
    bands = find("sentinel2").band_names
    numbers = np.array([0, 1, 1000, 1001, 1500, 2000, 3000, 4000, 5000, 65535])
    newer = take_numbers(tmp_path / "newer.tif", bands, np.where(numbers == 0, 5, numbers), offset=-1000)
    read = pixels.read_samples([newer], "sentinel2")
    assert read.offset == 0
    assert read.values.dtype == np.uint16
    assert read.values[0, :, 0, 0].tolist() == [1, 1, 1, 1, 500, 1000, 2000, 3000, 4000, 64535]
    assert read.valid.all()


def test_a_missing_number_stays_missing_when_an_offset_is_worked_in(tmp_path):
    bands = find("sentinel2").band_names
    patch = take_numbers(tmp_path / "gap.tif", bands, np.full(len(bands), 2000), offset=-1000)
    asset = patch.region.scenes.get().assets.get()
    values = np.array([[[0, 2000]]], dtype=np.uint16)
    assert pixels.remove_offset(values, asset).tolist() == [[[0, 1000]]]


def test_values_of_a_scene_with_an_offset_say_that_none_is_left(client, tmp_path):
    bands = find("sentinel2").band_names
    patch = take_numbers(tmp_path / "newer.tif", bands, np.full(len(bands), 1500), offset=-1000)
    client.force_login(given.member(patch.project))
    answer = client.get(reverse("catalog:values", args=[patch.pk, "sentinel2"]))
    assert float(answer["X-Offset"]) == 0
    assert float(answer["X-Scale"]) == pytest.approx(1e-4)
    assert set(np.frombuffer(answer.content, "<u2")) == {500}


def test_a_scene_with_some_bands_shows_the_views_it_can(tmp_path):
    """The file holds three bands in another order than the modality declares."""
    patch = take_numbers(tmp_path / "three.tif", ("B4", "B2", "B3"), np.array([3000, 1000, 2000]))
    read = pixels.read_samples([patch], "sentinel2")
    assert read.bands == ["B2", "B3", "B4"]
    assert read.values[0, :, 0, 0].tolist() == [1000, 2000, 3000]
    red, green, blue, alpha = np.asarray(open_picture(pictures.picture(patch, "sentinel2", "true_colour")))[0, 0]
    assert red > green > blue
    assert alpha == 255
    with pytest.raises(BadInputError, match="needs B8; the scene has B2, B3, B4"):
        pictures.picture(patch, "sentinel2", "false_colour")


def test_the_newest_scene_of_a_season_is_read(tmp_path):
    bands = find("sentinel2").band_names
    patch = take_numbers(tmp_path / "undated.tif", bands, np.full(len(bands), 100))
    scenes = patch.region.scenes
    scenes.update(season="summer")
    for year, number in ((2021, 200), (2020, 300)):
        array = np.full((len(bands), 32, 32), number, np.uint16)
        transform = (10, 0, TOP[0], 0, -10, TOP[1] + 320)
        path = write_cog(
            tmp_path / f"{year}.tif", array, epsg=32632, transform=transform, nodata=0, band_names=bands,
            tags={"BOA_ADD_OFFSET": "0"},
        )  # fmt: skip
        captured = datetime(year, 7, 1, tzinfo=UTC)
        services.ingest(region=patch.region, paths=[path], modality="sentinel2", captured=captured)
    assert set(pixels.read_samples([patch], "sentinel2", "summer").values.ravel()) == {200}


def test_a_sample_without_a_place_has_no_picture_and_no_values(client):
    placeless = given.sample(given.project())
    client.force_login(given.member(placeless.project))
    answer = client.get(address(placeless))
    assert answer.status_code == 400
    assert "has no place" in answer.content.decode()
    values = client.get(reverse("catalog:values", args=[placeless.pk, "sentinel2"]))
    assert values.status_code == 400
    assert "needs a grid cell" in values.content.decode()
    with pytest.raises(NoLocationError):
        pixels.read_samples([placeless], "sentinel2")


def test_samples_of_two_regions_are_not_read_together(sample):
    other = given.city(sample.project, 1).samples.first()
    with pytest.raises(NoLocationError, match="one and the same region"):
        pixels.read_samples([sample, other], "sentinel2")


def test_the_pages_list_regions_with_their_scenes_and_patches(browser, sample):
    listed = browser.get(reverse("catalog:regions"))
    assert sample.region.name in listed.content.decode()
    page = browser.get(reverse("catalog:region", args=[sample.region_id])).content.decode()
    assert "16 patches" in page
    assert page.count('<img src="/catalog/samples/') == 16
    assert "summer" in page
    for reference in sample.region.samples.values_list("references__code", flat=True).distinct():
        assert f">{reference}<" not in page


def test_a_catalog_without_regions_says_what_to_do(client):
    client.force_login(given.member(given.project()))
    assert "manage.py ingest" in client.get(reverse("catalog:regions")).content.decode()
