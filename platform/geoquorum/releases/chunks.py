"""Cutting as jobs: one part file for each chunk, by whichever worker takes it, on whichever machine, in any order.

The name of a part follows from what it is made from and its bytes from its name, so that a chunk done twice is the same
file twice, and a late worker's file replaces one of the same bytes. Workers share the folder of the packs.
"""

import json
import os
import secrets
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import transaction

from fusion.cutting.files import find_finished, write_chunk
from fusion.cutting.scene import Chunk
from fusion.errors import BadInputError, GeoquorumError
from geoquorum.queue.models import Job, JobState
from geoquorum.queue.services import Claim, LeaseLost, cancel_parts, enqueue, run_claimed
from geoquorum.releases.models import BuildState, DatasetVersion

KIND = "geoquorum.releases.jobs.cut"
# Part jobs of one version that wait at a time: enough for as many workers while one chunk is cut, and others' jobs
# wait behind no more than these.
MOST_WAITING = 256
# A worker that dies costs an attempt. Of chunks that each lose their worker one time in ten, three attempts would lose
# one in a thousand, and with it the version; eight lose one in a hundred million.
ATTEMPTS = 8
LOOK_EVERY_S = 0.5
# A folder shared over a network may show a new file some seconds late.
SEEN_WITHIN_S = 10.0


def find_folder(version: DatasetVersion) -> Path:
    """Where the parts of a version lie until its pack is published."""
    return settings.GEOQUORUM_DATA / "packs" / version.project.slug / f"{version.name}-{version.number}.parts"


def forget_parts(version: DatasetVersion) -> None:
    """Remove the part files of a version that has its pack, or will have none."""
    shutil.rmtree(find_folder(version), ignore_errors=True)


def cut_in_chunks(version: DatasetVersion, chunks: Sequence[Chunk], claim: Claim, *, ends: tuple[float, float]) -> None:
    """Returns once every chunk has its part file; `ends` is the share of the whole job before and after.

    The worker that asks also cuts, from the other end of the line: one worker is enough, and none stands idle. Parts
    that an earlier attempt finished are kept. BadInputError names the chunk that cannot be cut; then all others stop.
    """
    folder = find_folder(version)
    wanted = {chunk.id: chunk for chunk in chunks}
    missing = {}
    for name, chunk in wanted.items():
        claim.check()
        if not _is_finished(chunk, folder):
            missing[name] = chunk
    unasked, alive = list(missing.values()), dict[UUID, Chunk]()
    try:
        while missing:
            done = 1 - len(missing) / len(wanted)
            claim.progress(ends[0] + (ends[1] - ends[0]) * done, _tell(len(wanted) - len(missing), len(wanted)))
            waiting = list(Job.objects.filter(pk__in=alive, state=JobState.QUEUED).values_list("pk", flat=True))
            room = max(0, MOST_WAITING - len(waiting))
            asked = {_ask(version, chunk, folder, claim.job).pk: chunk for chunk in unasked[:room]}
            del unasked[:room]
            alive |= asked
            _help([*waiting, *asked])
            for chunk in _collect(alive, folder):
                del missing[chunk.id]
    except LeaseLost:  # another attempt goes on with the same parts
        raise
    except GeoquorumError:
        with transaction.atomic():
            claim.lock()
            cancel_parts(claim.job)
        raise


def cut_part(job: Job, claim: Claim) -> dict[str, Any]:
    """One chunk into its part file; where that is there already, nothing is done."""
    version = DatasetVersion.objects.select_related("project").get(pk=job.arguments["version"])
    if not _is_wanted(version):
        raise BadInputError(f"Version {version} is not being built any more: there is nothing to cut for it.")
    folder = find_folder(version)
    chunk = _read_plan(folder, job.arguments["chunk"])
    claim.check()
    path = write_chunk(chunk, folder)
    if not _is_wanted(version):  # it ended while this was at work
        forget_parts(version)
    return {"part": path.name, "patches": len(chunk)}


def _ask(version: DatasetVersion, chunk: Chunk, folder: Path, parent: Job) -> Job:
    """A job for the chunk; one that an earlier attempt asked for and that is still alive is joined."""
    _write_plan(folder, chunk)
    return enqueue(
        KIND,
        project=version.project,
        arguments={"version": version.pk, "chunk": chunk.id},
        by=parent.created_by,
        max_attempts=ATTEMPTS,
        unique_key=f"cut {version.pk} {chunk.id}",
        parent=parent,
    )


def _help(waiting: Sequence[UUID]) -> None:
    """Cut the last of those that wait, or rest while others cut."""
    if waiting:
        run_claimed(waiting[-1], cut_part)
    else:
        time.sleep(LOOK_EVERY_S)


def _collect(alive: dict[UUID, Chunk], folder: Path) -> list[Chunk]:
    """Take out the chunks whose jobs are done."""
    done = []
    for job in Job.objects.filter(pk__in=alive).exclude(state__in=[JobState.QUEUED, JobState.RUNNING]):
        chunk = alive.pop(job.pk)
        if job.state != JobState.DONE:
            raise BadInputError(f"A part of {chunk.scene.name} could not be cut: {job.reason}")
        _see(chunk, folder, job.worker)
        done.append(chunk)
    return done


def _see(chunk: Chunk, folder: Path, worker: str) -> None:
    deadline = time.monotonic() + SEEN_WITHIN_S
    while find_finished(chunk, folder) is None:
        if time.monotonic() > deadline:
            raise BadInputError(
                f"{worker} cut a part of {chunk.scene.name}, but it is not in {folder}. Let all workers share one "
                "folder of data (GEOQUORUM_DATA), then build the next number."
            )
        time.sleep(LOOK_EVERY_S)


def _is_finished(chunk: Chunk, folder: Path) -> bool:
    """Whether an earlier attempt left the part, whole; one that does not hold what its name says is removed."""
    if find_finished(chunk, folder, verify=True):
        return True
    while (path := find_finished(chunk, folder)) is not None:
        path.unlink(missing_ok=True)
    return False


def _is_wanted(version: DatasetVersion) -> bool:
    return DatasetVersion.objects.filter(pk=version.pk, state=BuildState.BUILDING).exists()


def _tell(done: int, total: int) -> str:
    return f"{done} of {total} parts"


def _write_plan(folder: Path, chunk: Chunk) -> None:
    """The chunk as JSON beside its part, so that a job need only name it."""
    path = folder / f"{chunk.id}.json"
    if path.exists():
        return
    partial = folder / f".{chunk.id}.{secrets.token_hex(4)}.json"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        partial.write_text(json.dumps(chunk.to_json()), encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise BadInputError(
            f"{folder}: the plan could not be written ({error}). See to the disk, then go on."
        ) from error


def _read_plan(folder: Path, name: str) -> Chunk:
    try:
        return Chunk.from_json(json.loads((folder / f"{name}.json").read_text(encoding="utf-8")))
    except (OSError, ValueError) as error:
        raise BadInputError(
            f"{folder}: the plan of chunk {name} cannot be read ({error}). Let all workers share one folder of data "
            "(GEOQUORUM_DATA), then build the next number."
        ) from error
