"""What a report says beyond its scores: unseen cities, prediction sets, strangers, doubt and calibration, as findings.

Every entry has a `title`, the finding in one sentence, and what its figure draws; earlier reports have none.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from fusion.scheme import Scheme
from geoquorum.figures.whiskers import Whisker

Report = Mapping[str, Any]
SPLITS = ("validation", "test")


def describe_findings(report: Report, metric_name: str, scheme: Scheme | None) -> dict[str, Any]:
    """All of them by name; None where the report holds none."""
    return {
        "protocol": describe_protocol(report.get("protocol") or {}),
        "groups": describe_groups(report, metric_name),
        "sets": describe_sets(report.get("conformal") or {}, scheme),
        "strangers": describe_strangers(report.get("out_of_domain") or {}),
        "doubt": describe_doubt(report.get("uncertainty") or {}),
        "tuning": describe_tuning(report),
    }


def describe_protocol(found: Report) -> dict[str, Any] | None:
    """Whether the test is of cities that were trained in, as a sentence and as a warning."""
    if "is_unseen" not in found:
        return None
    if found["is_unseen"] is None:
        return {"sentence": _("It is not known whether the cities of the test were trained in."), "is_warning": False}
    cities = found["city"]
    if cities["shared"]:
        names = ", ".join(cities["shared"][:3])
        return {"sentence": _("Tested in cities it was trained in: %(names)s.") % {"names": names}, "is_warning": True}
    words = {"n": cities["test"], "of": cities["train"]}
    sentence = ngettext(
        "Tested in %(n)s city that it was not trained in (trained in %(of)s).",
        "Tested in %(n)s cities that it was not trained in (trained in %(of)s).",
        cities["test"],
    )
    return {"sentence": sentence % words, "is_warning": False}


def describe_groups(report: Report, metric_name: str) -> list[dict[str, Any]]:
    """By city and by culture zone: rows with bars, and the mean over groups where it was asked for."""
    names = {"city": _("cities"), "culture_zone": _("culture zones")}
    found = []
    for column, group in (report.get("groups") or {}).items():
        rows = [row for row in group["rows"] if row["value"] is not None]
        if not rows:
            continue
        found.append(
            {
                "table": {"city": "cities", "culture_zone": "culture_zones"}[column],
                "title": _title_groups(group["mean"], rows, metric_name, names.get(column, column)),
                "rows": group["rows"],
                "whiskers": [to_whisker(row["name"] or _("unknown"), row) for row in rows] + _mean_row(group["mean"]),
                "has_coverage": "coverage" in rows[0],
                "has_flags": "flagged" in rows[0],
            }
        )
    return found


def _title_groups(mean: Report | None, rows: Sequence[Report], metric_name: str, noun: str) -> str:
    words = {"metric": metric_name, "noun": noun, "n": len(rows)}
    if len(rows) == 1:
        return _("%(metric)s %(value).3f in %(name)s") % {**words, "value": rows[0]["value"], "name": rows[0]["name"]}
    low, high = (choose(rows, key=lambda row: row["value"]) for choose in (min, max))
    words |= {"low": low["value"], "worst": low["name"], "high": high["value"], "best": high["name"]}
    if mean and mean["low"] is not None:
        words |= {"value": mean["value"], "from": mean["low"], "to": mean["high"]}
        return _("%(metric)s %(value).3f on average over %(n)s %(noun)s (%(from).3f – %(to).3f)") % words
    return _("%(metric)s from %(low).3f (%(worst)s) to %(high).3f (%(best)s)") % words


def _mean_row(mean: Report | None) -> list[Whisker]:
    if not mean or mean["low"] is None:
        return []
    return [to_whisker(_("mean of %(n)s") % {"n": mean["n"]}, mean, is_marked=True)]


def describe_sets(found: Report, scheme: Scheme | None) -> dict[str, Any] | None:
    """Prediction sets: how often they hold the true class, how large they are, coverage per class."""
    measured = found.get("test")
    if not measured:
        return {"title": found["note"]} if found.get("note") else None
    covered, size = measured["coverage"], measured["mean_size"]
    words = {
        "asked": 100 * found["coverage"], "value": 100 * covered["value"], "size": size["value"],
        "range": write_range(covered, percent=True),
    }  # fmt: skip
    title = _(
        "Sets that promise the true class in %(asked).0f %% hold it in %(value).1f %%%(range)s, with %(size).2f classes"
    )
    codes = [label.code for label in scheme.classes] if scheme else list(measured["classes"])
    by_class = [(code, measured["classes"][code]) for code in codes]
    rows = [to_whisker(f"{code}  (n = {one['n']})", one) for code, one in by_class if one["value"] is not None]
    return {
        "title": title % words,
        "note": found.get("note", ""),
        "asked": found["coverage"],
        "by": found["by"],
        "method": found["method"].upper(),
        "samples": found["samples"],
        "groups": found["groups"],
        "measured": measured,
        "classes": rows,
        "is_held": covered["low"] is None or covered["low"] <= found["coverage"] <= covered["high"],
    }


def describe_strangers(found: Report) -> dict[str, Any] | None:
    """Out-of-domain scores: share flagged against the share expected, histograms, AUROC of unseen classes."""
    if "threshold" not in found:
        return {"title": found["note"]} if found.get("note") else None
    expected = 100 * (1 - found["in_domain"])
    flagged = found.get("flagged")
    if flagged is None:
        title = _("No held-out samples to flag")
    else:
        words = {"value": 100 * flagged["value"], "range": write_range(flagged, percent=True), "expected": expected}
        title = (
            _(
                "%(value).1f %% of held-out samples%(range)s look unlike what was learned; "
                "%(expected).0f %% would do so by chance"
            )
            % words
        )
    units = {
        "neighbours": _("distance to the tenth nearest training sample, standard deviations"),
        "energy": _("energy, nats (higher is stranger)"),
        "dirichlet": _("spread of the Dirichlet, nats"),
    }
    return {
        "title": title,
        "histogram": _name_splits(found["histogram"]),
        "threshold": found["threshold"],
        "x_label": units.get(found["method"], found["method"]),
        "unseen": found.get("unseen_classes"),
        "outliers": found.get("outliers", [])[:10],
    }


def _name_splits(histogram: Report) -> dict[str, Any]:
    names = {"validation": _("validation"), "test": _("held out")}
    counts = histogram["counts"]
    return {**histogram, "counts": {name: counts[key] for key, name in names.items() if key in counts}}


def describe_doubt(found: Report) -> dict[str, Any] | None:
    """Entropies or variances by part, and how well entropy tells wrong answers from right ones."""
    own = found.get("test") or found.get("validation") or {}
    names = (
        ("entropy", _("Total entropy")),
        ("expected_entropy", _("Expected entropy (noise)")),
        ("mutual_information", _("Mutual information (what is not known)")),
        ("variance", _("Total variance")),
        ("aleatoric_variance", _("Predicted variance (noise)")),
        ("epistemic_variance", _("Variance between networks (what is not known)")),
    )
    totals = ("entropy", "variance")  # one network alone leaves nothing to tell apart
    rows = [(title, own[key]) for key, title in names if key in own and (found["answers"] > 1 or key in totals)]
    if not rows:
        return None
    area = own.get("auroc_of_errors") or {}
    return {
        "rows": rows,
        "auroc": area if area.get("value") is not None else None,
        "answers": found["answers"],
        "unit": _("nats") if "entropy" in own else _("the square of the field's unit"),
    }


def describe_tuning(report: Report) -> dict[str, Any] | None:
    """Calibration before and after the temperature, on the split that is shown; None where none was fitted."""
    calibration = report["calibration"]
    split = "test" if report["test"] else "validation"
    before = (calibration.get("before") or {}).get(split)
    if calibration.get("method") != "temperature":
        return None
    return {"temperature": calibration["temperature"], "before": before, "after": report[split]}


def to_whisker(name: str, found: Report, *, is_marked: bool = False) -> Whisker:
    """Value, low and high; a single block has no interval and is drawn as a dot."""
    value, low, high = (found[key] for key in ("value", "low", "high"))
    bounds = {"low": value if low is None else low, "high": value if high is None else high}
    return Whisker(name=name, value=value, is_marked=is_marked, **bounds)


def write_range(found: Report, *, percent: bool = False) -> str:
    """The interval in brackets, nothing where there is none."""
    if found["low"] is None:
        return ""
    return (
        f" ({100 * found['low']:.1f} – {100 * found['high']:.1f})"
        if percent
        else f" ({found['low']:.3f} – {found['high']:.3f})"
    )
