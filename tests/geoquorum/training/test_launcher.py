"""Starting a child, following what it writes, stopping it, and saying how it ended."""

import os
import stat
import sys
import time

import pytest

from fusion.errors import GeoquorumError
from geoquorum.training import launcher
from geoquorum.training.launcher import Outcome, TooMuchError, launch


class StoppedError(GeoquorumError):
    """What a watcher raises in these tests."""


@pytest.fixture
def child(tmp_path, monkeypatch):
    """Puts a shell script in the place of `python -m fusion`."""

    def replace(script: str):
        path = tmp_path / "child.sh"
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        monkeypatch.setattr(sys, "executable", str(path))
        folder = tmp_path / "run"
        folder.mkdir(exist_ok=True)
        return folder

    return replace


def ignore(_events):
    """A watcher without wishes."""


def test_a_child_that_ends_well_has_code_0_and_all_its_events_are_seen(child):
    folder = child('echo \'{"event": "start"}\' >> events.jsonl; echo \'{"event": "done"}\' >> events.jsonl')
    seen = []
    outcome = launch(folder, "train", folder / "spec.json", watch=seen.extend)
    assert (outcome.code, outcome.last_event) == (0, {"event": "done"})
    assert [event["event"] for event in seen] == ["start", "done"]


def test_a_failure_is_told_by_the_last_event(child):
    folder = child('echo \'{"event": "failed", "cause": "No split."}\' >> events.jsonl; echo noise; exit 1')
    outcome = launch(folder, "train", folder / "spec.json", watch=ignore)
    assert (outcome.code, outcome.cause) == (1, "No split.")


def test_a_failure_without_an_event_is_told_by_the_last_words(child):
    folder = child("echo first; echo 'cannot import torch' >&2; exit 1")
    outcome = launch(folder, "train", folder / "spec.json", watch=ignore)
    assert outcome.cause == "cannot import torch"


def test_a_killed_child_is_told_by_its_signal(child):
    folder = child("kill -9 $$")
    outcome = launch(folder, "train", folder / "spec.json", watch=ignore)
    assert (outcome.code, outcome.cause) == (
        -9,
        "The process was killed by SIGKILL, as a machine without free memory does.",
    )


def test_a_silent_end_still_has_a_cause():
    assert Outcome(code=7, words="", last_event={}).cause == "The process ended with exit code 7."


def test_the_child_knows_its_parent_and_the_verb(child):
    folder = child('echo "$GEOQUORUM_PARENT_PID $@" > words')
    launch(folder, "train", folder / "spec.json", watch=ignore)
    parent, *words = (folder / "words").read_text().split()
    assert int(parent) == os.getpid()
    assert words == ["-m", "fusion", "train", str(folder / "spec.json"), "--folder", str(folder)]


def test_what_the_watcher_raises_stops_the_child_politely(child):
    folder = child("trap 'echo kept > checkpoint; exit 3' TERM; echo $$ > pid; while :; do sleep 0.05; done")

    def watch(_events):
        if (folder / "pid").exists() and (folder / "pid").read_text():
            raise StoppedError("Enough.")

    with pytest.raises(StoppedError):
        launch(folder, "train", folder / "spec.json", watch=watch)
    assert (folder / "checkpoint").read_text() == "kept\n"
    with pytest.raises(ProcessLookupError):
        os.kill(int((folder / "pid").read_text()), 0)


def test_a_child_that_will_not_stop_is_killed_with_its_family(child, monkeypatch):
    monkeypatch.setattr(launcher, "STOP_S", 0.3)
    folder = child("trap '' TERM; sh -c 'trap \"\" TERM; while :; do sleep 0.05; done' & echo $! > pid; wait; wait")

    def watch(_events):
        if (folder / "pid").exists() and (folder / "pid").read_text():
            raise StoppedError("Enough.")

    with pytest.raises(StoppedError):
        launch(folder, "train", folder / "spec.json", watch=watch)
    grandchild = int((folder / "pid").read_text())
    for _ in range(50):
        if not _runs(grandchild):
            break
        time.sleep(0.05)
    assert not _runs(grandchild)


def test_no_process_of_a_child_is_left_behind_even_in_a_session_of_its_own(child):
    folder = child("setsid sleep 60 & echo $! > pid; sleep 0.3")
    launch(folder, "train", folder / "spec.json", watch=ignore)
    left = int((folder / "pid").read_text())
    for _ in range(100):
        if not _runs(left):
            break
        time.sleep(0.02)
    assert not _runs(left)


@pytest.mark.parametrize(("devices", "seen"), [((), "as before"), (("cuda:1", "cuda:3"), "1,3"), (("cpu:0",), "")])
def test_a_child_sees_its_own_devices_alone(child, monkeypatch, devices, seen):
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "as before")
    folder = child('printf %s "$CUDA_VISIBLE_DEVICES" > seen')
    launch(folder, "train", folder / "spec.json", watch=ignore, devices=devices)
    assert (folder / "seen").read_text() == seen


def test_several_processes_are_started_by_torchrun_and_end_as_the_first_of_them_did(child):
    folder = child("echo \"$@\" > words; echo '  exitcode  : -9 (pid: 7)'; exit 1")
    outcome = launch(folder, "train", folder / "spec.json", watch=ignore, processes=2)
    words = (folder / "words").read_text()
    assert words.startswith("-m torch.distributed.run --standalone --nproc_per_node=2 -m fusion train ")
    assert outcome.code == -9


def test_a_long_log_keeps_its_end(child, monkeypatch):
    monkeypatch.setattr(launcher, "LOG_BYTES", 20_000)
    monkeypatch.setattr(launcher, "KEPT_LOG_BYTES", 1_000)
    folder = child("for i in $(seq 3000); do echo line $i of many; done; sleep 0.3; echo the last words >&2; exit 1")
    outcome = launch(folder, "train", folder / "spec.json", watch=ignore)
    assert outcome.cause == "the last words"
    text = (folder / "train.log").read_text()
    assert len(text) < 2_000
    assert text.startswith("... earlier lines were left out\nline ")


@pytest.mark.parametrize(("name", "said"), [("EVENTS_BYTES", "tells more than"), ("", "GEOQUORUM_RUN_FOLDER_MB")])
def test_a_child_that_fills_its_folder_is_stopped(child, monkeypatch, name, said):
    monkeypatch.setattr(launcher, name or "MEASURE_S", 1_000 if name else 0)
    folder = child("echo $$ > pid; while :; do echo '{}' >> events.jsonl; sleep 0.0001; done")
    with pytest.raises(TooMuchError, match=said):
        launch(folder, "train", folder / "spec.json", watch=ignore, most_bytes=1_000)
    assert not _runs(int((folder / "pid").read_text()))


def test_garbage_in_its_events_does_not_end_a_child(child):
    """Row F14's neighbour: what a faulty child writes is left out, and what is good of it is told."""
    folder = child(
        "head -c 3000000 /dev/urandom >> events.jsonl; echo >> events.jsonl; "
        'echo \'{"event": "step", "step": 3}\' >> events.jsonl; echo \'{"event": "step"}\' >> events.jsonl'
    )
    seen = []
    outcome = launch(folder, "train", folder / "spec.json", watch=seen.extend)
    assert outcome.code == 0
    assert seen == [{"event": "step", "step": 3}]


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
