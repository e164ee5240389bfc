"""What other apps do with jobs: enqueue, cancel, run; and what housekeeping does: reap."""

import logging
import time
from datetime import datetime
from functools import partial
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import F, Q
from django.utils import timezone

from fusion.errors import BadInputError
from geoquorum.embedded.processes import end_marked
from geoquorum.queue import outbox
from geoquorum.queue.claims import (
    Cancelled,
    GivenBack,
    Interrupted,
    LeaseLost,
    Paused,
    Retry,
    TimeLimit,
    claim_job,
    describe_timeout,
    fail,
    finish,
    renew,
)
from geoquorum.queue.models import ALIVE, Job, JobState
from geoquorum.queue.work import JOB_MARK, Claim, run_claimed

__all__ = [
    "ALIVE", "Cancelled", "Claim", "GivenBack", "Interrupted", "LeaseLost", "Paused", "Retry", "TimeLimit",
    "answer_ping", "cancel_parts", "claim_job", "enqueue", "fail", "finish", "go_on", "reap", "renew", "request_cancel",
    "request_pause", "run_claimed", "set_priority",
]  # fmt: skip

log = logging.getLogger(__name__)
WORKER_GONE = "worker gone"
STEP_S = 0.2
PRIORITIES = range(-10, 11)


def enqueue(
    kind: str,
    *,
    project: Any = None,
    arguments: dict[str, Any] | None = None,
    queue: str = "data",
    by: Any = None,
    priority: int = 0,
    time_limit_s: int = 3600,
    max_attempts: int = 3,
    unique_key: str | None = None,
    parent: Job | None = None,
    devices: int = 0,
) -> Job:
    """Write the row; wake a worker once it is committed. `kind` is the Celery name, such as geoquorum.queue.jobs.ping.

    With a `unique_key` of a job that waits, runs or is paused, that job is returned and nothing new is written.
    `devices` is how many device slots it needs; BadInputError for a limit beyond what a message may take.
    """
    _check_limits(time_limit_s, priority)
    values = {
        "kind": kind,
        "project": project,
        "arguments": arguments or {},
        "queue": queue,
        "created_by": by,
        "priority": priority,
        "time_limit_s": time_limit_s,
        "max_attempts": max_attempts,
        "unique_key": unique_key,
        "parent": parent,
        "devices": devices,
    }
    for _ in range(5):
        try:
            with transaction.atomic():
                job = Job.objects.create(**values)
        except IntegrityError:
            alive = Job.objects.filter(unique_key=unique_key, state__in=ALIVE)
            if unique_key is None:
                raise
            if found := alive.first():
                return found
        else:
            transaction.on_commit(partial(outbox.publish_soon, job))
            return job
    raise BadInputError(f"A job with the key {unique_key} begins and ends too fast to be joined: try again.")


def _check_limits(time_limit_s: int, priority: int) -> None:
    if not 1 <= time_limit_s <= settings.JOB_LONGEST_S:
        raise BadInputError(
            f"The time limit must lie from 1 s to {settings.JOB_LONGEST_S} s; it is {time_limit_s} s. "
            "Whoever runs this installation may raise GEOQUORUM_LONGEST_JOB_S."
        )
    if priority not in PRIORITIES:
        raise BadInputError(f"The priority must lie from {PRIORITIES[0]} to {PRIORITIES[-1]}; it is {priority}.")


def set_priority(job: Job, priority: int) -> None:
    """Higher goes first; only what still waits, or is paused, can be moved."""
    _check_limits(job.time_limit_s, priority)
    waiting = Job.objects.filter(id=job.id, state__in=[JobState.QUEUED, JobState.PAUSED])
    if not waiting.update(priority=priority):
        raise BadInputError("Only a job that waits can be moved in its queue; this one has started or is over.")
    job.priority = priority


def request_pause(job: Job) -> None:
    """A waiting job is paused now; a running one at its next check, and it gives its device back."""
    waiting = Job.objects.filter(id=job.id, state=JobState.QUEUED)
    if not waiting.update(state=JobState.PAUSED, reason="Paused on request.", published_at=None):
        Job.objects.filter(id=job.id, state=JobState.RUNNING).update(is_pause_requested=True)


def go_on(job: Job) -> bool:
    """A paused job waits again, as if it had been asked for now. False when it was not paused."""
    changed = Job.objects.filter(id=job.id, state=JobState.PAUSED).update(
        state=JobState.QUEUED, reason="", published_at=None, created_at=timezone.now()
    )
    if changed:
        transaction.on_commit(partial(outbox.publish_soon, job))
    return bool(changed)


def request_cancel(job: Job) -> None:
    """A job that waits or is paused ends now; a running one is told at its next check."""
    now = timezone.now()
    waiting = Job.objects.filter(id=job.id, state__in=[JobState.QUEUED, JobState.PAUSED])
    if not waiting.update(state=JobState.CANCELLED, reason="Cancelled on request.", finished_at=now):
        Job.objects.filter(id=job.id, state=JobState.RUNNING).update(is_cancel_requested=True)


def cancel_parts(parent: Job) -> int:
    """Ask every part of a job that is not over yet to stop. How many there were."""
    alive = list(parent.parts.filter(state__in=ALIVE))
    for part in alive:
        request_cancel(part)
    return len(alive)


def reap(now: datetime | None = None) -> dict[str, int]:
    """Bring back jobs whose worker died, end those that died too often or ran too long, publish what waits unseen."""
    now = now or timezone.now()
    stale = Job.objects.filter(state=JobState.RUNNING, lease_until__lt=now)
    counts = {"requeued": 0, "failed": 0, "cancelled": 0, "paused": 0}
    for job in stale:
        state = _bury(job, now)
        if state is not None:
            counts[state] += 1
            end_marked(JOB_MARK, str(job.id))
    return counts | {"published": outbox.publish_missing(now)}


def _bury(job: Job, now: datetime) -> str | None:
    """Decide about one job without a living worker; None when it came back to life meanwhile."""
    ended = {"fence": None, "lease_until": None, "finished_at": now}
    if job.is_cancel_requested:
        name, values = "cancelled", ended | {"state": JobState.CANCELLED, "reason": "Cancelled on request."}
    elif job.is_pause_requested:
        values = ended | {"state": JobState.PAUSED, "reason": "Paused on request.", "finished_at": None}
        name, values = "paused", values | {"is_pause_requested": False, "max_attempts": F("max_attempts") + 1}
    elif job.attempts >= job.max_attempts:
        reason = f"{WORKER_GONE}: {job.worker} fell silent in attempt {job.attempts} of {job.max_attempts}"
        name, values = "failed", ended | {"state": JobState.FAILED, "reason": reason}
    elif job.started_at and (now - job.started_at).total_seconds() > job.hard_limit_s:
        name, values = "failed", ended | {"state": JobState.FAILED, "reason": describe_timeout(job)}
    else:
        name, values = "requeued", ended | {"state": JobState.QUEUED, "finished_at": None, "published_at": None}
    is_still_silent = Q(fence=job.fence, state=JobState.RUNNING, lease_until__lt=now)
    changed = Job.objects.filter(is_still_silent, id=job.id).update(message="", **values)
    if changed:
        log.warning("%s %s: %s fell silent, %s", job.kind, job.id, job.worker, name)
    return name if changed else None


def answer_ping(job: Job, claim: Claim) -> dict[str, Any]:
    """The smallest job: proves that a worker takes jobs; with `seconds` it takes that long, in steps."""
    seconds = float(job.arguments.get("seconds", 0))
    started = time.monotonic()
    while (passed := time.monotonic() - started) < seconds:
        claim.progress(passed / seconds, f"{passed:.0f} of {seconds:.0f} s")
        time.sleep(min(STEP_S, seconds - passed))
    return {"worker": job.worker, "attempts": job.attempts}
