"""A search's trials as optuna sees them, made anew from our rows each time: no database of optuna's own.

So a search that was killed goes on where it was: what the next trial should be follows from the finished trials and the
search's seed. Whoever imports this imports optuna, which takes a second: workers do, the web does not.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import optuna
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)
from optuna.trial import TrialState, create_trial

from fusion import task as tasks
from geoquorum.training.models import PRUNED, Run, RunState
from geoquorum.training.search_space import Dimension, read_space

FIRST_TRIALS = 5  # drawn at random before the sampler has anything to go by, and before any is pruned
LEAST_TRIALS = 4  # fewer finished ones say nothing about which field matters

optuna.logging.set_verbosity(optuna.logging.WARNING)
warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)


def open_study(search: Run, without: Run | None = None) -> optuna.Study:
    """The study of all trials there are: finished ones with their values, those under way with what they reported.

    `without` leaves a trial out that the caller asks about itself.
    """
    dimensions = list_dimensions(search)
    children = [child for child in search.children.order_by("pk") if child != without]
    study = optuna.create_study(
        direction="maximize" if tasks.find(search.task).metric_goal == "max" else "minimize",
        sampler=optuna.samplers.TPESampler(
            seed=int(search.search["seed"]) + len(children),
            n_startup_trials=FIRST_TRIALS,
            multivariate=True,
            constant_liar=True,
        ),
        pruner=optuna.pruners.MedianPruner(
            n_startup_trials=FIRST_TRIALS, n_warmup_steps=int(search.search["warm_up_epochs"])
        ),
    )
    for child in children:
        _add(study, child, {one.field: _distribute(one) for one in dimensions})
    return study


def list_dimensions(search: Run) -> list[Dimension]:
    """What the search changes."""
    return read_space(search.search["space"], search.spec)


def propose(search: Run) -> dict[str, Any]:
    """Parameters of the next trial, by field."""
    distributions = {one.field: _distribute(one) for one in list_dimensions(search)}
    return dict(open_study(search).ask(distributions).params)


def is_hopeless(child: Run, points: Sequence[dict[str, Any]]) -> bool:
    """Whether a trial under way does worse at its last epoch than the median of those that came so far."""
    search = child.parent
    study = open_study(search, without=child)
    study.enqueue_trial(child.search["parameters"])
    trial = study.ask({one.field: _distribute(one) for one in list_dimensions(search)})
    for epoch, value in list_values(points):
        trial.report(value, epoch)
    return bool(trial.should_prune())


def find_best(search: Run) -> Run | None:
    """The finished trial with the best value on validation; the first of equals."""
    values = {child: read_value(child) for child in search.children.filter(state=RunState.DONE).order_by("pk")}
    known = {child: value for child, value in values.items() if value is not None}
    sign = 1 if tasks.find(search.task).metric_goal == "max" else -1
    return max(known, key=lambda child: sign * known[child], default=None)


def weigh_fields(search: Run) -> dict[str, float]:
    """How much of the spread of values each field explains (functional ANOVA), summing to 1; empty for few trials."""
    study = open_study(search)
    done = [trial for trial in study.trials if trial.state == TrialState.COMPLETE]
    if len(done) < LEAST_TRIALS or len({trial.value for trial in done}) < 2 or len(list_dimensions(search)) < 2:
        return {}
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return {
        field: round(share, 4)
        for field, share in optuna.importance.get_param_importances(study, evaluator=evaluator).items()
    }


def read_value(child: Run) -> float | None:
    """The metric on validation of a finished trial: what a search goes by. The test split is not looked at."""
    report = child.report or {}
    found = (report.get("validation") or {}).get(report.get("metric", ""), {})
    return found.get("value")


def list_values(points: Sequence[dict[str, Any]]) -> list[tuple[int, float]]:
    """The validation metric after each epoch."""
    epochs = [point for point in points if point.get("event") == "epoch"]
    found = {int(point["epoch"]): point.get("validation_accuracy") for point in epochs}
    return [(epoch, float(value)) for epoch, value in sorted(found.items()) if value is not None]


def _add(study: optuna.Study, child: Run, distributions: dict[str, BaseDistribution]) -> None:
    parameters, reported = child.search["parameters"], dict(list_values(child.events))
    value = read_value(child)
    if not child.is_over:
        study.enqueue_trial(parameters)
        running = study.ask(distributions)
        for epoch, each in reported.items():
            running.report(each, epoch)
        return
    if child.state == RunState.DONE and value is not None:
        state = TrialState.COMPLETE
    elif child.state == RunState.CANCELLED and child.reason.startswith(PRUNED) and reported:
        state, value = TrialState.PRUNED, list(reported.values())[-1]
    else:
        state, value = TrialState.FAIL, None
    study.add_trial(
        create_trial(
            state=state, value=value, params=parameters, distributions=distributions, intermediate_values=reported
        )
    )


def _distribute(one: Dimension) -> BaseDistribution:
    if one.kind == "choice":
        return CategoricalDistribution(one.choices)
    if one.kind == "int":
        return IntDistribution(int(one.low), int(one.high), log=one.is_log, step=int(one.step or 1))
    return FloatDistribution(one.low, one.high, log=one.is_log, step=one.step)
