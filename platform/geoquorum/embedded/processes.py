"""Whole families of processes: who belongs to a service, and how all of them end."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

MARK = "GEOQUORUM_SERVICE_MARK"
PROC = Path("/proc")


@dataclass(frozen=True, kw_only=True)
class Watched:
    """One running service: its first process, and the mark that each process it started carries in its environment."""

    name: str
    pid: int
    mark: str
    stop_signal: int = signal.SIGTERM
    grace_s: float = 5.0
    stage: int = 0
    folder: str = ""
    """PostgreSQL's processes overwrite their environment; they are known by the folder they work in."""


def end_all(watched: Sequence[Watched]) -> None:
    """End every service, the last stage first; within a stage all at once, politely, then by force."""
    for stage in sorted({one.stage for one in watched}, reverse=True):
        end([one for one in watched if one.stage == stage])


def end(watched: Sequence[Watched], *, only_family: bool = False) -> int:
    """Ask the first process of each to stop, wait as long as each allows, then kill what is left of the families.

    `only_family`: a first process that does not carry the mark is somebody else's, and is left alone.
    How many processes there were.
    """
    started = time.monotonic()
    families = {one: find_family(one) for one in watched}
    asked = [one for one in watched if not only_family or one.pid in families[one]]
    for one in asked:
        _send(one.pid, one.stop_signal)
    while any(_is_alive(one.pid) and time.monotonic() - started < one.grace_s for one in asked):
        time.sleep(0.02)
    for one in watched:
        kill_family(one, also=families[one])
    return sum(len(family) for family in families.values())


def kill_family(one: Watched, *, also: frozenset[int] = frozenset()) -> None:
    """Kill -9 what is left of a service, until nothing is: a dying process may still fork."""
    for _ in range(100):
        # A number from an earlier look counts only while it carries the mark, because numbers are used again.
        left = {pid for pid in find_family(one) | {pid for pid in also if _is_of(pid, one)} if _is_alive(pid)}
        if not left:
            break
        for pid in left:
            _send(pid, signal.SIGKILL)
        time.sleep(0.02)


def find_family(one: Watched) -> frozenset[int]:
    """The first process, its descendants, whoever carries its mark or works in its folder; without the caller."""
    parents = _parents()
    family = {one.pid} if _is_of(one.pid, one) else set()
    family |= {pid for pid in parents if _is_of(pid, one)}
    while grown := {pid for pid, parent in parents.items() if parent in family} - family:
        family |= grown
    return frozenset(family - {os.getpid()})


def _parents() -> dict[int, int]:
    if PROC.joinpath("self/stat").exists():
        found = ((int(entry.name), _stat(int(entry.name))) for entry in PROC.iterdir() if entry.name.isdigit())
        return {pid: int(stat[1]) for pid, stat in found if stat}
    listed = subprocess.run(["ps", "-axo", "pid=,ppid="], capture_output=True, text=True, check=True).stdout
    return {int(line.split()[0]): int(line.split()[1]) for line in listed.splitlines() if line.strip()}


def _stat(pid: int) -> list[str]:
    """State, parent, group, session ... of a process; empty when it is gone."""
    try:
        return (PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _is_alive(pid: int) -> bool:
    """A process that has ended and waits to be collected counts as gone."""
    if PROC.joinpath("self/stat").exists():
        stat = _stat(pid)
        return bool(stat) and stat[0] not in "ZX"
    try:
        os.kill(pid, 0)
    except PermissionError:
        return True
    except ProcessLookupError:
        return False
    return True


def _is_of(pid: int, one: Watched) -> bool:
    """Whether this process carries the mark or works in the folder. Without /proc, its process group tells."""
    try:
        if not PROC.joinpath("self/stat").exists():
            return os.getpgid(pid) == one.pid
        if one.folder and os.readlink(PROC / str(pid) / "cwd") == one.folder:
            return (PROC / str(pid) / "comm").read_text().strip() == "postgres"
        return f"{MARK}={one.mark}".encode() in _environment(pid)
    except OSError:
        return False


def _send(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(pid, number)


def end_marked(name: str, value: str) -> int:
    """Kill -9 every process that was started with this variable in its environment (Linux). How many there were."""
    wanted = f"{name}={value}".encode()
    marked = [pid for pid in _parents() if pid != os.getpid() and wanted in _environment(pid)]
    for pid in marked:
        _send(pid, signal.SIGKILL)
    return len(marked)


def end_descendants(pid: int) -> int:
    """Kill -9 every process that this one started, and those that they started. How many there were."""
    parents, family = _parents(), {pid}
    while grown := {child for child, parent in parents.items() if parent in family} - family:
        family |= grown
    for one in family - {pid}:
        _send(one, signal.SIGKILL)
    return len(family) - 1


def _environment(pid: int) -> list[bytes]:
    try:
        return (PROC / str(pid) / "environ").read_bytes().split(b"\0")
    except OSError:
        return []
