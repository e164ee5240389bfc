"""Workers that cut one version together, and one that is killed: the same sum of the pack."""

import multiprocessing
import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

import geoquorum.celery
from fusion.cutting import files
from geoquorum.queue.models import Job, JobState
from geoquorum.queue.services import reap, run_claimed
from geoquorum.releases import chunks, cuts, services
from geoquorum.releases.models import BuildState, DatasetVersion
from tests import given
from tests.geoquorum.releases.chunked import PARTS, consensus, forget, start

SERVICES = {"geoquorum.releases.jobs.build": services.build, chunks.KIND: chunks.cut_part}
ENDED = (BuildState.READY, BuildState.FAILED)


@pytest.mark.slow
@pytest.mark.django_db(transaction=True)
def test_any_number_of_workers_gives_the_same_pack_twice_and_one_may_be_killed(
    settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Workers are processes that take jobs in different orders; the killed one holds the version and a part."""
    monkeypatch.setattr(
        geoquorum.celery.app, "send_task", lambda *words, **options: None
    )  # workers here look by themselves
    run = consensus(given.project())
    settings.GEOQUORUM_DATA = tmp_path / "memory"
    whole = start(run)
    given.work(whole.job, services.build)
    expected = forget(whole)
    monkeypatch.setattr(cuts, "IN_MEMORY_BYTES", 1)
    for number, (workers, is_one_killed) in enumerate([(1, False), (3, False), (1, True), (3, True)]):
        settings.GEOQUORUM_DATA = tmp_path / str(number)
        version = start(run)
        if is_one_killed:
            assert len(kill_in_the_third_part(version)) == 2
            reap(timezone.now() + timedelta(seconds=settings.JOB_LEASE_S + 1))
        build(version, workers, seed=number)
        parts = list(version.job.parts.all())
        version.job.refresh_from_db()
        assert version.job.attempts == 1 + is_one_killed
        assert sorted(part.attempts for part in parts) == [1] * (PARTS - 1) + [1 + is_one_killed]
        assert all(part.state == JobState.DONE for part in parts)
        by_others = {part.worker for part in parts} - {version.job.worker}
        assert workers == 1 or by_others
        assert forget(version) == expected


def build(version: DatasetVersion, workers: int, seed: int) -> None:
    """By so many processes."""
    with processes(workers, lambda which: work(version.pk, random.Random(10 * seed + which))):
        deadline = time.monotonic() + 60
        while not DatasetVersion.objects.filter(pk=version.pk, state__in=ENDED).exists():
            assert time.monotonic() < deadline, list(Job.objects.values_list("kind", "state", "reason"))
            time.sleep(0.05)


def kill_in_the_third_part(version: DatasetVersion) -> list[Path]:
    """One worker builds, and is killed with its third part half written; what it finished."""
    with processes(1, lambda which: work(version.pk, random.Random(0), parts_until_death=2)) as started:
        started[0].join(60)
        assert started[0].exitcode == -signal.SIGKILL
    folder = chunks.find_folder(version)
    assert [path for path in folder.iterdir() if path.name.startswith(".")]  # the half-written one
    return list(folder.glob("*.patches"))


class processes:  # noqa: N801  used as a function
    """Forked processes, ended with the block."""

    def __init__(self, count: int, do: Callable[[int], None]) -> None:
        connections.close_all()  # a connection must not be shared
        self._all = [multiprocessing.get_context("fork").Process(target=do, args=(one,)) for one in range(count)]

    def __enter__(self) -> list[Any]:
        for process in self._all:
            process.start()
        return self._all

    def __exit__(self, *_: object) -> None:
        for process in self._all:
            process.join(30)
            process.kill()


def work(version: int, chance: random.Random, parts_until_death: int | None = None) -> None:
    """Take any job that waits until the version has ended."""
    slow_down(parts_until_death)
    while not DatasetVersion.objects.filter(pk=version, state__in=ENDED).exists():
        waiting = list(Job.objects.filter(state=JobState.QUEUED, kind__in=SERVICES).values_list("pk", "kind"))
        if waiting:
            job, kind = chance.choice(waiting)
            run_claimed(job, SERVICES[kind])
        else:
            time.sleep(0.02)
    connections.close_all()


def slow_down(parts_until_death: int | None) -> None:
    """In this process a part takes as long as others need to notice those that wait."""
    cut, begun = files.cut, []

    def cut_slowly(chunk: Any) -> Iterator[Any]:
        begun.append(chunk.id)
        for batch in cut(chunk):
            time.sleep(0.1)
            yield batch
            if parts_until_death is not None and len(begun) > parts_until_death:
                os.kill(os.getpid(), signal.SIGKILL)

    files.cut = cut_slowly
