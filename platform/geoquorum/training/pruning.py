"""A trial of a search that does worse than the others so far is ended before it costs more."""

from collections.abc import Sequence
from typing import Any

from geoquorum.queue.services import Cancelled
from geoquorum.training.models import PRUNED, Run


class Pruned(Cancelled):
    """The median of the earlier trials did better after the same epoch."""


def refuse_hopeless(trial: Run, points: Sequence[dict[str, Any]]) -> None:
    """Raises Pruned where a trial's metric on validation lies behind the median of those before it."""
    from geoquorum.training import study  # optuna takes a second to import, and only trials of a search need it

    found = study.list_values(points)
    if found and study.is_hopeless(trial, points):
        epoch, value = found[-1]
        raise Pruned(f"{PRUNED} after epoch {epoch} with {value:.3f} on validation: behind the median so far.")
