"""One process in one run folder: the lock, the events it writes, the wish to stop, the parent it must not outlive."""

import errno
import fcntl
import json
import math
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from fusion.errors import GeoquorumError
from fusion.run import Event

PARENT_VARIABLE = "GEOQUORUM_PARENT_PID"
RANK_VARIABLE = "RANK"  # as torchrun sets it
ALLOCATION = re.compile(r"[Tt]ried to allocate ([\d.]+ [A-Za-z]+)")
LOST = ("DistBackendError", "DistNetworkError")  # of torch, where its own layers talk to a process that is gone
STEP_EVENTS_S = 0.4  # at most this often: a page refreshes once a second


class FolderBusyError(GeoquorumError):
    """Another process works in this run folder."""


class RunCancelledError(GeoquorumError):
    """The run was asked to stop, and has kept what it knows."""


class PeerLostError(GeoquorumError):
    """Another process of this run went away; its own cause says why."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """A run folder that this process alone works in, or that the first of several (`rank` 0) does for all."""

    folder: Path
    events: "EventLog"
    stop: "Stop"
    rank: int = 0


@contextmanager
def open_session(folder: Path) -> Iterator[Session]:
    """Lock the folder, log events, catch signals; an error or a cancel becomes the last event and goes on up.

    Of the processes that torchrun started only the first does so; the others leave the cause of their end for it.
    """
    rank = int(os.environ.get(RANK_VARIABLE, "0"))
    entered = lock_folder(folder) if rank == 0 else nullcontext()
    with entered, EventLog(folder / "events.jsonl" if rank == 0 else None) as events, Stop() as stop:
        if rank == 0:
            _forget_causes(folder)
        try:
            yield Session(folder=folder, events=events, stop=stop, rank=rank)
        except RunCancelledError:
            events.write("cancelled")
            raise
        except Exception as error:
            is_lost = isinstance(error, PeerLostError) or type(error).__name__ in LOST
            if rank and not is_lost:
                _leave_cause(folder, rank, describe_cause(error))
            events.write("failed", cause=(_read_cause(folder) if is_lost else "") or describe_cause(error))
            raise


def describe_cause(error: Exception) -> str:
    """One sentence for the run's page, and what to do next."""
    if isinstance(error, GeoquorumError):
        return str(error)
    first = str(error).strip().split("\n")[0].rstrip(".")
    is_cpu = "DefaultCPUAllocator" in str(error)  # torch raises a plain RuntimeError there
    if is_cpu or isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        asked = ALLOCATION.search(str(error))
        what = f"{asked[1]} more were asked for" if asked else first or "the system gave no more"
        return (
            f"Out of memory: {what}. Lower batch_size, raise accumulate or lower network.width; the last checkpoint "
            "is kept."
        )
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return f"The disk is full: {first}. Make room and start again; the last checkpoint is kept."
    if type(error).__module__.startswith("torch._"):  # of torch's compiler
        return f"compile: torch cannot compile this network here ({first}). Set compile to false."
    return f"{type(error).__name__}: {first}. The last checkpoint is kept, and the same command goes on from it."


def _leave_cause(folder: Path, rank: int, cause: str) -> None:
    with suppress(OSError):
        (folder / f".cause-{rank}").write_text(cause, encoding="utf-8")


def _read_cause(folder: Path) -> str:
    """What the first of the other processes left; empty where they were ended without a word."""
    for path in sorted(folder.glob(".cause-*")):
        return f"Process {path.name.removeprefix('.cause-')}: {path.read_text(encoding='utf-8')}"
    return ""


def _forget_causes(folder: Path) -> None:
    for path in folder.glob(".cause-*"):
        path.unlink(missing_ok=True)


@contextmanager
def lock_folder(folder: Path) -> Iterator[None]:
    """Hold a run folder alone; the lock goes with the process, however it ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with open(folder / ".lock", "a+", encoding="utf-8") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            file.seek(0)
            raise FolderBusyError(
                f"{folder} is in use by process {file.read().strip() or 'unknown'}. Wait for it, or use another folder."
            ) from error
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        yield


class EventLog:
    """events.jsonl: one JSON object per line, handed to the system at once, so that a reader sees whole lines.

    Without a path nothing is written, and no step is due: another process does both.
    """

    def __init__(self, path: Path | None) -> None:
        self._file = open(path, "a", encoding="utf-8") if path else None  # noqa: SIM115 - closed in __exit__
        self._last_step = 0.0 if path else math.inf

    def __enter__(self) -> "EventLog":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, event: Event, **values: Any) -> None:
        """One line: the event, the time in seconds since 1970, and its values; NaN is written as null."""
        if self._file is None:
            return
        clean = {key: None if value != value else value for key, value in values.items()}
        self._file.write(json.dumps({"event": event, "time": round(time.time(), 3), **clean}) + "\n")
        self._file.flush()

    def is_step_due(self) -> bool:
        """True at most once in STEP_EVENTS_S seconds."""
        now = time.monotonic()
        if now - self._last_step < STEP_EVENTS_S:
            return False
        self._last_step = now
        return True


class Stop:
    """SIGTERM and SIGINT as a flag that the loop looks at; `check` turns it into an exception where nothing is lost."""

    def __init__(self) -> None:
        self.is_requested = False

    def __enter__(self) -> "Stop":
        self._before = {}
        if threading.current_thread() is threading.main_thread():  # Python sets handlers nowhere else
            self._before = {number: signal.signal(number, self._request) for number in (signal.SIGTERM, signal.SIGINT)}
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _request(self, number: int, frame: FrameType | None) -> None:
        self.is_requested = True

    def check(self) -> None:
        """Raise RunCancelledError once a stop was asked for."""
        if self.is_requested:
            raise RunCancelledError("Stopped on request. Start the same command in the same folder to go on.")


def watch_parent(pid: int, poll_s: float = 1.0) -> threading.Thread:
    """End this process within about `poll_s` of its parent's death, saving nothing: the last checkpoint serves."""
    is_child = os.getppid() == pid

    def wait_for_death() -> None:
        while (os.getppid() == pid) if is_child else _is_alive(pid):
            time.sleep(poll_s)
        os._exit(1)

    thread = threading.Thread(target=wait_for_death, name="parent-watch", daemon=True)
    thread.start()
    return thread


def watch_parent_from_environment() -> None:
    """Watch the parent that GEOQUORUM_PARENT_PID names, if it does."""
    value = os.environ.get(PARENT_VARIABLE, "")
    if value.isdigit():
        watch_parent(int(value))


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
