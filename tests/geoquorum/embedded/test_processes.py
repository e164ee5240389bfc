"""Families of processes, and the guardian that outlives its owner."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from geoquorum.embedded import processes
from geoquorum.embedded.guardian import SOURCE_ROOT, Guardian
from geoquorum.embedded.processes import MARK, Watched, end, end_marked, find_family

# A parent that ignores SIGTERM, with one child in its own group and one in a session of its own.
FAMILY = """
import signal, subprocess, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
print(subprocess.Popen(sleep).pid, subprocess.Popen(sleep, start_new_session=True).pid, flush=True)
time.sleep(60)
"""
OWNER = """
import subprocess, sys, time
from geoquorum.embedded.guardian import Guardian
from geoquorum.embedded.processes import MARK, Watched
guardian = Guardian()
sleep = [sys.executable, "-c", "import time; time.sleep(60)"]
child = subprocess.Popen(sleep, env={MARK: "owned"}, start_new_session=True)
guardian.watch(Watched(name="sleeper", pid=child.pid, mark="owned", grace_s=1))
print(child.pid, guardian._process.pid, flush=True)
time.sleep(60)
"""


def _start_family(mark: str) -> tuple[subprocess.Popen[str], list[int]]:
    first = subprocess.Popen(
        [sys.executable, "-c", FAMILY], stdout=subprocess.PIPE, text=True, env={MARK: mark}, start_new_session=True
    )
    assert first.stdout
    return first, [int(pid) for pid in first.stdout.readline().split()]


def _wait_gone(pids: list[int], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids):
            return True
        time.sleep(0.05)
    return False


def test_a_family_that_ignores_the_polite_signal_ends_with_all_its_sessions() -> None:
    first, children = _start_family("deaf")
    assert find_family(Watched(name="deaf", pid=first.pid, mark="deaf")) == {first.pid, *children}
    end([Watched(name="deaf", pid=first.pid, mark="deaf", grace_s=0.2)])
    assert _wait_gone(children)
    assert first.wait(5) == -signal.SIGKILL


def test_orphans_are_found_after_the_first_process_was_killed() -> None:
    first, children = _start_family("orphans")
    first.kill()
    first.wait()
    assert find_family(Watched(name="orphans", pid=first.pid, mark="orphans")) == set(children)
    end([Watched(name="orphans", pid=first.pid, mark="orphans", grace_s=0.1)])
    assert _wait_gone(children)


def test_a_process_with_another_mark_is_left_alone() -> None:
    first, children = _start_family("mine")
    assert find_family(Watched(name="other", pid=999_999_999, mark="other")) == frozenset()
    assert end_marked("GEOQUORUM_JOB", "no such job") == 0
    assert first.poll() is None
    assert end_marked(MARK, "mine") == 3
    assert _wait_gone(children)
    first.wait()


def test_a_zombie_counts_as_gone() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    time.sleep(0.3)
    assert not processes._is_alive(child.pid)
    child.wait()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_what_an_owner_started_ends_when_the_owner_is_killed(number: int) -> None:
    path = f"{SOURCE_ROOT}:{SOURCE_ROOT.parent}"
    owner = subprocess.Popen(
        [sys.executable, "-c", OWNER], stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path}
    )
    assert owner.stdout
    child, guardian = map(int, owner.stdout.readline().split())
    owner.send_signal(number)
    owner.wait()
    assert _wait_gone([child, guardian])


def test_a_killed_guardian_is_replaced_and_knows_everything() -> None:
    first, children = _start_family("guarded")
    guardian = Guardian()
    guardian.watch(Watched(name="guarded", pid=first.pid, mark="guarded", grace_s=0.1))
    guardian._process.kill()
    guardian._process.wait()
    assert not guardian.ensure_alive()
    assert guardian.ensure_alive()
    guardian.dismiss()
    assert _wait_gone(children)
    first.wait()


def test_what_was_forgotten_lives_on(tmp_path: Path) -> None:
    first, _ = _start_family("forgotten")
    guardian = Guardian()
    one = Watched(name="forgotten", pid=first.pid, mark="forgotten", grace_s=0.1)
    guardian.watch(one)
    guardian.forget(one)
    guardian.dismiss()
    assert first.poll() is None
    end([one])
    first.wait()
