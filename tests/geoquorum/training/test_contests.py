"""A contest: labels of its test split reach nobody but curators, its board shows a share of the rows until the end.

What is protected is in the words of the page on which a contest is made. The version here is a real one: votes,
consensus, release and pack.
"""

import datetime
import json
import re

import numpy as np
import pytest
from django.core.exceptions import PermissionDenied
from django.urls import get_resolver, reverse
from django.utils import timezone

from fusion.errors import GeoquorumError
from geoquorum.campaigns import services as campaigns
from geoquorum.campaigns.models import Consensus
from geoquorum.catalog.held_back import holds_any
from geoquorum.catalog.models import HeldBack, Region, Sample
from geoquorum.releases.models import DatasetVersion
from geoquorum.training import benchmarks, submissions
from geoquorum.training.benchmark_access import find_benchmark
from geoquorum.training.models import MapProduct, Run, RunState, Score
from geoquorum.training.ranking import rank_benchmark
from geoquorum.training.scoring import open_held_out
from geoquorum.training.submissions import Sender
from tests import given
from tests.geoquorum.campaigns.test_blindness import fill_in, list_paths
from tests.geoquorum.training import predicting
from tests.geoquorum.training.predicting import predict, write_npy

pytestmark = pytest.mark.django_db
CANARY = "Canary8d2e"  # stands in what follows from labels of the test split
END = timezone.now() + datetime.timedelta(days=30)


@pytest.fixture(scope="module")
def version(shared_rows):
    return predicting.voted_version(given.project())


@pytest.fixture(scope="module")
def contest(version):
    words = {"name": "Contest", "task": "lcz", "metric": "oa", "protocol": "contest", "by": None, "resamples": 200}
    words |= {"has_hidden_labels": True, "public_share": 0.4, "ends_at": END, "daily_limit": 3}
    return benchmarks.create_benchmark(version=version, **words)


@pytest.fixture(autouse=True)
def data(settings, tmp_path):
    settings.GEOQUORUM_DATA = tmp_path / "data"


def end(monkeypatch):
    """The end of the contest has passed."""
    monkeypatch.setattr(benchmarks.timezone, "now", lambda: END + datetime.timedelta(seconds=1))


def send(contest, by, tmp_path, *, right, seed=0, name=""):
    path = tmp_path / "file.npy"
    path.write_bytes(write_npy(predict(open_held_out(contest).truth, right=right, seed=seed)))
    sender = Sender(by=by, name=name or f"of {by}")
    return submissions.submit_file(benchmark=contest, path=path, sender=sender)


def tell(value):
    """The beginning of a figure as JSON and CSV write it."""
    return f"{value:.6f}"[:7]


def log_in(client, project, role="expert"):
    user = given.member(project, role)
    client.force_login(user)
    return user


def test_the_samples_of_its_split_are_held_back_and_no_others(version, contest):
    [place] = version.summary["cities"]["test"]
    held = Sample.objects.filter(held_back__reason=f"benchmark {contest.pk}")
    assert held.count() == contest.version.summary["splits"]["test"] == 16
    assert {sample.region.name for sample in held} == {place}
    assert not holds_any(Sample.objects.exclude(region__name=place))


def results(version):
    """Addresses of everything that was said in the campaign behind the version."""
    campaign, run = version.consensus_run.campaign_id, version.consensus_run_id
    sample = Sample.objects.filter(region__name=version.summary["cities"]["test"][0]).first()
    pages = f"/campaigns/{campaign}"
    return [
        f"{pages}/consensus/", f"{pages}/consensus/{run}/samples.csv", f"{pages}/consensus/{run}/classes.csv",
        f"{pages}/consensus/agreement/", f"{pages}/consensus/{run}/agreement/matrix.csv", f"{pages}/disputes/",
        f"/api/v1{pages}/consensus?method=majority", f"/api/v1{pages}/runs", f"/api/v1{pages}/runs/{run}/labels",
    ], f"{pages}/samples/{sample.pk}/"  # fmt: skip


def test_results_of_the_campaign_behind_it_are_for_curators(version, contest, client):
    addresses, page_of_sample = results(version)
    log_in(client, version.project)
    assert {address: client.get(address).status_code for address in addresses} == dict.fromkeys(addresses, 403)
    assert client.get(page_of_sample).status_code == 404, "as before the close"
    told = client.get(f"/campaigns/{version.consensus_run.campaign_id}/").content.decode()
    assert "Consensus runs" not in told
    log_in(client, version.project, "curator")
    codes = {address: client.get(address).status_code for address in [*addresses, page_of_sample]}
    assert set(codes.values()) <= {200, 404}, codes
    assert codes[addresses[0]] == codes[addresses[-1]] == codes[page_of_sample] == 200


def test_ones_own_votes_stay_ones_own(version, contest, client):
    log_in(client, version.project)
    assert client.get(f"/api/v1/campaigns/{version.consensus_run.campaign_id}/votes/own").status_code == 200


def test_a_campaign_that_asks_about_them_later_is_withheld_as_well(version, contest, client):
    held = list(Sample.objects.filter(held_back__isnull=False)[:4])
    later = given.campaign(version.project, samples=held, quota=1)
    campaigns.close_campaign(campaign=later, by=None)
    log_in(client, version.project)
    assert client.get(f"/campaigns/{later.pk}/consensus/").status_code == 403
    others = given.campaign(version.project, quota=1)
    campaigns.close_campaign(campaign=others, by=None)
    assert client.get(f"/campaigns/{others.pk}/consensus/").status_code == 200


def test_a_review_that_would_show_their_labels_is_not_opened_and_one_that_does_forbids_a_contest(version, contest):
    codes = dict(Consensus.objects.filter(run=version.consensus_run).values_list("sample", "code"))
    review = campaigns.create_review(project=version.project, name="Review", proposals=codes, quota=1, by=None)
    with pytest.raises(GeoquorumError, match="labels that a contest holds back"):
        campaigns.open_campaign(campaign=review, by=None)
    HeldBack.objects.all().delete()
    campaigns.open_campaign(campaign=review, by=None)
    with pytest.raises(GeoquorumError, match="The open review Review shows labels"):
        benchmarks.create_benchmark(
            version=version, name="Second", task="lcz", metric="oa", protocol="contest", by=None, resamples=200,
            has_hidden_labels=True, public_share=0.4, ends_at=END,
        )  # fmt: skip


def test_the_version_tells_experts_no_counts_and_shows_no_labels(version, contest, client):
    log_in(client, version.project)
    page = client.get(f"/releases/{version.pk}/").content.decode()
    assert "A contest holds labels of these samples back" in page
    assert 'class="chip' not in page
    assert "One square per patch" in page
    assert "city-maps" in page
    assert "Labels of " not in page
    [told] = client.get("/api/v1/versions").json()["items"]
    assert "classes" not in told["summary"]
    log_in(client, version.project, "curator")
    assert "Labels of " in client.get(f"/releases/{version.pk}/").content.decode()
    assert "classes" in client.get("/api/v1/versions").json()["items"][0]["summary"]


def test_another_version_that_holds_these_samples_is_closed_too(version, contest, client):
    other = DatasetVersion.objects.get(pk=version.pk)
    other.pk, other.number = None, 99
    other.save()
    log_in(client, version.project)
    assert "A contest holds labels" in client.get(f"/releases/{other.pk}/").content.decode()


@pytest.fixture
def run(version):
    """A finished run; its report tells the canary wherever a label of the test split would show."""
    scores = {"oa": {"value": 0.5, "low": 0.4, "high": 0.6}, "confusion": [[CANARY]], "n": CANARY}
    report = {"metric": "oa", "test": scores, "validation": scores, "baselines": {CANARY: scores}, "samples": CANARY}
    words = {"name": "run", "task": "lcz", "spec": {}, "report": report, "state": RunState.DONE}
    return Run.objects.create(project=version.project, version=version, **words)


def told(run):
    """The fields of a run that make another like it."""
    return {name: getattr(run, name) for name in ("project", "version", "task", "spec", "report", "state")}


def test_reports_of_runs_on_it_are_for_curators(version, contest, run, client):
    log_in(client, version.project)
    page = client.get(f"/training/{run.pk}/").content.decode()
    assert "the report of this run is for curators" in page
    assert "0.500" not in page
    assert "0.500" not in client.get("/training/").content.decode()
    for table in ("accuracies", "classes", "confusion", "reliability"):
        assert client.get(f"/training/{run.pk}/{table}.csv").status_code == 404
    beside = f"?run={run.pk}&run={Run.objects.create(**{**told(run), 'name': 'other'}).pk}"
    for address in ("/training/compare/", "/training/compare/runs.csv"):
        answer = client.get(address + beside)
        assert answer.status_code == 200
        assert not re.search(r"0\.500|oa value,0\.5", answer.content.decode())
    assert {one["report"] for one in client.get("/api/v1/runs").json()["items"]} == {None}
    assert client.get(f"/api/v1/runs/{run.pk}").status_code == 403
    log_in(client, version.project, "curator")
    assert CANARY in client.get("/api/v1/runs").content.decode()
    assert "0.500" in client.get("/training/").content.decode()
    assert "oa value,0.5,0.5" in client.get("/training/compare/runs.csv" + beside).content.decode()


def test_maps_beside_references_of_that_city_are_for_curators(version, contest, run, client):
    region = Region.objects.get(project=version.project, name=version.summary["cities"]["test"][0])
    product = MapProduct.objects.create(run=run, region=region, state=RunState.FAILED, reason=CANARY)
    log_in(client, version.project)
    for address in (f"/training/maps/{product.pk}/", f"/training/maps/{product.pk}/reference.png"):
        assert client.get(address).status_code == 403
    log_in(client, version.project, "curator")
    assert client.get(f"/training/maps/{product.pk}/").status_code == 200


def test_another_benchmark_on_these_samples_is_no_way_around(version, contest, client):
    open_one = benchmarks.create_benchmark(
        version=version, name=CANARY, task="lcz", metric="oa", protocol="unseen_cities", by=None, resamples=200
    )
    user = log_in(client, version.project)
    with pytest.raises(PermissionDenied):
        find_benchmark(user=user, benchmark_id=open_one.pk)
    assert CANARY not in client.get("/benchmarks/").content.decode()
    assert CANARY not in client.get("/api/v1/benchmarks").content.decode()
    for address in ("", "board.csv", "sample.csv"):
        assert client.get(f"/benchmarks/{open_one.pk}/{address}").status_code == 403
    for address in ("", "/board", "/scores"):
        assert client.get(f"/api/v1/benchmarks/{open_one.pk}{address}").status_code == 403
    body = json.dumps({"name": "x", "rows": [[1.0] * 17]})
    sent = client.post(f"/api/v1/benchmarks/{open_one.pk}/submissions", body, content_type="application/json")
    assert sent.status_code == 403


@pytest.mark.slow
def test_no_address_tells_an_expert_a_label_of_the_split(version, contest, run, tmp_path, client):
    """Every GET of the resolver with this contest's numbers, once with the true codes and once with others.

    Consensus rows of the test samples are changed in between: an answer that differs would tell of them.
    """
    send(contest, given.member(version.project), tmp_path, right=0.7)
    log_in(client, version.project)
    held = Consensus.objects.filter(run=version.consensus_run, sample__held_back__isnull=False)
    numbers = {
        "campaign_id": version.consensus_run.campaign_id, "run_id": run.pk, "version_id": version.pk,
        "benchmark_id": contest.pk, "sample_id": held.first().sample_id, "region_id": held.first().sample.region_id,
    }  # fmt: skip

    def read():
        found = {}
        for path in sorted({fill_in(route, numbers) for route in list_paths(get_resolver().url_patterns)}):
            if "logout" not in path:
                answer = client.get(path)
                body = b"".join(answer.streaming_content) if answer.streaming else answer.content
                found[path] = re.sub(r"<time .*?</time>|[A-Za-z0-9]{64}", "", body.decode(errors="replace"))
        return found

    before = read()
    assert len(before) > 60
    assert not [path for path, body in before.items() if CANARY in body]
    held.update(code="G", distribution=[0.0] * 16 + [1.0], counts=[0] * 16 + [3], entropy=0, agreement=1)
    summary = version.summary | {"classes": {split: {"G": 1} for split in ("train", "validation", "test")}}
    DatasetVersion.objects.filter(pk=version.pk).update(summary=summary)
    after = read()
    assert {path for path in before if before[path] != after[path]} == set()


def test_the_public_board_is_of_its_rows_and_the_private_one_waits_for_the_end(
    version, contest, tmp_path, client, monkeypatch
):
    first, second = given.member(version.project), given.member(version.project)
    one = send(contest, first, tmp_path, right=0.9, seed=1)
    two = send(contest, second, tmp_path, right=0.5, seed=2)
    assert one.samples_count + one.public["n"] == 16
    assert abs(one.public["n"] / 16 - 0.4) < 0.05
    client.force_login(first)
    board = rank_benchmark(contest)
    assert (board.shown, {row.value for row in board.rows}) == (
        "public",
        {one.public["value"], two.public["value"]},
    )
    address = f"/api/v1/benchmarks/{contest.pk}"
    secret = {tell(one.value), tell(two.value)} - {tell(one.public["value"]), tell(two.public["value"])}
    page = client.get(reverse("benchmarks:show", args=[contest.pk])).content.decode()
    answers = [page, *(client.get(f"{address}{part}").content.decode() for part in ("", "/board", "/scores"))]
    answers.append(client.get(reverse("benchmarks:board", args=[contest.pk])).content.decode())
    assert "This is the public board" in page
    for score in (one, two):
        shown = json.loads(client.get(f"{address}/scores").content)["items"]
        assert {item["board"] for item in shown} == {"public"}
        assert [item["n"] for item in shown if item["id"] == score.pk] == [score.public["n"]]
    assert not [text for text in answers for figure in secret if figure in text]
    end(monkeypatch)
    board = rank_benchmark(contest)
    assert board.shown == "final"
    assert {row.submission.name: row.value for row in board.rows} == {
        f"of {first}": one.value,
        f"of {second}": two.value,
    }
    assert "This is the final board" in client.get(reverse("benchmarks:show", args=[contest.pk])).content.decode()
    assert {item["board"] for item in client.get(f"{address}/scores").json()["items"]} == {"final"}


def test_what_comes_late_is_refused_with_the_date(version, contest, tmp_path, client, monkeypatch):
    user = log_in(client, version.project)
    end(monkeypatch)
    with pytest.raises(GeoquorumError, match=f"This contest ended at {END:%Y-%m-%d %H:%M} UTC"):
        send(contest, user, tmp_path, right=0.9)
    body = json.dumps({"name": "x", "rows": [[1.0] * 17]})
    late = client.post(f"/api/v1/benchmarks/{contest.pk}/submissions", body, content_type="application/json")
    assert late.status_code == 409
    assert not Score.objects.exists()


@pytest.mark.parametrize("counts", ["best", "last"])
def test_each_person_has_one_row_by_what_the_public_rows_say(version, contest, tmp_path, counts):
    contest.counts = counts
    person = given.member(version.project)
    made = [send(contest, person, tmp_path, right=right, seed=4, name=f"try {right}") for right in (0.3, 1.0, 0.6)]
    best = max(made, key=lambda score: score.public["value"])
    wanted = best if counts == "best" else made[-1]
    [row] = rank_benchmark(contest).rows
    assert row.submission == wanted.submission
    contest.counts = "best"


def test_labels_are_let_go_by_a_curator_after_the_end_and_not_before(version, contest, client, monkeypatch):
    address = reverse("benchmarks:open_labels", args=[contest.pk])
    log_in(client, version.project, "curator")
    client.post(address)
    assert HeldBack.objects.exists(), "the contest goes on"
    end(monkeypatch)
    log_in(client, version.project)
    assert client.post(address).status_code == 403
    log_in(client, version.project, "curator")
    client.post(address)
    assert not HeldBack.objects.exists()
    log_in(client, version.project)
    assert client.get(results(version)[0][0]).status_code == 200


def test_a_sample_held_for_two_reasons_stays_held_until_both_end(version, contest):
    sample = Sample.objects.filter(held_back__isnull=False).first()
    HeldBack.objects.create(sample=sample, reason="benchmark 0")
    benchmarks.let_go(reason=benchmarks.reason_of(contest))
    assert list(HeldBack.objects.values_list("sample", flat=True)) == [sample.pk]


def test_intervals_and_ties_of_a_contest_are_those_of_the_rows_shown(version, contest, tmp_path):
    one = send(contest, given.member(version.project), tmp_path, right=0.9, seed=1)
    two = send(contest, given.member(version.project), tmp_path, right=0.8, seed=2)
    rows = rank_benchmark(contest).rows
    drawn = [np.frombuffer(bytes(score.public_draws)) for score in (one, two)]
    assert all(len(draws) == 201 for draws in drawn)
    leader, other = (drawn[0], drawn[1]) if rows[0].submission == one.submission else (drawn[1], drawn[0])
    low, high = np.percentile((leader - other)[1:], [2.5, 97.5])
    assert (rows[1].difference["low"], rows[1].difference["high"]) == pytest.approx((low, high))
