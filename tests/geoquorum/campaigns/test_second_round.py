"""A second round of an adaptive campaign: disputed samples alone, under the same policy, beside a first that stays."""

import uuid

import numpy as np
import pytest

from geoquorum.accounts.services import expert_of
from geoquorum.campaigns import services
from geoquorum.campaigns.models import Assignment, Campaign, Consensus, ConsensusRun, Round, RoundSample, Vote
from geoquorum.campaigns.services import Ballot, RefusedError, disputes, refitting
from geoquorum.campaigns.services.second_round import start_second_round
from geoquorum.queue.models import Job
from tests import given

pytestmark = pytest.mark.django_db
POLICY = {"kind": "adaptive", "minimum": 2, "maximum": 4, "settle_at": 0.95}
SURE, DIVIDED = 9, 3
SPLIT = ("1", "4", "8", "D")  # four experts, four answers


@pytest.fixture(autouse=True)
def no_broker(monkeypatch):
    monkeypatch.setattr("geoquorum.queue.outbox.publish", lambda job: None)


class Town:
    """A closed adaptive campaign: nine samples on which all agree, three on which no two do."""

    def __init__(self):
        self.project = given.project()
        self.curator = given.member(self.project, "curator")
        self.experts = [expert_of(user=given.member(self.project), project=self.project) for _ in range(4)]
        self.campaign = given.campaign(self.project, count=SURE + DIVIDED, quota=4, policy=POLICY)
        rows = self.round().round_samples.order_by("sample")
        self.divided = [row.sample for row in rows][SURE:]
        keys = {sample.pk for sample in self.divided}
        for number, expert in enumerate(self.experts):
            self.vote(expert, lambda sample, number=number: SPLIT[number] if sample in keys else "6")
        self.first = self.round()

    def round(self):
        return services.current_round(campaign=self.campaign)

    def take(self, expert, count=5):
        return services.claim(round=self.round(), expert=expert, session=None, count=count)

    def vote(self, expert, say, most=None):
        """Everything that is offered, or the first ones, answered by what `say` makes of the sample's number."""
        cast = 0
        while cast != most and (claimed := self.take(expert, 1 if most else 5)):
            for one in claimed:
                ballot = Ballot(assignment=one.pk, client_uuid=uuid.uuid4(), code=say(one.sample_id))
                services.cast_vote(campaign=self.campaign, expert=expert, ballot=ballot)
                cast += 1
        return cast

    def close(self):
        """The newest consensus by the method that an adaptive campaign goes by."""
        services.close_campaign(campaign=self.campaign, by=None)
        for run in ConsensusRun.objects.filter(campaign=self.campaign, state="queued").select_related("job"):
            given.work(run.job, services.refit)
        runs = ConsensusRun.objects.filter(campaign=self.campaign).select_related("campaign")
        return runs.filter(method=services.list_methods(self.campaign)[-1]).latest("pk")

    def ask_again(self, quota=4):
        run = self.close()
        samples = [row.sample for row in disputes.list_disputed(run, disputes.Queue(below=0.9))]
        start_second_round(campaign=self.campaign, samples=samples, quota=quota, by=self.curator)
        self.campaign = Campaign.objects.get(pk=self.campaign.pk)
        return run, samples


@pytest.fixture
def town():
    return Town()


def snapshot(round):
    """All that a round left behind."""
    tables = (
        Round.objects.filter(pk=round.pk), round.round_samples.all(), Assignment.objects.filter(round=round),
        Vote.objects.filter(round=round), round.participations.all(),
        ConsensusRun.objects.filter(round=round), Consensus.objects.filter(run__round=round),
    )  # fmt: skip
    return [list(table.order_by("pk").values()) for table in tables]


def test_the_first_round_settles_what_is_agreed_and_leaves_the_rest_in_dispute(town):
    rows = RoundSample.objects.filter(round=town.first)
    assert rows.exclude(settled_at=None).count() == SURE
    assert {row.sample for row in rows.filter(settled_at=None).select_related("sample")} == set(town.divided)
    assert set(rows.filter(settled_at=None).values_list("answered", flat=True)) == {4}
    assert rows.exclude(settled_at=None).filter(answered__lt=4).exists(), "agreed samples need fewer votes"


def test_disputed_samples_are_asked_again_under_the_policy_and_the_first_round_stays(town):
    first_run, asked = town.ask_again()
    assert {sample.pk for sample in asked} == {sample.pk for sample in town.divided}
    before, again = snapshot(town.first), town.round()
    assert (again.purpose, again.quota, again.model_version, town.campaign.state) == ("dispute", 4, 0, "open")
    one, other, third, fourth = town.experts
    assert {each.sample_id for each in town.take(one)} == {sample.pk for sample in town.divided}
    assert town.vote(one, lambda _sample: "8") == town.vote(other, lambda _sample: "8") == DIVIDED
    rows = RoundSample.objects.filter(round=again)
    assert set(rows.values_list("answered", flat=True)) == {2}
    assert not rows.filter(settled_at=None).exists(), "two that agree settle a sample here as in the first round"
    assert town.take(third) == town.take(fourth) == []
    last = town.close()
    assert (last.round, last.samples_count, last.votes_count) == (again, DIVIDED, 2 * DIVIDED)
    assert set(last.rows.values_list("code", "status")) == {("8", "settled")}
    assert snapshot(town.first) == before
    assert first_run.rows.count() == SURE + DIVIDED
    verdict = services.verify_seals(campaign=town.campaign)
    assert (verdict.is_good, verdict.votes) == (True, Vote.objects.filter(campaign=town.campaign).count())


def test_what_stays_divided_gets_the_second_rounds_most_votes_and_no_more(town):
    town.ask_again(quota=3)
    for number, expert in enumerate(town.experts):
        assert town.vote(expert, lambda _sample, number=number: SPLIT[number]) == (DIVIDED if number < 3 else 0)
    rows = RoundSample.objects.filter(round=town.round())
    assert set(rows.values_list("answered", "slots_taken", "is_full", "settled_at")) == {(3, 3, True, None)}
    assert {row.status for row in town.close().rows.all()} == {"disputed"}


def test_the_second_round_knows_nothing_of_the_votes_that_left_its_samples_in_dispute(town):
    town.ask_again()
    assert set(RoundSample.objects.filter(round=town.round()).values_list("posterior", "answered")) == {(None, 0)}
    town.vote(town.experts[0], lambda _sample: "8", most=1)
    voted = RoundSample.objects.get(round=town.round(), answered=1)
    other = RoundSample.objects.get(round=town.first, sample=voted.sample_id)
    assert int(np.argmax(voted.posterior)) == 7
    assert voted.posterior != other.posterior


def test_the_model_of_the_second_round_is_fitted_to_its_own_votes(town, monkeypatch):
    monkeypatch.setattr(refitting, "FIRST_AT", 3)
    town.ask_again()
    assert services.start_refits() == {"refits": 0}
    town.vote(town.experts[0], lambda _sample: "8")
    before = snapshot(town.first)
    assert services.start_refits() == {"refits": 1}
    job = given.work(Job.objects.get(kind=refitting.REFIT_MODEL), services.refit_model)
    again = town.round()
    assert (job.result["round"], job.result["votes"], again.model_version) == (again.pk, DIVIDED, 1)
    assert snapshot(town.first) == before
    town.vote(town.experts[1], lambda _sample: "8")
    assert set(RoundSample.objects.filter(round=again).values_list("model_version", flat=True)) == {1}


def test_a_second_round_that_could_settle_nothing_is_refused(town):
    town.close()
    with pytest.raises(RefusedError, match="before 2 votes; ask for at least so many"):
        start_second_round(campaign=town.campaign, samples=town.divided, quota=1, by=town.curator)
    assert town.campaign.rounds.count() == 1
    fixed = given.campaign(given.project(), count=1)
    services.close_campaign(campaign=fixed, by=None)
    sample = fixed.rounds.get().round_samples.get().sample
    assert start_second_round(campaign=fixed, samples=[sample], quota=1, by=town.curator).quota == 1


def test_gold_and_repeats_of_the_policy_go_on_in_the_second_round(town):
    """The hidden rounds of the first closed with it: the second gets its own, and their votes stay apart."""
    policy = POLICY | {"gold_share": 0.3}
    Campaign.objects.filter(pk=town.campaign.pk).update(policy=policy)
    known = given.samples(town.project, 6)
    for sample in known:
        town.campaign.gold.create(sample=sample, code="6", use="monitor")
    _run, _asked = town.ask_again()
    fresh = [expert_of(user=given.member(town.project), project=town.project) for _ in range(6)]
    for expert in fresh:
        town.vote(expert, lambda _sample: "8")
    hidden = Round.objects.filter(campaign=town.campaign, purpose="gold")
    assert hidden.count() == 1
    assert Vote.objects.filter(round=hidden.get()).exists()
    assert services.current_round(campaign=town.campaign).purpose == "dispute"
    assert town.close().votes_count == Vote.objects.filter(round=town.round()).count()
