"""From votes to labels, and the page that shows them."""

import csv

import numpy as np
import pyarrow as pa
import pytest
from django.urls import reverse

from annotation import consensus
from annotation.panel import make_panel
from fusion import grid
from fusion import scheme as schemes
from geoquorum.campaigns import services
from geoquorum.campaigns.models import Consensus, ConsensusRun
from geoquorum.campaigns.services import RefusedError
from geoquorum.queue.models import Job
from geoquorum.queue.services import run_claimed
from tests import given

pytestmark = pytest.mark.django_db
CODES = schemes.find("lcz17").codes


def close_with_panel(count=60, quota=5, project=None, seed=2):
    """A closed campaign of simulated experts and its truth."""
    campaign = given.campaign(project or given.project(), count=count, quota=quota)
    round = services.current_round(campaign=campaign)
    truth = np.random.default_rng(seed).integers(17, size=count)
    ids = tuple(round.round_samples.order_by("sample").values_list("sample", flat=True))
    panel = make_panel(seed, experts=quota).vote(truth, seed, sample_ids=ids)
    services.import_votes(round=round, table=services.tabulate_panel(panel, CODES), by=None)
    services.close_campaign(campaign=campaign, by=None)
    return campaign, truth


def run_jobs():
    for job in Job.objects.filter(state="queued"):
        run_claimed(job.pk, services.refit)


def test_closing_makes_a_run_by_each_usual_method():
    campaign, truth = close_with_panel()
    run_jobs()
    runs = {run.method: run for run in ConsensusRun.objects.filter(campaign=campaign)}
    assert set(runs) == {"majority", "dawid_skene", consensus.DEFAULT}
    for run in runs.values():
        assert (run.state, run.samples_count) == ("ready", 60)
        labels = [CODES.index(code) for code in run.rows.order_by("sample").values_list("code", flat=True)]
        assert np.mean(np.array(labels) == truth) > 0.7
    assert np.shape(runs["dawid_skene"].expert_confusion) == (5, 17, 17)


def test_rows_hold_what_the_votes_say():
    campaign, _truth = close_with_panel()
    run_jobs()
    run = ConsensusRun.objects.get(campaign=campaign, method="majority")
    votes = services.latest_votes(round=run.round)
    rows = list(run.rows.order_by("sample"))
    assert [row.counts for row in rows] == votes.counts().tolist()
    for row in rows:
        assert sum(row.distribution) == pytest.approx(1, abs=1e-4)
        assert row.agreement == pytest.approx(max(row.counts) / row.votes_count, abs=1e-6)
        assert row.low <= row.agreement <= row.high
        assert ("tie" in row.flags) == (sorted(row.counts)[-1] == sorted(row.counts)[-2])
        assert ("few_votes" in row.flags) == (row.votes_count < 5)


def test_a_run_that_is_ready_does_not_change_when_its_job_runs_again():
    _campaign, _truth = close_with_panel()
    run_jobs()
    before = list(Consensus.objects.order_by("pk").values())
    Job.objects.update(state="queued", fence=None)
    run_jobs()
    assert list(Consensus.objects.order_by("pk").values()) == before


def test_a_consensus_needs_a_closed_round_with_votes_and_a_known_method():
    campaign = given.campaign(given.project())
    round = services.current_round(campaign=campaign)
    with pytest.raises(RefusedError, match="close it first"):
        services.start_consensus(round=round, by=None)
    services.close_campaign(campaign=campaign, by=None)
    assert not ConsensusRun.objects.exists()
    round = services.current_round(campaign=campaign)
    with pytest.raises(RefusedError, match="no votes"):
        services.start_consensus(round=round, by=None)


@pytest.mark.slow
def test_2400_samples_of_ten_votes_get_a_row_by_each_method():
    close_with_panel(count=2_400, quota=10)
    run_jobs()
    assert Consensus.objects.count() == 2_400 * len(services.METHODS)


def test_a_method_for_other_answers_is_refused():
    campaign, _truth = close_with_panel()
    round = services.current_round(campaign=campaign)
    with pytest.raises(RefusedError, match=r"staple: no method .* majority") as refused:
        services.start_consensus(round=round, methods=["staple"], by=None)
    assert refused.value.status == 400


def test_a_bayesian_run_keeps_credible_bounds_of_labels_and_matrices():
    campaign, _truth = close_with_panel()
    round = services.current_round(campaign=campaign)
    services.start_consensus(round=round, methods=["bayesian_dawid_skene"], by=None)
    run_jobs()
    run = ConsensusRun.objects.get(campaign=campaign, method="bayesian_dawid_skene")
    assert run.summary["is_credible"]
    low, high = (np.array(run.summary["confusion_interval"][name]) for name in ("low", "high"))
    assert ((low <= np.array(run.expert_confusion) + 1e-4) & (np.array(run.expert_confusion) <= high + 1e-4)).all()
    for row in run.rows.all():
        assert row.low - 1e-5 <= max(row.distribution) <= row.high + 1e-5
    wilson = ConsensusRun.objects.get(campaign=campaign, method="majority")
    assert not wilson.summary["is_credible"]


def test_the_page_tells_the_finding_and_switches_between_methods(client):
    project = given.project()
    campaign, _truth = close_with_panel(project=project)
    place_samples(campaign)
    run_jobs()
    client.force_login(given.member(project, "curator"))
    page = client.get(reverse("campaigns:consensus", args=[campaign.pk]))
    html = page.content.decode()
    assert "Two experts agree on" in html
    assert "Majority" in html
    assert "Dawid-Skene" in html
    assert html.count("<svg") > 20
    assert "style=" not in html
    assert "simulated-01" in html


def place_samples(campaign):
    region = given.region(campaign.project)
    for index, row in enumerate(campaign.rounds.get().round_samples.select_related("sample")):
        cell = grid.Cell(zone=32, north=True, size_m=320, column=1_100 + index % 10, row=17_500 + index // 10)
        row.sample.cell, row.sample.region = cell.id, region
        row.sample.save()


@pytest.mark.parametrize(
    ("kind", "lines"), [("samples", 61), ("map", 61), ("confusion", 290), ("experts", 6), ("models", 1)]
)
def test_every_picture_has_its_table(client, kind, lines):
    project = given.project()
    campaign, _truth = close_with_panel(project=project)
    run_jobs()
    client.force_login(given.member(project, "curator"))
    run = ConsensusRun.objects.filter(campaign=campaign).first()
    answer = client.get(reverse("campaigns:csv", args=[campaign.pk, run.pk, kind]))
    rows = list(csv.reader(b"".join(answer.streaming_content).decode().splitlines()))
    assert len(rows) == lines
    assert len({len(row) for row in rows}) == 1


def test_scores_of_experts_are_for_curators_only(client):
    project = given.project()
    campaign, _truth = close_with_panel(project=project)
    run_jobs()
    client.force_login(given.member(project, "expert"))
    run = ConsensusRun.objects.filter(campaign=campaign).first()
    assert client.get(reverse("campaigns:csv", args=[campaign.pk, run.pk, "experts"])).status_code == 404
    assert "simulated-01" not in client.get(reverse("campaigns:consensus", args=[campaign.pk])).content.decode()


def test_an_adaptive_campaign_is_labelled_by_a_method_that_knows_of_hard_samples():
    policy = {"kind": "adaptive", "minimum": 2, "maximum": 3, "settle_at": 0.9}
    campaign = given.campaign(given.project(), count=2, quota=3, policy=policy)
    round = services.current_round(campaign=campaign)
    ids = list(round.round_samples.values_list("sample", flat=True))
    table = pa.table({"voter": ["a", "b", "a"], "sample": [ids[0], ids[0], ids[1]], "code": ["3", "3", "A"]})
    services.import_votes(round=round, table=table, by=None)
    services.close_campaign(campaign=campaign, by=None)
    assert list(campaign.consensus_runs.order_by("pk").values_list("method", flat=True)) == ["majority", "lookalikes"]
    for run in campaign.consensus_runs.all():
        assert given.work(run.job, services.refit).state == "done"
