"""The numbers behind the figures of a run, as rows for a CSV file."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from geoquorum.training.models import Run

Row = list[Any]
INTERVAL = ("value", "low", "high")


def _curve_rows(run: Run) -> Iterable[Row]:
    keys = ["event", "step", "epoch", "loss", "accuracy", "validation_loss", "validation_accuracy", "images_per_second"]
    return [keys, *([event.get(key) for key in keys] for event in run.events)]


def _accuracy_rows(run: Run) -> Iterable[Row]:
    test = run.report["test"] or run.report["validation"]
    keys = [key for key, found in test.items() if isinstance(found, dict) and set(INTERVAL) <= set(found)]
    rows = [["method", "metric", *INTERVAL, "n"]]
    for method, scores in [("network", test), *run.report["baselines"].items()]:
        for key in keys:
            found = scores.get(key) or {}
            rows.append([method, key, found.get("value"), found.get("low"), found.get("high"), scores["n"]])
    return rows


def _class_rows(run: Run) -> Iterable[Row]:
    test = run.report["test"] or run.report["validation"]
    keys = ["n", "value", "low", "high", "precision", "recall"]
    found = test.get("f1", {})
    return [["code", *keys], *([code, *(found[code][key] for key in keys)] for code in test.get("codes", []))]


def _confusion_rows(run: Run) -> Iterable[Row]:
    test = run.report["test"] or run.report["validation"]
    codes, counts = test.get("codes", []), test.get("confusion", [])
    return [["truth", *codes], *([code, *row] for code, row in zip(codes, counts, strict=True))]


def _reliability_rows(run: Run) -> Iterable[Row]:
    """Bins as they are, and, of a network with a temperature, as they were before."""
    split = "test" if run.report["test"] else "validation"
    before = (run.report["calibration"].get("before") or {}).get(split) or {}
    keys = ["low", "high", "n", "confidence", "accuracy", "accuracy_low", "accuracy_high"]
    stages = (("as reported", run.report[split]), ("before the temperature", before))
    rows = [[stage, *(one[key] for key in keys)] for stage, found in stages for one in found.get("reliability", [])]
    return [["stage", *keys], *rows]


def _group_rows(run: Run, column: str) -> Iterable[Row]:
    """The metric of each group, with coverage of prediction sets and share of flags where there are any."""
    rows = _read(run, "groups", column, "rows") or []
    keys, parts = ["name", "n", "blocks", "value", "low", "high", "is_trained_in"], ("coverage", "flagged")
    shares = [[(row.get(part) or {}).get(key) for part in parts for key in INTERVAL] for row in rows]
    return [
        [*keys, *(f"{part}_{key}" for part in parts for key in INTERVAL)],
        *([row[key] for key in keys] + more for row, more in zip(rows, shares, strict=True)),
    ]


def _set_rows(run: Run) -> Iterable[Row]:
    """How often prediction sets hold the true class: all of them, those of each class, those of each size."""
    found = _read(run, "conformal", "test") or {}
    rows = [["all", "", found["n"], *(found["coverage"][key] for key in INTERVAL)]] if found else []
    by_class = [(code, found["classes"][code]) for code in _read(run, "test", "codes") or []] if found else []
    rows += [["class", code, one["n"], *(one[key] for key in INTERVAL)] for code, one in by_class]
    rows += [["size", one["size"], one["n"], one["coverage"], None, None] for one in found.get("sizes", [])]
    return [["of", "name", "n", *(f"coverage_{key}" for key in INTERVAL)], *rows]


def _strangeness_rows(run: Run) -> Iterable[Row]:
    """The histogram of out-of-domain scores, and on which side of the threshold each bin ends."""
    found = _read(run, "out_of_domain", "histogram") or {"edges": [], "counts": {}}
    threshold = _read(run, "out_of_domain", "threshold")
    bins = zip(found["edges"], found["edges"][1:], strict=False)
    names = [name for name in ("validation", "test") if name in found["counts"]]
    rows = [
        [low, high, high > threshold, *(found["counts"][name][place] for name in names)]
        for place, (low, high) in enumerate(bins)
    ]
    return [["from", "to", "reaches_above_threshold", *names], *rows]


def _outlier_rows(run: Run) -> Iterable[Row]:
    keys = ["id", "city", "score", "label", "answer"]
    return [keys, *([one.get(key) for key in keys] for one in _read(run, "out_of_domain", "outliers") or [])]


def _doubt_rows(run: Run) -> Iterable[Row]:
    """Mean entropies or variances by split."""
    rows = [
        [split, name, *(found[key] for key in INTERVAL)]
        for split in ("validation", "test")
        for name, found in (_read(run, "uncertainty", split) or {}).items()
    ]
    return [["split", "name", *INTERVAL], *rows]


def _read(run: Run, *path: str) -> Any:
    """A part of the report; None in reports of earlier versions."""
    found: Any = run.report
    for key in path:
        found = (found or {}).get(key)
    return found


TABLES: dict[str, Callable[[Run], Iterable[Row]]] = {
    "curves": _curve_rows,
    "accuracies": _accuracy_rows,
    "classes": _class_rows,
    "confusion": _confusion_rows,
    "reliability": _reliability_rows,
    "cities": partial(_group_rows, column="city"),
    "culture_zones": partial(_group_rows, column="culture_zone"),
    "sets": _set_rows,
    "strangeness": _strangeness_rows,
    "outliers": _outlier_rows,
    "doubt": _doubt_rows,
}
