"""A run that was trained for real: its report, scores, pages, tables and files."""

import csv
import hashlib
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from django.template.defaultfilters import floatformat
from django.urls import reverse

from fusion import scheme as schemes
from fusion.errors import SpecError
from geoquorum.training import artefacts
from geoquorum.training.models import Benchmark, Checkpoint, Run, RunState, Score
from tests import given
from tests.geoquorum.training.pages import log_in, read_page

pytestmark = pytest.mark.django_db


def test_a_finished_run_has_report_checkpoint_and_scores(run):
    assert run.state == RunState.DONE, run.reason
    assert run.report["pack_sha256"] == run.version.sha256
    assert run.report["is_simulated"] is True
    assert run.report["test"]["n"] == given.CELLS**2
    assert run.progress["share"] == 1.0
    assert run.device == run.report["device"] != ""
    checkpoint = Checkpoint.objects.get(run=run)
    assert checkpoint.is_best
    assert Path(checkpoint.uri).stat().st_size == checkpoint.size_bytes
    assert checkpoint.uri == str(Path(run.folder) / run.report["checkpoint"])
    assert checkpoint.metrics == {"oa": run.report["test"]["oa"]}


def test_scores_lie_on_the_benchmark_of_the_version(run):
    benchmark = Benchmark.objects.get(version=run.version)
    assert (benchmark.task, benchmark.split, benchmark.metric) == ("lcz", "test", "oa")
    own = {"": run.report["test"], **run.report["baselines"]}
    expected = {name: found["oa"] for name, found in own.items() if found["oa"]["low"] is not None}
    scores = {score.baseline: score for score in Score.objects.filter(benchmark=benchmark)}
    assert set(scores) == set(expected)
    for name, score in scores.items():
        assert (score.value, score.low, score.high) == tuple(expected[name][key] for key in ("value", "low", "high"))
        assert (score.checkpoint is None) == (name != "")


def test_the_page_of_a_finished_run_shows_its_score_and_figures(run, client):
    page = read_page(log_in(client, run), "run", run.pk)
    assert f"{run.report['test']['oa']['value']:.3f}" in page
    assert run.report["weights_sha256"] in page
    assert page.count("<svg") >= 5
    assert "Stop this run" not in page
    assert "hx-trigger" not in page
    assert "Draw this city" in page
    assert "simulated" in page.lower()


def test_the_page_tells_the_held_out_city_its_sets_and_its_strangers(run, client):
    """Each title is the finding, with the figures of the report."""
    page, report = read_page(log_in(client, run), "run", run.pk), run.report
    [city] = report["groups"]["city"]["rows"]
    assert "Tested in 1 city that it was not trained in (trained in 1)." in page
    assert f"Overall accuracy {city['value']:.3f} in {city['name']}" in page
    assert f"hold it in {100 * report['conformal']['test']['coverage']['value']:.1f} %" in page
    assert "No out-of-domain score: A coverage of 0.95 needs at least 19 calibration samples; there are 16." in page
    for table in ("cities", "culture_zones", "sets", "doubt"):
        assert reverse("training:table", args=[run.pk, table]) in page


def test_a_report_of_an_earlier_version_is_shown_as_it_was(run, client):
    new = ("protocol", "groups", "uncertainty", "conformal", "out_of_domain", "samples")
    Run.objects.filter(pk=run.pk).update(report={key: run.report[key] for key in run.report if key not in new})
    page = read_page(log_in(client, run), "run", run.pk)
    assert f"{run.report['test']['oa']['value']:.3f}" in page
    assert "Sets that promise" not in page
    answer = client.get(reverse("training:table", args=[run.pk, "cities"]))
    assert answer.content.decode().startswith("name,n,blocks,value")


def test_an_expert_sees_the_run_without_its_buttons(run, client):
    page = read_page(log_in(client, run, "expert"), "run", run.pk)
    assert "Draw this city" not in page


@pytest.mark.parametrize("state", [RunState.QUEUED, RunState.RUNNING, RunState.FAILED, RunState.CANCELLED])
def test_the_page_of_a_run_that_is_not_done_says_how_it_is(run, client, state):
    Run.objects.filter(pk=run.pk).update(state=state, report=None, reason="The lamp went out.")
    page = read_page(log_in(client, run), "run", run.pk)
    assert ("Stop this run" in page) == (state in (RunState.QUEUED, RunState.RUNNING))
    assert ('hx-trigger="every 2s"' in page) == (state in (RunState.QUEUED, RunState.RUNNING))
    assert "The lamp went out." in page
    assert page.count("<svg") >= 2


def test_a_run_without_events_says_when_curves_appear(run, client):
    Run.objects.filter(pk=run.pk).update(state=RunState.QUEUED, report=None, events=[], progress={})
    assert "Curves appear after the first steps" in read_page(log_in(client, run), "run", run.pk)


def test_progress_is_told_until_the_run_is_over(run, client):
    log_in(client, run)
    over = client.get(reverse("training:progress", args=[run.pk]))
    assert (over.status_code, over["HX-Refresh"], over.content) == (286, "true", b"")
    Run.objects.filter(pk=run.pk).update(state=RunState.RUNNING, report=None)
    page = read_page(client, "progress", run.pk)
    assert 'id="live"' in page
    assert "<html" not in page


def test_the_list_of_runs_shows_the_held_out_score(run, client):
    log_in(client, run)
    assert floatformat(run.report["test"]["oa"]["value"], 3) in read_page(client, "list")


TABLES = (
    "curves", "accuracies", "classes", "confusion", "reliability", "cities", "culture_zones", "sets", "doubt",
)  # fmt: skip


@pytest.mark.parametrize("table", TABLES)
def test_every_figure_has_its_table(run, client, table):
    answer = log_in(client, run).get(reverse("training:table", args=[run.pk, table]))
    assert answer["Content-Type"].startswith("text/csv")
    assert f'filename="run-{run.pk}-{table}.csv"' in answer["Content-Disposition"]
    rows = list(csv.reader(io.StringIO(answer.content.decode())))
    assert len(rows) > 1
    assert {len(row) for row in rows} == {len(rows[0])}
    if table == "confusion":
        counts = np.array([row[1:] for row in rows[1:]], dtype=float)
        assert counts.sum() == run.report["test"]["n"]
        assert [row[0] for row in rows[1:]] == list(schemes.find("lcz17").codes)


def test_an_unknown_table_is_not_there(run, client):
    assert log_in(client, run).get(reverse("training:table", args=[run.pk, "secrets"])).status_code == 404


def test_curves_can_be_read_while_the_run_goes_on(run, client):
    Run.objects.filter(pk=run.pk).update(state=RunState.RUNNING, report=None)
    assert log_in(client, run).get(reverse("training:table", args=[run.pk, "curves"])).status_code == 200
    assert client.get(reverse("training:table", args=[run.pk, "classes"])).status_code == 404


def test_a_run_is_started_on_the_page_and_over_the_api(run, client):
    log_in(client, run)
    answer = client.post(reverse("training:start", args=[run.version_id]), {"task": "lcz"})
    started = Run.objects.latest("pk")
    assert answer.url == reverse("training:run", args=[started.pk])
    body = {"version": run.version_id, "task": "lcz", "spec": {"epochs": 3}}
    told = client.post("/api/v1/runs", body, content_type="application/json")
    assert (told.status_code, told.json()["state"]) == (201, "queued")
    assert Run.objects.latest("pk").spec["epochs"] == 3
    wrong = client.post("/api/v1/runs", body | {"spec": {"epoch": 3}}, content_type="application/json")
    assert wrong.status_code == 400
    assert "'epoch' is not a field" in wrong.json()["detail"]
    page = client.post(reverse("training:start", args=[run.version_id]), {"task": "weather"}, follow=True)
    assert "weather" in page.content.decode()


def test_files_of_a_run_are_made_on_its_page_and_over_the_api(run, client, monkeypatch):
    """The ONNX file itself, which takes a child with torch, is made for real in test_artefacts."""
    monkeypatch.setattr(artefacts, "_export", lambda *words: {"reason": "There is no such form."})
    log_in(client, run)
    page = read_page(client, "files", run.pk)
    assert "Make the files" in page
    assert client.get(f"/api/v1/runs/{run.pk}/files").json()["files"] == {}
    assert client.post(f"/api/v1/runs/{run.pk}/files").status_code == 201
    given.work(artefacts.find_job(run), artefacts.prepare)
    told = client.get(f"/api/v1/runs/{run.pk}/files").json()
    assert told["state"] == "done"
    assert sorted(told["files"]) == ["bundle", "card", "domain", "item", "report", "weights", "words"]
    page = read_page(client, "files", run.pk)
    assert "There is no such form." in page
    assert "model-index" not in page
    assert run.report["weights_sha256"] in page
    answer = client.get(reverse("training:download_file", args=[run.pk, "bundle"]))
    content = b"".join(answer.streaming_content)
    assert hashlib.sha256(content).hexdigest() == told["bundle_sha256"]
    assert "attachment" in answer["Content-Disposition"]
    same = client.get(f"/api/v1/runs/{run.pk}/files/bundle")
    assert b"".join(same.streaming_content) == content
    again = artefacts.make(run)
    assert again["sha256"] == told["bundle_sha256"], "the same files are the same bytes"
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        weights = ["network.json", "network.safetensors"]
        assert archive.namelist() == ["README.md", "domain.safetensors", "item.json", *weights, "report.json"]
        assert {entry.date_time[0] for entry in archive.infolist()} == {1980}
        assert hashlib.sha256(archive.read("network.safetensors")).hexdigest() == Checkpoint.objects.get(run=run).sha256
        assert json.loads(archive.read("report.json")) == run.report
    log_in(client, run, "expert")
    assert client.get(reverse("training:download_file", args=[run.pk, "bundle"])).status_code == 403


def test_only_a_finished_run_has_files(run, client):
    Run.objects.filter(pk=run.pk).update(state=RunState.FAILED, report=None)
    with pytest.raises(SpecError, match="only a finished run"):
        artefacts.start(run=Run.objects.get(pk=run.pk), by=None)
    assert "Only a finished run" in read_page(log_in(client, run), "files", run.pk)
