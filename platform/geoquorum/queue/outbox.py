"""Publishing: the row is written first; a message only wakes a worker up, and may be lost or doubled."""

import logging
import time
from collections.abc import Iterable
from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import F, Q
from django.db.models.functions import Now
from kombu.exceptions import KombuError, OperationalError

from geoquorum.queue.models import Job, JobState

log = logging.getLogger(__name__)
# A row younger than this is about to be published by whoever wrote it.
OWN_CHANCE = timedelta(seconds=2)
# No message waits in the broker, and still nobody took the job: its message is lost.
LOST_AFTER = timedelta(seconds=settings.JOB_LOST_AFTER_S)
# Even behind a long queue a message may have been lost; a double does no harm.
DOUBTED_AFTER = timedelta(minutes=10)
# A broker that hangs costs a request its whole socket timeout; twenty requests should not pay it twenty times.
RESTS_S = 5.0
_refused_at = -RESTS_S


def publish_soon(job: Job) -> bool:
    """For requests: within RESTS_S of a refusal the broker is not asked again, the reaper publishes instead."""
    global _refused_at
    if time.monotonic() - _refused_at < RESTS_S:
        return False
    if publish(job):
        return True
    _refused_at = time.monotonic()
    return False


def publish(job: Job) -> bool:
    """Send the wake-up. False while the broker is away: the reaper tries again."""
    from geoquorum.celery import app  # its settings are this project's

    try:
        app.send_task(
            job.kind,
            [str(job.id)],
            queue=job.queue,
            retry=False,
            ignore_result=True,
        )
    except (KombuError, OperationalError, OSError) as error:
        log.warning("the broker is away, %s %s waits: %s", job.kind, job.id, error)
        return False
    Job.objects.filter(id=job.id, state=JobState.QUEUED).update(published_at=Now())
    return True


def publish_missing(now: datetime) -> int:
    """Publish what nobody published, and again what seems lost. How many were sent; stops at the first refusal."""
    unpublished = Q(published_at=None, created_at__lt=now - OWN_CHANCE)
    doubted = Q(published_at__lt=now - DOUBTED_AFTER)
    lost = Q(queue__in=_empty_queues(now), published_at__lt=now - LOST_AFTER)
    waiting = Job.objects.filter(unpublished | doubted | lost, state=JobState.QUEUED)
    return _publish_all(waiting.order_by("-priority", F("published_at").asc(nulls_first=True), "created_at")[:500])


def publish_waiting(queue: str, count: int) -> int:
    """Wake up workers for devices that became free: jobs of the queue that were put off. How many were sent."""
    waiting = Job.objects.filter(queue=queue, state=JobState.QUEUED, published_at=None, devices__gt=0)
    return _publish_all(waiting.order_by("-priority", "created_at")[:count])


def _publish_all(jobs: Iterable[Job]) -> int:
    sent = 0
    for job in jobs:
        if not publish(job):
            break
        sent += 1
    return sent


def _empty_queues(now: datetime) -> list[str]:
    """Of the queues with rows that wait long, those in which no message waits."""
    waiting = Job.objects.filter(state=JobState.QUEUED, published_at__lt=now - LOST_AFTER)
    names = list(waiting.order_by("queue").values_list("queue", flat=True).distinct())
    return [name for name in names if _count_messages(name) == 0]


def _count_messages(queue: str) -> int | None:
    """Messages that wait in the broker; None when it does not answer."""
    from geoquorum.celery import app

    try:
        with app.connection_for_write() as connection:
            return connection.default_channel.queue_declare(queue=queue, passive=True).message_count
    except (KombuError, OperationalError, OSError):
        return None
    except connection.channel_errors:
        return 0
