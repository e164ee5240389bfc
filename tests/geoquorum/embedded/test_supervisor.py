"""The supervisor on small services: order, restart, failure, lock. The real ones are in tests/services."""

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from geoquorum.embedded import locks, service
from geoquorum.embedded.errors import EmbeddedError
from geoquorum.embedded.guardian import SOURCE_ROOT
from geoquorum.embedded.service import Service
from geoquorum.embedded.supervisor import Supervisor

SLEEP = "print('ready', flush=True); import time; time.sleep(60)"


def _service(folder: Path, name: str, code: str = SLEEP, **fields: object) -> Service:
    return Service(
        name=name,
        command=(sys.executable, "-c", code),
        log=folder / f"{name}.log",
        is_ready=lambda log: "ready" in log,
        **{"address": "here", "grace_s": 2.0} | fields,
    )


def _wait_for(is_so: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def _children() -> list[psutil.Process]:
    return [one for one in psutil.Process().children() if "time.sleep" in " ".join(one.cmdline())]


def test_services_start_in_order_and_stop_in_reverse_with_one_line_each(tmp_path: Path) -> None:
    said: list[str] = []
    with Supervisor(tmp_path, say=said.append) as supervisor:
        supervisor.start(_service(tmp_path, "first"))
        supervisor.start(_service(tmp_path, "second"), _service(tmp_path, "third"))
        assert len(_children()) == 3
    assert _children() == []
    assert [line.split() for line in said[:3]] == [[name, "ready", "here"] for name in ("first", "second", "third")]
    assert [line.split()[0] for line in said[3:]] == ["third", "second", "first"]


def test_a_killed_service_is_started_again_and_both_changes_are_said(tmp_path: Path) -> None:
    said: list[str] = []
    with Supervisor(tmp_path, say=said.append) as supervisor:
        supervisor.start(_service(tmp_path, "sleeper"))
        (before,) = _children()
        before.kill()
        _wait_for(lambda: sum("ready" in line for line in said) == 2)
        assert _children()[0].pid != before.pid
    assert any("ended (killed by SIGKILL); again in 0.25 s" in line for line in said)


@pytest.mark.slow
def test_a_service_that_keeps_ending_is_tried_at_growing_intervals(tmp_path: Path) -> None:
    said: list[str] = []
    code = f"import pathlib, sys, time; f = pathlib.Path({str(tmp_path / 'once')!r}); "
    code += "f.exists() and sys.exit(3); f.touch(); print('ready', flush=True); time.sleep(0.5)"
    with Supervisor(tmp_path, say=said.append) as supervisor:
        supervisor.start(_service(tmp_path, "short", code))
        _wait_for(lambda: any("again in 1 s" in line for line in said))
    pauses = [line.split()[-2] for line in said if "again in" in line]
    assert pauses[:3] == ["0.25", "0.5", "1"]


def test_a_service_that_fails_at_first_start_is_one_sentence_and_the_others_stop(tmp_path: Path) -> None:
    broken = _service(tmp_path, "broken", "raise SystemExit('no such colour')")
    with pytest.raises(EmbeddedError, match=r"^broken ended with status 1: no such colour \(log: .*broken\.log\)$"):
        _start_two(tmp_path, broken)
    assert _children() == []


def _start_two(folder: Path, broken: Service) -> None:
    with Supervisor(folder, say=lambda line: None) as supervisor:
        supervisor.start(_service(folder, "good"), broken)


def test_a_service_that_never_answers_is_given_up(tmp_path: Path) -> None:
    dumb = _service(tmp_path, "dumb", "import time; time.sleep(60)", ready_within_s=0.3)
    with pytest.raises(EmbeddedError, match="dumb did not answer within 0 s"):
        _start_two(tmp_path, dumb)
    assert _children() == []


def test_a_long_log_is_put_aside_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(service, "LOG_LIMIT_BYTES", 10)
    (tmp_path / "sleeper.log").write_text("ready " * 10)
    with Supervisor(tmp_path, say=lambda line: None) as supervisor:
        supervisor.start(_service(tmp_path, "sleeper"))
    assert (tmp_path / "sleeper.log.1").read_text() == "ready " * 10
    assert (tmp_path / "sleeper.log").read_text() == "ready\n"
    assert (tmp_path / "sleeper.log").stat().st_mode & 0o777 == 0o600


def test_a_home_has_one_supervisor_at_a_time(tmp_path: Path) -> None:
    with (
        Supervisor(tmp_path, say=lambda line: None),
        pytest.raises(EmbeddedError, match=rf"already runs on .* \(process {os.getpid()}\): use it"),
    ):
        Supervisor(tmp_path, say=lambda line: None)
    with Supervisor(tmp_path, say=lambda line: None):
        pass


def test_a_short_command_that_holds_the_home_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "PATIENCE_S", 0.3)
    lock = locks.try_lock(tmp_path, is_supervisor=False)
    assert lock is not None
    said: list[str] = []
    with pytest.raises(EmbeddedError, match=rf"Another command \(process {os.getpid()}\) holds"):
        locks.lock_home(tmp_path, say=said.append)
    assert len(said) == 1
    os.close(lock)
    os.close(locks.lock_home(tmp_path, say=said.append))


SHORT_COMMAND = """
import sys, time
from pathlib import Path
from geoquorum import embedded
from geoquorum.embedded.postgres import PostgresServer
home = Path(sys.argv[1])
for _ in range(3):
    with embedded.database(home, durable=False):
        assert PostgresServer.of(home).is_answering()
        time.sleep(0.2)
        assert PostgresServer.of(home).is_answering()
"""


@pytest.mark.services
def test_short_commands_side_by_side_share_one_database_and_leave_none(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    home = tmp_path_factory.mktemp("home")
    for folder in (home, home.parent, home.parent.parent):
        folder.chmod(folder.stat().st_mode | 0o011)
    environment = {"PYTHONPATH": f"{SOURCE_ROOT}:{SOURCE_ROOT.parent}"}
    commands = [
        subprocess.Popen(
            [sys.executable, "-c", SHORT_COMMAND, home], env=environment, stderr=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for command in commands:
        _, error = command.communicate(timeout=60)
        assert command.returncode == 0, error
    lock = locks.try_lock(home, is_supervisor=True)
    assert lock is not None
    os.close(lock)
    assert not (home / "postgres" / "postmaster.pid").exists()
