"""Who runs on a home: one supervisor, or one short command that needs the database for a moment."""

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import EmbeddedError

PATIENCE_S = 25.0


def lock_home(home: Path, *, say: Callable[[str], None]) -> int:
    """The lock of this home as a file descriptor. One who is stopping is waited for; one who runs on is named."""
    deadline, is_said = time.monotonic() + PATIENCE_S, False
    while (lock := try_lock(home, is_supervisor=True)) is None:
        holder = _read_holder(home)
        if holder.get("is_supervisor") and _is_running(holder["pid"]):
            pid = holder["pid"]
            raise EmbeddedError(
                f"Geoquorum already runs on {home} (process {pid}): use it, or stop it with kill {pid}."
            )
        if time.monotonic() > deadline:
            raise EmbeddedError(f"Another command (process {holder.get('pid')}) holds {home}: wait for it, or stop it.")
        if not is_said:
            say(f"Waiting for process {holder.get('pid')} and its services to let {home} go.")
            is_said = True
        time.sleep(0.1)
    return lock


def try_lock(home: Path, *, is_supervisor: bool) -> int | None:
    """The lock if it is free now. It opens by itself when the last process that inherited it has ended."""
    home.mkdir(parents=True, exist_ok=True, mode=0o711 if os.geteuid() == 0 else 0o700)
    lock = os.open(home / "running.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    os.ftruncate(lock, 0)
    os.pwrite(lock, json.dumps({"pid": os.getpid(), "is_supervisor": is_supervisor}).encode(), 0)
    return lock


@contextmanager
def being_used(home: Path) -> Iterator[bool]:
    """While held, the short command that owns the server does not stop it. False when it is about to."""
    with (home / "database.users").open("a") as users:
        try:
            fcntl.flock(users, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True


@contextmanager
def without_users(home: Path) -> Iterator[None]:
    """Waits until nobody else uses the server; nobody new may while this is held."""
    with (home / "database.users").open("a") as users:
        fcntl.flock(users, fcntl.LOCK_EX)
        yield


def _read_holder(home: Path) -> dict[str, int]:
    try:
        return json.loads((home / "running.lock").read_text())
    except (OSError, ValueError):
        return {}


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
