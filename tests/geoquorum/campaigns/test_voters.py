"""Votes that are not people's carry a mark on every page that they reach."""

import pytest
from django.test import Client
from django.urls import reverse

from annotation.panel import make_panel
from geoquorum.accounts.models import Expert
from geoquorum.campaigns import services
from geoquorum.campaigns.models import Campaign, CampaignState
from geoquorum.campaigns.templatetags.voters import count_voters, say_voters, simulated_votes
from geoquorum.releases.models import DatasetVersion
from tests import given

pytestmark = pytest.mark.django_db


def make_campaign(kind: str, **fields: object) -> Campaign:
    """A closed campaign of four samples, on which three voters of one kind voted."""
    campaign = given.campaign(given.project(**fields), count=4, quota=3)
    round = services.current_round(campaign=campaign)
    samples = tuple(round.round_samples.values_list("sample", flat=True))
    votes = make_panel(1, experts=3).vote([0, 1, 2, 3], 3, sample_ids=samples)
    table = services.tabulate_panel(votes, services.scheme_of(campaign).codes)
    services.import_votes(round=round, table=table, by=None, kind=kind)
    services.close_campaign(campaign=campaign, by=None)
    for run in campaign.consensus_runs.select_related("job"):
        given.work(run.job, services.refit)
    return campaign


@pytest.mark.parametrize(("kind", "words"), [("person", None), ("simulated", "Simulated votes")])
def test_every_page_of_a_campaign_says_so(client: Client, kind: str, words: str | None) -> None:
    campaign = make_campaign(kind)
    client.force_login(given.member(campaign.project, "curator"))
    pages = [reverse(f"campaigns:{name}", args=[campaign.pk]) for name in ("campaign", "consensus", "agreement")]
    pages += [reverse("campaigns:disputes", args=[campaign.pk]), reverse("campaigns:list")]
    for address in pages:
        page = client.get(address).content.decode()
        assert ("badge simulated" in page) == (words is not None), address
        assert words is None or words in page


def test_a_model_marks_its_campaign_and_no_run_that_left_it_out() -> None:
    campaign = make_campaign("model")
    run = campaign.consensus_runs.select_related("campaign__project").first()
    assert simulated_votes(campaign)["words"] == simulated_votes(run)["words"] == "Machine votes"
    names = Expert.objects.filter(project=campaign.project).values_list("pseudonym", flat=True)
    run.summary = {"models": [{"expert": name, "is_admitted": False} for name in names]}
    assert simulated_votes(run) == {}


def test_before_the_close_the_mark_tells_nobody_how_many_voted() -> None:
    campaign = make_campaign("simulated")
    assert "3 simulated experts" in simulated_votes(campaign)["title"]
    campaign.state = CampaignState.OPEN
    assert simulated_votes(campaign) == {"words": "Simulated votes", "title": ""}


def test_a_made_up_world_has_its_own_mark_alone() -> None:
    assert simulated_votes(make_campaign("simulated", is_simulated=True)) == {}


def test_voters_are_counted_by_kind_in_a_campaign_and_in_a_run() -> None:
    campaign = make_campaign("simulated")
    given.expert(campaign.project, kind=Expert.Kind.MODEL)  # was there, and did not vote
    run = campaign.consensus_runs.select_related("campaign").first()
    assert count_voters(campaign) == count_voters(run) == {"simulated": 3}


def test_a_version_tells_what_its_summary_knows_and_else_what_its_run_knows() -> None:
    version = DatasetVersion(summary={"voters": {"person": 4, "model": 1}})
    assert simulated_votes(version)["words"] == "Machine votes"
    assert simulated_votes(DatasetVersion(summary={"voters": {"person": 4}})) == {}
    run = make_campaign("simulated").consensus_runs.first()
    assert simulated_votes(DatasetVersion(consensus_run=run))["words"] == "Simulated votes"
    assert simulated_votes(DatasetVersion(consensus_run=run, is_simulated=True)) == {}


def test_both_kinds_are_named() -> None:
    said = say_voters({"person": 2, "simulated": 3, "model": 1})
    assert said["words"] == "Simulated and machine votes"
    assert said["title"] == "Voters: 2 people, 3 simulated experts, 1 models"
