"""What the pages of runs and maps draw, and the tables behind the figures."""

import hashlib
import io
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _
from PIL import Image

from fusion import maps, modality
from fusion import scheme as schemes
from fusion.sources import geotiff
from geoquorum.catalog.pixels import find_scene, kept_offset, list_bands, raster_of, remove_offset
from geoquorum.figures.lines import Series
from geoquorum.figures.whiskers import Whisker
from geoquorum.training.models import MapProduct, Run

LONGEST_SIDE = 900
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
BASELINES = {"random_forest": "Random forest", "majority_class": "Majority class"}
Row = list[Any]


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
        "differences": report["difference"],
        "classes": [(label, test["f1"][label.code]) for label in scheme.classes],
        "unseen": [label.code for label in scheme.classes if not test["f1"][label.code]["n"]],
    }


def _interval(found: dict[str, float]) -> dict[str, float]:
    """Value, low and high; a single block has no interval and is drawn as a dot."""
    value = found["value"]
    low, high = found["low"], found["high"]
    return {"value": value, "low": value if low is None else low, "high": value if high is None else high}


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


def basemap() -> dict[str, str]:
    """The tile server, where one is set."""
    return {"url": settings.BASEMAP_TILES_URL, "attribution": settings.BASEMAP_ATTRIBUTION}


def map_layers(product: MapProduct) -> dict[str, Any]:
    """What the map's script needs: bounds and the address of each layer."""
    names = [name for name in LAYERS if name != "reference" or product.summary["reference_uri"]]
    _image, bounds = _render(product, "classes")
    west, south, east, north = bounds
    return {
        "bounds": [[south, west], [north, east]],
        "layers": {name: reverse("training:layer", args=[product.pk, name]) for name in names},
    }


def draw_layer(product: MapProduct, layer: str) -> bytes:
    """A layer as PNG, kept in the cache under the map's hash."""
    name = hashlib.sha256(f"{product.sha256} {product.pk} {layer} 1".encode()).hexdigest()
    path = settings.GEOQUORUM_CACHE / "layers" / f"{name}.png"
    if path.exists():
        return path.read_bytes()
    image, _bounds = _render(product, layer)
    target = io.BytesIO()
    Image.fromarray(image, "RGBA").save(target, "PNG")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{id(target)}.partial")
    partial.write_bytes(target.getvalue())
    partial.replace(path)
    return target.getvalue()


def _render(product: MapProduct, layer: str) -> tuple[maps.Image, tuple[float, float, float, float]]:
    return LAYERS[layer](product)


def _render_classes(product: MapProduct) -> tuple[maps.Image, Any]:
    return maps.render_map(Path(product.uri), schemes.find(product.summary["scheme"]), longest_side=LONGEST_SIDE)


def _render_confidence(product: MapProduct) -> tuple[maps.Image, Any]:
    return maps.render_confidence(Path(product.confidence_uri), longest_side=LONGEST_SIDE)


def _render_imagery(product: MapProduct) -> tuple[maps.Image, Any]:
    seasons = {entry["modality"]: entry.get("season", "") for entry in product.run.version.modalities}
    name = max(seasons, key=lambda key: [view.name for view in modality.find(key).views][:1] == ["true_colour"])
    scene, declared = find_scene(product.region, name, seasons[name]), modality.find(name)
    asset = scene.assets.all()[0]
    values, valid, bounds = geotiff.read_for_web(raster_of(asset), longest_side=LONGEST_SIDE)
    places = [asset.bands.index(band) for band in list_bands(scene)]
    stored = remove_offset(values[places], asset)
    return modality.quicklook(declared, declared.views[0].name, stored, valid, offset=kept_offset(asset)), bounds


def _render_reference(product: MapProduct) -> tuple[maps.Image, Any]:
    scheme = schemes.find(product.summary["scheme"])
    return maps.render_map(Path(product.summary["reference_uri"]), scheme, longest_side=LONGEST_SIDE)


LAYERS: dict[str, Callable[[MapProduct], tuple[maps.Image, Any]]] = {
    "classes": _render_classes,
    "reference": _render_reference,
    "confidence": _render_confidence,
    "imagery": _render_imagery,
}
