"""Workers and housekeeping as processes of their own, on the test database and one of the brokers."""

import os
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
from django.conf import settings
from django.db import connection

from geoquorum.embedded import state
from geoquorum.embedded.processes import end_marked
from geoquorum.queue import services
from geoquorum.queue.models import Job
from tests.services.brokers import Broker

ROOT = Path(__file__).resolve().parents[2]
MARK = "GEOQUORUM_TEST_SITE"
LEASE_S, GRACE_S = 4, 2
KIND = "tests.services.trials."
QUIET = ("--without-gossip", "--without-mingle", "--without-heartbeat")


def wait_for(is_so: Callable[[], bool], seconds: float, what: str) -> float:
    """How long it took; AssertionError when it takes longer than that."""
    started = time.monotonic()
    while not is_so():
        assert time.monotonic() - started < seconds, f"waited {seconds} s for {what}"
        time.sleep(0.05)
    return time.monotonic() - started


class Worker:
    """One Celery worker and its log."""

    def __init__(self, site: "Site", queue: str, count: int, env: dict[str, str]) -> None:
        self.log = site.folder / f"{queue}-{secrets.token_hex(3)}.log"
        command = ("-m", "celery", "-A", "tests.services.trials", "worker", "-Q", queue, "-c", str(count))
        options = ("-n", f"{self.log.stem}@%h", "--pool", "prefork", "-l", "INFO", *QUIET)
        self.process = site.spawn(self.log, *command, *options, env=env)

    def wait_ready(self) -> "Worker":
        wait_for(lambda: self.says(" ready.") or self.process.poll() is not None, 60, f"{self.log} to say ready")
        assert self.process.poll() is None, self.log.read_text()
        return self

    def says(self, words: str) -> int:
        return self.log.read_text(encoding="utf-8", errors="replace").count(words)

    @property
    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def kill_tree(self) -> None:
        """kill -9 of the worker and all below it."""
        first = psutil.Process(self.process.pid)
        for one in [first, *first.children(recursive=True)]:
            one.kill()
        self.process.wait(10)

    def stop(self) -> float:
        """SIGTERM, as a deploy does it: how long it took to end."""
        self.process.send_signal(signal.SIGTERM)
        return wait_for(lambda: self.process.poll() is not None, 30, "the worker to end")


class Site:
    """Everything but the web server, which is this process itself."""

    def __init__(self, broker: Broker, folder: Path) -> None:
        self.broker, self.folder = broker, folder
        self.mark = secrets.token_hex(8)
        database = connection.settings_dict
        web = state.load_or_create(settings.GEOQUORUM_HOME)
        place = f"{database['HOST']}:{database['PORT']}/{database['NAME']}"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("GEOQUORUM_", "DJANGO_"))}
        self.environment = kept | {
            "DATABASE_URL": f"postgres://geoquorum_web:{web.web_password}@{place}",
            "CELERY_BROKER_URL": broker.url,
            "DJANGO_SECRET_KEY": secrets.token_urlsafe(50),
            "DJANGO_SETTINGS_MODULE": "geoquorum.settings",
            "GEOQUORUM_HOME": str(folder / "home"),
            "GEOQUORUM_LEASE_S": str(LEASE_S),
            "GEOQUORUM_JOB_GRACE_S": str(GRACE_S),
            "GEOQUORUM_LOST_AFTER_S": "4",
            "PYTHONPATH": f"{ROOT / 'platform'}:{ROOT}",
            MARK: self.mark,
        }

    def spawn(self, log: Path, *words: str, env: dict[str, str] | None = None) -> subprocess.Popen[bytes]:
        with log.open("ab") as file:
            return subprocess.Popen(
                [sys.executable, *words], cwd=ROOT, env=self.environment | (env or {}),
                stdin=subprocess.DEVNULL, stdout=file, stderr=file, start_new_session=True,
            )  # fmt: skip

    def keep_house(self) -> None:
        self.house = self.spawn(self.folder / "house.log", "manage.py", "reap", "--every", "1")

    def work(self, queue: str, count: int = 1, env: dict[str, str] | None = None) -> Worker:
        return Worker(self, queue, count, env or {})

    def end(self) -> None:
        end_marked(MARK, self.mark)

    def ask(self, kind: str = "mark", queue: str = "data", **fields: Any) -> Job:
        """One job; `file`, `seconds` and what else a trial takes are its arguments."""
        own = {name: fields.pop(name) for name in ("by", "time_limit_s", "priority", "devices") if name in fields}
        fields.setdefault("file", str(self.folder / "marks"))
        return services.enqueue(KIND + kind, queue=queue, arguments=fields, **own)

    def marks(self, jobs: Sequence[Job]) -> list[int]:
        """How often each of these jobs took effect."""
        path = self.folder / "marks"
        lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
        ids = [line.split()[0] for line in lines]
        return [ids.count(str(job.pk)) for job in jobs]


def wait_over(jobs: Sequence[Job], seconds: float) -> float:
    """Until all of these are over; they are read again then."""

    def are_over() -> bool:
        alive = Job.objects.filter(pk__in=[job.pk for job in jobs], state__in=["queued", "running", "paused"])
        return not alive.exists()

    took = wait_for(are_over, seconds, f"{len(jobs)} jobs to end")
    for job in jobs:
        job.refresh_from_db()
    return took


def wait_running(job: Job, seconds: float = 20) -> None:
    wait_for(lambda: Job.objects.filter(pk=job.pk, state="running").exists(), seconds, "a job to run")
