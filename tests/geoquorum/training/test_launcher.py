"""Starting a child, following what it writes, stopping it, and saying how it ended."""

import json
import os
import stat
import sys
import time

import pytest

from fusion.errors import GeoquorumError
from geoquorum.training import launcher
from geoquorum.training.launcher import Outcome, follow, launch


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


def test_events_come_once_they_are_whole(tmp_path):
    path = tmp_path / "events.jsonl"
    reader = follow(path)
    assert next(reader) == []
    path.write_text('{"event": "start"}\n{"event": "st')
    assert next(reader) == [{"event": "start"}]
    assert next(reader) == []
    with path.open("a") as file:
        file.write('ep", "loss": 1.5}\n')
    assert next(reader) == [{"event": "step", "loss": 1.5}]


def test_letters_of_several_bytes_may_be_torn(tmp_path):
    path = tmp_path / "events.jsonl"
    reader = follow(path)
    line = json.dumps({"event": "failed", "cause": "Größe"}, ensure_ascii=False).encode() + b"\n"
    place = line.index("ö".encode()) + 1
    path.write_bytes(line[:place])
    assert next(reader) == []
    path.write_bytes(line)
    assert next(reader)[0]["cause"] == "Größe"


def test_what_an_earlier_attempt_wrote_is_not_told_again(tmp_path):
    path = tmp_path / "events.jsonl"
    path.write_text('{"event": "start"}\n{"event": "torn by a ki')
    reader = follow(path)
    with path.open("a") as file:
        file.write('{"event": "start", "resumed": true}\n')
    assert next(reader) == [{"event": "start", "resumed": True}]


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
    assert (outcome.code, outcome.cause) == (-9, "The process was killed by SIGKILL.")


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


def _runs(pid: int) -> bool:
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
