"""A question that names no pictures shows every view that the scenes and files of its samples' regions allow."""

import json
from datetime import UTC, datetime

import pytest
from django.urls import reverse

from geoquorum.campaigns.models import Campaign
from geoquorum.campaigns.sample_pictures import list_pictures
from geoquorum.campaigns.services.shown import list_views
from geoquorum.catalog.files import take_file
from geoquorum.catalog.models import Sample
from tests import given
from tests.geoquorum.catalog import shown

pytestmark = pytest.mark.django_db
CUBE = ["true_colour", "false_colour", "swir"]


@pytest.fixture(autouse=True)
def folders(settings, tmp_path):
    settings.GEOQUORUM_DATA, settings.GEOQUORUM_CACHE = tmp_path / "data", tmp_path / "cache"


@pytest.fixture
def patch(tmp_path) -> Sample:
    """A cell with a cube, points, a clip and weather stations."""
    made = shown.make_cell(given.project(), tmp_path)
    files = (shown.write_points(tmp_path / "town.las"), shown.write_clip(tmp_path / "clip"))
    for path in (*files, shown.write_weather(tmp_path / "weather.csv")):
        take_file(region=made.region, path=path)
    return made


def ask(patch: Sample) -> Campaign:
    return given.campaign(patch.project, samples=[patch], question="patch_classes", scheme="lcz17")


def test_every_kind_is_shown_in_the_views_that_it_has(patch):
    found: dict[str, list[str]] = {}
    for view in list_views(ask(patch)):
        found.setdefault(view.modality, []).append(view.view)
    heights = found.pop("lidar_heights")
    assert heights
    assert found == {
        "hyperspectral": CUBE,
        "lidar": ["heights", "intensity", "classes"],
        "video": ["frame"],
        "weather_station": ["air_temperature"],
    }


def test_a_view_whose_bands_no_scene_has_is_not_offered(tmp_path):
    project = given.project()
    region = given.region(project, epsg=32632)
    cell = given.sample(project, region, cell="32N-320-1562-16562", width_px=32)
    shown.take_cube(region, tmp_path / "visible.tif", waves=(480.0, 560.0, 650.0))
    assert [view.view for view in list_views(ask(cell))] == ["true_colour"]
    shown.take_cube(region, tmp_path / "plain.tif", waves=(), bands=4)
    assert [view.view for view in list_views(ask(cell))] == ["true_colour", "bands"]


def test_the_vote_page_and_the_sample_page_offer_pictures_that_are_there(client, patch, tmp_path):
    for year in (2023, 2024):
        captured = datetime(year, 7, 3, tzinfo=UTC)
        shown.take_cube(patch.region, tmp_path / f"{year}.tif", captured=captured, level=year - 2000)
    campaign = ask(patch)
    client.force_login(given.member(patch.project))
    page = client.get(reverse("campaigns:vote", args=[campaign.pk]))
    assert page.status_code == 200
    claimed = client.post(
        reverse("campaigns:claim", args=[campaign.pk]), json.dumps({"count": 1}), content_type="application/json"
    ).json()
    seasons = claimed["regions"][str(patch.region_id)]["seasons"]
    assert seasons["hyperspectral"][:2] == ["2023-07-03", "2024-07-03"], "two summers go by their days"
    pictures = list_pictures(campaign, patch)
    assert {picture.title.split()[0] for picture in pictures} >= {"hyperspectral", "lidar", "video", "weather"}
    assert len([one for one in pictures if one.title.startswith("hyperspectral")]) == 3 * len(seasons["hyperspectral"])
    answers = {one.url: client.get(one.url) for one in pictures}
    assert {url: answer.content for url, answer in answers.items() if answer.status_code != 200} == {}
    assert len([one for one in pictures if one.title.startswith("hyperspectral true colour 20")]) == 2
