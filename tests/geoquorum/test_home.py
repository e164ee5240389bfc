"""The home page: one Continue for what is open, and nothing of projects that are not one's own."""

import pytest
from django.test import Client

from geoquorum.campaigns import services
from tests import given

pytestmark = pytest.mark.django_db


def test_an_open_campaign_has_one_button_and_says_how_many_samples_wait(client: Client) -> None:
    campaign = given.campaign(given.project(), count=10)
    client.force_login(given.member(campaign.project))
    page = client.get("/").content.decode()
    assert f'href="/campaigns/{campaign.pk}/vote/"' in page
    assert "10 samples still want your vote" in page
    assert "0 of 10" in page


def test_looking_at_the_home_page_makes_no_pseudonym(client: Client) -> None:
    campaign = given.campaign(given.project())
    account = given.member(campaign.project)
    client.force_login(account)
    client.get("/")
    assert not account.experts.exists()


def test_a_closed_campaign_asks_for_nothing(client: Client) -> None:
    campaign = given.campaign(given.project())
    services.close_campaign(campaign=campaign, by=None)
    client.force_login(given.member(campaign.project))
    page = client.get("/").content.decode()
    assert "Nothing is open for you" in page
    assert f"/campaigns/{campaign.pk}/vote/" not in page


def test_campaigns_of_others_are_not_shown(client: Client) -> None:
    campaign = given.campaign(given.project(), name="Of others")
    client.force_login(given.member(given.project()))
    assert campaign.name not in client.get("/").content.decode()
