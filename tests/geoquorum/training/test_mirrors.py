"""A run in TensorBoard and MLflow too; whatever is wrong with them, the run goes on."""

import json
import sys
import time

import pytest

from geoquorum.releases.models import DatasetVersion
from geoquorum.training.mirrors import list_scalars, mirror_run
from geoquorum.training.models import Run, RunState
from tests import given

pytestmark = pytest.mark.django_db
EVENTS = [
    {"event": "start", "step": 0, "time": 1e9},
    {"event": "step", "step": 2, "time": 1e9, "loss": 2.5, "accuracy": 0.1, "learning_rate": 0.01, "eta_s": 3.0},
    {"event": "epoch", "step": 4, "time": 1e9 + 1, "loss": 2.0, "validation_loss": 2.2, "validation_accuracy": None},
]
REPORT = {"steps": 4, "validation": None, "test": {"n": 9, "oa": {"value": 0.7, "low": 0.6, "high": None}}}


@pytest.fixture
def run(tmp_path):
    project = given.project()
    version = DatasetVersion.objects.create(project=project, name="set", number=1)
    return Run.objects.create(
        project=project, version=version, name="run", task="lcz", spec={"epochs": 3}, folder=str(tmp_path)
    )


def mirror(run, events=EVENTS):
    """One attempt from start to end, which is what a worker does with it."""
    with mirror_run(run) as mirrors:
        mirrors.take(events)
        Run.objects.filter(pk=run.pk).update(state=RunState.DONE, report=REPORT)
    run.refresh_from_db()
    return run.progress.get("mirrors", {})


def test_scalars_are_named_by_what_they_are_of():
    _start, step, epoch = EVENTS
    assert list_scalars(step) == {
        "train/loss": 2.5, "train/accuracy": 0.1, "train/learning_rate": 0.01, "train/eta_s": 3.0
    }  # fmt: skip
    assert list_scalars(epoch) == {"epoch/loss": 2.0, "validation/loss": 2.2}
    assert list_scalars({"event": "checkpoint", "step": 3}) == {}


def test_without_settings_nothing_is_mirrored_and_nothing_starts(run, settings):
    settings.TENSORBOARD_DIR = settings.MLFLOW_TRACKING_URI = ""
    with mirror_run(run) as mirrors:
        mirrors.take(EVENTS)
        assert not mirrors._thread.is_alive()
    assert mirrors.warnings == {}


def test_an_event_file_holds_scalars_spec_and_report(run, settings, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    settings.TENSORBOARD_DIR = str(tmp_path / "board")
    assert mirror(run) == {}
    read = EventAccumulator(str(tmp_path / "board" / f"run-{run.pk}"))
    read.Reload()
    assert [(one.step, one.value) for one in read.Scalars("train/loss")] == [(2, 2.5)]
    assert [(one.step, one.wall_time) for one in read.Scalars("validation/loss")] == [(4, 1e9 + 1)]
    assert read.Scalars("report/test/oa_low")[0].value == pytest.approx(0.6)
    assert "report/test/oa_high" not in read.Tags()["scalars"]
    [spec] = read.Tensors("spec/text_summary")
    assert json.loads(spec.tensor_proto.string_val[0].decode().strip("`\n")) == {"epochs": 3}


@pytest.mark.parametrize(
    ("setting", "package"), [("TENSORBOARD_DIR", "tensorboard"), ("MLFLOW_TRACKING_URI", "mlflow")]
)
def test_an_absent_package_is_one_line_on_the_page(run, settings, tmp_path, monkeypatch, client, setting, package):
    settings.TENSORBOARD_DIR = settings.MLFLOW_TRACKING_URI = ""
    setattr(settings, setting, str(tmp_path / "there"))
    for name in [name for name in sys.modules if name.split(".")[0] == package]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)
    [line] = mirror(run).values()
    assert "its package is not installed (extra `mirrors`)" in line
    Run.objects.filter(pk=run.pk).update(state=RunState.FAILED, report=None)
    client.force_login(given.member(run.project, "curator"))
    assert line.replace("`", "") in client.get(f"/training/{run.pk}/").content.decode().replace("`", "")


def test_a_folder_that_cannot_be_written_harms_nothing(run, settings, tmp_path):
    (tmp_path / "file").write_text("no folder")
    settings.TENSORBOARD_DIR = str(tmp_path / "file" / "board")
    [line] = mirror(run).values()
    assert line.startswith("Not mirrored to TensorBoard: ")


@pytest.mark.services
def test_mlflow_holds_params_metrics_and_the_report_and_goes_on_after_an_interruption(run, settings, tmp_path):
    from mlflow.tracking import MlflowClient

    settings.MLFLOW_TRACKING_URI = (tmp_path / "mlruns").as_uri()
    assert mirror(run, EVENTS[:2]) == {}
    Run.objects.filter(pk=run.pk).update(state=RunState.QUEUED, report=None)
    assert mirror(run, EVENTS[2:]) == {}
    client = MlflowClient(tracking_uri=settings.MLFLOW_TRACKING_URI)
    [found] = client.search_runs([client.get_experiment_by_name("geoquorum").experiment_id])
    assert found.data.params == {"epochs": "3"}
    assert found.data.metrics["train/loss"] == 2.5
    assert found.data.metrics["validation/loss"] == 2.2
    assert found.data.tags["geoquorum.run"] == str(run.pk)
    assert found.info.status == "FINISHED"
    assert [one.path for one in client.list_artifacts(found.info.run_id)] == ["report.json"]


@pytest.mark.services
def test_a_dead_server_costs_a_line_and_a_few_seconds(run, settings):
    settings.MLFLOW_TRACKING_URI = "http://127.0.0.1:9"
    started = time.monotonic()
    lines = mirror(run)
    assert time.monotonic() - started < 12
    assert len(lines) == 1
