"""Several runs of one task beside each other: what differs in their specs, their scores, and differences in pairs."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt
from django.utils.translation import gettext as _

from fusion import scores
from fusion.errors import BadInputError, PackError
from fusion.pack import Pack
from geoquorum.figures.lines import Series
from geoquorum.training.models import Run
from geoquorum.training.reports import ACCURACIES

MOST_RUNS = 8
RESAMPLES = 1000
NOT_COMPARED = ("pack", "pack_sha256", "threads")
Row = list[Any]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What a run said of its test samples: ids, labels and probabilities [n, k], in one order."""

    ids: npt.NDArray[np.str_]
    labels: npt.NDArray[np.int64]
    probabilities: npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Metric of one run minus that of another on the same test samples with its 95 % interval, or why there is none."""

    run: Run
    other: Run
    found: Mapping[str, Any] | None
    reason: str = ""

    @property
    def is_clear(self) -> bool:
        """Whether the interval leaves 0 out."""
        return bool(self.found) and self.found["low"] is not None and not self.found["low"] <= 0 <= self.found["high"]


def check_comparable(runs: Sequence[Run]) -> None:
    """BadInputError where these runs cannot stand beside each other."""
    if not 2 <= len(runs) <= MOST_RUNS:
        raise BadInputError(f"Choose 2 to {MOST_RUNS} runs to compare; there are {len(runs)}.")
    if len({run.task for run in runs}) > 1:
        named = ", ".join(sorted({run.task for run in runs}))
        raise BadInputError(f"Runs of one task are compared; these learn {named}. Choose those of one.")


def list_spec_differences(runs: Sequence[Run]) -> list[tuple[str, list[str]]]:
    """Fields of the spec in which the runs differ, with the value of each; inner fields by a dot."""
    specs = [{"version": str(run.version), **dict(flatten(run.spec))} for run in runs]
    fields = sorted({field for spec in specs for field in spec} - set(NOT_COMPARED))
    rows = [(field, [_tell(spec.get(field)) for spec in specs]) for field in fields]
    return [(field, values) for field, values in rows if len(set(values)) > 1]


def flatten(values: Mapping[str, Any], prefix: str = "") -> Iterable[tuple[str, Any]]:
    """Fields of a spec and of the objects in it: `network.width` ..."""
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from flatten(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def list_metrics(runs: Sequence[Run]) -> list[tuple[str, str, list[Mapping[str, Any]]]]:
    """Key, title and each run's score on its test split, for the metrics that any has; {} where one has none."""
    found = [(run.report or {}).get("test") or {} for run in runs]
    known = dict(ACCURACIES)
    keys = [key for key in known if any(_is_score(one.get(key)) for one in found)]
    keys += sorted({key for one in found for key, value in one.items() if _is_score(value)} - set(known))
    return [(key, known.get(key, key), [_score(one, key) for one in found]) for key in keys]


def list_differences(runs: Sequence[Run]) -> list[Difference]:
    """Each other run against the first one, in the task's metric and in pairs of the same test samples."""
    first, *others = runs
    told = {run.pk: read_answers(run) for run in runs}
    blocks = read_blocks(first)
    return [_compare(run, first, told, blocks) for run in others]


def draw_curves(runs: Sequence[Run]) -> dict[str, list[Series]]:
    """Loss and metric on validation after each epoch, a line for each run."""
    return {
        key: [Series(name=_short(run), points=_read_epochs(run, f"validation_{key}")) for run in runs]
        for key in ("loss", "accuracy")
    }


def tabulate(runs: Sequence[Run], differences: Sequence[Difference]) -> Iterable[Row]:
    """Everything on the page as rows of a CSV file."""
    yield ["kind", "name", *(f"run {run.pk}: {run.name}" for run in runs)]
    yield from (["spec", field, *values] for field, values in list_spec_differences(runs))
    for key, _title, found in list_metrics(runs):
        for part in ("value", "low", "high"):
            yield ["test", f"{key} {part}", *(one.get(part) for one in found)]
    pairs = {one.run.pk: one for one in differences}
    for part in ("value", "low", "high"):
        yield [
            "difference to the first",
            part,
            *((pairs[run.pk].found or {}).get(part) if run.pk in pairs else None for run in runs),
        ]
    for key in ("loss", "accuracy"):
        for run in runs:
            yield from (
                ["curve", f"validation_{key} of run {run.pk} after step {step}", value]
                for step, value in _read_epochs(run, f"validation_{key}")
            )


def read_answers(run: Run) -> Answers | None:
    """What a run stored of its test samples; None where it stored nothing that can be read."""
    name = (run.report or {}).get("samples") or ""
    path = Path(run.folder) / name
    if not name or not path.is_file():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            if not {"id", "label", "probability"} <= set(file.files):
                return None
            return Answers(
                ids=file["id"].astype(np.str_), labels=file["label"].astype(np.int64), probabilities=file["probability"]
            )
    except (OSError, ValueError, BadZipFile):
        return None


def read_blocks(run: Run) -> dict[str, str]:
    """The block of each sample of the run's version; a sample without one stands for itself."""
    try:
        table = Pack.open(run.version.uri, sha256=run.version.sha256).samples
    except PackError:
        return {}
    pairs = zip(table.column("id").to_pylist(), table.column("block").to_pylist(), strict=True)
    return {own: block or f"sample {own}" for own, block in pairs}


def _compare(run: Run, first: Run, told: Mapping[int, Answers | None], blocks: Mapping[str, str]) -> Difference:
    a, b = told[run.pk], told[first.pk]
    if a is None or b is None:
        lacking = run if a is None else first
        return Difference(
            run=run, other=first, found=None, reason=_("%(run)s stored no predictions.") % {"run": lacking}
        )
    if not (np.array_equal(a.ids, b.ids) and np.array_equal(a.labels, b.labels)):
        reason = _("Their test samples are not the same ones, so only the intervals can be held against each other.")
        return Difference(run=run, other=first, found=None, reason=reason)
    report = run.report or {}
    found = scores.paired_difference(
        a.labels,
        a.probabilities,
        b.probabilities,
        [blocks.get(own, f"sample {own}") for own in a.ids.tolist()],
        metric=report["metric"],
        scheme=report["test"]["scheme"],
        resamples=RESAMPLES,
    )
    return Difference(run=run, other=first, found=found)


def _read_epochs(run: Run, key: str) -> list[tuple[float | None, float | None]]:
    return [(event.get("step"), event.get(key)) for event in run.events if event.get("event") == "epoch"]


def _is_score(value: Any) -> bool:
    return isinstance(value, Mapping) and isinstance(value.get("value"), int | float)


def _score(found: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = found.get(key)
    return value if _is_score(value) else {}


def _short(run: Run) -> str:
    return _("run %(number)s") % {"number": run.pk}


def _tell(value: Any) -> str:
    return "–" if value is None else value if isinstance(value, str) else json.dumps(value)
