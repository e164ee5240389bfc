"""Runs under way: rest, go on, be moved in the queue."""

from django.db import transaction

from fusion.errors import BadInputError
from geoquorum.accounts.models import User
from geoquorum.accounts.services import record
from geoquorum.queue import services as jobs
from geoquorum.queue.models import JobState
from geoquorum.training.limits import check_priority, check_room
from geoquorum.training.models import Run, RunState
from geoquorum.training.services import enqueue_training, settle

RESUMABLE = (RunState.PAUSED, RunState.FAILED, RunState.CANCELLED)


def pause_run(*, run: Run, by: User | None) -> None:
    """A waiting run rests at once, a running one after it has kept a checkpoint; its device is free for others."""
    if run.is_over or run.job is None:
        raise BadInputError(f"Run {run} is {run.get_state_display()}: only one that waits or runs can be paused.")
    jobs.request_pause(run.job)
    for part in run.job.parts.filter(state__in=[JobState.QUEUED, JobState.RUNNING]):  # trials of a search
        jobs.request_pause(part)
    settle()
    record(project=run.project, actor=by, action="run paused", subject=f"run {run.pk}")


def go_on(*, run: Run, by: User | None) -> None:
    """A paused, failed or cancelled run goes on from its last good checkpoint, with all its attempts before it."""
    with transaction.atomic():
        run = Run.objects.select_for_update(of=("self",)).select_related("project", "job", "parent__job").get(pk=run.pk)
        if run.state not in RESUMABLE:
            raise BadInputError(f"Run {run} is {run.get_state_display()}: there is nothing to go on with.")
        if run.parent is None:
            check_room(by)
        is_resting = run.job is not None and jobs.go_on(run.job)
        if not is_resting:
            _start_again(run, by)
        for part in run.job.parts.filter(state=JobState.PAUSED):
            jobs.go_on(part)
            Run.objects.filter(job=part).update(state=RunState.QUEUED)
        Run.objects.filter(pk=run.pk).update(state=RunState.QUEUED, reason="", finished_at=None, job=run.job)
        record(project=run.project, actor=by, action="run goes on", subject=f"run {run.pk}")


def set_priority(*, run: Run, priority: int, by: User | None) -> None:
    """Moves a run that waits: higher goes first, and above 0 is for administrators of the project."""
    if run.job is None:
        raise BadInputError(f"Run {run} has no job that could be moved.")
    check_priority(project=run.project, by=by, priority=priority)
    jobs.set_priority(run.job, priority)
    record(project=run.project, actor=by, action=f"run moved to priority {priority}", subject=f"run {run.pk}")


def _start_again(run: Run, by: User | None) -> None:
    """A job of its own for the new attempts: those of the old one are spent."""
    before = run.job
    if before is not None and before.kind != "geoquorum.training.jobs.train":
        run.job = jobs.enqueue(
            before.kind,
            project=run.project,
            arguments=before.arguments,
            queue=before.queue,
            by=by,
            time_limit_s=before.time_limit_s,
        )
        return
    given = {"priority": before.priority, "time_limit_s": before.time_limit_s} if before else {}
    run.job = enqueue_training(run, by=by, **given)
