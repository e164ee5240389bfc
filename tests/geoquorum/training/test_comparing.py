"""Runs beside each other: what differs, scores with intervals, differences in pairs on the same test samples."""

import csv
import io

import numpy as np
import pytest
from django.urls import reverse

from fusion.errors import BadInputError
from geoquorum.releases.models import BuildState, DatasetVersion
from geoquorum.training import comparing
from geoquorum.training.models import Run, RunState
from tests import given

pytestmark = pytest.mark.django_db
N = 200
RNG = np.random.default_rng(0)
LABELS = RNG.integers(0, 17, N)


@pytest.fixture
def version():
    project = given.project()
    return DatasetVersion.objects.create(
        project=project, name="set", number=1, state=BuildState.READY, uri="/nowhere", sha256="ab" * 32
    )


def make_run(version, folder, right, *, labels=LABELS, ids=None, **spec) -> Run:
    """A finished run that was right on the first `right` of its test samples."""
    folder.mkdir()
    answers = np.where(np.arange(N) < right, labels, (labels + 1) % 17)
    names = np.array([f"s{place}" for place in range(N)] if ids is None else ids)
    np.savez(folder / "test_samples.npz", id=names, label=labels, probability=np.eye(17)[answers])
    report = {"metric": "oa", "samples": "test_samples.npz", "baselines": {}}
    report["test"] = {"scheme": "lcz17", "n": N, "oa": {"value": right / N, "low": right / N - 0.05, "high": 1.0}}
    events = [
        {"event": "epoch", "step": 10 * e, "epoch": e, "validation_loss": 2.0 / (1 + e), "validation_accuracy": 0.1 * e}
        for e in range(3)
    ]
    words = {"task": "lcz", "epochs": 40, "network": {"name": "sen2lcz", "width": 8}, **spec}
    return Run.objects.create(
        project=version.project, version=version, name=f"run {right}", task="lcz", spec=words, state=RunState.DONE,
        report=report, folder=str(folder), events=events,
    )  # fmt: skip


@pytest.fixture
def runs(version, tmp_path):
    return [
        make_run(version, tmp_path / "a", 100),
        make_run(version, tmp_path / "b", 150, epochs=80, network={"name": "sen2lcz", "width": 16}),
        make_run(version, tmp_path / "c", 102, ema=0.99),
    ]


def test_only_what_differs_is_shown_with_inner_fields(runs):
    assert dict(comparing.list_spec_differences(runs)) == {
        "ema": ["–", "–", "0.99"],
        "epochs": ["40", "80", "40"],
        "network.width": ["8", "16", "8"],
    }


def test_differences_are_paired_on_the_same_samples(runs):
    large, small = comparing.list_differences(runs)
    assert large.found["value"] == pytest.approx(0.25)
    assert 0 < large.found["low"] < 0.25 < large.found["high"]
    assert large.is_clear
    assert small.found["value"] == pytest.approx(0.01)
    assert not small.is_clear
    width = large.found["high"] - large.found["low"]
    assert width < 0.14, "pairs are narrower than two intervals of single runs, which are 0.14 each"


def test_other_samples_or_none_give_a_reason_and_no_number(runs, version, tmp_path):
    other = make_run(version, tmp_path / "d", 120, ids=[f"t{place}" for place in range(N)])
    bare = make_run(version, tmp_path / "e", 120)
    (tmp_path / "e" / "test_samples.npz").write_bytes(b"no zip")
    first, second = comparing.list_differences([runs[0], other, bare])
    assert first.found is None
    assert "not the same ones" in first.reason
    assert "stored no predictions" in second.reason


def test_pickled_predictions_are_not_read(runs, tmp_path):
    np.savez(tmp_path / "a" / "test_samples.npz", id=np.array([object()], dtype=object), label=[1], probability=[1])
    assert comparing.read_answers(runs[0]) is None


@pytest.mark.parametrize("count", [0, 1, 9])
def test_two_to_eight_runs_are_compared(runs, count):
    with pytest.raises(BadInputError, match="Choose 2 to 8"):
        comparing.check_comparable((runs * 3)[:count])


def test_runs_of_two_tasks_are_not(runs):
    runs[1].task = "patch_classes"
    with pytest.raises(BadInputError, match="lcz, patch_classes"):
        comparing.check_comparable(runs)


def test_the_page_and_its_table_hold_scores_differences_and_curves(runs, client):
    client.force_login(given.member(runs[0].project))
    query = "&".join(f"run={run.pk}" for run in runs)
    page = client.get(reverse("training:compare") + f"?{query}").content.decode()
    assert "0.750" in page
    assert "0.250" in page
    assert "network.width" in page
    assert page.count('class="chart"') == 2
    answer = client.get(reverse("training:compare_table") + f"?{query}")
    rows = list(csv.reader(io.StringIO(answer.content.decode())))
    assert ["test", "oa value", "0.5", "0.75", "0.51"] in rows
    assert len({row[0] for row in rows}) == 5
    few = client.get(reverse("training:compare") + f"?run={runs[0].pk}", follow=True)
    assert "Choose 2 to 8" in few.content.decode()


def test_runs_of_others_are_left_out(runs, client):
    client.force_login(given.member(given.project(), "admin"))
    query = "&".join(f"run={run.pk}" for run in runs)
    answer = client.get(reverse("training:compare") + f"?{query}", follow=True)
    assert runs[0].name not in answer.content.decode()
    assert answer.status_code == 404
    assert client.get(reverse("training:compare_table") + f"?{query}").status_code == 404
