"""What the page of a search says: its trials, the best so far, and which field matters."""

from typing import Any

from django.utils.translation import gettext as _

from fusion import task as tasks
from geoquorum.figures.lines import Series
from geoquorum.figures.whiskers import Whisker
from geoquorum.training.live import find_metric
from geoquorum.training.models import Run, RunState
from geoquorum.training.search import is_pruned

SHOWN = 100


def describe_search(run: Run) -> dict[str, Any]:
    """Trials newest first with their parameters and values on validation; figures of progress and importance."""
    trials = [_describe(trial) for trial in run.children.select_related("job").order_by("pk")]
    best = run.progress.get("best")
    fields = sorted(run.search["space"])
    values = [(one["number"], one["value"]) for one in trials if one["value"] is not None]
    importance = run.progress.get("importance") or {}
    return {
        "fields": fields,
        "trials": [one | {"is_best": one["run"].pk == best} for one in reversed(trials)][:SHOWN],
        "best": next((one for one in trials if one["run"].pk == best), None),
        "wanted": run.search["trials"],
        "over": sum(one["run"].is_over for one in trials),
        "pruned": sum(one["is_pruned"] for one in trials),
        "metric": find_metric(run),
        "course": [Series(name="", points=values), Series(name=_("best"), points=_run_best(run, values), hue=2)],
        "importance": [
            Whisker(name=field, value=share, low=0.0, high=share)
            for field, share in sorted(importance.items(), key=lambda pair: -pair[1])
        ],
    }


def _describe(trial: Run) -> dict[str, Any]:
    report = trial.report or {}
    found = (report.get("validation") or {}).get(tasks.find(trial.task).metric) or {}
    return {
        "run": trial,
        "number": trial.search["trial"],
        "parameters": [(field, _tell(value)) for field, value in sorted(trial.search["parameters"].items())],
        "value": found.get("value") if trial.state == RunState.DONE else None,
        "low": found.get("low"),
        "high": found.get("high"),
        "is_pruned": is_pruned(trial),
    }


def _tell(value: Any) -> str:
    """A parameter as short as it is told apart by; choices are JSON texts already."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _run_best(run: Run, values: list[tuple[int, float]]) -> list[tuple[float | None, float | None]]:
    """The best value after each trial."""
    better = max if tasks.find(run.task).metric_goal == "max" else min
    found: list[tuple[float | None, float | None]] = []
    for number, value in values:
        last = found[-1][1] if found else value
        found.append((number, better(last if last is not None else value, value)))
    return found
