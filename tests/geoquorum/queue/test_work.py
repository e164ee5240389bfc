"""Running a claimed job: heartbeat, progress, cancel, limits, and how errors end it."""

import os
import subprocess
import sys
import threading
import time
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.utils import timezone

from fusion.errors import BadInputError
from geoquorum.queue import claims, services, work
from geoquorum.queue.models import Job, JobState
from geoquorum.queue.work import Claim, run_claimed

PING = "geoquorum.queue.jobs.ping"


def _make(**fields: Any) -> Job:
    return Job.objects.create(kind=PING, **fields)


def _run(job: Job, service: work.Service) -> Job:
    run_claimed(job.id, service)
    job.refresh_from_db()
    return job


def _raise(error: BaseException) -> work.Service:
    def service(job: Job, claim: Claim) -> dict[str, Any] | None:
        raise error

    return service


def test_a_service_gets_its_row_and_its_result_is_kept(db: None) -> None:
    job = _run(_make(arguments={"number": 20}), lambda job, claim: {"doubled": job.arguments["number"] * 2})
    assert (job.state, job.result, job.attempts) == (JobState.DONE, {"doubled": 40}, 1)
    assert job.worker == claims.worker_name()
    assert job.finished_at is not None


def test_a_job_that_someone_else_has_is_left_alone(db: None) -> None:
    job = _make(state=JobState.RUNNING)
    run_claimed(job.id, _raise(AssertionError("must not run")))
    run_claimed(uuid.uuid4(), _raise(AssertionError("must not run")))
    job.refresh_from_db()
    assert (job.state, job.attempts) == (JobState.RUNNING, 0)


@pytest.mark.parametrize(
    ("error", "state", "reason"),
    [
        (BadInputError("city.tif has no CRS."), JobState.FAILED, "city.tif has no CRS."),
        (KeyError("region"), JobState.FAILED, "KeyError: 'region'"),
        (services.Retry("The child was killed."), JobState.QUEUED, "The child was killed."),
        (OperationalError("server closed"), JobState.QUEUED, "The database was away: server closed"),
        (services.TimeLimit("Too long."), JobState.FAILED, "Too long."),
        (services.GivenBack("The worker was stopped."), JobState.QUEUED, "The worker was stopped."),
        (services.Paused("now"), JobState.PAUSED, "Paused on request."),
        (services.Cancelled("now"), JobState.CANCELLED, "Cancelled on request."),
    ],
)
def test_each_error_ends_the_job_in_its_own_way(db: None, error: Exception, state: str, reason: str) -> None:
    job = _run(_make(), _raise(error))
    assert (job.state, job.reason) == (state, reason)
    assert job.fence is None


def test_a_lost_lease_writes_nothing_more(db: None) -> None:
    def lose(job: Job, claim: Claim) -> None:
        Job.objects.filter(id=job.id).update(fence=uuid.uuid4(), worker="another")
        claim.progress(0.5)

    job = _run(_make(), lose)
    assert (job.state, job.worker, job.result) == (JobState.RUNNING, "another", None)


def test_an_effect_is_refused_once_the_lease_is_lost(db: None) -> None:
    def write(job: Job, claim: Claim) -> None:
        claim.lock()
        Job.objects.filter(id=job.id).update(fence=uuid.uuid4())
        claim.lock()
        raise AssertionError("the second lock must refuse")

    assert _run(_make(), write).state == JobState.RUNNING


def test_progress_and_a_wish_to_cancel_meet_at_the_next_progress(db: None) -> None:
    def work_on(job: Job, claim: Claim) -> None:
        claim.progress(0.4, "four of ten")
        job.refresh_from_db()
        assert (job.progress, job.message) == (0.4, "four of ten")
        services.request_cancel(job)
        claim.progress(0.5)
        raise AssertionError("cancelled before this")

    assert _run(_make(), work_on).state == JobState.CANCELLED


def test_a_job_beyond_its_time_limit_is_stopped_at_the_next_check(db: None) -> None:
    def dawdle(job: Job, claim: Claim) -> None:
        claim.check()
        time.sleep(1.1)
        claim.check()

    job = _run(_make(time_limit_s=1), dawdle)
    assert (job.state, job.reason) == (JobState.FAILED, "Timeout: took longer than its limit of 1 s.")


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_the_heartbeat_holds_a_short_lease_shows_progress_and_hears_the_cancel(settings: Any) -> None:
    settings.JOB_LEASE_S = 2
    job, seen = _make(), []

    def busy(job: Job, claim: Claim) -> None:
        claim.progress(0.25, "a quarter")
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline:
            time.sleep(0.05)
            claim.check()
        raise AssertionError("never cancelled")

    def look() -> None:
        time.sleep(3)
        counts = services.reap(timezone.now())
        seen.append((counts["requeued"], *Job.objects.values_list("progress", "message").get()))
        services.request_cancel(job)
        connection.close()

    looker = threading.Thread(target=look)
    looker.start()
    started = time.monotonic()
    assert _run(job, busy).state == JobState.CANCELLED
    looker.join()
    assert seen == [(0, 0.25, "a quarter")]
    assert time.monotonic() - started < 3 + 2 + 1


@pytest.mark.django_db(transaction=True)
def test_a_claim_taken_away_while_working_is_noticed_and_the_new_owner_stays(settings: Any) -> None:
    settings.JOB_LEASE_S = 2
    job = _make()
    fresh: list[Job | None] = []

    def lose(job: Job, claim: Claim) -> None:
        Job.objects.filter(id=job.id).update(lease_until=timezone.now() - timedelta(seconds=1), fence=uuid.uuid4())
        services.reap(timezone.now())
        fresh.append(claims.claim_job(job.id, "another"))
        deadline = time.monotonic() + 10
        while time.monotonic() < deadline:
            time.sleep(0.05)
            claim.check()
        raise AssertionError("never noticed")

    _run(job, lose)
    assert (job.state, job.worker, job.attempts) == (JobState.RUNNING, "another", 2)
    assert fresh[0] is not None
    claims.finish(fresh[0], None)


def test_a_process_left_by_an_earlier_attempt_is_ended_before_the_next(db: None) -> None:
    job = _make()
    left = subprocess.Popen(
        [sys.executable, "-c", "import time; time.sleep(60)"], env=os.environ | {work.JOB_MARK: str(job.id)}
    )
    found: list[str | None] = []

    def look(job: Job, claim: Claim) -> None:
        found.append(os.environ.get(work.JOB_MARK))
        left.wait(timeout=5)

    assert _run(job, look).state == JobState.DONE
    assert left.returncode == -9
    assert found == [str(job.id)]
    assert work.JOB_MARK not in os.environ


def test_ping_tells_who_answered(db: None) -> None:
    job = _run(_make(arguments={"seconds": 0.3}), services.answer_ping)
    assert job.result == {"worker": claims.worker_name(), "attempts": 1}
