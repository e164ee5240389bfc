"""The numbers behind the figures of a run, as rows for a CSV file."""

from collections.abc import Callable, Iterable
from typing import Any

from geoquorum.training.models import Run
from geoquorum.training.reports import ACCURACIES

Row = list[Any]


def _curve_rows(run: Run) -> Iterable[Row]:
    keys = ["event", "step", "epoch", "loss", "accuracy", "validation_loss", "validation_accuracy", "images_per_second"]
    return [keys, *([event.get(key) for key in keys] for event in run.events)]


def _accuracy_rows(run: Run) -> Iterable[Row]:
    test = run.report["test"] or run.report["validation"]
    rows = [["method", "metric", "value", "low", "high", "n"]]
    for method, scores in [("network", test), *run.report["baselines"].items()]:
        for key, _title in ACCURACIES:
            found = scores.get(key) or {}
            rows.append([method, key, found.get("value"), found.get("low"), found.get("high"), scores["n"]])
    return rows


def _class_rows(run: Run) -> Iterable[Row]:
    test = run.report["test"] or run.report["validation"]
    keys = ["n", "value", "low", "high", "precision", "recall"]
    return [["code", *keys], *([code, *(found[key] for key in keys)] for code, found in test["f1"].items())]


def _confusion_rows(run: Run) -> Iterable[Row]:
    test = run.report["test"] or run.report["validation"]
    return [
        ["truth", *test["codes"]],
        *([code, *row] for code, row in zip(test["codes"], test["confusion"], strict=True)),
    ]


def _reliability_rows(run: Run) -> Iterable[Row]:
    bins = (run.report["test"] or run.report["validation"])["reliability"]
    keys = list(bins[0])
    return [keys, *([one[key] for key in keys] for one in bins)]


TABLES: dict[str, Callable[[Run], Iterable[Row]]] = {
    "curves": _curve_rows,
    "accuracies": _accuracy_rows,
    "classes": _class_rows,
    "confusion": _confusion_rows,
    "reliability": _reliability_rows,
}
