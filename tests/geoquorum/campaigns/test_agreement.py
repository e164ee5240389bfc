"""Where experts disagree: the page, its tables, and who may see what of it."""

import csv
import io

import numpy as np
import pytest
from django.urls import reverse

from annotation import agreement as measures
from annotation.panel import make_panel
from fusion import grid
from fusion import scheme as schemes
from geoquorum.campaigns import services
from geoquorum.campaigns.models import ConsensusRun
from geoquorum.campaigns.services import agreement
from tests import given

pytestmark = pytest.mark.django_db
SCHEME = schemes.find("lcz17")
KINDS = ("figures", "classes", "cities", "matrix", "entropy", "apart", "experts", "pairs")


@pytest.fixture(scope="module")
def world(shared_rows):
    """A closed campaign over two cities of 5 x 6 cells, five simulated experts, and a READY majority run."""
    project = given.project()
    samples = given.samples(project, 60)
    regions = [given.region(project, name) for name in ("Ada", "Bex")]
    for index, sample in enumerate(samples):
        place, city = index % 30, index // 30
        cell = grid.Cell(
            zone=32, north=True, size_m=320, column=1_100 + place % 6, row=17_000 + place // 6 + 900 * city
        )
        sample.cell, sample.region = cell.id, regions[city]
        sample.save()
    campaign = given.campaign(project, samples=samples, quota=5)
    truth = np.full(60, SCHEME.index("6"))
    truth[30:] = np.random.default_rng(1).integers(17, size=30)
    panel = make_panel(4, experts=5, accuracy=0.85)
    votes = panel.vote(truth, 4, sample_ids=tuple(sample.pk for sample in samples))
    table = services.tabulate_panel(votes, SCHEME.codes)
    services.import_votes(round=services.current_round(campaign=campaign), table=table, by=None)
    services.close_campaign(campaign=campaign, by=None)
    run = campaign.consensus_runs.select_related("campaign", "round", "job").get(method="majority")
    given.work(run.job, services.refit)
    run.refresh_from_db()
    return {"run": run, "project": project, "campaign": campaign}


def ask(client, world, role="curator", kind="", **query):
    client.force_login(given.member(world["project"], role))
    run = world["run"]
    if kind:
        return client.get(reverse("campaigns:agreement_csv", args=[run.campaign_id, run.pk, kind]), query)
    return client.get(reverse("campaigns:agreement", args=[run.campaign_id]), {"run": run.pk} | query)


def read_csv(answer):
    """Lines above the table, and its rows as dictionaries."""
    lines = b"".join(answer.streaming_content).decode().splitlines()
    above = [line for line in lines if line.startswith("# ")]
    return above, list(csv.DictReader(io.StringIO("\n".join(lines[len(above) :]))))


def test_every_number_comes_from_the_votes_alone(client, world):
    votes = services.latest_votes(round=world["run"].round)
    own = measures.measure_all(votes, 1 - SCHEME.similarity_matrix())
    _above, rows = read_csv(ask(client, world, kind="figures"))
    assert {row["figure"] for row in rows} == set(measures.MEASURES)
    for row in rows:
        assert float(row["value"]) == pytest.approx(own[row["figure"]].value, abs=1e-6)
        assert float(row["low"]) <= float(row["value"]) <= float(row["high"])
        assert row["samples"] == "60"
    _above, rows = read_csv(ask(client, world, kind="matrix"))
    assert [int(row["pairs"]) for row in rows] == measures.co_votes(votes).ravel().tolist()


@pytest.mark.parametrize("kind", KINDS)
def test_each_table_names_campaign_run_and_n(client, world, kind):
    above, rows = read_csv(ask(client, world, kind=kind))
    assert [line.split(":")[0] for line in above] == ["# campaign", "# run", "# n"]
    assert world["campaign"].slug in above[0]
    run = world["run"]
    assert f"run: {run.pk}, majority, round 1, {run.votes_count} votes" in above[1]
    assert above[2] == f"# n: 60 samples, {run.votes_count} votes, 5 experts"
    assert rows


def test_the_page_states_findings_and_shows_pictures(client, world):
    html = ask(client, world).content.decode()
    assert "Experts disagree most about" in html
    assert "Mixed up most" in html
    assert "Least agreement: Ada" in html
    assert "Bex:" in html, "the map shows the city with the least agreement first"
    assert html.count("<svg") >= 6
    assert "style=" not in html
    for one in agreement.find_agreement(world["run"])["apart"]:
        assert reverse("campaigns:sample", args=[world["campaign"].pk, one["sample"]]) in html
    assert "samples are unlike all their neighbours" in html


def test_the_map_shows_entropy_where_asked(client, world):
    rows = list(world["run"].rows.filter(sample__region__name="Bex"))
    html = ask(client, world, city="Bex", strength="entropy").content.decode()
    assert f"Bex: mean entropy {np.mean([row.entropy for row in rows]):.2f} nats" in html
    least = max(rows, key=lambda row: row.entropy)
    assert f"{least.sample.key}: {least.code}" in html
    assert f"{least.entropy:.2f} nats</title>" in html
    assert "nats</title>" not in ask(client, world, city="Bex").content.decode()


def test_figures_are_computed_once_and_kept_with_the_run(world, monkeypatch):
    run = ConsensusRun.objects.select_related("campaign", "round").get(pk=world["run"].pk)
    first = agreement.find_agreement(run)
    monkeypatch.setattr(agreement, "latest_votes", None)
    again = agreement.find_agreement(ConsensusRun.objects.select_related("campaign", "round").get(pk=run.pk))
    assert again == first
    for part in ("figures", "cities"):
        assert list(again[part]) == list(first[part]), "names keep their order"
    assert set(run.summary) == {"agreement", *world["run"].summary}


def test_a_pair_of_experts_is_counted_as_their_votes_say(client, world):
    votes = services.latest_votes(round=world["run"].round)
    first, second = map(str, votes.voter_ids[:2])
    _above, rows = read_csv(ask(client, world, kind="matrix", first=first, second=second))
    expected = measures.voter_confusion(votes, 0, 1)
    assert [int(row["pairs"]) for row in rows] == expected.ravel().tolist()
    _above, rows = read_csv(ask(client, world, kind="matrix", first=first, second="rest"))
    assert [int(row["pairs"]) for row in rows] == measures.confusion_with_rest(votes)[0].ravel().tolist()
    assert first in ask(client, world, first=first, second=second).content.decode()


def test_the_matrix_of_built_classes_and_of_sure_votes_is_part_of_the_whole(client, world):
    _above, rows = read_csv(ask(client, world, kind="matrix", group="built"))
    assert {row["one_says"] for row in rows} == set(SCHEME.codes[:10])
    _above, sure = read_csv(ask(client, world, kind="matrix", sure="1"))
    _above, every = read_csv(ask(client, world, kind="matrix"))
    total = [sum(int(row["pairs"]) for row in found) for found in (sure, every)]
    votes = services.latest_votes(round=world["run"].round)
    assert total[1] == (votes.votes_per_sample * (votes.votes_per_sample - 1)).sum()
    assert 0 < total[0] < total[1]


def test_experts_see_no_figures_of_single_others(client, world):
    names = world["run"].experts
    html = ask(client, world, role="expert").content.decode()
    assert not [name for name in names if name in html]
    for kind in ("experts", "pairs"):
        assert ask(client, world, role="expert", kind=kind).status_code == 404
    for query in ({"first": names[0]}, {"first": names[0], "second": names[1]}):
        assert ask(client, world, role="expert", **query).status_code == 404
        assert ask(client, world, role="expert", kind="matrix", **query).status_code == 404


@pytest.mark.parametrize(
    "query", [{"group": "x"}, {"first": "nobody"}, {"city": "Nowhere"}, {"code": "Z"}, {"run": "9" * 30}, {"run": "-1"}]
)
def test_what_is_not_there_is_not_found(client, world, query):
    assert ask(client, world, **query).status_code == 404


def test_before_the_close_there_is_nothing_to_see(client):
    project = given.project()
    campaign = given.campaign(project)
    for role in ("expert", "curator"):
        client.force_login(given.member(project, role))
        assert client.get(reverse("campaigns:agreement", args=[campaign.pk])).status_code == 404


def test_the_top_tenth_by_entropy_is_at_most_a_tenth_but_never_nothing():
    values = np.array([0.0] * 50 + [0.3] * 45 + [0.6] * 5, np.float32)
    assert agreement.find_top(values) == pytest.approx(0.6)
    assert agreement.find_top(np.array([0.0] * 5 + [0.5] * 5, np.float32)) == pytest.approx(0.5)
    assert agreement.find_top(np.zeros(10, np.float32)) is None


def test_classes_that_are_alike_stand_in_one_block():
    blocks = [[SCHEME.codes[place] for place in range(*block)] for block in agreement.order_blocks(SCHEME)]
    assert blocks == [["1", "2", "3"], ["4", "5", "6"], ["A", "B", "C"], ["F", "G"]]
