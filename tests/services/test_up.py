"""The real `manage.py up`: started, killed part by part, stopped (rows F2-F5, F9, F10)."""

import contextlib
import http.client
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg
import pytest

from geoquorum.embedded import places, ports, state

pytestmark = pytest.mark.services
ROOT = Path(__file__).resolve().parents[2]
OWN_NAMES = ("DATABASE_URL", "DATABASE_OWNER_URL", "CELERY_BROKER_URL", "DJANGO_SECRET_KEY", "DJANGO_SETTINGS_MODULE")
LEASE_S = 4
PARTS = {
    "postgres": "bin/postgres",
    "valkey": "valkey-server",
    "web": "granian",
    "worker data": "-Q data",
    "worker training": "-Q training",
    "housekeeping": "reap --every",
    "guardian": "embedded.guardian",
}


class House:
    """One running `manage.py up`."""

    def __init__(self, home: Path, *, port: int | None = None, python: str = sys.executable, **options: Any) -> None:
        self.home, self.port = home, port or ports.find_free()
        self.environment = {name: value for name, value in os.environ.items() if name not in OWN_NAMES}
        self.environment |= {"GEOQUORUM_HOME": str(home), "GEOQUORUM_LEASE_S": str(LEASE_S)} | options.pop("env", {})
        self.lines: list[str] = []
        self.started = time.monotonic()
        self.process = subprocess.Popen(
            [python, ROOT / "manage.py", "up", "--port", str(self.port)],
            env=self.environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **options,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout
        self.lines.extend(line.rstrip() for line in self.process.stdout)

    def wait_up(self, seconds: float = 120) -> "House":
        wait_for(lambda: self.says("Geoquorum is at") or self.process.poll() is not None, seconds, "up to be up")
        assert self.process.poll() is None, "\n".join(self.lines)
        return self

    def says(self, words: str, *, since: int = 0) -> bool:
        return any(words in line for line in self.lines[since:])

    def has_ready(self, name: str, since: int = 0) -> bool:
        return any(line.startswith(name) and " ready" in line for line in self.lines[since:])

    def part(self, name: str) -> psutil.Process:
        """The first process of a part."""
        for child in psutil.Process(self.process.pid).children():
            try:
                if PARTS[name] in " ".join(child.cmdline()):
                    return child
            except psutil.Error:
                continue
        raise LookupError(name)

    def has_part(self, name: str) -> bool:
        try:
            return bool(self.part(name))
        except LookupError:
            return False

    def family(self) -> list[psutil.Process]:
        first = psutil.Process(self.process.pid)
        return [first, *first.children(recursive=True)]

    def kill(self, name: str) -> psutil.Process:
        """kill -9 the first process of a part and wait until another one is ready."""
        before, since = self.part(name), len(self.lines)
        before.kill()
        wait_for(lambda: self.has_ready(name, since), 30, f"{name} again")
        return before

    def sql(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        url = state.environment(self.home)["DATABASE_OWNER_URL"]
        with psycopg.connect(url, autocommit=True, connect_timeout=5) as connection:
            return connection.execute(query, values).fetchall()

    def manage(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=60)

    def enqueue(self, *, count: int = 1, seconds: float = 0, queue: str = "data") -> list[str]:
        code = (
            "import json; from geoquorum.queue.services import enqueue; "
            f"print(json.dumps([str(enqueue('geoquorum.queue.jobs.ping', queue={queue!r}, "
            f"arguments={{'seconds': {seconds}}}).id) for _ in range({count})]))"
        )
        done = self.manage("shell", "--no-imports", "-c", code)
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])

    def job(self, job_id: str) -> tuple[str, int, str]:
        """State, attempts, reason."""
        return self.sql("select state, attempts, reason from queue_job where id = %s", job_id)[0]

    def stop(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        status = self.process.wait(timeout=30)
        self._reader.join(timeout=5)
        return status


def wait_for(is_so: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise AssertionError(f"waited {seconds} s for {what}")
        time.sleep(0.05)


def are_gone(processes: list[psutil.Process]) -> bool:
    return not [one for one in processes if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]


def answers(port: int) -> bool:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        link.request("GET", "/")
        return link.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False
    finally:
        link.close()


@pytest.fixture(scope="module")
def house() -> Iterator[House]:
    """Under a folder that nobody but us may enter: as root the data must go elsewhere."""
    folder = Path(tempfile.mkdtemp(prefix="geoquorum-up-"))
    made = House(folder / "home")
    try:
        yield made.wait_up()
    finally:
        made.stop()
        _remove(folder)


@pytest.fixture
def folder() -> Iterator[Path]:
    made = Path(tempfile.mkdtemp(prefix="geoquorum-up-"))
    yield made
    _remove(made)


def _remove(folder: Path) -> None:
    data = folder / "home" / "postgres"
    if data.is_symlink():
        shutil.rmtree(data.resolve().parent)
    shutil.rmtree(folder)


def test_one_line_per_service_and_both_queues_answer(house: House) -> None:
    for name in PARTS.keys() - {"guardian"}:
        assert house.has_ready(name), house.lines
    assert answers(house.port)
    done = house.manage("ping")
    assert done.stdout.count(" done after ") == 2, done.stderr


def test_a_second_up_on_the_same_home_names_the_first(house: House) -> None:
    done = house.manage("up")
    assert done.returncode == 1
    assert f"already runs on {house.home} (process {house.process.pid})" in done.stderr
    assert done.stderr.count("\n") == 1


def test_no_part_is_reachable_without_its_password(house: House) -> None:
    own = state.load_or_create(house.home)
    with socket.create_connection(("127.0.0.1", own.valkey_port), timeout=5) as link:
        link.sendall(b"PING\r\n")
        assert link.recv(100).startswith(b"-NOAUTH")
    for command in (" ".join(one.cmdline()) for one in house.family()):
        assert own.valkey_password not in command
        assert own.owner_password not in command


def test_neither_the_web_server_nor_a_worker_loads_torch(house: House) -> None:
    for one in house.family():
        assert not [part.path for part in one.memory_maps() if "libtorch" in part.path], one.cmdline()


@pytest.mark.parametrize("name", ["web", "worker data", "worker training", "housekeeping", "valkey", "postgres"])
def test_a_killed_part_comes_back_and_leaves_nobody_behind(house: House, name: str) -> None:
    left = house.part(name).children(recursive=True)
    started = time.monotonic()
    house.kill(name)
    assert time.monotonic() - started < 15
    assert are_gone(left)
    wait_for(lambda: answers(house.port), 10, "the web server")
    wait_for(lambda: house.manage("ping").returncode == 0, 40, "both queues to answer")


def test_a_killed_web_child_comes_back(house: House) -> None:
    child = house.part("web").children()[0]
    child.kill()
    wait_for(lambda: are_gone([child]) and answers(house.port), 15, "the web server")


def test_a_killed_guardian_is_replaced(house: House) -> None:
    before = house.part("guardian")
    before.kill()
    wait_for(lambda: are_gone([before]) and house.has_part("guardian"), 5, "another guardian")
    assert house.part("guardian").pid != before.pid


def test_twenty_jobs_written_while_the_broker_is_off_all_take_effect_once(house: House) -> None:
    port, since = state.load_or_create(house.home).valkey_port, len(house.lines)
    house.part("valkey").kill()
    with _closed_door(port):  # whoever connects is thrown out, and Valkey cannot start
        started = time.monotonic()
        jobs = house.enqueue(count=20)
        assert time.monotonic() - started < 15
        taken = f"Port {port}, kept for Valkey, is used by another"
        wait_for(lambda: house.says(taken, since=since), 10, "a clear line")
    back = time.monotonic()
    wait_for(lambda: all(house.job(job)[0] == "done" for job in jobs), 60, "20 jobs")
    assert time.monotonic() - back < 60
    assert [house.job(job)[:2] for job in jobs] == [("done", 1)] * 20


@contextlib.contextmanager
def _closed_door(port: int) -> Iterator[None]:
    """Holds the port before Valkey is back on it, and closes every connection at once."""
    door: list[socket.socket] = []
    wait_for(lambda: _hold(door, port), 5, "the broker's port")
    threading.Thread(target=_throw_out, args=(door[0],), daemon=True).start()
    yield
    door[0].shutdown(socket.SHUT_RDWR)
    door[0].close()


def _hold(door: list[socket.socket], port: int) -> bool:
    try:
        door.append(socket.create_server(("127.0.0.1", port)))
    except OSError:
        return False
    return True


def _throw_out(door: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while True:
            door.accept()[0].close()


def test_a_broker_that_was_emptied_loses_no_job(house: House) -> None:
    busy, *waiting = house.enqueue(count=4, seconds=3)
    wait_for(lambda: house.job(busy)[0] == "running", 20, "the first job")
    house.kill("valkey")  # it keeps nothing on disk
    wait_for(lambda: all(house.job(job)[0] == "done" for job in (busy, *waiting)), 90, "all jobs")
    assert [house.job(job)[1] for job in waiting] == [1, 1, 1]


def test_a_job_whose_worker_tree_is_killed_runs_again_and_is_done(house: House) -> None:
    (job,) = house.enqueue(seconds=6)
    wait_for(lambda: house.job(job)[0] == "running", 20, "the job to run")
    worker = house.part("worker data")
    for one in [worker, *worker.children(recursive=True)]:
        one.kill()
    wait_for(lambda: house.job(job)[0] == "done", 60, "the job")
    assert house.job(job)[1] == 2
    assert house.sql("select count(*) from queue_job where state = 'running'") == [(0,)]


def test_a_job_that_always_loses_its_process_ends_after_three_attempts(house: House) -> None:
    (job,) = house.enqueue(seconds=100)
    for attempt in (1, 2, 3):
        wait_for(lambda attempt=attempt: house.job(job)[:2] == ("running", attempt), 60, f"attempt {attempt}")
        for child in house.part("worker data").children(recursive=True):
            child.kill()
    wait_for(lambda: house.job(job)[0] == "failed", 60, "the end of the job")
    _, attempts, reason = house.job(job)
    assert attempts == 3
    assert reason.startswith("worker gone: ")
    wait_for(lambda: house.manage("ping").returncode == 0, 40, "other jobs to go on")


def test_a_running_job_survives_a_killed_database(house: House) -> None:
    (job,) = house.enqueue(seconds=8)
    wait_for(lambda: house.job(job)[0] == "running", 20, "the job to run")
    house.kill("postgres")
    wait_for(lambda: house.job(job)[0] == "done", 60, "the job")
    assert house.job(job)[1] <= 3


def test_urls_given_from_outside_start_nothing_embedded(house: House, folder: Path) -> None:
    guest = House(folder / "home", env=state.environment(house.home)).wait_up()
    names = {line.split("  ")[0] for line in guest.lines if " ready" in line}
    assert guest.stop() == 0
    assert names == {"web", "worker data", "worker training", "housekeeping"}
    assert not (folder / "home" / "postgres").exists()


def test_a_url_for_the_database_alone_is_refused_in_one_sentence(house: House, folder: Path) -> None:
    given = {name: value for name, value in state.environment(house.home).items() if name != "CELERY_BROKER_URL"}
    guest = House(folder / "home", env=given)
    assert guest.process.wait(30) == 1
    guest._reader.join()
    assert guest.lines[-1].startswith("CommandError: DATABASE_URL is set and CELERY_BROKER_URL is not: name a broker")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_stops_everything_in_reverse_order(folder: Path, number: int) -> None:
    house = House(folder / "home").wait_up()
    family, started = house.family(), time.monotonic()
    assert house.stop(number) == 0
    assert time.monotonic() - started < 15
    assert are_gone(family)
    stopped = [line.split("  ")[0] for line in house.lines if line.endswith("stopped")]
    assert stopped[-2:] == ["valkey", "postgres"]
    assert len(stopped) == 6


def test_when_the_supervisor_is_killed_everything_goes_down_and_the_next_start_finds_all(folder: Path) -> None:
    house = House(folder / "home").wait_up()
    (job,) = house.enqueue(seconds=60)
    wait_for(lambda: house.job(job)[0] == "running", 20, "the job to run")
    family = house.family()
    house.process.kill()
    house.process.wait()
    again = House(folder / "home", port=house.port).wait_up()  # at once: it waits for the old services to go
    assert are_gone(family)
    assert again.port == house.port
    wait_for(lambda: again.job(job)[:2] == ("running", 2), 40, "the job to run again")
    assert again.stop() == 0


def test_a_busy_web_port_is_said_and_the_next_one_taken(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        house = House(folder / "home", port=port).wait_up()
        assert house.says(f"port {port} is used by another program: taking ")
        assert house.stop() == 0


def test_a_short_command_starts_the_database_and_stops_it(folder: Path) -> None:
    house = House(folder / "home").wait_up()
    assert house.stop() == 0
    done = house.manage("jobs")
    assert done.returncode == 0, done.stderr
    assert ports.is_free(state.load_or_create(house.home).postgres_port)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become another user")
def test_an_ordinary_user_runs_everything_as_themselves(folder: Path) -> None:
    nobody = 65534
    path = f"{ROOT / 'platform'}:{ROOT}:{Path(psycopg.__file__).parents[1]}"
    programs = (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}")
    # redis needs one more package on a Python older than 3.11.3, such as Debian's own.
    test = "PYTHONPATH={} {} -c 'import django, redis'"
    found = [one for one in programs if places._may((nobody, nobody), test.format(path, one))]
    if not found:
        pytest.skip("an ordinary user cannot run this Python with these packages")
    os.chown(folder, nobody, nobody)
    house = House(
        folder / "home", python=found[0], cwd=folder, user=nobody, group=nobody, extra_groups=[],
        env={"PYTHONPATH": path, "PYTHONDONTWRITEBYTECODE": "1", "HOME": str(folder)},
    ).wait_up()  # fmt: skip
    assert {one.uids().real for one in house.family()} == {nobody}
    assert answers(house.port)
    assert house.stop() == 0
