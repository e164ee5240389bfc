"""Whose turn it is in a queue: priority, then users by turns, then the older job (rows F7, F13)."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from geoquorum.queue import claims, outbox, services, slots, turns
from geoquorum.queue.models import Job, JobState
from tests import given

PING = "geoquorum.queue.jobs.ping"
Take = Callable[[], Job | None]


@pytest.fixture(autouse=True)
def unsent(monkeypatch: pytest.MonkeyPatch) -> None:
    """No broker: rows alone decide."""
    monkeypatch.setattr(outbox, "publish", lambda job: True)


def _ask(user: Any, count: int = 1, **fields: Any) -> list[Job]:
    return [Job.objects.create(kind=PING, queue="training", created_by=user, **fields) for _ in range(count)]


def _take(named: Job) -> Job | None:
    return turns.claim_turn(named.id, "w", kinds=[PING])


def test_one_users_fifty_jobs_delay_anothers_first_by_none_that_has_not_begun(db: None) -> None:
    """Row F13: with one device, others start at most one job later, the one that runs already."""
    ann, ben = given.user("ann"), given.user("ben")
    flood = _ask(ann, 50)
    running = _take(flood[0])
    (late,) = _ask(ben)
    assert running is not None
    claims.finish(running, None)
    following = _take(flood[1])
    assert following is not None
    assert following.id == late.id


def test_users_take_turns_whoever_asked_first(db: None) -> None:
    ann, ben, cleo = (given.user(name) for name in ("ann", "ben", "cleo"))
    named = _ask(ann, 6) + _ask(ben, 2) + _ask(cleo, 1)
    order = []
    for _ in named:
        job = _take(named[0])
        assert job is not None
        order.append(job.created_by.username)
        claims.finish(job, None)
    assert order == ["ann", "ben", "cleo", "ann", "ben", "ann", "ann", "ann", "ann"]


def test_on_three_devices_the_user_with_fewer_running_jobs_comes_first(db: None) -> None:
    ann, ben = given.user("ann"), given.user("ben")
    named = _ask(ann, 4) + _ask(ben, 4)
    order = [job.created_by.username for job in (_take(named[0]) for _ in range(4)) if job]
    assert order == ["ann", "ben", "ann", "ben"]


def test_the_higher_priority_goes_first_and_may_be_changed_while_it_waits(db: None) -> None:
    ann = given.user("ann")
    first, second, third = _ask(ann, 3)
    services.set_priority(third, 5)
    services.set_priority(first, -5)
    assert [job.id for job in turns.list_in_turn("training", [PING])] == [third.id, second.id, first.id]
    assert (_take(first) or first).id == third.id
    with pytest.raises(services.BadInputError, match="has started"):
        services.set_priority(third, 0)


def test_jobs_that_this_worker_does_not_know_or_that_are_of_another_queue_are_left(db: None) -> None:
    (known,) = _ask(None)
    Job.objects.create(kind="elsewhere", queue="training", priority=5)
    Job.objects.create(kind=PING, queue="data", priority=5)
    Job.objects.create(kind=PING, queue="training", priority=5, state=JobState.PAUSED)
    taken = _take(known)
    assert taken is not None
    assert taken.id == known.id
    assert _take(known) is None


def test_a_message_for_a_row_that_is_gone_takes_nothing(db: None, caplog: pytest.LogCaptureFixture) -> None:
    (job,) = _ask(None)
    Job.objects.filter(id=job.id).delete()
    assert _take(job) is None
    assert "does not exist" in caplog.text


@pytest.mark.django_db(transaction=True)
def test_ten_workers_that_ask_at_once_get_ten_jobs() -> None:
    """Row F7: no job is given twice, and none is left lying."""
    jobs = _ask(None, 10)

    def take(job: Job) -> Job | None:
        try:
            return _take(jobs[0])
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        taken = [job.id for job in pool.map(take, jobs) if job]
    assert sorted(taken) == sorted(job.id for job in jobs)


@pytest.mark.django_db(transaction=True)
def test_one_job_whose_message_comes_ten_times_at_once_runs_once() -> None:
    """Row F7."""
    (job,) = _ask(None)

    def take(_: int) -> Job | None:
        try:
            return _take(job)
        finally:
            connection.close()

    with ThreadPoolExecutor(10) as pool:
        taken = [one for one in pool.map(take, range(10)) if one]
    assert len(taken) == 1
    job.refresh_from_db()
    assert job.attempts == 1


def test_what_finds_no_device_is_published_again_and_says_so(db: None) -> None:
    first, second = _ask(None, 2, devices=1, published_at=timezone.now())
    running = _take(first)
    assert running is not None
    assert _take(second) is None
    second.refresh_from_db()
    assert (second.state, second.published_at, second.message) == (JobState.QUEUED, None, turns.WAITS)
    claims.finish(running, None)
    assert outbox.publish_waiting("training", 1) == 1
    assert (_take(second) or first).id == second.id


def test_a_large_job_lets_others_pass_until_it_has_waited_long(db: None, monkeypatch: pytest.MonkeyPatch) -> None:
    own = ("cuda:0", "cuda:1")
    for module in (slots, turns):
        monkeypatch.setattr(module, "own_devices", lambda: own)
    (busy,) = _ask(None, devices=1)
    assert _take(busy) is not None
    (large,) = _ask(None, devices=2, priority=1)
    small, other = _ask(None, 2, devices=1)
    passing = _take(large)
    assert passing is not None
    assert passing.id == small.id
    claims.finish(passing, None)
    Job.objects.filter(id=large.id).update(created_at=timezone.now() - turns.PATIENCE - timedelta(seconds=1))
    assert _take(other) is None, "the free device is kept for the large job"


def test_a_job_that_starts_others_gives_way_to_another_user_alone(db: None) -> None:
    ann, ben = given.user("ann"), given.user("ben")
    search, _trial = _ask(ann, 2)
    turns.give_way(search)
    _ask(ben)
    with pytest.raises(services.GivenBack):
        turns.give_way(search)
