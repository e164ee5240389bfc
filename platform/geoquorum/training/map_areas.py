"""How much of a region each class covers, with an interval from how the run was wrong where it was tested.

Counting map pixels is biased by confusion. The area of class k is estimated from the map's shares W of each class j and
the tested samples of class k among those that the network calls j: the sum over j of W_j n_jk / n_j (Olofsson et al.
2014, doi 10.1016/j.rse.2014.02.015, equations 9 to 11). Its variance is that of independent samples times the design
effect, by which the tested overall accuracy varies more between blocks than it would between independent samples. It
holds for a region in which classes are confused as in the test split; the page says so.
"""

from collections.abc import Mapping
from math import sqrt
from typing import Any

import numpy as np
import numpy.typing as npt

from fusion import maps
from fusion.scheme import Scheme
from geoquorum.training.models import Run

Z = 1.959964  # of a 95 % interval
LEAST = 2  # tested samples of each class that the map has
SIDE = 64  # of the grid on which percentiles of a tile are taken


def describe(run: Run, drawn: maps.Drawn, scheme: Scheme) -> dict[str, Any]:
    """Shares of classes on the map, their expected shares by probability, areas with intervals, and what is flagged."""
    k = len(scheme)
    counts, sums, flagged, pixels = np.zeros(k), np.zeros(k), 0, 0
    for tile in drawn.tiles:
        found = drawn.read(tile)
        if "places" not in found:
            continue
        places = found["places"]
        counts += np.bincount(places[places >= 0], minlength=k)
        sums += found["sums"]
        pixels += int((found["probability"] != maps.NO_CONFIDENCE).sum())
        flagged += int((found.get("out_of_domain", np.zeros(1)) == 100).sum())
    shares = counts / max(counts.sum(), 1)
    return {
        "pixels": pixels,
        "shares": _name(scheme, shares),
        "expected": _name(scheme, sums / max(pixels, 1)),
        "areas": estimate_areas((run.report or {}).get("test"), shares, scheme),
        "flagged": flagged / max(pixels, 1) if _has_flags(drawn) else None,
    }


def describe_values(drawn: maps.Drawn) -> dict[str, Any]:
    """Of each band of a field: its mean, its range between the 2nd and 98th percentile, and how many pixels have it."""
    sums, pixels, kept = 0.0, 0, []
    for tile in drawn.tiles:
        values = drawn.read(tile).get("value")
        if values is None:
            continue
        sums = sums + np.nansum(values, axis=(1, 2), dtype=np.float64)
        pixels += int(np.isfinite(values[0]).sum())
        kept.append(values.reshape(len(values), -1)[:, :: max(1, values[0].size // SIDE**2)])
    if not pixels:
        return {"pixels": 0, "values": []}
    low, high = np.nanpercentile(np.concatenate(kept, axis=1), (2, 98), axis=1)
    rows = zip((np.asarray(sums) / pixels).tolist(), low.tolist(), high.tolist(), strict=True)
    return {"pixels": pixels, "values": [{"mean": mean, "low": below, "high": above} for mean, below, above in rows]}


def estimate_areas(
    test: Mapping[str, Any] | None, shares: npt.NDArray[np.float64], scheme: Scheme
) -> dict[str, dict[str, float]] | None:
    """Share of each class with its interval, by code; None where the test says too little of a class on the map."""
    if not test or list(test.get("codes", ())) != list(scheme.codes):
        return None
    confusion = np.asarray(test["confusion"], dtype=np.float64)  # [truth, answer]
    if confusion.shape != (len(scheme), len(scheme)):
        return None
    asked = confusion.sum(axis=0)
    if (asked[shares > 0] < LEAST).any():
        return None
    used = np.flatnonzero(shares > 0)
    rates = confusion[:, used] / asked[used]
    areas = rates @ shares[used]
    spread = (rates * (1 - rates) / (asked[used] - 1)) @ shares[used] ** 2
    errors = np.sqrt(spread * find_design_effect(test))
    return {
        code: {
            "value": float(area),
            "low": float(max(0.0, area - Z * error)),
            "high": float(min(1.0, area + Z * error)),
        }
        for code, area, error in zip(scheme.codes, areas, errors, strict=True)
    }


def find_design_effect(test: Mapping[str, Any]) -> float:
    """Variance of the overall accuracy over blocks by that of as many independent samples; at least 1 (Kish 1965)."""
    found, n = test["oa"], int(test["n"])
    value, low, high = found["value"], found["low"], found["high"]
    alone = sqrt(max(value * (1 - value), 1e-12) / n)
    if low is None or high is None:
        return 1.0
    return max(1.0, ((high - low) / (2 * Z) / alone) ** 2)


def _has_flags(drawn: maps.Drawn) -> bool:
    return any("out_of_domain" in drawn.read(tile) for tile in drawn.tiles)


def _name(scheme: Scheme, values: npt.NDArray[np.float64]) -> dict[str, float]:
    return dict(zip(scheme.codes, values.round(6).tolist(), strict=True))
