"""The parts of Geoquorum itself as services: web server, workers, housekeeping."""

import http.client
import os
import sys
from collections.abc import Mapping
from pathlib import Path

from .guardian import SOURCE_ROOT
from .service import Service
from .state import describe, load

MANAGE = SOURCE_ROOT.parent / "manage.py"
WEB_THREADS = "8"  # of each process


def child_environment(home: Path) -> dict[str, str]:
    """Ours, with the source on the path; without what the settings filled in, so that children decide alike."""
    installation = load(home)
    own = describe(installation) if installation else {}
    kept = {name: value for name, value in os.environ.items() if own.get(name) != value}
    path = [str(SOURCE_ROOT), str(SOURCE_ROOT.parent), os.environ.get("PYTHONPATH", "")]
    return kept | {
        "PYTHONPATH": ":".join(part for part in path if part),
        "GEOQUORUM_HOME": str(home),
        "DJANGO_SETTINGS_MODULE": "geoquorum.settings",
        "PYTHONUNBUFFERED": "1",
    }


def web(home: Path, port: int, surroundings: Mapping[str, str]) -> Service:
    """The web server on 127.0.0.1: a process for every two processors, as PostgreSQL needs the other."""
    workers = surroundings.get("GEOQUORUM_WEB_WORKERS") or str(max(1, (os.cpu_count() or 1) // 2))
    threads = surroundings.get("GEOQUORUM_WEB_THREADS") or WEB_THREADS
    command = ("granian", "--interface", "wsgi", "--host", "127.0.0.1", "--port", str(port), "--workers", workers)
    return Service(
        name="web",
        command=(sys.executable, "-m", *command, "--blocking-threads", threads, "geoquorum.wsgi:application"),
        log=home / "logs" / "web.log",
        is_ready=lambda log: _speaks_http(port),
        address=f"http://127.0.0.1:{port}/",
        environment=surroundings,
        cwd=os.getcwd(),
    )


def worker(home: Path, queue: str, concurrency: int, surroundings: Mapping[str, str]) -> Service:
    """One Celery worker for one queue; prefork, because a thread cannot be stopped."""
    quiet = ("--without-gossip", "--without-mingle", "--without-heartbeat")
    options = ("-Q", queue, "-c", str(concurrency), "-n", f"{queue}@%h", "--pool", "prefork", "-l", "INFO")
    return Service(
        name=f"worker {queue}",
        command=(sys.executable, "-m", "celery", "-A", "geoquorum.celery", "worker", *options, *quiet),
        log=home / "logs" / f"worker-{queue}.log",
        is_ready=lambda log: " ready." in log,
        address=f"{concurrency} at a time",
        environment=surroundings,
        cwd=os.getcwd(),
        grace_s=12.0,  # a training keeps a checkpoint first
    )


def housekeeping(home: Path, surroundings: Mapping[str, str]) -> Service:
    """The reaper: brings back jobs whose worker died, publishes what was not."""
    return Service(
        name="housekeeping",
        command=(sys.executable, str(MANAGE), "reap", "--every", "5"),
        log=home / "logs" / "housekeeping.log",
        is_ready=lambda log: "every 5 s" in log,
        address="every 5 s",
        environment=surroundings,
        cwd=os.getcwd(),
    )


def _speaks_http(port: int) -> bool:
    """Any answer counts, a redirect to HTTPS or an error page too: who runs is one question, who is well another."""
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
    try:
        link.request("HEAD", "/")
        return link.getresponse().status > 0
    except (OSError, http.client.HTTPException):
        return False
    finally:
        link.close()
