"""A claim: the right to run one job for a while. Who lost it is refused by the fence, a token new with each claim."""

import os
import uuid
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from fusion.errors import GeoquorumError
from geoquorum.queue.devices import machine_name
from geoquorum.queue.models import Job, JobState
from geoquorum.queue.slots import take_slots


class Interrupted(GeoquorumError):  # noqa: N818  states of a job rather than faults
    """The work must stop now, whatever it is doing."""

    is_cancel = False


class LeaseLost(Interrupted):
    """The job was given to someone else, or ended without us; what we still write is refused."""


class GivenBack(LeaseLost):
    """The worker ends, or others go first: the job waits again, and whoever takes it next goes on with it."""


class Paused(Interrupted):
    """Somebody asked for the job to rest."""


class NoDevice(GeoquorumError):  # noqa: N818
    """Every device that the job could take is in use; nothing was claimed."""


class Cancelled(Interrupted):
    """Somebody asked for the job to stop."""

    is_cancel = True


class TimeLimit(Interrupted):
    """The job took longer than its row allows."""


class Retry(GeoquorumError):  # noqa: N818
    """A service raises it when another attempt may succeed; counted like every attempt."""


def worker_name() -> str:
    """Machine and process, as the row shows them."""
    return f"{machine_name()}:{os.getpid()}"


def claim_job(job_id: uuid.UUID | str, worker: str) -> Job | None:
    """One filtered update that must change exactly one row: of many who try at once, one gets the job.

    NoDevice when the job needs devices of this machine and they are in use.
    """
    fence = uuid.uuid4()
    with transaction.atomic():
        taken = Job.objects.filter(id=job_id, state=JobState.QUEUED, is_cancel_requested=False).update(
            state=JobState.RUNNING,
            attempts=F("attempts") + 1,
            fence=fence,
            worker=worker[:200],
            lease_until=_lease_end(),
            heartbeat_at=Now(),
            started_at=Now(),
            progress=0.0,
            message="",
        )
        if taken != 1:
            return None
        job = Job.objects.get(id=job_id, fence=fence)
        if job.devices and take_slots(job) is None:
            raise NoDevice(f"{job} {job.id} needs {job.devices} free device(s) of this machine.")
    return job


def renew(job: Job, *, progress: float | None = None, message: str | None = None) -> None:
    """Lengthen the lease and say how far the job is. Raises LeaseLost, Cancelled or Paused."""
    news: dict[str, Any] = {"lease_until": _lease_end(), "heartbeat_at": Now()}
    if progress is not None:
        news["progress"] = min(max(progress, 0.0), 1.0)
    if message is not None:
        news["message"] = message[:500]
    if not _held(job).update(**news):
        raise LeaseLost(f"{job} {job.id} is no longer ours: it was given on or has ended.")
    is_cancel, is_pause = _held(job).values_list("is_cancel_requested", "is_pause_requested").first() or (False, False)
    if is_cancel:
        raise Cancelled("Cancelled on request.")
    if is_pause:
        raise Paused("Paused on request.")


def lock(job: Job) -> None:
    """Inside the transaction that writes a job's effect: nobody else has, takes or ends the job before it commits."""
    if not _held(job).select_for_update().exists():
        raise LeaseLost(f"{job} {job.id} is no longer ours: its effect is not written.")


def describe_timeout(job: Job) -> str:
    """The reason of a job that ran too long, wherever that was noticed."""
    return f"Timeout: took longer than its limit of {job.time_limit_s} s."


def finish(job: Job, result: dict[str, Any] | None) -> None:
    """DONE, with what it made."""
    _end(job, state=JobState.DONE, result=result, progress=1.0)


def cancel(job: Job) -> None:
    """CANCELLED, after the work has stopped."""
    _end(job, state=JobState.CANCELLED, reason="Cancelled on request.")


def pause(job: Job) -> None:
    """PAUSED, after the work has stopped; it costs no attempt."""
    _end(job, state=JobState.PAUSED, reason="Paused on request.", **_UNSPENT)


def give_back(job: Job, reason: str) -> None:
    """QUEUED again, because the worker ends or another user's job goes first; it costs no attempt."""
    _end(job, state=JobState.QUEUED, reason=reason, **_UNSPENT)


def fail(job: Job, reason: str, *, retry: bool = False) -> None:
    """FAILED with a reason; with `retry` QUEUED again, as long as attempts are left."""
    if retry and job.attempts < job.max_attempts:
        _end(job, state=JobState.QUEUED, reason=reason, published_at=None, finished_at=None)
    else:
        _end(job, state=JobState.FAILED, reason=reason)


# `attempts` only ever grows, as folders are named after it: one that does not count allows another instead.
_UNSPENT: dict[str, Any] = {
    "max_attempts": F("max_attempts") + 1,
    "is_pause_requested": False,
    "published_at": None,
    "finished_at": None,
}


def _end(job: Job, **values: Any) -> None:
    released = {"fence": None, "lease_until": None, "finished_at": Now()} | values
    if not _held(job).update(**released):
        raise LeaseLost(f"{job} {job.id} is no longer ours: its end is not written.")


def _held(job: Job):
    return Job.objects.filter(id=job.id, fence=job.fence, state=JobState.RUNNING)


def _lease_end():
    return Now() + timedelta(seconds=settings.JOB_LEASE_S)
