"""One process per run folder, whole lines in its log, a wish to stop that loses nothing, no orphans."""

import json
import os
import signal
import time

import pytest
import torch

from fusion.engine.session import (
    EventLog,
    FolderBusyError,
    RunCancelledError,
    lock_folder,
    open_session,
    watch_parent,
)
from fusion.errors import SpecError


def read_events(folder):
    return [json.loads(line) for line in (folder / "events.jsonl").read_text().splitlines()]


def in_child(work):
    """The exit code of a forked process."""
    child = os.fork()
    if child == 0:
        try:
            work()
        except FolderBusyError:
            os._exit(42)
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_two_processes_never_work_in_one_folder(tmp_path):
    def enter():
        with lock_folder(tmp_path):
            pass

    with lock_folder(tmp_path):
        assert in_child(enter) == 42
        with pytest.raises(FolderBusyError, match=f"in use by process {os.getpid()}"):
            enter()
    assert in_child(enter) == 0


def test_a_busy_folder_gets_no_event_of_the_second_process(tmp_path):
    with open_session(tmp_path) as session:
        session.events.write("start")
        with pytest.raises(FolderBusyError), open_session(tmp_path):
            pass
    assert [event["event"] for event in read_events(tmp_path)] == ["start"]


def test_a_line_is_there_as_soon_as_it_was_written(tmp_path):
    with EventLog(tmp_path / "events.jsonl") as events:
        events.write("step", step=1, loss=float("nan"))
        (line,) = read_events(tmp_path)
    assert (line["event"], line["step"], line["loss"]) == ("step", 1, None)
    assert abs(line["time"] - time.time()) < 60


def test_steps_are_told_a_few_times_a_second(tmp_path):
    with EventLog(tmp_path / "events.jsonl") as events:
        assert sum(events.is_step_due() for _ in range(1000)) == 1


def test_the_cause_of_a_failure_is_the_last_event(tmp_path):
    with pytest.raises(SpecError), open_session(tmp_path):
        raise SpecError("width: too wide")
    with pytest.raises(MemoryError), open_session(tmp_path):
        raise MemoryError("8 GB")
    with pytest.raises(RuntimeError, match="allocate"), open_session(tmp_path):
        torch.empty(2**58)
    first, second, third = read_events(tmp_path)
    assert (first["event"], first["cause"]) == ("failed", "width: too wide")
    assert "Out of memory: 8 GB. Lower batch_size" in second["cause"]
    assert third["cause"].startswith("Out of memory: ")


def ask_to_stop(stop, number):
    stop.check()
    os.kill(os.getpid(), number)
    assert stop.is_requested
    stop.check()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_is_a_wish_until_it_is_looked_at(tmp_path, number):
    before = signal.getsignal(number)
    with pytest.raises(RunCancelledError), open_session(tmp_path) as session:
        ask_to_stop(session.stop, number)
    assert read_events(tmp_path)[-1]["event"] == "cancelled"
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("is_direct", [True, False])
def test_a_process_ends_with_its_parent(tmp_path, is_direct):
    told = tmp_path / "pid"
    parent = os.fork()
    if parent == 0:
        watched = os.getpid()
        if os.fork() == 0 and (is_direct or os.fork() == 0):
            watch_parent(watched, poll_s=0.02)
            told.write_text(str(os.getpid()))
        time.sleep(60)
        os._exit(0)
    deadline = time.monotonic() + 10
    while not (told.is_file() and told.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    grandchild = int(told.read_text())
    os.kill(grandchild, 0)
    os.kill(parent, signal.SIGKILL)
    os.waitpid(parent, 0)
    while is_running(grandchild):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def is_running(pid):
    """False for a process that is gone or only waits to be reaped."""
    try:
        with open(f"/proc/{pid}/stat") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
