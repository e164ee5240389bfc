"""One process in one run folder: the lock, the events it writes, the wish to stop, the parent it must not outlive."""

import fcntl
import json
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from fusion.errors import GeoquorumError
from fusion.run import Event

PARENT_VARIABLE = "GEOQUORUM_PARENT_PID"
STEP_EVENTS_S = 0.4  # at most this often: a page refreshes once a second


class FolderBusyError(GeoquorumError):
    """Another process works in this run folder."""


class RunCancelledError(GeoquorumError):
    """The run was asked to stop, and has kept what it knows."""


@dataclass(frozen=True, kw_only=True)
class Session:
    """A run folder that this process alone works in."""

    folder: Path
    events: "EventLog"
    stop: "Stop"


@contextmanager
def open_session(folder: Path) -> Iterator[Session]:
    """Lock the folder, log events, catch signals; an error or a cancel becomes the last event and goes on up."""
    with lock_folder(folder), EventLog(folder / "events.jsonl") as events, Stop() as stop:
        try:
            yield Session(folder=folder, events=events, stop=stop)
        except RunCancelledError:
            events.write("cancelled")
            raise
        except Exception as error:
            events.write("failed", cause=describe_cause(error))
            raise


def describe_cause(error: Exception) -> str:
    """One sentence for the run's page."""
    if isinstance(error, GeoquorumError):
        return str(error)
    is_cpu = "DefaultCPUAllocator" in str(error)  # torch raises a plain RuntimeError there
    if is_cpu or isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return f"Out of memory: {error}. Lower batch_size or network.width; the last checkpoint is kept."
    return f"{type(error).__name__}: {error}"


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
    """events.jsonl: one JSON object per line, handed to the system at once, so that a reader sees whole lines."""

    def __init__(self, path: Path) -> None:
        self._file = open(path, "a", encoding="utf-8")  # noqa: SIM115 - closed in __exit__
        self._last_step = 0.0

    def __enter__(self) -> "EventLog":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def write(self, event: Event, **values: Any) -> None:
        """One line: the event, the time in seconds since 1970, and its values; NaN is written as null."""
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
