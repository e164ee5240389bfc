"""Workers that cut one version together, and one that is killed: the same sum of the pack."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings as own_settings
from django.db import connection
from django.utils import timezone

import geoquorum.celery
from geoquorum.queue.models import Job, JobState
from geoquorum.queue.services import reap
from geoquorum.releases import chunks, cuts, services
from geoquorum.releases.models import BuildState, DatasetVersion
from tests import given
from tests.geoquorum.releases import one_worker
from tests.geoquorum.releases.chunked import PARTS, consensus, forget, start

ROOT = Path(__file__).resolve().parents[3]
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
    with processes(version, [10 * seed + which for which in range(workers)]):
        deadline = time.monotonic() + 120
        while not DatasetVersion.objects.filter(pk=version.pk, state__in=ENDED).exists():
            assert time.monotonic() < deadline, list(Job.objects.values_list("kind", "state", "reason"))
            time.sleep(0.05)


def kill_in_the_third_part(version: DatasetVersion) -> list[Path]:
    """One worker builds, and is killed with its third part half written; what it finished."""
    with processes(version, [0], parts_until_death=2) as (worker,):
        assert worker.wait(120) == -signal.SIGKILL
    folder = chunks.find_folder(version)
    assert [path for path in folder.iterdir() if path.name.startswith(".")]  # the half-written one
    return list(folder.glob("*.patches"))


@contextmanager
def processes(version: DatasetVersion, seeds: list[int], **options: Any) -> Iterator[list[subprocess.Popen[bytes]]]:
    """A worker for each seed, ended with the block."""
    database = {name: str(connection.settings_dict[name]) for name in ("NAME", "USER", "PASSWORD")}
    words = [
        one_worker.Words(
            database=database, data=str(own_settings.GEOQUORUM_DATA), version=version.pk, seed=seed, **options
        )
        for seed in seeds
    ]
    started = [
        subprocess.Popen(
            [sys.executable, "-m", one_worker.__name__, each.encode()],
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'platform'}"},
        )
        for each in words
    ]
    try:
        yield started
        for process in started:
            process.wait(30)
    finally:
        for process in started:
            process.kill()
            process.wait()
