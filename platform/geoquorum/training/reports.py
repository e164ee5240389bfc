"""What the pages of runs say and draw: curves while a run learns, its report when it is done."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from fusion import scheme as schemes
from geoquorum.figures.lines import Series
from geoquorum.figures.whiskers import Whisker
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
)
DIFFERENCES = {
    "cnn_minus_random_forest": gettext_lazy("Network minus random forest:"),
    "cnn_minus_majority_class": gettext_lazy("Network minus majority class:"),
}
BASELINES = {"random_forest": "Random forest", "majority_class": "Majority class"}


def headline(run: Run) -> dict[str, Any] | None:
    """The metric of a finished run with its interval."""
    scores = (run.report or {}).get("test") or {}
    return scores.get((run.report or {}).get("metric", ""))


def describe_progress(run: Run) -> dict[str, Any]:
    """Curves, speed and time left, from the run's events."""
    steps = [event for event in run.events if event["event"] == "step"]
    epochs = [event for event in run.events if event["event"] == "epoch"]

    def line(name: str, events: list[dict[str, Any]], key: str, *, dashed: bool = False) -> Series:
        return Series(name=name, points=[(e.get("step"), e.get(key)) for e in events], is_dashed=dashed)

    return {
        "loss": [line(_("training"), steps, "loss"), line(_("validation"), epochs, "validation_loss", dashed=True)],
        "accuracy": [
            line(_("training"), steps, "accuracy"),
            line(_("validation"), epochs, "validation_accuracy", dashed=True),
        ],
        "has_curves": bool(steps),
        "share": run.progress.get("share"),
        "epoch": run.progress.get("epoch"),
        "images_per_second": run.progress.get("images_per_second"),
        "eta_s": run.progress.get("eta_s"),
    }


def describe_report(run: Run) -> dict[str, Any]:
    """The report in the page's words: finding, accuracies, baselines, confusion, reliability, classes."""
    report = run.report
    test = report["test"] or report["validation"]
    scheme = schemes.find(test["scheme"])
    metric = report["metric"]
    name = dict(ACCURACIES).get(metric, metric)
    ours = Whisker(name=report["spec"]["network"]["name"], is_marked=True, **_interval(test[metric]))
    others = [
        Whisker(name=BASELINES.get(key, key), **_interval(found[metric])) for key, found in report["baselines"].items()
    ]
    return {
        "report": report,
        "test": test,
        "scheme": scheme,
        "metric_name": name,
        "main": test[metric],
        "accuracies": [(title, test[key]) for key, title in ACCURACIES if test.get(key, {}).get("value") is not None],
        "comparison": [ours, *others],
        "differences": {DIFFERENCES.get(key, key): found for key, found in report["difference"].items()},
        "classes": [(label, test["f1"][label.code]) for label in scheme.classes],
        "unseen": [label.code for label in scheme.classes if not test["f1"][label.code]["n"]],
    }


def _interval(found: dict[str, float]) -> dict[str, float]:
    """Value, low and high; a single block has no interval and is drawn as a dot."""
    value = found["value"]
    low, high = found["low"], found["high"]
    return {"value": value, "low": value if low is None else low, "high": value if high is None else high}
