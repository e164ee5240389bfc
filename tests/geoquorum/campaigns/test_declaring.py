"""Votes keep the meaning that their classes had when the campaign opened."""

import dataclasses

import pytest

from fusion import scheme as schemes
from geoquorum.accounts.models import Role
from geoquorum.campaigns import services
from geoquorum.campaigns.models import Campaign
from geoquorum.campaigns.services import declaring
from tests import given

pytestmark = pytest.mark.django_db


def change_scheme(monkeypatch: pytest.MonkeyPatch, **changes: object) -> None:
    """The program's scheme becomes another one, as after an upgrade."""
    changed = dataclasses.replace(schemes.find("lcz17"), **changes)
    monkeypatch.setattr(declaring.schemes, "find", lambda name: changed)


def test_an_open_campaign_keeps_its_scheme_whatever_the_program_says_later(monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = given.campaign(given.project())
    before = services.scheme_of(campaign)
    first, second, *rest = schemes.find("lcz17").classes
    renamed = dataclasses.replace(first, name="Towers")
    change_scheme(monkeypatch, version=2, classes=(second, renamed, *rest[:-1]))
    declaring._KEPT.clear()
    again = services.scheme_of(Campaign.objects.get(pk=campaign.pk))
    assert again == before
    assert again.codes == before.codes
    assert again.find("1").name == "Compact high-rise"
    assert "G" in again


def test_a_draft_follows_the_program_until_it_opens(monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = given.campaign(given.project(), is_open=False)
    change_scheme(monkeypatch, version=2)
    assert services.scheme_of(campaign).version == 2
    opened = services.open_campaign(campaign=campaign, by=None)
    assert (opened.scheme_version, services.scheme_of(opened).version) == (2, 2)


def test_a_declaration_changed_in_the_database_is_found() -> None:
    campaign = given.campaign(given.project())
    campaign.declared["scheme"]["classes"][0]["name"] = "Towers"
    campaign.save(update_fields=["declared"])
    declaring._KEPT.clear()
    with pytest.raises(services.RefusedError, match="does not match its digest"):
        services.scheme_of(Campaign.objects.get(pk=campaign.pk))


def test_votes_under_another_version_of_the_question_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    campaign = given.campaign(given.project())
    asked = declaring.questions.find("lcz_patch")
    services.refuse_if_question_changed(campaign)
    monkeypatch.setattr(declaring.questions, "find", lambda name: dataclasses.replace(asked, version=2))
    with pytest.raises(services.RefusedError, match="asks version 1"):
        services.refuse_if_question_changed(campaign)


def test_a_name_can_be_edited_but_the_declaration_cannot_be_reached_by_a_form(client: object) -> None:
    project = given.project()
    campaign = given.campaign(project)
    curator = given.member(project, Role.CURATOR)
    client.force_login(curator)
    before = Campaign.objects.get(pk=campaign.pk).declared_digest
    client.post("/campaigns/new/", {"declared": "{}", "declared_digest": "x", "scheme": "water"})
    assert Campaign.objects.get(pk=campaign.pk).declared_digest == before
