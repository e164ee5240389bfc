"""What the pages of runs say and draw: curves while a run learns, its report when it is done."""

from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext_lazy

from fusion import scheme as schemes
from geoquorum.figures.whiskers import Whisker
from geoquorum.training.findings import describe_findings, to_whisker
from geoquorum.training.models import Run

ACCURACIES = (
    ("oa", "Overall accuracy"),
    ("aa", "Average accuracy"),
    ("kappa", "Kappa"),
    ("weighted_accuracy", "Weighted accuracy"),
    ("oa_built", "Overall accuracy, built classes"),
    ("oa_built_vs_natural", "Built versus natural"),
    ("macro_f1", "Macro F1"),
    ("ece", "Expected calibration error"),
    ("cross_entropy_votes", "Cross-entropy to the votes"),
    ("negative_log_likelihood", "Negative log-likelihood"),
    ("brier", "Brier score"),
    ("mean_iou", "Mean intersection over union"),
    ("rmse", "Root mean square error"),
    ("mae", "Mean absolute error"),
    ("r2", "Explained variance"),
)
DIFFERENCES = {
    "cnn_minus_random_forest": gettext_lazy("Network minus random forest:"),
    "cnn_minus_majority_class": gettext_lazy("Network minus majority class:"),
    "cnn_minus_change_vectors": gettext_lazy("Network minus change vectors:"),
    "cnn_minus_logistic": gettext_lazy("Network minus logistic regression:"),
}
BASELINES = {
    "random_forest": "Random forest",
    "majority_class": "Majority class",
    "change_vectors": "Change vectors",
    "logistic": "Logistic regression",
}


def headline(run: Run) -> dict[str, Any] | None:
    """The metric of a finished run with its interval."""
    scores = (run.report or {}).get("test") or {}
    return scores.get((run.report or {}).get("metric", ""))


def describe_report(run: Run) -> dict[str, Any]:
    """The report in the page's words: finding, scores, baselines, findings; confusion and classes where it has them.

    `main` is None where neither a test nor a validation split holds a sample.
    """
    report = run.report
    test = report["test"] or report["validation"]
    if not test:
        return {"report": report, "main": None}
    scheme = schemes.find(test["scheme"]) if "scheme" in test else None
    metric = report["metric"]
    name = name_metric(metric)
    ours = to_whisker(report["spec"]["network"]["name"], test[metric], is_marked=True)
    others = [to_whisker(BASELINES.get(key, key), found[metric]) for key, found in report["baselines"].items()]
    classes = [(label, test["f1"][label.code]) for label in scheme.classes] if scheme else []
    return {
        "report": report,
        "test": test,
        "scheme": scheme,
        "metric_name": name,
        "main": test[metric],
        "accuracies": list_scores(test),
        "comparison": [ours, *others],
        "span": find_span([ours, *others]),
        "differences": {DIFFERENCES.get(key, key): found for key, found in report["difference"].items()},
        "classes": classes,
        "unseen": [label.code for label, found in classes if not found["n"]],
        "findings": describe_findings(report, name, scheme),
    }


def name_metric(metric: str) -> str:
    """A metric as the page writes it."""
    return dict(ACCURACIES).get(metric) or metric.replace("_", " ").capitalize()


def list_scores(scores: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Every score with an interval, the known ones first."""
    known = [key for key, _title in ACCURACIES if key in scores]
    found = [(key, scores[key]) for key in [*known, *sorted(set(scores) - set(known))]]
    return [
        (name_metric(key), one)
        for key, one in found
        if isinstance(one, dict) and {"value", "low", "high"} <= set(one) and one["value"] is not None
    ]


def find_span(rows: Sequence[Whisker]) -> tuple[float, float]:
    """The scale of a chart: 0 to 1 for shares, as far as values reach for all else."""
    low, high = min(row.low for row in rows), max(row.high for row in rows)
    return min(0.0, low), 1.0 if high <= 1 else high * 1.05
