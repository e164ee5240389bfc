"""A run while it learns: curves beside its sisters', speed and room, attempts, the end of its log."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.utils.translation import gettext as _

from fusion import task as tasks
from fusion.errors import UnknownKindError
from geoquorum.figures.lines import Series
from geoquorum.training.events import Event, clean_text
from geoquorum.training.models import Run
from geoquorum.training.reports import name_metric
from geoquorum.training.sisters import list_sisters

LOG_BYTES = 4_000
LOG_LINES = 20
TOLD = ("share", "epoch", "step", "steps", "eta_s", "images_per_second", "memory_mb", "waiting_share", "device")


def describe_progress(run: Run) -> dict[str, Any]:
    """Curves and figures of the run's page, from its row alone."""
    steps, epochs = _list(run, "step"), _list(run, "epoch")
    sisters = [sister for sister in list_sisters(run) if any(one["event"] == "epoch" for one in sister.events)]
    known = {key: _find_last(run.events, key) for key in TOLD} | {
        key: run.progress[key] for key in TOLD if run.progress.get(key) is not None
    }
    return {
        **known,
        "loss": _draw(steps, epochs, sisters, "loss"),
        "accuracy": _draw(steps, epochs, sisters, "accuracy"),
        "metric": find_metric(run),
        "sisters": sisters,
        "has_curves": bool(steps or epochs),
        "attempts": list_attempts(run),
        "warnings": list((run.progress.get("mirrors") or {}).values()),
    }


def find_metric(run: Run) -> str:
    """The title of the metric that the task is measured by."""
    try:
        return name_metric(tasks.find(run.task).metric)
    except UnknownKindError:  # a task that this installation knows no more
        return str(_("metric"))


def list_attempts(run: Run) -> list[dict[str, Any]]:
    """When the run began, and where each later attempt went on."""
    starts = _list(run, "start")
    return [
        {"number": number, "at": one.get("time"), "step": one["step"] if one.get("resumed") else 0}
        for number, one in enumerate(starts, 1)
    ]


def read_log(run: Run) -> str:
    """The last lines of what the run's process said; for curators, because paths stand there."""
    path = Path(run.folder) / "train.log"
    if not run.folder or not path.is_file():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - LOG_BYTES))
        block = file.read(LOG_BYTES)
    lines = block.decode("utf-8", errors="replace").splitlines()
    return clean_text("\n".join(lines[-LOG_LINES:]), LOG_BYTES)


def _list(run: Run, event: str) -> list[Event]:
    return [one for one in run.events if one.get("event") == event]


def _find_last(events: Sequence[Event], key: str) -> Any:
    return next((one[key] for one in reversed(events) if one.get(key) is not None), None)


def _draw(steps: list[Event], epochs: list[Event], sisters: Sequence[Run], key: str) -> list[Series]:
    """Training and validation; the validation of each sister as a thin line behind it."""
    own = [
        Series(name=_("training"), points=_read(steps if len(steps) >= len(epochs) else epochs, key), hue=1),
        Series(name=_("validation"), points=_read(epochs, f"validation_{key}"), is_dashed=True, hue=2),
    ]
    thin = [
        Series(name="", points=_read(_list(one, "epoch"), f"validation_{key}"), is_thin=True, hue=2) for one in sisters
    ]
    return own + thin


def _read(events: list[Event], key: str) -> list[tuple[float | None, float | None]]:
    return [(one.get("step"), one.get(key)) for one in events]
