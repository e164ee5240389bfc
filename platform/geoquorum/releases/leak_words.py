"""What a leak report says of a version that was refused: what is above its limit, where, and what helps."""

from typing import Any

from django.utils.translation import gettext as _
from django.utils.translation import ngettext


def list_refusals(report: dict[str, Any]) -> list[dict[str, Any]]:
    """Why a report refuses a release, each with the next step and pairs of samples: (id, split, id, split, group)."""
    found: list[dict[str, Any]] = []
    if count := report.get("overlaps", 0):
        said = ngettext(
            "%(count)d pair of patches in different splits shares ground.",
            "%(count)d pairs of patches in different splits share ground.",
            count,
        )
        step = _("Split by blocks or by cities: they keep neighbours together. Random splits suit patches far apart.")
        pairs = [{"one": one, "two": two} for one, two in report.get("overlapping_pairs", ())]
        found.append({"title": said % {"count": count}, "step": step, "pairs": pairs, "of": count})
    if count := report.get("too_near", 0):
        said = _("%(count)d pairs of patches in different splits lie nearer than %(gap)d m.")
        pair = report.get("nearest_pair")
        found.append(
            {
                "title": said % {"count": count, "gap": report["minimum_gap_m"]},
                "step": _("Widen the buffer between the splits."),
                "pairs": [{"one": pair[0], "two": pair[1]}] if pair else [],
                "of": count,
            }
        )
    return found + [_refuse_kind(kind, one) for kind, one in report.get("shared", {}).items() if is_refused(one)]


def is_refused(found: dict[str, Any]) -> bool:
    """Whether splits share more of this kind than they may."""
    return bool(found.get("share") is not None and found["share"] > found.get("limit", 0.0))


def _refuse_kind(kind: str, found: dict[str, Any]) -> dict[str, Any]:
    steps = {
        "area": _("Areas are never parted: split by blocks or by cities, which keep their patches together."),
        "block": _("Split by blocks or by cities, which keep each block together, or raise the limit of blocks."),
        "clip": _("Frames of one clip belong together: split by cities, or leave all frames but one out."),
        "scene": _("Hold whole cities out, so that no scene is in two splits, or raise the limit of scenes."),
    }
    step = steps.get(kind, _("Hold whole cities out, leave these samples out, or raise the limit and say so."))
    said = _(
        "%(kind)s: %(share).1f %% of the samples held out share one with another split; at most %(limit).1f %% may."
    )
    pairs = [
        {"one": one, "one_split": first, "two": two, "two_split": second, "group": group}
        for group, one, first, two, second in found.get("pairs", ())
    ]
    told = {"kind": kind.replace("_", " "), "share": 100 * found["share"], "limit": 100 * found["limit"]}
    return {"title": (said % told).capitalize(), "step": step, "pairs": pairs, "of": found["groups"]}
