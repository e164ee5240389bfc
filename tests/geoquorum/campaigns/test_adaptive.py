"""Adaptive rounds: posteriors in the vote's own transaction, settled samples leave, models are fitted by a job."""

import itertools
import uuid

import numpy as np
import pytest

from annotation import routing
from annotation.panel import make_panel
from geoquorum.campaigns import services
from geoquorum.campaigns.models import Assignment, Participation, Round, RoundSample
from geoquorum.campaigns.services import Ballot, beliefs, refitting
from geoquorum.campaigns.services.candidates import are_neighbours, choose
from geoquorum.catalog.models import Sample
from geoquorum.queue.models import Job
from tests import given

pytestmark = pytest.mark.django_db
POLICY = {"kind": "adaptive", "minimum": 2, "maximum": 10, "settle_at": 0.95}


@pytest.fixture(autouse=True)
def no_broker(monkeypatch):
    monkeypatch.setattr("geoquorum.queue.outbox.publish", lambda job: None)


def adaptive(**fields):
    return given.campaign(given.project(), **{"quota": 10, "policy": POLICY} | fields)


def cast(campaign, expert, assignment, code, **fields):
    ballot = Ballot(**{"assignment": assignment.pk, "client_uuid": uuid.uuid4(), "code": code} | fields)
    return services.cast_vote(campaign=campaign, expert=expert, ballot=ballot)


def take(campaign, expert, count=1):
    return services.claim(round=services.current_round(campaign=campaign), expert=expert, session=None, count=count)


def vote_by(campaign, code, experts=1):
    """Further experts vote on the first sample that they are offered."""
    cast_by = []
    for _ in range(experts):
        expert = given.expert(campaign.project)
        (claimed,) = take(campaign, expert)
        cast(campaign, expert, claimed, code)
        cast_by.append((expert, claimed))
    return cast_by


def posterior(campaign):
    return np.array(RoundSample.objects.get(round__campaign=campaign).posterior)


def test_each_vote_adds_its_column_to_the_log_posterior():
    campaign, model = adaptive(count=1), routing.start_model(17)
    vote_by(campaign, "3")
    assert posterior(campaign) == pytest.approx(model.log_prior + model.pooled[:, 2])
    ((expert, claimed),) = vote_by(campaign, "A")
    assert posterior(campaign) == pytest.approx(model.log_prior + model.pooled[:, 2] + model.pooled[:, 10])
    cast(campaign, expert, claimed, "3")
    assert posterior(campaign) == pytest.approx(model.log_prior + 2 * model.pooled[:, 2])
    cast(campaign, expert, claimed, "", kind="taken_back")
    assert posterior(campaign) == pytest.approx(model.log_prior + model.pooled[:, 2])


def test_a_settled_sample_leaves_the_stream_and_comes_back_when_a_vote_is_corrected():
    campaign = adaptive(count=1)
    ((expert, claimed), _other) = vote_by(campaign, "3", experts=2)
    assert RoundSample.objects.get().settled_at is not None
    assert take(campaign, given.expert(campaign.project)) == []
    cast(campaign, expert, claimed, "6")
    assert RoundSample.objects.get().settled_at is None
    assert len(take(campaign, given.expert(campaign.project))) == 1


def test_no_sample_settles_before_the_minimum_nor_gets_more_than_the_maximum():
    campaign = adaptive(count=1, quota=3, policy=POLICY | {"maximum": 3, "settle_at": 0.5})
    vote_by(campaign, "3")
    assert RoundSample.objects.get().settled_at is None
    doubtful = adaptive(count=1, quota=3, policy=POLICY | {"maximum": 3, "settle_at": 0.999999})
    for code in ("1", "2", "3"):
        vote_by(doubtful, code)
    assert take(doubtful, given.expert(doubtful.project)) == []
    row = RoundSample.objects.get(round__campaign=doubtful)
    assert (row.answered, row.settled_at, row.is_full) == (3, None, True)


def test_the_sample_of_which_a_vote_tells_most_is_among_those_taken():
    campaign = adaptive(count=30, policy=POLICY | {"settle_at": 0.9999})
    rows = list(RoundSample.objects.filter(round__campaign=campaign))
    sure = (routing.start_model(17).log_prior + 6 * np.eye(17)[2]).tolist()
    RoundSample.objects.filter(pk__in=[row.pk for row in rows[5:]]).update(posterior=sure)
    taken = take(campaign, given.expert(campaign.project), count=5)
    assert {each.sample_id for each in taken} == {row.sample_id for row in rows[:5]}


def test_the_order_within_a_batch_tells_nothing_of_what_made_it():
    rng, orders = np.random.default_rng(3), []
    for _ in range(400):
        gains = rng.random(64)
        rows = [{"id": n, "gain": gains[n], "place": f"b{n}", "slots_taken": 0} for n in range(64)]
        chosen = choose(rows, wanted=5, last_place="", policy={"kind": "adaptive"})[:5]
        assert {each["id"] for each in chosen} == set(np.argsort(-gains)[:5].tolist())
        orders += [(place, each["gain"]) for place, each in enumerate(chosen)]
    assert abs(np.corrcoef(np.array(orders).T)[0, 1]) < 0.05


def test_cells_nearer_than_four_are_neighbours_whatever_their_block():
    at = "32N-320-{}-16730".format
    beside = [column for column in range(1860, 1900) if are_neighbours(at(1880), at(column))]
    assert beside == list(range(1877, 1884))
    assert not are_neighbours(at(1880), "33N-320-1880-16730")
    assert are_neighbours(at(1880), "32N-640-940-8365")
    assert are_neighbours("block-1", "block-1")
    assert not are_neighbours("", "")


def test_cells_side_by_side_in_two_blocks_do_not_follow_each_other():
    project = given.project()
    samples = given.samples(project, 40)
    for number, each in enumerate(samples):
        each.cell, each.block = f"32N-320-{1880 + number}-16730", f"b{number // 2}"
    Sample.objects.bulk_update(samples, ["cell", "block"])
    campaign = given.campaign(project, samples=samples, quota=10)
    expert, cells = given.expert(project), []
    for _ in range(4):
        for claimed in take(campaign, expert, count=5):
            cast(campaign, expert, claimed, "3")
            cells.append(claimed.sample.cell)
    assert len(cells) == 20
    assert not any(are_neighbours(one, following) for one, following in itertools.pairwise(cells))


@pytest.mark.parametrize("policy", [None, POLICY])
def test_neighbours_never_follow_each_other_while_others_are_left(policy):
    project = given.project()
    samples = given.samples(project, 60)
    for number, each in enumerate(samples):
        each.block = f"b{number % 4}"
    Sample.objects.bulk_update(samples, ["block"])
    campaign = given.campaign(project, samples=samples, quota=10, policy=policy)
    expert, blocks = given.expert(project), []
    for _ in range(8):
        for claimed in take(campaign, expert, count=5):
            cast(campaign, expert, claimed, "3")
            blocks.append(claimed.sample.block)
    assert len(blocks) == 40
    assert all(one != following for one, following in itertools.pairwise(blocks))


def fill(campaign, experts=5, seed=4):
    """Votes of a simulated panel of some experts on every sample; its truth by sample."""
    panel, rng = make_panel(seed, experts=experts, accuracy=0.75), np.random.default_rng(seed)
    round = services.current_round(campaign=campaign)
    ids = tuple(round.round_samples.order_by("sample").values_list("sample", flat=True))
    truth = rng.integers(0, 17, len(ids))
    table = services.tabulate_panel(panel.vote(truth, seed, sample_ids=ids), panel.codes)
    services.import_votes(round=round, table=table, by=None)
    return dict(zip(ids, truth.tolist(), strict=True))


def run_refit():
    job = Job.objects.get(kind=refitting.REFIT_MODEL)
    return given.work(job, services.refit_model)


def test_housekeeping_starts_one_refit_when_enough_votes_came_and_none_before():
    campaign = adaptive(count=60)
    assert services.start_refits() == {"refits": 0}
    fill(campaign)
    assert services.start_refits() == {"refits": 1}
    services.start_refits()
    assert Job.objects.filter(kind=refitting.REFIT_MODEL).count() == 1
    assert run_refit().result["version"] == 1
    assert services.start_refits() == {"refits": 0}


def test_votes_brought_in_at_once_count_in_posteriors_and_settle_samples():
    campaign = adaptive(count=20)
    truth = fill(campaign)
    assert len(take(campaign, given.expert(campaign.project), count=20)) < 20
    rows = RoundSample.objects.filter(round__campaign=campaign)
    assert rows.exclude(settled_at=None).count() > 5
    votes = services.latest_votes(round=services.current_round(campaign=campaign))
    believed = routing.score_votes(routing.start_model(17), votes)
    for row in rows:
        assert row.posterior == pytest.approx(believed[votes.sample_ids.index(row.sample_id)].tolist())
    settled = rows.exclude(settled_at=None)
    right = sum(int(np.argmax(row.posterior)) == truth[row.sample_id] for row in settled)
    assert right > 0.7 * len(settled)


def test_after_a_refit_a_stale_posterior_is_made_anew_from_its_votes():
    campaign = adaptive(count=60, policy=POLICY | {"settle_at": 0.99999})
    fill(campaign)
    services.start_refits()
    run_refit()
    round = Round.objects.get(campaign=campaign)
    assert Participation.objects.filter(round=round, model_version=1, log_likelihood__isnull=False).count() == 5
    expert = given.expert(campaign.project)
    (claimed,) = take(campaign, expert)
    votes = services.latest_votes(round=round)
    model = beliefs.find_model(round.pk, 1, 17)
    by_name = {each.pseudonym: each.pk for each in campaign.project.experts.all()}
    rows = votes.sample == votes.sample_ids.index(claimed.sample_id)
    expected = model.log_prior.copy()
    for voter, answer in zip(votes.voter[rows], votes.answer[rows], strict=True):
        expected += model.log_likelihood(by_name[votes.voter_ids[voter]])[:, answer]
    row = RoundSample.objects.get(sample=claimed.sample_id)
    assert row.model_version == 1
    assert row.posterior == pytest.approx(expected.tolist())
    cast(campaign, expert, claimed, "A")
    row.refresh_from_db()
    assert row.posterior == pytest.approx((expected + model.pooled[:, 10]).tolist())


def test_a_vote_on_a_stale_sample_first_makes_its_posterior_anew():
    campaign = adaptive(count=60, policy=POLICY | {"settle_at": 0.99999})
    expert = given.expert(campaign.project)
    (claimed,) = take(campaign, expert)
    fill(campaign)
    services.start_refits()
    run_refit()
    cast(campaign, expert, claimed, "A")
    row = RoundSample.objects.get(sample=claimed.sample_id)
    model = beliefs.find_model(row.round_id, 1, 17)
    assert row.model_version == 1
    before = np.array(row.posterior) - model.pooled[:, 10]
    assert before.shape == model.log_prior.shape
    assert not np.allclose(before, model.log_prior)


def test_an_adaptive_campaign_needs_fewer_votes_than_its_maximum():
    campaign = adaptive(count=40)
    panel, rng = make_panel(7, experts=10, accuracy=0.8), np.random.default_rng(7)
    round = services.current_round(campaign=campaign)
    ids = tuple(round.round_samples.order_by("sample").values_list("sample", flat=True))
    truth = rng.integers(0, 17, len(ids))
    votes = panel.vote(truth, 7, sample_ids=ids).votes
    said = {(votes.sample_ids[s], v): a for s, v, a in zip(votes.sample, votes.voter, votes.answer, strict=True)}
    experts = [given.expert(campaign.project) for _ in range(10)]
    for number, expert in enumerate(experts):
        while claimed := take(campaign, expert, count=5):
            for each in claimed:
                answer = said.get((each.sample_id, number))
                if answer is None:
                    cast(campaign, expert, each, "", kind="skip", skip_reason="3")
                else:
                    cast(campaign, expert, each, panel.codes[answer])
    answered = Assignment.objects.filter(round=round, state="answered").count()
    assert answered < 0.6 * 40 * 10
    assert RoundSample.objects.filter(round=round, settled_at=None).count() < 4
