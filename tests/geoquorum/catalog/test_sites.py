"""A sample is shown in whatever its region holds: cubes of any bands, points, clips, weather stations."""

import io

import numpy as np
import pytest
from django.urls import reverse
from PIL import Image

from fusion.errors import GeoquorumError
from fusion.painting import plot_line
from geoquorum.catalog import pictures, sites
from geoquorum.catalog.files import take_file
from geoquorum.catalog.models import Asset, Sample
from tests import given
from tests.geoquorum.catalog import shown

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def folders(settings, tmp_path):
    settings.GEOQUORUM_DATA, settings.GEOQUORUM_CACHE = tmp_path / "data", tmp_path / "cache"


@pytest.fixture
def patch(tmp_path) -> Sample:
    return shown.make_cell(given.project(), tmp_path)


def open_picture(content: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(content)))


def draw(patch: Sample, modality: str, view: str, context: int = 1) -> np.ndarray:
    site = sites.find_site(patch, modality)
    assert site is not None
    return open_picture(sites.draw_site(site, patch, view, context=context))


def test_a_cube_is_drawn_in_the_bands_nearest_to_each_colour(patch):
    drawn = open_picture(pictures.picture(patch, "hyperspectral", "true_colour"))
    assert drawn.shape == (32, 32, 4)
    assert (np.diff(drawn[5, 2:30, 0].astype(int)) > 0).all(), "red grows to the east"
    assert (drawn[:, 5, 0] == drawn[0, 5, 0]).all()
    assert (np.diff(drawn[2:30, 5, 1].astype(int)) > 0).all(), "green grows to the south"
    assert open_picture(pictures.picture(patch, "hyperspectral", "swir")).shape == (32, 32, 4)


def test_a_view_that_a_cube_has_no_bands_for_is_answered_with_those_it_has(tmp_path):
    project = given.project()
    region = given.region(project)
    shown.take_cube(region, tmp_path / "visible.tif", waves=(480.0, 560.0, 650.0))
    cell = given.sample(project, region, cell="32N-320-1562-16562", width_px=32)
    with pytest.raises(GeoquorumError, match=r"no view 'swir'. Known: true_colour"):
        pictures.picture(cell, "hyperspectral", "swir")


def test_a_cube_that_states_no_wavelengths_is_drawn_in_three_of_its_bands(tmp_path):
    project = given.project()
    region = given.region(project)
    shown.take_cube(region, tmp_path / "plain.tif", waves=(), bands=4)
    cell = given.sample(project, region, cell="32N-320-1562-16562", width_px=32)
    drawn = open_picture(pictures.picture(cell, "hyperspectral", "bands"))
    assert np.ptp(drawn[..., :3]) > 100


@pytest.mark.slow
def test_points_are_drawn_from_above_in_the_patchs_own_square(patch, tmp_path):
    take_file(region=patch.region, path=shown.write_points(tmp_path / "town.las"))
    drawn = draw(patch, "lidar", "classes")
    assert drawn.shape == (256, 256, 4)
    assert (drawn[:120, :, 3] == 0).all(), "there is nothing in the north"
    assert (drawn[140:, 8:, 3] == 255).mean() > 0.9
    west, east = drawn[200, 40, :3], drawn[200, 220, :3]
    assert tuple(west) == (0xA0, 0x76, 0x4A)
    assert tuple(east) == (0xD1, 0x49, 0x5B)
    around = draw(patch, "lidar", "heights", context=3)
    alone = around[..., 3] > 0
    assert alone[82:175, 82:175].sum() == alone.sum() > 3_000, "in the middle of three by three cells"


@pytest.mark.slow
def test_a_cloud_of_far_too_many_points_is_not_drawn(patch, tmp_path, monkeypatch):
    take_file(region=patch.region, path=shown.write_points(tmp_path / "town.las"))
    monkeypatch.setattr(sites, "MOST_POINTS", 20_000)
    with pytest.raises(GeoquorumError, match=r"town\.las: 30,000 points are not drawn"):
        draw(patch, "lidar", "heights")


def test_a_clip_is_cut_to_the_patch(patch, tmp_path):
    take_file(region=patch.region, path=shown.write_clip(tmp_path / "clip"))
    drawn = draw(patch, "video", "frame")
    assert drawn.shape == (32, 32, 4)
    assert drawn[0, :, 0].tolist() == list(range(64, 128, 2))
    assert drawn[:, 0, 1].tolist() == list(range(64, 128, 2))
    assert (drawn[..., 2] == 0).all(), "the first frame"
    around = draw(patch, "video", "frame", context=5)
    assert (around[32:128, 32:128, 3] == 255).all()
    assert (around[:32, :, 3] == 0).all(), "what the camera did not see is transparent"


def test_the_nearest_station_is_drawn(patch, tmp_path):
    take_file(region=patch.region, path=shown.write_weather(tmp_path / "weather.csv"))
    line = np.arange(10, 16, dtype=np.float32)
    low, high = np.percentile(line, [0.5, 99.5])
    assert np.array_equal(draw(patch, "weather_station", "air_temperature"), plot_line(line, low, high, (256, 256)))


def test_members_see_a_site_by_the_address_of_pictures_and_strangers_do_not(client, patch, tmp_path):
    take_file(region=patch.region, path=shown.write_points(tmp_path / "town.las"))
    address = reverse("catalog:picture", args=[patch.pk, "lidar", "heights"])
    client.force_login(given.member(patch.project))
    answer = client.get(address)
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/png")
    assert client.get(reverse("catalog:picture", args=[patch.pk, "lidar", "x-ray"])).status_code == 400
    client.force_login(given.user())
    assert client.get(address).status_code in (403, 404)


@pytest.mark.slow
def test_a_site_is_drawn_once_and_then_kept(patch, tmp_path):
    take_file(region=patch.region, path=shown.write_points(tmp_path / "town.las"))
    first = sites.draw_site(sites.find_site(patch, "lidar"), patch, "heights")
    (tmp_path / "town.las").unlink()
    assert sites.draw_site(sites.find_site(patch, "lidar"), patch, "heights") == first


def test_a_file_elsewhere_is_not_taken_before_one_over_the_sample(patch, tmp_path):
    for name, east in (("here", 0.0), ("elsewhere", 2.0)):
        Asset.objects.create(
            project=patch.project, region=patch.region, modality="lidar", uri=name, sha256=name, size_bytes=1,
            driver="LAS", bands=[], dtype="", epsg=32632, west=patch.longitude - 0.1 + east,
            east=patch.longitude + 0.1 + east, south=patch.latitude - 0.1, north=patch.latitude + 0.1,
        )  # fmt: skip
    assert sites.find_site(patch, "lidar").uri == "here"
    assert sites.find_site(patch, "sentinel2") is None
