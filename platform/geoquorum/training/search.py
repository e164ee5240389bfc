"""Hyper-parameter search: a parent run whose children are its trials, chosen on validation; test is scored once."""

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from fusion.errors import GeoquorumError, SpecError
from fusion.run import DONE, RunSpec
from geoquorum.accounts.models import User
from geoquorum.accounts.services import record
from geoquorum.queue.models import Job, JobState
from geoquorum.queue.services import Claim, LeaseLost, Paused, cancel_parts, enqueue, run_claimed
from geoquorum.queue.turns import give_way
from geoquorum.releases.models import DatasetVersion
from geoquorum.training import services
from geoquorum.training.launcher import launch
from geoquorum.training.limits import check_asked, check_room
from geoquorum.training.models import PRUNED, Run, RunState
from geoquorum.training.search_space import Dimension, read_space, set_value

KIND = "geoquorum.training.jobs.search"
MOST_TRIALS, MOST_PARALLEL = 500, 16
LIMIT_S = 24 * 3600
LOOK_EVERY_S = 0.5
# What an evaluation of the winner takes over from the spec that was searched around.
EVALUATED = (
    "pack", "pack_sha256", "calibration", "baselines", "resamples", "seed", "device", "threads",
)  # fmt: skip


def start_search(
    *,
    version: DatasetVersion,
    task: str,
    space: Mapping[str, Any],
    by: User | None,
    changes: Mapping[str, Any] | None = None,
    trials: int = 20,
    parallel: int = 1,
    seed: int = 0,
    warm_up_epochs: int = 1,
    name: str = "",
) -> Run:
    """Queues a search around a spec: `changes` are fields of the RunSpec that all trials share.

    At most `trials` trainings, `parallel` at a time. A trial whose validation metric lies below the median of the
    earlier ones after the same epoch (and after `warm_up_epochs`) is ended. The same seed proposes the same trials.
    """
    base = services.read_spec(version=version, task=task, changes=changes)
    read_space(space, base.to_json())
    for field, value, most in (("trials", trials, MOST_TRIALS), ("parallel", parallel, MOST_PARALLEL)):
        if not 1 <= value <= most:
            raise SpecError(f"{field} must lie from 1 to {most}; it is {value}.")
    asked = {
        "space": dict(space),
        "trials": trials,
        "parallel": parallel,
        "seed": seed,
        "warm_up_epochs": warm_up_epochs,
        "changes": dict(changes or {}),
    }
    check_asked(project=version.project, by=by, spec=base, processes=1, priority=0)
    with transaction.atomic():
        check_room(by)
        run = services.make_run(version=version, spec=base, by=by, name=name or f"Search of {task} on {version}")
        run.search = asked
        run.job = enqueue(
            KIND,
            project=version.project,
            arguments={"run": run.pk},
            queue="training",
            by=by,
            time_limit_s=min(LIMIT_S, settings.JOB_LONGEST_S),
        )
        run.save(update_fields=["search", "job"])
        record(project=version.project, actor=by, action="search started", subject=f"run {run.pk}")
    return run


def execute_search(job: Job, claim: Claim) -> dict[str, Any]:
    """Makes trials until there are enough, then scores the winner on test.

    The worker that has the search also trains trials, so that one worker is enough; others take what waits beside it.
    Killed, it goes on with the trials that there are.
    """
    run = Run.objects.select_related("version", "project").get(pk=job.arguments["run"])
    Run.objects.filter(pk=run.pk).update(
        state=RunState.RUNNING, started_at=run.started_at or timezone.now(), reason="", finished_at=None
    )
    try:
        while _turn(run, claim):
            pass
        return _score_winner(run, claim)
    except GeoquorumError as end:
        if not isinstance(end, LeaseLost | Paused):  # then another attempt goes on with the same trials
            cancel_parts(job)
        services.note_end(run, end, claim)
        raise


def _turn(run: Run, claim: Claim) -> bool:
    """Ask for trials as far as there is room, and train one or wait; False once all are over."""
    from geoquorum.training import study  # optuna takes a second to import, and only workers need it

    services.settle()
    alive, over, wanted = *count_trials(run), int(run.search["trials"])
    claim.progress(min(over / wanted, 1.0), f"{over} of {wanted} trials")
    room = min(int(run.search["parallel"]), wanted - over) - len(alive)
    for _ in range(room):
        alive.append(_make_trial(run, study.propose(run), claim))
    if not alive:
        return False
    waiting = [child.job_id for child in alive if child.job and child.job.state == JobState.QUEUED]
    if not waiting or not run_claimed(waiting[0], services.execute_run):  # no device may be free for it
        time.sleep(LOOK_EVERY_S)
    _tell(run)
    give_way(claim.job)
    return True


def count_trials(run: Run) -> tuple[list[Run], int]:
    """Trials that wait, rest or run, and how many are over; those that somebody cancelled are asked for again."""
    children = list(run.children.select_related("job").order_by("pk"))
    alive = [child for child in children if not child.is_over]
    dropped = [child for child in children if child.state == RunState.CANCELLED and not is_pruned(child)]
    return alive, len(children) - len(alive) - len(dropped)


def is_pruned(child: Run) -> bool:
    """Whether a trial was ended because it lay behind the others."""
    return child.state == RunState.CANCELLED and child.reason.startswith(PRUNED)


def _make_trial(run: Run, parameters: dict[str, Any], claim: Claim) -> Run:
    """A child run with these parameters, as a part of the search's job."""
    values = apply_parameters(run, parameters)
    number = run.children.count() + 1
    with transaction.atomic():
        claim.lock()
        child = services.start_run(
            version=run.version,
            task=run.task,
            by=run.created_by,
            changes=values,
            name=f"Trial {number} of {run.name}",
            parent=run,
        )
        child.search = {"trial": number, "parameters": parameters}
        child.save(update_fields=["search"])
    return child


def apply_parameters(run: Run, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Changes of the RunSpec for a trial: those of the search, its parameters, and no look at the test split."""
    dimensions: list[Dimension] = read_space(run.search["space"], run.spec)
    values: dict[str, Any] = dict(run.search["changes"])
    for one in dimensions:
        values = set_value(values, one.field, one.read(parameters[one.field]))
    return values | {"scored": ["validation"], "baselines": []}


def _tell(run: Run) -> None:
    """What the page says of a search while it goes on."""
    from geoquorum.training import study

    best = study.find_best(run)
    progress = {
        "share": round(min(count_trials(run)[1] / int(run.search["trials"]), 1.0), 4),
        "best": None if best is None else best.pk,
        "importance": study.weigh_fields(run),
    }
    Run.objects.filter(pk=run.pk).update(progress=progress)


def _score_winner(run: Run, claim: Claim) -> dict[str, Any]:
    """The one look at the test split: the best trial's checkpoint, evaluated in the search's own folder."""
    from geoquorum.training import study

    _tell(run)
    best = study.find_best(run)
    if best is None:
        last = run.children.exclude(reason="").order_by("-pk").first()
        why = f" The last one: {last.reason}" if last else ""
        raise SpecError(f"No trial of this search ended with a value on validation.{why}")
    claim.progress(1.0, f"scoring {best.name}")
    folder = Path(run.folder)
    folder.mkdir(parents=True, exist_ok=True)
    spec = RunSpec.from_json(best.spec).to_json()
    words = {name: run.spec[name] for name in EVALUATED} | {"checkpoint": best.folder, "seed": spec["seed"]}
    path = folder / "evaluate.json"
    path.write_text(json.dumps(words, indent=1, sort_keys=True), encoding="utf-8")
    outcome = launch(folder, "evaluate", path, watch=lambda events: claim.check())
    if outcome.code != DONE:
        raise SpecError(f"{best.name} could not be scored: {outcome.cause}")
    run.refresh_from_db()
    return services.record_report(run, folder, claim, progress=run.progress)
