"""Scenes go by their season, and by their day where a season has several."""

from datetime import UTC, datetime

import pytest

from fusion.errors import BadInputError
from geoquorum.catalog import dates
from geoquorum.catalog.models import Region, Scene
from tests import given

pytestmark = pytest.mark.django_db
SUMMER_1, SUMMER_2 = datetime(2023, 7, 3, 10, tzinfo=UTC), datetime(2024, 6, 20, 23, 30, tzinfo=UTC)
WINTER = datetime(2024, 1, 9, 10, tzinfo=UTC)


def add(region: Region, when: datetime | None, season: str = "", modality: str = "landsat") -> Scene:
    made = {"project": region.project, "region": region, "modality": modality, "season": season}
    return Scene.objects.create(**made, name=f"{modality} {when} {season}", captured_from=when)


@pytest.fixture
def region() -> Region:
    return given.region(given.project(), "Here")


def test_one_day_in_each_season_goes_by_the_season(region):
    add(region, WINTER, "winter")
    add(region, SUMMER_1, "summer")
    assert dates.list_dates([region]) == {region.pk: {"landsat": ["summer", "winter"]}}


def test_two_days_of_one_season_go_by_their_days_and_another_modality_does_not(region):
    second, first = add(region, SUMMER_2, "summer"), add(region, SUMMER_1, "summer")
    winter = add(region, WINTER, "winter")
    add(region, SUMMER_1, "summer", "sentinel2")
    named = {"landsat": ["2023-07-03", "2024-01-09", "2024-06-20"], "sentinel2": ["summer"]}
    assert dates.list_dates([region])[region.pk] == named
    assert dates.find_scene(region, "landsat", "2023-07-03") == first
    assert dates.find_scene(region, "landsat", "summer") == dates.find_scene(region, "landsat") == second
    assert dates.find_scenes([region], "landsat", dates.EVERY) == {region.pk: [first, winter, second]}
    with pytest.raises(BadInputError, match=r"no landsat scene of autumn\. It has: landsat 2023-07-03, landsat 2024"):
        dates.find_scene(region, "landsat", "autumn")


def test_a_scene_without_a_date_keeps_its_season_and_comes_last(region):
    add(region, None, "summer")
    add(region, SUMMER_1, "summer")
    add(region, SUMMER_2, "summer")
    assert dates.list_dates([region])[region.pk]["landsat"] == ["2023-07-03", "2024-06-20", "summer"]


def test_a_series_has_the_dates_that_all_regions_share(region):
    other = given.region(region.project, "There")
    for place, when, season in ((region, WINTER, "winter"), (region, SUMMER_1, "summer"), (other, WINTER, "winter")):
        add(place, when, season)
    assert dates.list_common_dates([region, other], "landsat") == ["winter"]
    Scene.objects.filter(region=other).update(season="spring")
    with pytest.raises(BadInputError, match=r"share no date of landsat \(Here: summer, winter; There: spring\)"):
        dates.list_common_dates([region, other], "landsat")
