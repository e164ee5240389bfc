"""Whose turn it is: a message wakes a worker up for a queue, and the row whose turn it is gets the worker.

First the higher priority; then whoever has the fewest jobs running in that queue; then whoever was served longest ago;
then the older job. So one user's fifty jobs delay another's first by one job at most.
"""

import logging
import uuid
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, F, Window
from django.db.models.functions import RowNumber
from django.utils import timezone

from geoquorum.queue import claims, slots
from geoquorum.queue.devices import own_devices
from geoquorum.queue.models import Job, JobState

log = logging.getLogger(__name__)
SEEN_OF_EACH = 20  # of each user; ten workers that ask at once find ten jobs
PATIENCE = timedelta(minutes=10)
"""A job that needs several devices lets others pass for so long; then they are kept free for it."""
WAITS = "Waits for a free device."


@dataclass(frozen=True, kw_only=True)
class Waiting:
    """A job that may be next."""

    id: uuid.UUID
    user: int | None
    priority: int
    devices: int
    created_at: datetime


def claim_turn(job_id: uuid.UUID | str, worker: str, *, kinds: Iterable[str]) -> Job | None:
    """Claim the job whose turn it is in the queue of the named one; None when none waits or none can run here."""
    queue = Job.objects.filter(id=job_id).values_list("queue", flat=True).first()
    if queue is None:
        log.warning("job %s does not exist", job_id)
        return None
    waiting = list_in_turn(queue, kinds)
    passed: list[Waiting] = []
    for one in waiting:
        if one.devices and _must_rest(one, passed):
            passed.append(one)
            continue
        try:
            job = claims.claim_job(one.id, worker)
        except claims.NoDevice:
            passed.append(one)
            continue
        if job is not None:
            _put_off(passed)
            return job
    _put_off(passed)
    return None


def give_way(job: Job) -> None:
    """For a job that starts others one by one: raises GivenBack, between two of them, where another user's job waits.

    It waits its turn again, and goes on with what it has.
    """
    waiting = Job.objects.filter(queue=job.queue, state=JobState.QUEUED, is_cancel_requested=False)
    if waiting.exclude(created_by=job.created_by_id).exists():
        raise claims.GivenBack("Another user's job goes first.")


def list_in_turn(queue: str, kinds: Iterable[str]) -> list[Waiting]:
    """The next jobs of a queue, in the order in which they should start."""
    rank = Window(RowNumber(), partition_by="created_by", order_by=[F("priority").desc(), "created_at"])
    rows = (
        Job.objects.filter(queue=queue, state=JobState.QUEUED, is_cancel_requested=False, kind__in=list(kinds))
        .annotate(rank=rank)
        .filter(rank__lte=SEEN_OF_EACH)
        .values_list("id", "created_by", "priority", "devices", "created_at")
    )
    waiting = [
        Waiting(id=id, user=user, priority=priority, devices=devices, created_at=created_at)
        for id, user, priority, devices, created_at in rows
    ]
    return _take_turns(waiting, queue)


def _take_turns(waiting: Sequence[Waiting], queue: str) -> list[Waiting]:
    """Users in turn, as if each job that is taken were running already."""
    users = {one.user for one in waiting}
    if len(users) < 2:
        return sorted(waiting, key=lambda one: (-one.priority, one.created_at))
    running, served = _count_running(queue), {user: _find_last_start(queue, user) for user in users}
    long_ago = timezone.now() - timedelta(days=36500)
    ordered: list[Waiting] = []
    left = sorted(waiting, key=lambda one: one.created_at)
    while left:
        best = min(
            left,
            key=lambda one: (-one.priority, running.get(one.user, 0), served[one.user] or long_ago, one.created_at),
        )
        left.remove(best)
        ordered.append(best)
        running[best.user] = running.get(best.user, 0) + 1
    return ordered


def _count_running(queue: str) -> dict[int | None, int]:
    rows = Job.objects.filter(queue=queue, state=JobState.RUNNING).values_list("created_by").annotate(Count("pk"))
    return dict(rows)


def _find_last_start(queue: str, user: int | None) -> datetime | None:
    started = Job.objects.filter(queue=queue, created_by=user, started_at__isnull=False)
    return started.order_by("-started_at").values_list("started_at", flat=True).first()


def _must_rest(one: Waiting, passed: Sequence[Waiting]) -> bool:
    """Whether devices are kept free for a larger job that has waited long and could run here."""
    overdue = timezone.now() - PATIENCE
    return any(
        one.devices < other.devices <= len(own_devices()) and other.created_at < overdue and slots.count_free()
        for other in passed
    )


def _put_off(passed: Sequence[Waiting]) -> None:
    """Their messages were used up: they are published again when a device is free, or at the reaper's next look."""
    ids = [one.id for one in passed]
    if ids:
        Job.objects.filter(id__in=ids, state=JobState.QUEUED).update(published_at=None, message=WAITS)
