"""What a version says of the votes behind it: who gave them, whether anybody looked early, and the seal over them."""

import itertools
import uuid
from pathlib import Path

import pyarrow as pa
import pytest
from django.urls import reverse

from fusion.pack import Pack
from geoquorum.campaigns import services as campaigns
from geoquorum.campaigns.models import Campaign, ConsensusRun, Seal, Vote
from geoquorum.campaigns.services import sealing
from geoquorum.campaigns.services.second_round import start_second_round
from geoquorum.queue.models import JobState
from geoquorum.releases import services as releases
from geoquorum.releases.models import BuildState, DatasetVersion
from tests import given

pytestmark = pytest.mark.django_db
WHY = "The sponsor asked for an interim report"
NUMBERS = itertools.count(1)


class World:
    """One city in a campaign that is open: votes of two simulated experts, a model and a person."""

    def __init__(self):
        self.project = given.project()
        self.samples = list(given.city(self.project).samples.order_by("pk"))
        self.campaign = given.campaign(self.project, samples=self.samples, quota=5)
        self.round = campaigns.current_round(campaign=self.campaign)
        for name, kind in (("s1", "simulated"), ("s2", "simulated"), ("m1", "model")):
            self.bring_in(name, kind)
        self.person = given.expert(self.project, given.member(self.project))
        self.vote(3)
        self.curator = given.member(self.project, "curator")

    def bring_in(self, name, kind):
        codes = ["3", "6", "A", "D"] * len(self.samples)
        rows = {"sample": [each.pk for each in self.samples], "code": codes[: len(self.samples)]}
        table = pa.table(rows | {"voter": [name] * len(self.samples)})
        campaigns.import_votes(round=self.round, table=table, by=None, kind=kind)

    def vote(self, count):
        round = campaigns.current_round(campaign=self.campaign)
        for claimed in campaigns.claim(round=round, expert=self.person, session=None, count=count):
            ballot = campaigns.Ballot(assignment=claimed.pk, client_uuid=uuid.uuid4(), code="3")
            campaigns.cast_vote(campaign=self.campaign, expert=self.person, ballot=ballot)

    def close(self):
        campaigns.close_campaign(campaign=self.campaign, by=None)
        return self.refit()

    def refit(self):
        for run in ConsensusRun.objects.filter(campaign=self.campaign, state="queued").select_related("job"):
            given.work(run.job, campaigns.refit)
        runs = ConsensusRun.objects.select_related("campaign__project", "round")
        return runs.filter(campaign=self.campaign, method="majority").latest("pk")

    def unblind(self):
        self.campaign = campaigns.unblind_campaign(campaign=self.campaign, by=self.curator, reason=WHY)

    def build(self, run):
        design = {"kind": "block", "block_m": 320.0, "buffer_m": 0.0}
        asked = {"modalities": given.MODALITIES, "design": design, "name": f"sealed-{next(NUMBERS)}", "by": None}
        made = releases.start_release(run=run, **asked)
        given.work(made.job, releases.build)
        return DatasetVersion.objects.select_related("job").get(pk=made.pk)


@pytest.fixture(scope="module")
def shared_world(shared_rows):
    return World()


@pytest.fixture
def world(shared_world, settings, tmp_path):
    """Rows of the shared one as they were at first; files of links of this test alone."""
    settings.GEOQUORUM_HOME, settings.GEOQUORUM_DATA = tmp_path / "home", tmp_path / "data"
    shared_world.campaign = Campaign.objects.select_related("project").get(pk=shared_world.campaign.pk)
    return shared_world


def told(version):
    """What the manifest says of where the version came from."""
    assert version.state == BuildState.READY, version.reason
    return Pack.open(Path(version.uri), sha256=version.sha256).manifest["provenance"]


def test_voters_are_counted_by_kind_in_manifest_summary_and_page(client, world):
    run = world.close()
    assert told(world.build(run))["voters"] == {"person": 1, "simulated": 2}  # no gold shows that the model is better
    run.summary["models"] = []
    run.save()
    version, expected = world.build(run), {"model": 1, "person": 1, "simulated": 2}
    assert told(version)["voters"] == version.summary["voters"] == expected
    [[scene]] = [found["sentinel2"] for found in told(version)["registration"].values()]
    assert (scene["method"], scene["source_pixel_m"]) == ("on the grid", [10.0])
    assert (scene["shift_m"], scene["reason"]) == (None, "not measured yet")
    client.force_login(given.member(world.project))
    page = client.get(reverse("releases:detail", args=[version.pk])).content.decode()
    assert "1 person, 2 simulated experts, 1 model" in page
    client.force_login(world.curator)
    assert client.get(f"/api/v1/versions/{version.pk}").json()["summary"]["voters"] == expected


def test_the_seal_is_the_link_that_covers_the_votes_and_no_later_one(client, world):
    run = world.close()
    first = world.build(run)
    head = Seal.objects.filter(campaign=world.campaign).latest("number")
    assert told(first)["seal"] == first.summary["seal"] == {"number": head.number, "sha256": head.digest}
    sealing.write_anchor(campaign_id=world.campaign.pk)  # the close does so when it is committed
    assert campaigns.verify_seals(campaign=world.campaign).is_good
    assert sealing.read_anchor(sealing.anchor_of(world.campaign.pk))[head.number] == head.digest
    start_second_round(campaign=world.campaign, samples=world.samples[:2], quota=2, by=world.curator)
    world.vote(2)
    newest = world.close()
    assert Seal.objects.filter(campaign=world.campaign).latest("number").number > head.number
    again = world.build(run)
    assert told(again) == told(first)
    later = told(world.build(newest))["seal"]
    assert later["number"] > head.number
    client.force_login(world.curator)
    page = client.get(reverse("releases:detail", args=[first.pk])).content.decode()
    assert head.digest in page
    assert "nobody looked before the close" in page


def test_a_changed_vote_shows_beside_the_seal_of_the_pack(world):
    """The digest in the pack is enough: whoever holds it needs no file of links."""
    version = world.build(world.close())
    seal = told(version)["seal"]
    anchor = {seal["number"]: seal["sha256"]}
    assert campaigns.verify_seals(campaign=world.campaign, anchor=anchor).is_good
    vote = Vote.objects.filter(campaign=world.campaign, kind="answer").earliest("pk")
    Vote.objects.filter(pk=vote.pk).update(code="8" if vote.code != "8" else "9")
    Seal.objects.filter(campaign=world.campaign).delete()
    sealing.add_seals(campaign_id=world.campaign.pk, until=2**62)
    assert campaigns.verify_seals(campaign=world.campaign, anchor={}).is_good
    assert not campaigns.verify_seals(campaign=world.campaign, anchor=anchor).is_good


def test_a_look_before_the_close_stays_with_the_version(client, world):
    world.unblind()
    version = world.build(world.close())
    first = world.campaign.unblinded_at.isoformat()
    assert told(version)["unblinded_at"] == version.summary["unblinded_at"] == first
    client.force_login(given.member(world.project))
    page = client.get(reverse("releases:detail", args=[version.pk])).content.decode()
    assert "looked at votes before the close" in page
    assert WHY not in page


def test_a_look_at_a_second_round_does_not_touch_the_votes_of_the_first(world):
    run = world.close()
    before = told(world.build(run))
    start_second_round(campaign=world.campaign, samples=world.samples[:2], quota=2, by=world.curator)
    world.unblind()
    world.vote(2)
    assert before["unblinded_at"] is None
    assert told(world.build(run)) == before
    assert told(world.build(world.close()))["unblinded_at"] == world.campaign.unblinded_at.isoformat()


def test_votes_of_an_open_campaign_are_sealed_before_they_are_frozen(world):
    world.unblind()
    campaigns.start_consensus(round=campaigns.current_round(campaign=world.campaign), methods=("majority",), by=None)
    run = world.refit()
    assert not Seal.objects.filter(campaign=world.campaign).exists()
    seal = told(world.build(run))["seal"]
    assert Seal.objects.get(campaign=world.campaign).digest == seal["sha256"]
    world.vote(2)
    campaigns.seal_campaign(campaign_id=world.campaign.pk)
    assert told(world.build(run))["seal"] == seal


def test_votes_that_cannot_be_sealed_now_are_not_frozen(world, monkeypatch):
    world.unblind()
    campaigns.start_consensus(round=campaigns.current_round(campaign=world.campaign), methods=("majority",), by=None)
    run = world.refit()
    monkeypatch.setattr(sealing, "seal_campaign", lambda campaign_id: 0)  # as while a long import holds the gate
    version = world.build(run)
    assert (version.state, version.job.state) == (BuildState.FAILED, JobState.FAILED)
    assert "not sealed yet" in version.reason
    assert "Try again" in version.reason
