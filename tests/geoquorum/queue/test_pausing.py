"""Rest, and going on: no attempt is lost, and a worker that is stopped gives its job back (row F9)."""

from collections.abc import Iterator
from typing import Any

import pytest

from geoquorum.queue import claims, outbox, services, shutdown
from geoquorum.queue.models import Job, JobState
from geoquorum.queue.work import Claim, run_claimed

PING = "geoquorum.queue.jobs.ping"


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What would have been published."""
    ids: list[str] = []
    monkeypatch.setattr(outbox, "publish_soon", lambda job: ids.append(str(job.id)))
    return ids


@pytest.fixture
def stopping() -> Iterator[None]:
    """This worker was asked to end."""
    shutdown.ask()
    yield
    shutdown.forget()


def test_a_waiting_job_rests_at_once_and_is_not_claimed(db: None) -> None:
    job = Job.objects.create(kind=PING)
    services.request_pause(job)
    job.refresh_from_db()
    assert (job.state, job.is_over) == (JobState.PAUSED, False)
    assert claims.claim_job(job.id, "w") is None


def test_a_running_job_rests_at_its_next_check_and_may_go_on_as_often_as_before(
    db: None, django_capture_on_commit_callbacks: Any, sent: list[str]
) -> None:
    def pause(job: Job, claim: Claim) -> None:
        services.request_pause(job)
        claim.progress(0.5)
        raise AssertionError("paused before this")

    job = Job.objects.create(kind=PING, max_attempts=1)
    for attempt in (1, 2, 3):
        run_claimed(job.id, pause)
        job.refresh_from_db()
        assert (job.state, job.attempts, job.fence) == (JobState.PAUSED, attempt, None)
        with django_capture_on_commit_callbacks(execute=True):
            assert services.go_on(job)
    assert len(sent) == 3
    assert not services.go_on(job), "it waits already"
    run_claimed(job.id, lambda job, claim: None)
    job.refresh_from_db()
    assert (job.state, job.attempts) == (JobState.DONE, 4)


def test_a_resting_job_is_cancelled_at_once_and_its_key_stays_taken_until_then(db: None) -> None:
    job = services.enqueue(PING, unique_key="one")
    services.request_pause(job)
    assert services.enqueue(PING, unique_key="one").id == job.id
    services.request_cancel(job)
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED
    assert services.enqueue(PING, unique_key="one").id != job.id


def test_a_worker_that_is_stopped_gives_its_job_back_for_nothing(db: None, stopping: None) -> None:
    """Row F9: a deploy costs no attempt."""

    def work_on(job: Job, claim: Claim) -> None:
        claim.check()
        raise AssertionError("given back before this")

    job = Job.objects.create(kind=PING, max_attempts=1)
    run_claimed(job.id, work_on)
    job.refresh_from_db()
    assert (job.state, job.attempts, job.max_attempts, job.published_at) == (JobState.QUEUED, 1, 2, None)
