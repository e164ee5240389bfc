"""Nobody looks before the close, unless it is said why; and then it is written down for ever."""

import pyarrow as pa
import pytest
from django.test import Client

from geoquorum.accounts.models import Event, Role
from geoquorum.campaigns import services
from tests import given

pytestmark = pytest.mark.django_db
WHY = "The sponsor asked for an interim report"


def test_results_before_the_close_exist_for_nobody(client: Client) -> None:
    project = given.project()
    campaign = given.campaign(project)
    for role in Role.values:
        client.force_login(given.member(project, role))
        assert client.get(f"/campaigns/{campaign.pk}/consensus/").status_code == 404
        assert client.get(f"/api/v1/campaigns/{campaign.pk}/consensus").status_code == 404


def test_unblinding_is_recorded_marks_the_campaign_and_opens_results_to_curators_only(client: Client) -> None:
    project = given.project()
    campaign, curator, expert = given.campaign(project), given.member(project, Role.CURATOR), given.member(project)
    client.force_login(curator)
    answer = client.post(f"/campaigns/{campaign.pk}/unblind/", {"reason": WHY})
    campaign.refresh_from_db()
    assert answer.status_code == 302
    assert campaign.unblinded_at is not None
    event = Event.objects.get(action="campaign unblinded")
    assert (event.actor, event.detail["reason"], event.subject) == (curator, WHY, f"campaign {campaign.pk}")
    assert client.get(f"/campaigns/{campaign.pk}/consensus/").status_code == 200
    assert WHY in client.get(f"/campaigns/{campaign.pk}/").content.decode()
    client.force_login(expert)
    assert client.get(f"/campaigns/{campaign.pk}/consensus/").status_code == 404
    assert WHY not in client.get(f"/campaigns/{campaign.pk}/").content.decode()


def test_a_second_look_is_recorded_and_the_first_date_stays() -> None:
    project = given.project()
    campaign, curator = given.campaign(project), given.member(project, Role.CURATOR)
    first = services.unblind_campaign(campaign=campaign, by=curator, reason=WHY).unblinded_at
    assert services.unblind_campaign(campaign=campaign, by=curator, reason=WHY).unblinded_at == first
    assert len(services.list_unblindings(campaign=campaign)) == 2


@pytest.mark.parametrize(("reason", "is_open", "match"), [("", True, "at least 10"), (WHY, False, "Only an open")])
def test_without_a_reason_or_votes_to_come_there_is_no_unblinding(reason: str, is_open: bool, match: str) -> None:
    project = given.project()
    campaign = given.campaign(project, is_open=is_open)
    with pytest.raises(services.RefusedError, match=match):
        services.unblind_campaign(campaign=campaign, by=given.member(project, Role.CURATOR), reason=reason)
    campaign.refresh_from_db()
    assert campaign.unblinded_at is None
    assert not Event.objects.filter(action="campaign unblinded").exists()


def test_experts_and_strangers_cannot_unblind(client: Client) -> None:
    project = given.project()
    campaign = given.campaign(project)
    for user, status in ((given.member(project), 403), (given.user(), 404)):
        client.force_login(user)
        assert client.post(f"/campaigns/{campaign.pk}/unblind/", {"reason": WHY}).status_code == status
    campaign.refresh_from_db()
    assert campaign.unblinded_at is None


def test_a_curator_starts_a_run_of_a_method_only_where_labels_may_be_seen(client: Client) -> None:
    project = given.project()
    campaign, curator = given.campaign(project, quota=3), given.member(project, Role.CURATOR)
    round = services.current_round(campaign=campaign)
    sample = round.round_samples.values_list("sample_id", flat=True)[0]
    services.import_votes(round=round, table=pa.table({"voter": ["a"], "sample": [sample], "code": ["3"]}), by=None)
    client.force_login(curator)
    address = f"/campaigns/{campaign.pk}/consensus/start/"
    page = client.post(address, {"method": "majority"}, follow=True).content.decode()
    assert "close it first" in page
    assert not campaign.consensus_runs.exists()
    services.unblind_campaign(campaign=campaign, by=curator, reason=WHY)
    client.post(address, {"method": "majority"})
    assert campaign.consensus_runs.get().method == "majority"
    answer = client.post(address, {"method": "guess"}, follow=True).content.decode()
    assert "guess" in answer
    assert "majority" in answer
    assert campaign.consensus_runs.count() == 1
