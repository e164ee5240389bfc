"""Service: how one process is started, when it is ready, how it stops. Child: that process while it runs."""

import os
import secrets
import signal
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from .errors import EmbeddedError
from .guardian import Guardian
from .processes import MARK, Watched, end, kill_family

LOG_LIMIT_BYTES = 5_000_000


@dataclass(frozen=True, kw_only=True)
class Service:
    """What the supervisor needs to know. `is_ready` sees the part of the log that this start wrote."""

    name: str
    command: tuple[str, ...]
    log: Path
    is_ready: Callable[[str], bool]
    address: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    """The whole environment of the process."""
    user: tuple[int, int] | None = None
    """User and group to run as, where they are not ours."""
    cwd: str = "/"
    ready_within_s: float = 90.0
    stop_signal: int = signal.SIGTERM
    grace_s: float = 5.0
    works_in: str = ""
    before_start: Callable[[], None] = lambda: None
    explain: Callable[[str], EmbeddedError | None] = lambda log: None
    """Turns a known fault in the log into one sentence."""


class Child:
    """A started service; known to the guardian until it has ended."""

    def __init__(self, service: Service, guardian: Guardian, *, stage: int = 0) -> None:
        self.service, self._guardian = service, guardian
        service.before_start()
        mark = secrets.token_hex(8)
        self._log_start = _rotate(service.log)
        with service.log.open("ab") as log:
            self.process = subprocess.Popen(
                service.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**service.environment, MARK: mark},
                cwd=service.cwd,
                start_new_session=True,
                **_as_user(service.user),
            )
        self.started_at = time.monotonic()
        self.watched = Watched(
            name=service.name,
            pid=self.process.pid,
            mark=mark,
            stop_signal=service.stop_signal,
            grace_s=service.grace_s,
            stage=stage,
            folder=service.works_in,
        )
        guardian.watch(self.watched)

    @property
    def is_alive(self) -> bool:
        return self.process.poll() is None

    @property
    def log(self) -> str:
        """What this start has written so far."""
        with self.service.log.open("rb") as file:
            file.seek(self._log_start)
            return file.read().decode(errors="replace")

    def wait_ready(self) -> None:
        """Until it answers; EmbeddedError when it ends first or takes too long."""
        while not self.check_ready():
            time.sleep(0.03)

    def check_ready(self) -> bool:
        """One look; EmbeddedError as above."""
        if not self.is_alive:
            raise self._failure(f"ended with status {self.process.returncode}")
        if self.service.is_ready(self.log):
            return True
        if time.monotonic() - self.started_at > self.service.ready_within_s:
            raise self._failure(f"did not answer within {self.service.ready_within_s:.0f} s")
        return False

    def _failure(self, what: str) -> EmbeddedError:
        log = self.log
        last = next((line.strip() for line in reversed(log.splitlines()) if line.strip()), "nothing in its log")
        said = f"{self.service.name} {what}: {last} (log: {self.service.log})"
        return self.service.explain(log) or EmbeddedError(said)

    def stop(self) -> None:
        """Politely, then by force, with every process it started."""
        end([self.watched])
        self.collect()

    def collect(self) -> None:
        """After its end: nothing of its family stays, and the guardian forgets it."""
        kill_family(self.watched)
        self.process.wait(timeout=10)
        self._guardian.forget(self.watched)


def _rotate(log: Path) -> int:
    """Keep one older log; where this start's part begins."""
    log.parent.mkdir(parents=True, exist_ok=True)
    if log.exists() and log.stat().st_size > LOG_LIMIT_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))
    log.touch(mode=0o600)
    return log.stat().st_size


def _as_user(user: tuple[int, int] | None) -> dict[str, object]:
    if user is None or os.geteuid() != 0:
        return {}
    return {"user": user[0], "group": user[1], "extra_groups": []}
