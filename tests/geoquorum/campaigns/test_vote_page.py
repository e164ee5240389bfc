"""The vote page as it is sent: what it shows of the question, and that nothing an outsider wrote becomes markup."""

import json
import re
from typing import Any

import pytest
from django.test import Client

from fusion import scheme as schemes
from geoquorum.accounts.models import Project
from geoquorum.campaigns.models import Campaign
from geoquorum.campaigns.templatetags.vote import COMMANDS, phone_columns
from geoquorum.catalog.models import Region, Scene
from tests import given

pytestmark = pytest.mark.django_db
EVIL = "</script><img src=x onerror=alert(1)>"


@pytest.fixture
def project() -> Project:
    return given.project(is_simulated=True)


def open_page(client: Client, campaign: Campaign) -> str:
    client.force_login(given.member(campaign.project))
    return client.get(f"/campaigns/{campaign.pk}/vote/").content.decode()


def config(page: str) -> dict[str, Any]:
    return json.loads(re.search(r'<script id="vote-config" type="application/json">(.*?)</script>', page).group(1))


def scene(region: Region, modality: str) -> Scene:
    return Scene.objects.create(project=region.project, region=region, modality=modality, name=modality)


def test_every_class_has_a_button_with_its_key_and_every_view_its_place(client: Client, project: Project) -> None:
    page = open_page(client, given.campaign(project))
    assert re.findall(r'data-code="(\w+)" aria-keyshortcuts="(\w)"', page) == [
        (label["code"], label["key"]) for label in config(page)["scheme"]["classes"]
    ]
    assert page.count('<figure class="view">') == len(config(page)["question"]["views"]) == 4


def test_a_question_without_views_shows_what_the_regions_hold(client: Client, project: Project) -> None:
    region = given.region(project)
    samples = given.samples(project, 3, region)
    scene(region, "sentinel1_grd")
    scene(given.region(project), "sentinel2")
    campaign = given.campaign(project, question="patch_classes", scheme="water", samples=samples)
    page = open_page(client, campaign)
    assert [view["modality"] for view in config(page)["question"]["views"]] == ["sentinel1_grd"]
    assert re.findall(r'data-code="(\w+)"', page) == ["water", "dry"]


def test_a_name_or_guide_never_becomes_markup(client: Client, project: Project) -> None:
    page = open_page(client, given.campaign(project, name=EVIL, guide=EVIL))
    assert "<img src=x" not in page
    assert config(page)["name"] == EVIL


def test_a_simulated_campaign_says_so(client: Client, project: Project) -> None:
    badge = re.compile(r'<span class="badge simulated" data-simulated( hidden)? ')
    assert badge.search(open_page(client, given.campaign(project))).group(1) is None
    assert badge.search(open_page(client, given.campaign(given.project()))).group(1)


def test_samples_of_a_simulated_region_say_so_in_a_real_project(client: Client) -> None:
    project = given.project()
    region = given.region(project, is_simulated=True)
    campaign = given.campaign(project, samples=given.samples(project, 3, region))
    open_page(client, campaign)
    claimed = client.post(f"/campaigns/{campaign.pk}/claims/", "{}", content_type="application/json").json()
    assert claimed["regions"][str(region.pk)]["is_simulated"] is True


@pytest.mark.parametrize("name", sorted(schemes.load_all()))
def test_the_pad_of_every_scheme_has_full_rows_on_a_phone(name: str) -> None:
    scheme = schemes.find(name)
    cells = len(scheme) + (COMMANDS if len(scheme) % 2 else 0)
    assert cells % phone_columns(scheme) == 0
    assert 2 <= phone_columns(scheme) <= 5
