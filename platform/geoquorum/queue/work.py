"""Running a claimed job: heartbeat beside it, progress out, cancel and time limit in, every end written."""

import contextlib
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from celery.exceptions import SoftTimeLimitExceeded
from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection

from fusion.errors import GeoquorumError
from geoquorum.embedded.processes import end_marked
from geoquorum.queue import claims
from geoquorum.queue.models import Job

log = logging.getLogger(__name__)
JOB_MARK = "GEOQUORUM_JOB"
LONGEST_BEAT_S = 2.0
SHORTEST_BEAT_S = 0.5
DATABASE_AWAY = (OperationalError, InterfaceError)


class Claim:
    """What a service sees of its job: `.progress()`, `.check()`, `.lock()`."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self._limit = time.monotonic() + job.time_limit_s
        self._lease_end = time.monotonic() + settings.JOB_LEASE_S
        self._news: dict[str, Any] = {}
        self._wake = threading.Event()
        self._is_over = threading.Event()
        self._stop_reason: GeoquorumError | None = None
        # Inside a transaction no other connection sees the row: then the beat is ours, at each progress.
        self._beats_inline = connection.in_atomic_block

    def progress(self, share: float, message: str = "") -> None:
        """How far the job is (0..1), shown within a second; also a check()."""
        self._news = {"progress": share, "message": message}
        if self._beats_inline:
            self._beat()
        self._wake.set()
        self.check()

    def check(self) -> None:
        """Call it often, it costs nothing: raises Cancelled, TimeLimit or LeaseLost when the work should stop."""
        if self._stop_reason:
            raise self._stop_reason
        if time.monotonic() > self._limit:
            raise claims.TimeLimit(f"Took longer than its limit of {self.job.time_limit_s} s.")

    def lock(self) -> None:
        """First thing inside the transaction that writes the effect: LeaseLost when someone else has the job."""
        claims.lock(self.job)

    @contextlib.contextmanager
    def beating(self) -> Iterator[None]:
        """A thread renews the lease while the work runs."""
        if self._beats_inline:
            yield
            return
        thread = threading.Thread(target=self._keep_beating, name=f"heartbeat {self.job.id}", daemon=True)
        thread.start()
        try:
            yield
        finally:
            self._is_over.set()
            self._wake.set()
            thread.join(timeout=10)

    def _keep_beating(self) -> None:
        pause = min(LONGEST_BEAT_S, settings.JOB_LEASE_S / 3)
        try:
            while not self._is_over.wait(SHORTEST_BEAT_S) and self._stop_reason is None:
                self._wake.wait(pause - SHORTEST_BEAT_S if pause > SHORTEST_BEAT_S else 0)
                self._wake.clear()
                if not self._is_over.is_set():
                    self._beat()
        finally:
            connection.close()

    def _beat(self) -> None:
        news, self._news = self._news, {}
        try:
            claims.renew(self.job, **news)
            self._lease_end = time.monotonic() + settings.JOB_LEASE_S
        except (claims.LeaseLost, claims.Cancelled) as reason:
            self._stop_reason = reason
        except DatabaseError as error:
            self._news = news | self._news
            connection.close()
            log.warning("heartbeat of %s failed: %s", self.job.id, error)
            if time.monotonic() > self._lease_end:
                self._stop_reason = claims.LeaseLost("The database was away for longer than the lease.")


Service = Callable[[Job, Claim], dict[str, Any] | None]


def run_claimed(job_id: str | uuid.UUID, service: Service) -> None:
    """Claim the job, run the service, write how it ended. Returns quietly when someone else has the job."""
    job = claims.claim_job(job_id, worker_name())
    if job is None:
        log.info("job %s is not waiting: nothing to do", job_id)
        return
    end_marked(JOB_MARK, str(job.id))  # what an earlier attempt may have left running on this machine
    claim = Claim(job)
    with claim.beating(), _marked(job):
        end = _outcome(job, claim, service)
    _write_end(job, end)


def worker_name() -> str:
    """Machine and process, as the row shows them."""
    return f"{socket.gethostname()}:{os.getpid()}"


def _outcome(job: Job, claim: Claim, service: Service) -> Callable[[], None]:
    """Run the service; the seam at which every error becomes an end of the job."""
    try:
        result = service(job, claim)
        return lambda: claims.finish(job, result)
    except claims.LeaseLost as lost:
        log.warning("%s", lost)
        return lambda: None
    except claims.Cancelled:
        return lambda: claims.cancel(job)
    except SoftTimeLimitExceeded:
        return lambda: claims.fail(job, f"Took longer than its limit of {job.time_limit_s} s.")
    except claims.Retry as error:
        again = str(error)
        return lambda: claims.fail(job, again, retry=True)
    except GeoquorumError as error:
        sentence = str(error)
        return lambda: claims.fail(job, sentence)
    except DATABASE_AWAY as error:
        log.exception("%s %s lost the database", job.kind, job.id)
        away = f"The database was away: {error}".strip()
        return lambda: claims.fail(job, away, retry=True)
    except Exception as error:
        log.exception("%s %s failed", job.kind, job.id)
        told = f"{type(error).__name__}: {error}"
        return lambda: claims.fail(job, told)


def _write_end(job: Job, end: Callable[[], None]) -> None:
    """While the database is away, try for one lease; after that the reaper decides."""
    deadline = time.monotonic() + settings.JOB_LEASE_S
    while True:
        try:
            return end()
        except claims.LeaseLost as lost:
            log.warning("%s", lost)
            return None
        except DATABASE_AWAY:
            if connection.in_atomic_block or time.monotonic() > deadline:
                raise
            connection.close()
            time.sleep(0.5)


@contextlib.contextmanager
def _marked(job: Job) -> Iterator[None]:
    """Processes that the service starts carry the job's id, so that a later attempt finds and ends them."""
    before = os.environ.get(JOB_MARK)
    os.environ[JOB_MARK] = str(job.id)
    try:
        yield
    finally:
        os.environ.pop(JOB_MARK)
        if before is not None:
            os.environ[JOB_MARK] = before
