"""Enqueue, outbox, cancel and reaper (rows F1, F2, F4, F5)."""

import time
from datetime import timedelta
from typing import Any

import kombu.exceptions
import pytest
from celery import Celery
from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

import geoquorum.celery
from fusion.errors import BadInputError
from geoquorum.embedded import ports
from geoquorum.queue import claims, outbox, services
from geoquorum.queue.models import Job, JobState
from tests import given

PING = "geoquorum.queue.jobs.ping"


def _enqueue_and_fail() -> None:
    services.enqueue(PING)
    raise ZeroDivisionError


class Broker:
    """Stands in for the broker: remembers what was sent, or is away."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, list[str], dict[str, Any]]] = []
        self.is_away = False
        self.waiting: dict[str, int] = {}

    def send(self, kind: str, args: list[str], **options: Any) -> None:
        if self.is_away:
            raise kombu.exceptions.OperationalError("Connection refused")
        self.sent.append((kind, args, options))

    @property
    def ids(self) -> list[str]:
        return [args[0] for _, args, _ in self.sent]


@pytest.fixture
def broker(monkeypatch: pytest.MonkeyPatch) -> Broker:
    made = Broker()
    monkeypatch.setattr(outbox, "_refused_at", -outbox.RESTS_S)
    monkeypatch.setattr(geoquorum.celery.app, "send_task", made.send)
    monkeypatch.setattr(outbox, "_count_messages", lambda queue: made.waiting.get(queue, 0))
    return made


@pytest.mark.django_db(transaction=True)
def test_a_job_is_published_after_the_commit_and_never_after_a_rollback(broker: Broker) -> None:
    with transaction.atomic():
        job = services.enqueue(PING, arguments={"seconds": 0}, queue="training", time_limit_s=100)
        assert broker.sent == []
    assert broker.ids == [str(job.id)]
    kind, _, options = broker.sent[0]
    assert (kind, options["queue"]) == (PING, "training")
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        _enqueue_and_fail()
    assert (len(broker.sent), Job.objects.count()) == (1, 1)
    job.refresh_from_db()
    assert job.published_at is not None


@pytest.mark.django_db(transaction=True)
def test_a_message_holds_the_id_and_nothing_else(broker: Broker) -> None:
    project = given.project()
    user = given.user("ann")
    services.enqueue(PING, project=project, arguments={"seconds": 0}, by=user)
    _, args, options = broker.sent[0]
    assert len(args) == 1
    assert set(options) == {"queue", "retry", "ignore_result"}


@pytest.mark.django_db(transaction=True)
def test_twenty_jobs_written_while_the_broker_is_away_are_published_once_it_is_back(broker: Broker) -> None:
    broker.is_away = True
    jobs = [services.enqueue(PING) for _ in range(20)]
    assert services.reap(timezone.now() + timedelta(seconds=5))["published"] == 0
    broker.is_away = False
    assert services.reap(timezone.now() + timedelta(seconds=5))["published"] == 20
    assert sorted(broker.ids) == sorted(str(job.id) for job in jobs)
    assert services.reap(timezone.now() + timedelta(seconds=5))["published"] == 0


@pytest.mark.django_db(transaction=True)
def test_after_a_refusal_requests_do_not_ask_the_broker_again_at_once(broker: Broker) -> None:
    broker.is_away = True
    services.enqueue(PING)
    broker.is_away = False
    services.enqueue(PING)
    assert broker.sent == []
    assert services.reap(timezone.now() + timedelta(seconds=5))["published"] == 2


@pytest.mark.django_db(transaction=True)
def test_a_broker_that_refuses_connections_costs_the_caller_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "_refused_at", -outbox.RESTS_S)
    away = Celery("away")
    away.config_from_object("django.conf:settings", namespace="CELERY")
    away.conf.broker_url = f"redis://127.0.0.1:{ports.find_free()}/0"
    monkeypatch.setattr(geoquorum.celery, "app", away)
    started = time.monotonic()
    job = services.enqueue(PING)
    assert time.monotonic() - started < 3
    job.refresh_from_db()
    assert (job.state, job.published_at) == (JobState.QUEUED, None)


def test_a_lost_message_is_sent_again_when_no_message_waits(db: None, broker: Broker) -> None:
    now = timezone.now()
    lost = Job.objects.create(kind=PING, published_at=now - timedelta(seconds=30))
    behind = Job.objects.create(kind=PING, queue="training", published_at=now - timedelta(seconds=30))
    doubted = Job.objects.create(kind=PING, queue="training", published_at=now - timedelta(minutes=11))
    Job.objects.create(kind=PING, published_at=now - timedelta(seconds=5))
    broker.waiting = {"training": 3}
    assert services.reap(now)["published"] == 2
    assert set(broker.ids) == {str(lost.id), str(doubted.id)}
    assert str(behind.id) not in broker.ids


def test_the_higher_priority_is_published_first(db: None, broker: Broker) -> None:
    then = timezone.now() + timedelta(seconds=5)
    low, high = Job.objects.create(kind=PING), Job.objects.create(kind=PING, priority=5)
    services.reap(then)
    assert broker.ids == [str(high.id), str(low.id)]


def test_a_key_that_waits_or_runs_is_joined_and_one_that_ended_is_not(db: None, broker: Broker) -> None:
    first = services.enqueue(PING, unique_key="refit 1")
    assert services.enqueue(PING, unique_key="refit 1") == first
    assert services.enqueue(PING, unique_key="refit 2") != first
    Job.objects.filter(id=first.id).update(state=JobState.DONE)
    assert services.enqueue(PING, unique_key="refit 1") != first


@pytest.mark.parametrize(
    ("wished", "said"),
    [
        ({"time_limit_s": 0}, "time limit"),
        ({"time_limit_s": 10**8}, "GEOQUORUM_LONGEST_JOB_S"),
        ({"priority": 11}, "10"),
    ],
)
def test_what_no_job_may_have_is_refused(db: None, broker: Broker, wished: dict[str, int], said: str) -> None:
    """Row F6: no job is longer than what the broker's visibility timeout was checked against."""
    with pytest.raises(BadInputError, match=said):
        services.enqueue(PING, **wished)
    assert not Job.objects.exists()


def test_without_a_key_an_error_of_the_database_is_not_hidden(db: None, broker: Broker) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        Job.objects.create(kind=PING, progress=2.0)


def test_a_waiting_job_is_cancelled_at_once_and_a_running_one_is_told(db: None) -> None:
    waiting, running = Job.objects.create(kind=PING), Job.objects.create(kind=PING, state=JobState.RUNNING)
    done = Job.objects.create(kind=PING, state=JobState.DONE)
    for job in (waiting, running, done):
        services.request_cancel(job)
        job.refresh_from_db()
    assert (waiting.state, waiting.is_over) == (JobState.CANCELLED, True)
    assert (running.state, running.is_cancel_requested) == (JobState.RUNNING, True)
    assert (done.state, done.is_cancel_requested) == (JobState.DONE, False)
    assert claims.claim_job(waiting.id, "w") is None


def test_a_silent_worker_costs_an_attempt_and_the_third_silence_ends_the_job(db: None, broker: Broker) -> None:
    row = Job.objects.create(kind=PING)
    silence = timedelta(seconds=settings.JOB_LEASE_S + 1)
    for attempt in (1, 2, 3):
        job = claims.claim_job(row.id, "host:7")
        assert job is not None
        assert job.attempts == attempt
        assert services.reap(timezone.now())["requeued"] == 0
        counts = services.reap(timezone.now() + silence)
        assert (counts["requeued"], counts["failed"]) == ((1, 0) if attempt < 3 else (0, 1))
    row.refresh_from_db()
    assert (row.state, row.attempts) == (JobState.FAILED, 3)
    assert row.reason == "worker gone: host:7 fell silent in attempt 3 of 3"
    assert claims.claim_job(row.id, "w") is None
    assert broker.ids.count(str(row.id)) == 2


def test_a_silent_job_that_was_to_rest_is_paused_and_has_lost_no_attempt(db: None, broker: Broker) -> None:
    row = Job.objects.create(kind=PING)
    claims.claim_job(row.id, "w")
    services.request_pause(row)
    assert services.reap(timezone.now() + timedelta(hours=1))["paused"] == 1
    row.refresh_from_db()
    assert (row.state, row.attempts, row.max_attempts) == (JobState.PAUSED, 1, 4)
    assert not row.is_pause_requested


def test_a_silent_job_that_was_to_be_cancelled_is_cancelled(db: None, broker: Broker) -> None:
    row = Job.objects.create(kind=PING)
    claims.claim_job(row.id, "w")
    services.request_cancel(row)
    assert services.reap(timezone.now() + timedelta(hours=1))["cancelled"] == 1
    row.refresh_from_db()
    assert row.state == JobState.CANCELLED


def test_a_silent_job_beyond_its_time_limit_is_not_tried_again(db: None, broker: Broker) -> None:
    row = Job.objects.create(kind=PING, time_limit_s=60)
    claims.claim_job(row.id, "w")
    assert services.reap(timezone.now() + timedelta(seconds=80))["failed"] == 1
    row.refresh_from_db()
    assert (row.state, row.reason) == (JobState.FAILED, "Timeout: took longer than its limit of 60 s.")


def test_the_reaper_leaves_a_job_alone_that_came_back_to_life(db: None) -> None:
    row = Job.objects.create(kind=PING)
    job = claims.claim_job(row.id, "w")
    assert job is not None
    claims.finish(job, None)
    job.state = JobState.RUNNING
    assert services._bury(job, timezone.now() + timedelta(hours=1)) is None
    row.refresh_from_db()
    assert row.state == JobState.DONE
