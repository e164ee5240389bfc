"""Versions cut in chunks: the same pack as from memory, resumed where work stopped, stopped where a part fails."""

from pathlib import Path
from typing import Any

import pytest
from django.db import OperationalError
from django.urls import reverse

from fusion.errors import BadInputError
from geoquorum.campaigns.models import ConsensusRun
from geoquorum.catalog.models import Sample
from geoquorum.queue import claims
from geoquorum.queue.models import Job, JobState
from geoquorum.queue.services import Claim, LeaseLost, request_cancel, run_claimed
from geoquorum.releases import chunks, cuts, services
from geoquorum.releases.models import BuildState
from tests import given
from tests.geoquorum.releases.chunked import PARTS, consensus, forget, start

pytestmark = pytest.mark.django_db


@pytest.fixture
def many(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even the smallest version is cut in chunks."""
    monkeypatch.setattr(cuts, "IN_MEMORY_BYTES", 1)


@pytest.fixture(scope="module")
def shared_run(shared_rows: None) -> ConsensusRun:
    return consensus(given.project())


@pytest.fixture
def run(shared_run: ConsensusRun, settings: Any, tmp_path: Path) -> ConsensusRun:
    settings.GEOQUORUM_DATA = tmp_path / "data"
    return ConsensusRun.objects.select_related("campaign__project", "round").get(pk=shared_run.pk)


@pytest.mark.parametrize("is_between_cells", [False, True])
def test_a_version_has_the_same_sum_from_memory_and_from_parts(
    run: ConsensusRun, settings: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_between_cells: bool
) -> None:
    if is_between_cells:  # half a patch to the east; the last lose half of their pixels
        for row in run.rows.select_related("sample"):
            step, b, west, *others = row.sample.transform
            Sample.objects.filter(pk=row.sample_id).update(cell="", transform=[step, b, west + 160, *others])
    small = start(run)
    given.work(small.job, services.build)
    assert not small.job.parts.exists()
    sha256 = forget(small)
    monkeypatch.setattr(cuts, "IN_MEMORY_BYTES", 1)
    settings.GEOQUORUM_DATA = tmp_path / "parts"
    large = start(run)
    given.work(large.job, services.build)
    assert large.job.parts.filter(state=JobState.DONE, attempts=1).count() == PARTS
    assert forget(large) == sha256


def test_progress_is_the_share_of_parts(run: ConsensusRun, many: None, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[tuple[float, str]] = []
    progress = Claim.progress
    monkeypatch.setattr(Claim, "progress", lambda self, *news: told.append(news) or progress(self, *news))
    given.work(start(run).job, services.build)
    shares = [share for share, words in told if words.endswith(f"of {PARTS} parts")]
    assert shares == pytest.approx([0.05 + 0.4 * done / PARTS for done in range(PARTS)])


def test_what_was_cut_is_not_cut_again_but_what_was_damaged_is(
    run: ConsensusRun, many: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = start(run)
    folder, cut_one = chunks.find_folder(version), chunks.write_chunk
    written: list[str] = []

    def cut_and_tell(chunk: Any, place: Path) -> Path:
        written.append(chunk.id)
        return cut_one(chunk, place)

    def lose(waiting: Any) -> None:
        run_claimed(waiting[-1], chunks.cut_part)
        if len(written) == 3:
            raise OperationalError("the server closed the connection")

    with monkeypatch.context() as first:
        first.setattr(chunks, "write_chunk", cut_and_tell)
        first.setattr(chunks, "_help", lose)
        given.work(version.job, services.build)
    version.job.refresh_from_db()
    assert (version.job.state, version.job.attempts) == (JobState.QUEUED, 1)
    parts = sorted(folder.glob("*.patches"))
    assert len(parts) == 3
    parts[0].write_bytes(bytes(parts[0].stat().st_size))  # a disk that lost power
    again: list[str] = []
    monkeypatch.setattr(chunks, "write_chunk", lambda chunk, place: again.append(chunk.id) or cut_one(chunk, place))
    given.work(version.job, services.build)
    assert len(again) == PARTS - 2
    assert set(again) & set(written) == {parts[0].name.split(".")[0]}
    version.refresh_from_db()
    assert version.state == BuildState.READY, version.reason


def test_a_part_that_cannot_be_cut_ends_the_version_and_stops_the_others(
    run: ConsensusRun, many: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fill_the_disk(chunk: Any, folder: Path) -> Path:
        raise BadInputError(f"{folder}: no space left")

    version = start(run)
    monkeypatch.setattr(chunks, "write_chunk", fill_the_disk)
    given.work(version.job, services.build)
    version.refresh_from_db()
    assert version.state == BuildState.FAILED
    assert version.reason.startswith("A part of sentinel2 summer of ")
    assert version.reason.endswith("no space left")
    assert not chunks.find_folder(version).exists()
    states = sorted(version.job.parts.values_list("state", flat=True))
    assert states == [JobState.CANCELLED] * (PARTS - 1) + [JobState.FAILED]


def test_a_part_is_refused_for_a_version_that_ended(run: ConsensusRun, many: None) -> None:
    version = start(run)
    part = Job.objects.create(kind=chunks.KIND, arguments={"version": version.pk, "chunk": "0"}, parent=version.job)
    request_cancel(version.job)
    assert given.work(part, chunks.cut_part).state == JobState.FAILED
    waiting = Job.objects.create(kind=chunks.KIND, parent=version.job)
    services.settle()
    waiting.refresh_from_db()
    assert waiting.state == JobState.CANCELLED


def test_an_attempt_that_lost_its_job_stops_no_part_of_the_next(
    run: ConsensusRun, many: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = start(run)
    stale = claims.claim_job(version.job_id, "stale")
    assert stale is not None
    claim = Claim(stale)

    def lose(waiting: Any) -> None:
        Job.objects.filter(pk=version.job_id).update(fence="00000000-0000-0000-0000-000000000001")
        raise BadInputError("the disk is full")

    monkeypatch.setattr(chunks, "_help", lose)
    with pytest.raises(LeaseLost):
        services.build(stale, claim)
    assert version.job.parts.filter(state=JobState.QUEUED).count() == PARTS
    version.refresh_from_db()
    assert version.state == BuildState.BUILDING


def test_the_list_of_jobs_shows_a_job_without_its_parts(client: Any, run: ConsensusRun, many: None) -> None:
    version = start(run)
    given.work(version.job, services.build)
    client.force_login(given.member(version.project, "curator"))
    page = client.get(reverse("queue:list"))
    assert version.job in page.context["page"].object_list
    assert all(job.parent_id is None for job in page.context["page"].object_list)
