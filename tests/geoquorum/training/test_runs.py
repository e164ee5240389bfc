"""Runs: asked for, trained in a child process, interrupted, resumed, and recorded."""

import json
import os
import signal
from pathlib import Path

import pytest

from fusion.errors import SpecError, UnknownKindError
from geoquorum.queue.claims import Cancelled, TimeLimit
from geoquorum.queue.models import Job, JobState
from geoquorum.queue.services import request_cancel
from geoquorum.releases.models import BuildState, DatasetVersion
from geoquorum.training import services
from geoquorum.training.launcher import Outcome
from geoquorum.training.models import Run, RunState
from tests import given

pytestmark = pytest.mark.django_db
LONG = {"epochs": 3000, "checkpoint_every": 1, "select_by": "last"}


@pytest.fixture(scope="module")
def version(shared_rows):
    return given.version(given.project())


@pytest.fixture
def run(version, tiny):
    return services.start_run(version=version, task="lcz", by=None, changes=tiny)


def end_with(monkeypatch, *outcomes: Outcome):
    """Stands in for the child process: each launch ends like this, one after the other."""
    ends = iter(outcomes)
    monkeypatch.setattr(services, "launch", lambda *_words, **_named: next(ends))


def execute(run: Run) -> Job:
    job = given.work(run.job, services.execute_run)
    run.refresh_from_db()
    return job


def spy(monkeypatch, see):
    """Looks at each batch of events before the follower does."""
    original = services._Follower.watch

    def watch(follower, events):
        see(follower, events)
        original(follower, events)

    monkeypatch.setattr(services._Follower, "watch", watch)


def test_a_run_waits_with_its_whole_spec(version, run):
    assert (run.state, run.job.state, run.job.queue) == (RunState.QUEUED, JobState.QUEUED, "training")
    assert run.spec["pack"] == version.uri
    assert run.spec["pack_sha256"] == version.sha256
    assert run.spec["network"] == {"name": "sen2lcz", "width": 4, "depth": 5, "dropout": 0.2}
    assert run.spec["modalities"] == ["sentinel1", "sentinel2"]
    assert run.spec["target"] in ("lcz17", "")
    assert run.name == f"Local climate zones on {version}"


@pytest.mark.parametrize(
    ("task", "changes", "error", "said"),
    [
        ("weather", {}, UnknownKindError, r"'weather'.*lcz"),
        ("lcz", {"epoch": 3}, SpecError, r"'epoch' is not a field.*epochs"),
        ("lcz", {"epochs": 0}, SpecError, "epochs"),
        ("lcz", {"network": {"name": "resnet9000"}}, UnknownKindError, r"'resnet9000'.*sen2lcz"),
        ("lcz", {"objective": {"name": "guess"}}, UnknownKindError, r"'guess'.*supervised"),
    ],
)
def test_what_cannot_be_trained_is_refused_by_name(version, task, changes, error, said):
    runs = Run.objects.count()
    with pytest.raises(error, match=said):
        services.start_run(version=version, task=task, by=None, changes=changes)
    assert Run.objects.count() == runs


def test_the_pack_of_a_run_is_that_of_its_version_whatever_was_asked(version):
    changes = {"pack": "/etc", "pack_sha256": "0" * 64, "task": "patch_classes"}
    run = services.start_run(version=version, task="lcz", by=None, changes=changes)
    assert (run.spec["pack"], run.spec["pack_sha256"], run.spec["task"]) == (version.uri, version.sha256, "lcz")


def test_only_a_ready_version_is_trained_on(version):
    DatasetVersion.objects.filter(pk=version.pk).update(state=BuildState.WITHDRAWN)
    with pytest.raises(SpecError, match="withdrawn"):
        services.start_run(version=DatasetVersion.objects.get(pk=version.pk), task="lcz", by=None)


def test_a_pack_with_another_hash_is_refused_with_both_hashes(run, version):
    """The row was queued for one pack; what lies in the folder is another."""
    Run.objects.filter(pk=run.pk).update(spec=run.spec | {"pack_sha256": "ab" * 32})
    job = execute(run)
    assert (run.state, job.state, job.attempts) == (RunState.FAILED, JobState.FAILED, 1)
    assert "ab" * 32 in run.reason
    assert version.sha256 in run.reason
    assert run.finished_at is not None


@pytest.mark.slow
def test_a_killed_child_goes_on_from_its_checkpoint_and_finishes(version, tiny, monkeypatch):
    """kill -9 after the first checkpoint; the second attempt resumes there and ends with a report."""
    run = services.start_run(version=version, task="lcz", by=None, changes=tiny | LONG | {"max_seconds": 3})
    starts = []

    def kill_once(follower, events):
        starts.extend(event for event in events if event["event"] == "start")
        if len(starts) == 1 and any(event["event"] == "checkpoint" for event in events):
            os.kill(int((Path(follower.run.folder) / ".lock").read_text()), signal.SIGKILL)

    spy(monkeypatch, kill_once)
    job = execute(run)
    assert (run.state, job.state, job.attempts) == (RunState.QUEUED, JobState.QUEUED, 1)
    assert "SIGKILL" in run.reason
    reached = max(int(path.stem.split("-")[1]) for path in (Path(run.folder) / "checkpoints").glob("*.json"))
    assert reached >= 1
    job = execute(run)
    assert (run.state, job.state, job.attempts) == (RunState.DONE, JobState.DONE, 2)
    assert starts[1]["resumed"] is True
    assert starts[1]["step"] >= 1
    assert run.report["steps"] > reached
    assert run.reason == ""
    steps = [event["step"] for event in run.events if event["event"] == "step"]
    assert steps == sorted(set(steps)), "steps that were done again are told once"


def test_a_child_that_always_dies_is_tried_three_times(run, monkeypatch):
    end_with(monkeypatch, *[Outcome(code=-9, words="", last_event={})] * 4)
    states = []
    for _ in range(5):
        execute(run)
        states.append(run.state)
    job = run.job
    job.refresh_from_db()
    assert states == [RunState.QUEUED, RunState.QUEUED, RunState.FAILED, RunState.FAILED, RunState.FAILED]
    assert (job.state, job.attempts) == (JobState.FAILED, 3)
    assert run.reason.startswith("The process was killed by SIGKILL")


def test_a_child_that_was_asked_to_stop_by_someone_else_is_tried_again(run, monkeypatch):
    end_with(monkeypatch, Outcome(code=3, words="", last_event={"event": "cancelled"}))
    assert execute(run).state == JobState.QUEUED
    assert run.state == RunState.QUEUED


def test_a_failure_is_final_and_says_why(run, monkeypatch):
    cause = {"event": "failed", "cause": "The loss is not finite."}
    end_with(monkeypatch, Outcome(code=1, words="", last_event=cause))
    job = execute(run)
    assert (run.state, job.state, job.attempts) == (RunState.FAILED, JobState.FAILED, 1)
    assert run.reason == job.reason == "The loss is not finite."


def test_a_run_that_waits_is_cancelled_at_once(run):
    services.cancel_run(run=run, by=None)
    run.refresh_from_db()
    assert (run.state, run.job.__class__.objects.get(pk=run.job_id).state) == (RunState.CANCELLED, JobState.CANCELLED)


@pytest.mark.slow
def test_a_running_child_is_cancelled_and_keeps_its_checkpoint(version, tiny, monkeypatch):
    run = services.start_run(version=version, task="lcz", by=None, changes=tiny | LONG | {"checkpoint_every": 10**6})

    def cancel_once_it_steps(follower, events):
        if any(event["event"] == "step" for event in events):
            request_cancel(follower.run.job)

    spy(monkeypatch, cancel_once_it_steps)
    job = execute(run)
    assert (run.state, job.state) == (RunState.CANCELLED, JobState.CANCELLED)
    assert run.finished_at is not None
    assert list((Path(run.folder) / "checkpoints").glob("step-*.safetensors"))
    last = json.loads((Path(run.folder) / "events.jsonl").read_text().splitlines()[-1])
    assert last["event"] == "cancelled"


@pytest.mark.parametrize(
    ("end", "state"), [(Cancelled("Cancelled."), RunState.CANCELLED), (TimeLimit("Too long."), RunState.FAILED)]
)
def test_an_interruption_is_written_down(run, monkeypatch, end, state):
    def launch(*_words, **_named):
        raise end

    monkeypatch.setattr(services, "launch", launch)
    execute(run)
    assert (run.state, run.reason) == (state, str(end))


def test_a_finished_run_cannot_be_cancelled(run, monkeypatch):
    end_with(monkeypatch, Outcome(code=1, words="broken", last_event={}))
    execute(run)
    services.cancel_run(run=run, by=None)
    run.refresh_from_db()
    assert run.state == RunState.FAILED


@pytest.mark.parametrize("state", [JobState.FAILED, JobState.CANCELLED])
def test_a_run_whose_job_has_ended_is_settled(run, state):
    Run.objects.filter(pk=run.pk).update(state=RunState.RUNNING)
    Job.objects.filter(pk=run.job_id).update(state=state, reason="worker gone")
    assert services.settle() == 1
    run.refresh_from_db()
    assert (run.state, run.reason) == (state.value, "worker gone")
    assert run.finished_at is not None
    assert services.settle() == 0


def test_a_run_whose_job_goes_on_is_left_alone(run):
    Job.objects.filter(pk=run.job_id).update(state=JobState.RUNNING)
    assert services.settle() == 0


def test_thin_keeps_every_epoch_and_even_steps():
    points = [{"event": "epoch" if step % 10 == 0 else "step", "step": step} for step in range(2000)]
    kept = points[:1]
    for point in points[1:]:
        kept = services.thin([*kept, point])
    assert len(kept) <= services.KEPT_POINTS
    assert sum(point["event"] == "epoch" for point in kept) == 200
    steps = [point["step"] for point in kept if point["event"] == "step"]
    assert steps == sorted(steps)
    assert steps[-1] == 1999


def test_thin_leaves_few_points_alone():
    points = [{"event": "step", "step": step} for step in range(services.KEPT_POINTS)]
    assert services.thin(points) == points


def test_more_epochs_than_fit_keep_the_first_and_the_newest():
    points = [{"event": "epoch", "step": step} for step in range(services.KEPT_POINTS + 50)]
    kept = services.thin(points)
    assert len(kept) == services.KEPT_POINTS
    assert (kept[0]["step"], kept[-1]["step"]) == (0, services.KEPT_POINTS + 49)


@pytest.mark.slow
def test_a_real_child_that_is_always_killed_is_tried_three_times(version, tiny, monkeypatch):
    run = services.start_run(version=version, task="lcz", by=None, changes=tiny | LONG)

    def kill(follower, events):
        if any(event["event"] == "step" for event in events):
            os.kill(int((Path(follower.run.folder) / ".lock").read_text()), signal.SIGKILL)

    spy(monkeypatch, kill)
    attempts = [execute(run).attempts for _ in range(4)]
    assert attempts == [1, 2, 3, 3]
    assert run.state == RunState.FAILED
