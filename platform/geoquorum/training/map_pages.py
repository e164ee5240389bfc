"""What the page and the API of a map say: its legend with areas, its layers and files, what is flagged."""

from typing import Any

from fusion import maps
from fusion import scheme as schemes
from fusion.out_of_domain import IN_DOMAIN
from geoquorum.training import layers
from geoquorum.training.models import MapProduct

STRANGE = 2.0  # times as many flags as known ground would have make the page say so


def describe(product: MapProduct) -> dict[str, Any]:
    """What the page of a map that stands is rendered with."""
    summary, usual = product.summary, 1 - IN_DOMAIN
    flagged = summary.get("flagged")
    context = {
        "layers": layers.map_layers(product),
        "files": list_files(product),
        "flagged": flagged,
        "usual": usual,
        "is_strange": flagged is not None and flagged > STRANGE * usual,
    }
    if summary.get("output") == "field":
        rows = zip(summary["names"], summary["values"], strict=False)
        return context | {
            "values": list(rows),
            "unit": summary["unit"],
            "ramp": [(100 * place // (len(maps.RAMP) - 1), colour) for place, colour in enumerate(maps.RAMP)],
        }
    scheme = schemes.find(summary["scheme"])
    return context | {
        "scheme": scheme,
        "legend": [describe_class(product, label) for label in scheme.classes],
        "has_areas": summary.get("areas") is not None,
        "total_km2": total_km2(product),
    }


def describe_class(product: MapProduct, label: Any) -> dict[str, Any]:
    """A class with its share of the map, the area of it there, and the area estimated from the test, in km2."""
    summary, whole = product.summary, total_km2(product)
    share = summary["shares"].get(label.code, 0.0)
    estimate = (summary.get("areas") or {}).get(label.code)
    return {
        "label": label,
        "share": share,
        "km2": None if whole is None else share * whole,
        "estimate": None
        if estimate is None or whole is None
        else {key: value * whole for key, value in estimate.items()},
    }


def total_km2(product: MapProduct) -> float | None:
    """The ground that the map shows; maps of before did not count it."""
    summary = product.summary
    return summary["pixels"] * summary["pixel_m"] ** 2 / 1e6 if summary.get("pixels") else None


def list_files(product: MapProduct) -> dict[str, str]:
    """Files of a map by the name of their part in its addresses."""
    summary = product.summary
    main = "values" if summary.get("output") == "field" else "classes"
    beside = "layers" if summary.get("bands") else "confidence"
    found = {main: product.uri, beside: product.confidence_uri, "probabilities": summary.get("probabilities_uri", "")}
    return {name: uri for name, uri in found.items() if uri}
