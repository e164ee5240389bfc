"""Claiming: one of many gets the job, and who lost it is refused (rows F5, F7)."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection, transaction
from django.utils import timezone

from geoquorum.queue import claims
from geoquorum.queue.models import Job, JobState

PING = "geoquorum.queue.jobs.ping"


def _make(**fields: object) -> Job:
    return Job.objects.create(kind=PING, **fields)


def test_a_claim_counts_the_attempt_and_holds_a_lease(db: None) -> None:
    job = claims.claim_job(_make().id, "host:1")
    assert job is not None
    assert (job.state, job.attempts, job.worker) == (JobState.RUNNING, 1, "host:1")
    assert job.lease_until is not None
    assert job.lease_until > timezone.now()


def test_a_job_that_runs_or_ended_or_does_not_exist_is_not_claimed(db: None) -> None:
    running, done = _make(state=JobState.RUNNING), _make(state=JobState.DONE)
    unwanted = _make(is_cancel_requested=True)
    assert [claims.claim_job(one, "w") for one in (running.id, done.id, unwanted.id, uuid.uuid4())] == [None] * 4


@pytest.mark.django_db(transaction=True)
def test_of_ten_who_claim_at_once_exactly_one_gets_the_job() -> None:
    for _ in range(5):
        job = _make()
        with ThreadPoolExecutor(10) as pool:
            got = list(pool.map(lambda number, job=job: _claim_and_close(job, number), range(10)))
        assert sum(one is not None for one in got) == 1
        job.refresh_from_db()
        assert job.attempts == 1


def _claim_and_close(job: Job, number: int) -> Job | None:
    try:
        return claims.claim_job(job.id, f"w{number}")
    finally:
        connection.close()


def test_a_stale_worker_writes_nothing(db: None) -> None:
    row = _make()
    stale = claims.claim_job(row.id, "stale")
    assert stale is not None
    Job.objects.filter(id=row.id).update(state=JobState.QUEUED)
    fresh = claims.claim_job(row.id, "fresh")
    assert fresh is not None
    for write in (
        lambda: claims.renew(stale, progress=0.5),
        lambda: claims.finish(stale, {"by": "stale"}),
        lambda: claims.fail(stale, "stale"),
        lambda: claims.cancel(stale),
    ):
        with pytest.raises(claims.LeaseLost):
            write()
    with transaction.atomic(), pytest.raises(claims.LeaseLost):
        claims.lock(stale)
    with transaction.atomic():
        claims.lock(fresh)
    claims.finish(fresh, {"by": "fresh"})
    row.refresh_from_db()
    assert (row.state, row.result, row.progress, row.attempts) == (JobState.DONE, {"by": "fresh"}, 1.0, 2)
    assert row.fence is None


def test_renewing_lengthens_the_lease_and_shows_progress(db: None) -> None:
    job = claims.claim_job(_make().id, "w")
    assert job is not None
    Job.objects.update(lease_until=timezone.now() + timedelta(seconds=1))
    claims.renew(job, progress=7.0, message="x" * 900)
    job.refresh_from_db()
    assert job.progress == 1.0
    assert len(job.message) == 500
    assert job.lease_until is not None
    assert job.lease_until > timezone.now() + timedelta(seconds=5)


def test_renewing_tells_of_a_wish_to_cancel(db: None) -> None:
    job = claims.claim_job(_make().id, "w")
    assert job is not None
    Job.objects.update(is_cancel_requested=True)
    with pytest.raises(claims.Cancelled):
        claims.renew(job)
    claims.cancel(job)
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED


def test_a_failure_to_be_retried_waits_again_until_no_attempt_is_left(db: None) -> None:
    row = _make(max_attempts=2, published_at=timezone.now())
    for expected in (JobState.QUEUED, JobState.FAILED):
        job = claims.claim_job(row.id, "w")
        assert job is not None
        claims.fail(job, "the disk was busy", retry=True)
        row.refresh_from_db()
        assert row.state == expected
    assert (row.attempts, row.reason) == (2, "the disk was busy")
