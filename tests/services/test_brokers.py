"""Jobs on Valkey, Redis and RabbitMQ: nothing is lost, doubled or left running, whatever is killed.

Rows F1-F10, F13 and F14 of the reliability list, each at its figure.
Workers and housekeeping are real processes; this one is the web server. Every row is a test for each broker.
"""

import shutil
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psutil
import pytest
from celery import Celery
from django.core.management import call_command
from django.db import connection, transaction
from django.test import Client
from django.test.utils import setup_databases, teardown_databases

import geoquorum.celery
from geoquorum.queue import outbox
from geoquorum.queue.models import DeviceSlot, Job, JobState
from geoquorum.releases.models import BuildState, DatasetVersion, Export
from tests import given
from tests.services.brokers import BROKERS, Broker
from tests.services.working import Site, Worker, wait_for, wait_over, wait_running

pytestmark = pytest.mark.services
POLITE = "trap 'echo kept > checkpoint; exit 3' TERM; echo $$ > pid; while :; do sleep 0.05; done"
DEAF = (
    "trap '' TERM; echo kept > checkpoint; (trap '' TERM; while :; do sleep 0.1; done) & echo $! > grandchild; "
    "echo $$ > pid; while :; do sleep 0.1; done"
)
SHORT = {"GEOQUORUM_LONGEST_JOB_S": "2", "GEOQUORUM_VISIBILITY_TIMEOUT_S": "5", "TRIALS_SWEEP_S": "1"}


@pytest.fixture(scope="module")
def rows(django_db_modify_db_settings: None, django_db_blocker: Any) -> Iterator[None]:
    """The test database with rows that other processes see; all of them are gone afterwards."""
    with django_db_blocker.unblock():
        is_there = connection.settings_dict["NAME"].startswith("test_")  # made for other tests of this run
        made = [] if is_there else setup_databases(verbosity=0, interactive=False, aliases={"default"})
        yield
        call_command("flush", verbosity=0, interactive=False)
        connection.close()
        teardown_databases(made, verbosity=0)


@pytest.fixture(scope="module")
def versions(rows: None) -> list[DatasetVersion]:
    """Twenty ready versions of one pack."""
    first = given.version(given.project())
    made = [first]
    for number in range(2, 21):
        copy = DatasetVersion.objects.get(pk=first.pk)
        copy.pk, copy.number, copy.job = None, number, None
        copy.save()
        made.append(copy)
    return made


@pytest.fixture(scope="module", params=BROKERS)
def broker(request: pytest.FixtureRequest) -> Iterator[Broker]:
    folder = Path(tempfile.mkdtemp(prefix="geoquorum-broker-"))
    made = BROKERS[request.param](folder)
    made.start()
    yield made
    made.stop()
    shutil.rmtree(folder)


@pytest.fixture(scope="module")
def site(broker: Broker, rows: None) -> Iterator[Site]:
    """Housekeeping, and this process publishing to the same broker."""
    folder = Path(tempfile.mkdtemp(prefix="geoquorum-site-"))
    made, before = Site(broker, folder), geoquorum.celery.app
    own = Celery("web")
    own.config_from_object("django.conf:settings", namespace="CELERY")
    own.conf.broker_url = broker.url
    if broker.url.startswith("amqp"):
        own.conf.broker_transport_options = {"confirm_publish": True, "max_retries": 1}
    geoquorum.celery.app = own
    made.keep_house()
    try:
        yield made
    finally:
        geoquorum.celery.app = before
        made.end()
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def workers(site: Site) -> dict[str, Worker]:
    """One of four processes for data, one of one process for what is killed, two whose messages come back too soon."""
    made = {
        "data": site.work("data", 4),
        "training": site.work("training"),
        "short": site.work("short", env=SHORT),
        "also short": site.work("short", env=SHORT),
    }
    for worker in made.values():
        worker.wait_ready()
    return made


@pytest.fixture(scope="module", autouse=True)
def long_job(site: Site, workers: dict[str, Worker]) -> Job:
    """Twenty seconds of work behind a visibility timeout of five, under way while other tests run."""
    return site.ask(queue="short", seconds=20)


@pytest.fixture(autouse=True)
def asked_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """No refusal of an earlier test keeps this process from asking the broker."""
    monkeypatch.setattr(outbox, "_refused_at", -outbox.RESTS_S)


def test_of_500_jobs_written_slowly_or_rolled_back_none_is_missed_and_none_is_a_ghost(
    site: Site, workers: dict[str, Worker]
) -> None:
    """Row F1: 500 enqueues with slow commits and rollbacks: 0 "does not exist", 0 ghost jobs."""

    def write(number: int) -> Job | None:
        try:
            with transaction.atomic():
                job = site.ask(number=number)
                time.sleep(number % 7 * 0.004)
                if number % 5 == 0:
                    raise ZeroDivisionError
            return job
        except ZeroDivisionError:
            return None
        finally:
            connection.close()

    before = Job.objects.filter(queue="data").count()
    with ThreadPoolExecutor(8) as pool:
        jobs = [job for job in pool.map(write, range(500)) if job]
    assert len(jobs) == 400
    wait_over(jobs, 60)
    assert {job.state for job in jobs} == {JobState.DONE}
    assert site.marks(jobs) == [1] * 400
    assert workers["data"].says("does not exist") == 0
    assert workers["data"].says("trials.mark[") >= 400, "the messages really came this way"
    assert Job.objects.filter(queue="data").count() == before + 400


def test_one_job_delivered_ten_times_at_once_runs_once(site: Site, workers: dict[str, Worker]) -> None:
    """Row F7: 10 deliveries: 1 run."""
    job = Job.objects.create(
        kind="tests.services.trials.mark", arguments={"file": str(site.folder / "marks"), "seconds": 1}
    )
    before = workers["data"].says(" received")
    with ThreadPoolExecutor(10) as pool:
        list(pool.map(lambda _: geoquorum.celery.app.send_task(job.kind, [str(job.pk)], queue="data"), range(10)))
    wait_over([job], 20)
    wait_for(lambda: workers["data"].says(" received") - before >= 10, 20, "ten deliveries")
    assert (job.state, job.attempts, site.marks([job])) == (JobState.DONE, 1, [1])


def test_one_users_flood_delays_another_by_one_job_at_most(site: Site, workers: dict[str, Worker]) -> None:
    """Row F13: 16 jobs of one user wait; another's starts at most one job later."""
    ann, ben = given.user(), given.user()
    flood = [site.ask(queue="training", by=ann, seconds=0.15) for _ in range(16)]
    wait_running(flood[0])
    late = site.ask(queue="training", by=ben, seconds=0.1)
    wait_over([*flood, late], 40)
    assert late.started_at is not None
    before = [job for job in flood if job.started_at and job.started_at < late.started_at]
    begun = [job for job in before if job.started_at < late.created_at]
    assert len(before) - len(begun) <= 1


def test_after_each_kind_of_failure_the_next_job_runs_in_the_same_process(
    site: Site, workers: dict[str, Worker]
) -> None:
    """Row F14: FAILED with its cause, and the worker goes on."""
    bad = [site.ask("fail", queue="training", how=how) for how in ("memory", "nan", "device")]
    good = site.ask(queue="training")
    wait_over([*bad, good], 20)
    assert [job.state for job in bad] == [JobState.FAILED] * 3
    assert all("told so" in job.reason for job in bad)
    assert good.state == JobState.DONE
    assert {job.worker for job in (*bad, good)} == {good.worker}


def test_a_job_that_ignores_its_limit_is_killed_with_its_children(site: Site, workers: dict[str, Worker]) -> None:
    """Row F8: limits 2 s / 4 s: ends with the reason Timeout, checkpoint kept, no children, within hard limit + 5 s."""
    folder = site.folder / "deaf"
    folder.mkdir()
    job = site.ask("train", queue="training", time_limit_s=2, folder=str(folder), script=DEAF, is_deaf=True)
    wait_running(job)
    started = time.monotonic()
    wait_over([job], 4 + 5)
    assert time.monotonic() - started <= 4 + 5
    assert (job.state, job.attempts) == (JobState.FAILED, 1)
    assert job.reason.startswith("Timeout: took longer than its limit of 2 s.")
    assert (folder / "checkpoint").read_text() == "kept\n"
    pids = [int((folder / name).read_text()) for name in ("pid", "grandchild")]
    wait_for(lambda: not any(psutil.pid_exists(pid) for pid in pids), 2, "no children")
    following = site.ask(queue="training")
    wait_over([following], 20)
    assert following.state == JobState.DONE


def test_a_job_that_listens_stops_at_its_limit_and_keeps_a_checkpoint(site: Site, workers: dict[str, Worker]) -> None:
    """Row F8, the polite way."""
    folder = site.folder / "polite"
    folder.mkdir()
    job = site.ask("train", queue="training", time_limit_s=1, folder=str(folder), script=POLITE)
    wait_over([job], 20)
    assert (job.state, job.reason) == (JobState.FAILED, "Timeout: took longer than its limit of 1 s.")
    assert (folder / "checkpoint").read_text() == "kept\n"


def test_a_job_that_kills_its_worker_ends_after_three_attempts_and_others_hardly_wait(
    site: Site, workers: dict[str, Worker]
) -> None:
    """Row F5: exactly 3 attempts, FAILED; others' wait < 2x."""
    alone = [site.ask(queue="training", seconds=0.5) for _ in range(12)]
    quiet_s = wait_over(alone, 60)
    poison = site.ask("die", queue="training", priority=1)
    beside = [site.ask(queue="training", seconds=0.5) for _ in range(12)]
    beside_s = wait_over(beside, 60)
    wait_over([poison], 40)
    assert (poison.state, poison.attempts) == (JobState.FAILED, 3)
    assert poison.reason.startswith("worker gone: ")
    assert [job.attempts for job in beside] == [1] * 12
    assert beside_s < 2 * quiet_s, (quiet_s, beside_s)


def test_a_cancelled_training_is_gone_within_ten_seconds(site: Site, workers: dict[str, Worker]) -> None:
    """Row F9: stops <= 10 s with its checkpoint; its device is free."""
    folder = site.folder / "cancelled"
    folder.mkdir()
    job = site.ask("train", queue="training", devices=1, folder=str(folder), script=POLITE)
    wait_for((folder / "pid").exists, 20, "the child")
    assert _held(job) == 1
    Job.objects.filter(pk=job.pk).update(is_cancel_requested=True)
    assert wait_over([job], 10) <= 10
    assert job.state == JobState.CANCELLED
    assert (folder / "checkpoint").read_text() == "kept\n"
    assert _held(job) == 0


def test_a_deploy_stops_within_ten_seconds_and_the_next_worker_goes_on(site: Site, workers: dict[str, Worker]) -> None:
    """Row F9: SIGTERM to the worker: the child keeps a checkpoint, the job waits again and costs no attempt."""
    folder = site.folder / "deployed"
    folder.mkdir()
    once = f"[ -e checkpoint ] && exit 0; {POLITE}"
    job = site.ask("train", queue="training", devices=1, folder=str(folder), script=once)
    wait_for((folder / "pid").exists, 20, "the child")
    assert workers["training"].stop() <= 10
    assert (folder / "checkpoint").read_text() == "kept\n"
    job.refresh_from_db()
    assert (job.state, job.max_attempts, _held(job)) == (JobState.QUEUED, 4, 0)
    workers["training"] = site.work("training").wait_ready()
    wait_over([job], 30)
    assert (job.state, job.attempts, job.result) == (JobState.DONE, 2, {"code": 0})


def test_when_a_worker_tree_is_killed_nothing_runs_on_and_its_device_is_free(
    site: Site, workers: dict[str, Worker]
) -> None:
    """Row F4: kill -9 of the worker tree: 0 RUNNING 120 s after death, device slot free."""
    job = site.ask(queue="training", seconds=60, devices=1)
    wait_running(job)
    assert _held(job) == 1
    workers["training"].kill_tree()
    took = wait_for(lambda: not Job.objects.filter(queue="training", state="running").exists(), 120, "no RUNNING")
    assert took <= 120
    assert _held(job) == 0
    Job.objects.filter(pk=job.pk).update(arguments=job.arguments | {"seconds": 0})
    workers["training"] = site.work("training").wait_ready()
    wait_over([job], 30)
    assert (job.state, job.attempts, site.marks([job])) == (JobState.DONE, 2, [1])


def _held(job: Job) -> int:
    """Devices that this job holds."""
    return DeviceSlot.objects.filter(job=job, job__state=JobState.RUNNING).count()


def test_processes_killed_at_ten_points_lose_no_job(site: Site, workers: dict[str, Worker]) -> None:
    """Row F3: kill -9 at 10 points: 10/10 end DONE or FAILED with a reason, <= 3 attempts.

    One killed between its last deed and its row does that deed again, so jobs make their results whole or not at all.
    """
    jobs = []
    for point in range(10):
        job = site.ask(seconds=0.5)
        jobs.append(job)
        wait_running(job, 30)
        time.sleep(point * 0.06)
        job.refresh_from_db()
        for child in workers["data"].children:
            if str(child.pid) == job.worker.rpartition(":")[2]:
                child.kill()
    wait_over(jobs, 60)
    assert all(job.state == JobState.DONE or (job.state == JobState.FAILED and job.reason) for job in jobs)
    assert max(job.attempts for job in jobs) <= 3
    assert sum(job.attempts for job in jobs) > 12, "most of them were really killed"
    for job, marks in zip(jobs, site.marks(jobs), strict=True):
        assert (1 if job.state == JobState.DONE else 0) <= marks <= job.attempts


def test_a_message_that_comes_back_while_its_job_runs_has_no_effect(
    site: Site, workers: dict[str, Worker], long_job: Job
) -> None:
    """Row F6: visibility timeout 5 s, job 20 s, 2 workers: 1 effect."""
    wait_over([long_job], 60)
    received = sum(workers[name].says(" received") for name in ("short", "also short"))
    assert received >= 2, "the message really came back"
    assert (long_job.state, long_job.attempts, site.marks([long_job])) == (JobState.DONE, 1, [1])
    for name in ("short", "also short"):
        workers[name].stop()


def test_an_emptied_broker_loses_no_job_and_doubles_none(site: Site, workers: dict[str, Worker]) -> None:
    """Row F10: FLUSHALL mid-run: 0 jobs lost or doubled; all restored <= 60 s."""
    jobs = [site.ask(seconds=2) for _ in range(12)]
    wait_running(jobs[3])
    site.broker.empty(("data",))
    assert wait_over(jobs, 60) <= 60
    assert {job.state for job in jobs} == {JobState.DONE}
    assert {job.attempts for job in jobs} == {1}
    assert site.marks(jobs) == [1] * len(jobs)


@pytest.fixture(scope="module")
def outage(site: Site, workers: dict[str, Worker], versions: list[DatasetVersion]) -> dict[str, Any]:
    """The broker is gone for 30 seconds, while a job runs, others wait, and twenty requests come in."""
    Export.objects.all().delete()
    running = [site.ask(seconds=34) for _ in range(2)]
    for job in running:
        wait_running(job)
    site.broker.stop()
    started = time.monotonic()
    waiting = [site.ask() for _ in range(5)]
    client = Client()
    client.force_login(given.member(versions[0].project, "curator"))
    answers = [client.post(f"/releases/{version.pk}/export/votes_csv/", follow=True) for version in versions]
    asked_s = time.monotonic() - started
    time.sleep(max(0.0, 30 - asked_s))
    site.broker.start()
    back = time.monotonic()
    exports = [export.job for export in Export.objects.select_related("job")]
    wait_over([*waiting, *exports], 60)
    took_s = time.monotonic() - back
    wait_over(running, 60)
    return {"answers": answers, "asked_s": asked_s, "took_s": took_s, "running": running, "waiting": waiting}


def test_twenty_requests_while_the_broker_is_away_succeed_and_take_effect_once(outage: dict[str, Any]) -> None:
    """Row F2: broker off for 20 saves: 20/20 take effect once, <= 60 s after its return; requests 2xx."""
    assert [answer.status_code // 100 for answer in outage["answers"]] == [2] * 20
    assert outage["asked_s"] < 20
    assert outage["took_s"] <= 60
    exports = Export.objects.select_related("job")
    assert [(export.state, export.job.attempts) for export in exports] == [(BuildState.READY, 1)] * 20


def test_thirty_seconds_without_a_broker_lose_and_double_nothing(site: Site, outage: dict[str, Any]) -> None:
    """Row F10: broker stopped for 30 s: 0 jobs lost or doubled, the running ones go on; <= 60 s."""
    jobs = outage["running"] + outage["waiting"]
    assert [(job.state, job.attempts) for job in jobs] == [(JobState.DONE, 1)] * 7
    assert site.marks(jobs) == [1] * 7
    assert outage["took_s"] <= 60
