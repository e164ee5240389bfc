"""Runs: queued with their spec, executed by a job, recorded with report, checkpoint and scores."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from fusion import task as tasks
from fusion.errors import GeoquorumError, SpecError
from fusion.run import CANCELLED, DONE, RunReport, RunSpec, read_json
from geoquorum.accounts.models import User
from geoquorum.accounts.services import record
from geoquorum.queue.models import Job, JobState
from geoquorum.queue.services import (
    Cancelled,
    Claim,
    GivenBack,
    LeaseLost,
    Paused,
    Retry,
    cancel_parts,
    enqueue,
    request_cancel,
)
from geoquorum.releases.models import BuildState, DatasetVersion
from geoquorum.training.automatic import record_scores
from geoquorum.training.events import Event, is_number
from geoquorum.training.files import hash_file
from geoquorum.training.launcher import Outcome, launch
from geoquorum.training.limits import check_asked, check_room
from geoquorum.training.mirrors import Mirrors, mirror_run
from geoquorum.training.models import Checkpoint, MapProduct, Run, RunState
from geoquorum.training.pruning import refuse_hopeless

RUN_LIMIT_S = 12 * 3600
KEPT_POINTS = 400


def start_run(
    *,
    version: DatasetVersion,
    task: str,
    by: User | None,
    changes: Mapping[str, Any] | None = None,
    name: str = "",
    processes: int = 1,
    priority: int = 0,
    time_limit_s: int | None = None,
    parent: Run | None = None,
) -> Run:
    """Queues one training of a task on a READY version; `changes` are fields of the RunSpec.

    `processes` share the work, each on a device of its own. BadInputError where the user has as many runs as one may
    have; runs of a `parent` count as that one run.
    """
    spec = read_spec(version=version, task=task, changes=changes)
    check_asked(project=version.project, by=by, spec=spec, processes=processes, priority=priority)
    with transaction.atomic():
        if parent is None:
            check_room(by)
        run = make_run(version=version, spec=spec, by=by, name=name)
        run.parent, run.processes = parent, processes
        run.job = enqueue_training(run, by=by, priority=priority, time_limit_s=time_limit_s)
        run.save(update_fields=["parent", "processes", "job"])
        record(project=version.project, actor=by, action="run started", subject=f"run {run.pk}")
    return run


def enqueue_training(run: Run, *, by: User | None, priority: int = 0, time_limit_s: int | None = None) -> Job:
    """A job that trains this run, or goes on with it from its last checkpoint."""
    return enqueue(
        "geoquorum.training.jobs.train",
        project=run.project,
        arguments={"run": run.pk},
        queue="training",
        by=by,
        priority=priority,
        time_limit_s=min(RUN_LIMIT_S, settings.JOB_LONGEST_S) if time_limit_s is None else time_limit_s,
        devices=run.processes,
        parent=run.parent.job if run.parent else None,
    )


def read_spec(*, version: DatasetVersion, task: str, changes: Mapping[str, Any] | None = None) -> RunSpec:
    """The spec of a task on a READY version with some fields changed; SpecError names what is wrong."""
    if version.state != BuildState.READY:
        raise SpecError(f"Version {version} is {version.get_state_display()}: only a ready version can be trained on.")
    values = {**(changes or {}), "task": task, "pack": version.uri, "pack_sha256": version.sha256}
    return RunSpec.from_json(values)


def make_run(*, version: DatasetVersion, spec: RunSpec, by: User | None, name: str = "") -> Run:
    """The row of a run with its folder, without a job yet."""
    run = Run.objects.create(
        project=version.project,
        version=version,
        name=(name or f"{tasks.find(spec.task).title} on {version}")[:120],
        task=spec.task,
        spec=spec.to_json(),
        seed=spec.seed,
        created_by=by,
    )
    run.folder = str(settings.GEOQUORUM_DATA / "runs" / str(run.pk))
    run.save(update_fields=["folder"])
    return run


def cancel_run(*, run: Run, by: User | None) -> None:
    """Asks the run to stop; a queued one stops at once, a running one after it has kept a checkpoint."""
    if run.is_over or run.job is None:
        return
    request_cancel(run.job)
    cancel_parts(run.job)  # trials of a search
    settle()
    record(project=run.project, actor=by, action="run cancelled", subject=f"run {run.pk}")


def execute_run(job: Job, claim: Claim) -> dict[str, Any]:
    """Trains in a child process and records what comes of it; a killed child is tried again from its checkpoint."""
    run = Run.objects.select_related("version", "project").get(pk=job.arguments["run"])
    if run.job_id != job.pk:
        raise SpecError(f"Run {run.pk} goes on in another job: this one is not needed any more.")
    folder = Path(run.folder)
    folder.mkdir(parents=True, exist_ok=True)
    spec = folder / "spec.json"
    spec.write_text(json.dumps(run.spec, indent=1, sort_keys=True), encoding="utf-8")
    Run.objects.filter(pk=run.pk).update(
        state=RunState.RUNNING, started_at=run.started_at or timezone.now(), reason="", finished_at=None
    )
    with mirror_run(run) as mirrors:
        follower = _Follower(run=run, claim=claim, mirrors=mirrors)
        try:
            outcome = launch(
                folder,
                "train",
                spec,
                watch=follower.watch,
                devices=claim.devices,
                processes=run.processes,
                most_bytes=settings.RUN_FOLDER_BYTES,
            )
            return _conclude(run, outcome, follower, job, claim)
        except Retry:
            raise
        except GeoquorumError as end:
            note_end(run, end, claim)
            raise


def note_end(run: Run, end: GeoquorumError, claim: Claim) -> None:
    """The run's state after an end that its child did not choose; nothing where another attempt has it by now."""
    if isinstance(end, LeaseLost) and not isinstance(end, GivenBack):
        return
    states = {GivenBack: RunState.QUEUED, Paused: RunState.PAUSED, Cancelled: RunState.CANCELLED}
    state = next((state for kind, state in states.items() if isinstance(end, kind)), RunState.FAILED)
    with transaction.atomic():
        claim.lock()
        end_run(run, state, "" if isinstance(end, GivenBack | Paused) else str(end))


def settle() -> int:
    """Gives runs and maps the state of a job that moved on without them: its worker died, or nobody had it yet."""
    changed = 0
    for rows, when in ((Run.objects, {"finished_at": timezone.now()}), (MapProduct.objects, {})):
        waiting = rows.filter(state__in=[RunState.QUEUED, RunState.RUNNING, RunState.PAUSED]).select_related("job")
        for row in waiting.filter(job__state__in=[JobState.FAILED, JobState.CANCELLED]):
            changed += waiting.filter(pk=row.pk).update(state=RunState(row.job.state), reason=row.job.reason, **when)
        resting = waiting.exclude(state=RunState.PAUSED).filter(job__state=JobState.PAUSED)
        changed += resting.update(state=RunState.PAUSED)
        changed += rows.filter(state=RunState.RUNNING, job__state=JobState.QUEUED).update(state=RunState.QUEUED)
    return changed


def _conclude(run: Run, outcome: Outcome, follower: "_Follower", job: Job, claim: Claim) -> dict[str, Any]:
    if outcome.code == DONE:
        return record_report(run, Path(run.folder), claim, progress=follower.progress)
    if outcome.code == CANCELLED or outcome.code < 0:
        is_last = job.attempts >= job.max_attempts
        with transaction.atomic():
            claim.lock()
            end_run(run, RunState.FAILED if is_last else RunState.QUEUED, outcome.cause)
        raise Retry(outcome.cause)
    raise SpecError(outcome.cause)


def end_run(run: Run, state: RunState, reason: str) -> None:
    """How a run stands and why; with the time where it is over."""
    is_over = state in (RunState.DONE, RunState.FAILED, RunState.CANCELLED)
    Run.objects.filter(pk=run.pk).update(state=state, reason=reason, finished_at=timezone.now() if is_over else None)


def record_report(run: Run, folder: Path, claim: Claim, *, progress: Mapping[str, Any]) -> dict[str, Any]:
    """The report in a run's folder into its rows: checkpoint, scores, state."""
    values = read_json(folder / "report.json")
    report = RunReport.from_json(values)
    weights = folder / report.checkpoint
    with transaction.atomic():
        claim.lock()
        checkpoint, _created = Checkpoint.objects.update_or_create(
            run=run,
            sha256=hash_file(weights),
            defaults={
                "uri": str(weights),
                "size_bytes": weights.stat().st_size,
                "step": report.steps,
                "is_best": True,
                "metrics": {report.metric: (report.test or report.validation or {}).get(report.metric)},
            },
        )
        Run.objects.filter(pk=run.pk).update(
            state=RunState.DONE,
            report=values,
            reason="",
            device=report.device[:120],
            code_revision=report.code_revision[:60],
            finished_at=timezone.now(),
            progress={**progress, "share": 1.0},
        )
        if report.test is not None:
            record_scores(run, report, checkpoint)
    return {"run": run.pk, "checkpoint": checkpoint.sha256}


class _Follower:
    """Copies a child's events into the run's row, thinned to what a page can draw, and renews the claim."""

    def __init__(self, *, run: Run, claim: Claim, mirrors: Mirrors) -> None:
        self.run, self.claim, self.mirrors = run, claim, mirrors
        self.points: list[Event] = list(run.events)
        self.progress: dict[str, Any] = dict(run.progress)

    def watch(self, events: list[Event]) -> None:
        """Takes new events; raises Interrupted when claim or time is lost, on a cancel, and where a trial is pruned."""
        self.claim.check()
        self.mirrors.take(events)
        for event in events:
            if event["event"] == "start" and "step" in event:  # an earlier attempt's steps since then are done again
                self.points = [point for point in self.points if point["step"] <= event["step"]]
        shown = [event for event in events if event["event"] in ("start", "step", "epoch") and "step" in event]
        if not shown:
            return
        self.points = thin(self.points + shown)
        self.progress |= {key: value for key, value in shown[-1].items() if key != "event"}
        if self.mirrors.warnings:
            self.progress["mirrors"] = dict(self.mirrors.warnings)
        self._write()
        share, epoch = self.progress.get("share"), self.progress.get("epoch")
        self.claim.progress(float(share) if is_number(share) else 0.0, f"epoch {epoch or 0}")
        if self.run.parent_id and any(event["event"] == "epoch" for event in shown):
            refuse_hopeless(self.run, self.points)

    def _write(self) -> None:
        """Refused for a worker that lost the job: another may have written since."""
        held = {"job": self.claim.job.pk, "job__fence": self.claim.job.fence, "job__state": JobState.RUNNING}
        Run.objects.filter(pk=self.run.pk, **held).update(events=self.points, progress=self.progress)


def thin(points: list[Event]) -> list[Event]:
    """Every epoch, and evenly chosen steps, within KEPT_POINTS in all."""
    if len(points) <= KEPT_POINTS:
        return points
    steps = [place for place, point in enumerate(points) if point["event"] == "step"]
    surplus = set(steps[1::2])
    kept = [point for place, point in enumerate(points) if place not in surplus]
    return kept if len(kept) < len(points) else points[:1] + points[-(KEPT_POINTS - 1) :]
