"""Running a claimed job: heartbeat beside it, progress out, cancel and time limit in, every end written."""

import contextlib
import logging
import math
import os
import signal
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

from django.conf import settings
from django.db import DatabaseError, InterfaceError, OperationalError, connection

from fusion.errors import GeoquorumError
from geoquorum.embedded.processes import end_descendants, end_marked
from geoquorum.queue import claims, outbox, shutdown
from geoquorum.queue.models import Job
from geoquorum.queue.slots import list_devices_of

log = logging.getLogger(__name__)
JOB_MARK = "GEOQUORUM_JOB"
LONGEST_BEAT_S = 2.0
SHORTEST_BEAT_S = 0.5
DATABASE_AWAY = (OperationalError, InterfaceError)


class Claim:
    """What a service sees of its job: `.progress()`, `.check()`, `.lock()`, and the `.devices` it may use.

    With `is_own_process` the process does nothing but this job, and is killed at the hard limit.
    """

    def __init__(self, job: Job, *, is_own_process: bool = False) -> None:
        self.job = job
        self.devices = list_devices_of(job) if job.devices else ()
        self._limit = time.monotonic() + job.time_limit_s
        self._hard_limit = time.monotonic() + job.hard_limit_s if is_own_process else math.inf
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
        """Call it often, it costs nothing: raises one of claims.Interrupted when the work should stop."""
        if self._stop_reason:
            raise self._stop_reason
        if shutdown.is_asked():
            raise claims.GivenBack("The worker was stopped; another goes on.")
        if time.monotonic() > self._limit:
            raise claims.TimeLimit(claims.describe_timeout(self.job))

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
            while not self._is_over.wait(SHORTEST_BEAT_S):
                self._wake.wait(pause - SHORTEST_BEAT_S if pause > SHORTEST_BEAT_S else 0)
                self._wake.clear()
                if time.monotonic() > self._hard_limit and not self._is_over.is_set():
                    self._end_by_force()
                if not self._is_over.is_set() and self._stop_reason is None:
                    self._beat()
        finally:
            connection.close()

    def _end_by_force(self) -> None:
        """The work did not stop when it was told to: its end is written, then its processes go, this one last."""
        log.error("%s %s ignores its limit of %s s: killed", self.job.kind, self.job.id, self.job.time_limit_s)
        with contextlib.suppress(claims.LeaseLost, DatabaseError):  # then the reaper writes it
            claims.fail(self.job, f"{claims.describe_timeout(self.job)} It did not stop by itself and was killed.")
        end_marked(JOB_MARK, str(self.job.id))
        end_descendants(os.getpid())
        os.kill(os.getpid(), signal.SIGKILL)

    def _beat(self) -> None:
        news, self._news = self._news, {}
        try:
            claims.renew(self.job, **news)
            self._lease_end = time.monotonic() + settings.JOB_LEASE_S
        except claims.Interrupted as reason:
            self._stop_reason = reason
        except DatabaseError as error:
            self._news = news | self._news
            connection.close()
            log.warning("heartbeat of %s failed: %s", self.job.id, error)
            if time.monotonic() > self._lease_end:
                self._stop_reason = claims.LeaseLost("The database was away for longer than the lease.")


Service = Callable[[Job, Claim], dict[str, Any] | None]


def run_claimed(job_id: str | uuid.UUID | Job, service: Service) -> bool:
    """Claim the job, run the service, write how it ended. False when someone else has it, or no device is free.

    A Job is one that this process has claimed already (turns.claim_turn), and that it may be killed for.
    """
    job = job_id if isinstance(job_id, Job) else _claim(job_id)
    if job is None:
        log.info("job %s is not waiting: nothing to do", job_id)
        return False
    end_marked(JOB_MARK, str(job.id))  # what an earlier attempt may have left running on this machine
    claim = Claim(job, is_own_process=isinstance(job_id, Job))
    with claim.beating(), _marked(job):
        end = _outcome(job, claim, service)
    end_marked(JOB_MARK, str(job.id))  # and what this one left
    _write_end(job, end)
    if claim.devices:
        outbox.publish_waiting(job.queue, len(claim.devices))
    return True


def _claim(job_id: str | uuid.UUID) -> Job | None:
    try:
        return claims.claim_job(job_id, claims.worker_name())
    except claims.NoDevice as busy:
        log.info("%s", busy)
        return None


def _outcome(job: Job, claim: Claim, service: Service) -> Callable[[], None]:
    """Run the service; the seam at which every error becomes an end of the job."""
    try:
        result = service(job, claim)
        return lambda: claims.finish(job, result)
    except claims.GivenBack as back:
        why = str(back)
        return lambda: claims.give_back(job, why)
    except claims.LeaseLost as lost:
        log.warning("%s", lost)
        return lambda: None
    except claims.Cancelled:
        return lambda: claims.cancel(job)
    except claims.Paused:
        return lambda: claims.pause(job)
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
