"""Real trainings that are killed, stopped by a deploy, out of memory, not a number, or without their device."""

import os
import sys
from pathlib import Path

import psutil
import pytest

from geoquorum.queue import shutdown
from geoquorum.queue.models import JobState
from geoquorum.training import services
from geoquorum.training.models import Run, RunState
from tests import given

pytestmark = [pytest.mark.django_db, pytest.mark.slow]
LONG = {"epochs": 3000, "checkpoint_every": 10**6, "select_by": "last"}
DIVERGING = {"epochs": 50, "learning_rate": 100.0, "optimizer": "adamw", "weight_decay": 10.0}
# Stands in for `python -m fusion`: 600 MB of room, once everything is imported.
GREEDY = """
import resource, sys
import torch, fusion.engine.train
room = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() + 600_000_000
resource.setrlimit(resource.RLIMIT_AS, (room, room))
from fusion.__main__ import main
sys.exit(main(sys.argv[3:]))
"""


@pytest.fixture(scope="module")
def version(shared_rows):
    return given.version(given.project())


def execute(run):
    job = given.work(run.job, services.execute_run)
    run.refresh_from_db()
    return job


def look(monkeypatch, see):
    """Is asked at each look of the launcher, before the follower."""
    original = services._Follower.watch

    def watch(follower, events):
        see(follower, events)
        original(follower, events)

    monkeypatch.setattr(services._Follower, "watch", watch)


def kill_children():
    for child in psutil.Process().children():
        if "fusion" in child.cmdline():
            child.kill()


def test_ten_trainings_killed_at_ten_points_all_end(version, tiny, monkeypatch):
    """Row F3: kill -9 at 10 points: 10/10 end DONE or FAILED with a reason, <= 3 attempts."""
    looks, killed_at = [], []

    def kill_once(follower, events):
        looks.append(1)
        if len(looks) == killed_at[-1]:  # a look takes a tenth of a second; a whole training about four seconds
            kill_children()

    look(monkeypatch, kill_once)
    killed = 0
    for point in range(10):
        looks.clear()
        killed_at.append(1 + point * 4)
        run = services.start_run(version=version, task="lcz", by=None, changes=tiny)
        attempts = 0
        while not run.is_over:
            attempts = execute(run).attempts
            killed += run.state == RunState.QUEUED
        assert run.state == RunState.DONE or (run.state == RunState.FAILED and run.reason)
        assert attempts <= 3
    assert killed >= 5, "they were really killed"


def test_a_deploy_loses_less_than_an_epoch(version, tiny, monkeypatch):
    """Row F9: the child keeps a checkpoint where it is; the next attempt goes on from there."""
    run = services.start_run(version=version, task="lcz", by=None, changes=tiny | LONG)
    seen = []

    def deploy(follower, events):
        seen.extend(event for event in events if event["event"] in ("start", "step"))
        if sum(event["event"] == "step" for event in seen) >= 3:
            shutdown.ask()

    look(monkeypatch, deploy)
    try:
        job = execute(run)
    finally:
        shutdown.forget()
    assert (run.state, job.state, job.max_attempts) == (RunState.QUEUED, JobState.QUEUED, 4)
    reached = max(event["step"] for event in seen)
    again = []

    def stop(follower, events):
        again.extend(event for event in events if event["event"] == "start")
        if again:
            kill_children()

    monkeypatch.undo()
    look(monkeypatch, stop)
    execute(run)
    assert again[0]["resumed"] is True
    assert again[0]["step"] >= reached


def test_out_of_memory_not_a_number_and_no_device_end_a_run_and_the_next_one_trains(
    version, tiny, monkeypatch, tmp_path
):
    """Row F14: FAILED with its cause, at the first attempt; the next job of the same worker is DONE."""
    small = tmp_path / "python"
    (tmp_path / "greedy.py").write_text(GREEDY)
    small.write_text(f'#!/bin/sh\nexec {sys.executable} {tmp_path / "greedy.py"} "$@"\n')
    small.chmod(0o755)
    wide = tiny | {"network": tiny["network"] | {"width": 512}, "batch_size": 96}
    for changes, python, said in (
        (wide, small, "Out of memory"),
        (tiny | DIVERGING, None, "not finite"),
        (tiny | {"device": "cuda"}, None, "device 'cuda' is not on this machine"),
    ):
        run = services.start_run(version=version, task="lcz", by=None, changes=changes)
        with monkeypatch.context() as patch:
            if python:
                patch.setattr(sys, "executable", str(python))
            job = execute(run)
        assert (run.state, job.state, job.attempts) == (RunState.FAILED, JobState.FAILED, 1), run.reason
        assert said in run.reason
    good = services.start_run(version=version, task="lcz", by=None, changes=tiny)
    assert execute(good).worker.endswith(f":{os.getpid()}")
    assert good.state == RunState.DONE


def test_two_processes_train_one_run_under_torchrun_and_leave_nobody(version, tiny, monkeypatch):
    monkeypatch.setattr("geoquorum.queue.slots.own_devices", lambda: ("cpu:0", "cpu:1"))
    run = services.start_run(version=version, task="lcz", by=None, changes=tiny, processes=2)
    job = execute(run)
    assert (run.state, job.attempts) == (RunState.DONE, 1), (run.reason, (Path(run.folder) / "train.log").read_text())
    assert not [one for one in psutil.Process().children(recursive=True) if "fusion" in one.cmdline()]
    assert Run.objects.get(pk=run.pk).report["steps"] > 0
