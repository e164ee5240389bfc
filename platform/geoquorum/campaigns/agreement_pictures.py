"""Agreement of a run as pictures, and the finding that each one's title states."""

from dataclasses import replace
from typing import Any

from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from fusion.scheme import Scheme
from geoquorum.campaigns.services.agreement import order_blocks
from geoquorum.figures.histogram import histogram
from geoquorum.figures.matrix import confusion_matrix
from geoquorum.figures.whiskers import Whisker, whisker_chart

LEAST_NAMED = 20  # votes of a class below which its agreement is chance
NAMES = {
    "pair_agreement": gettext_lazy("Equal pairs of votes"),
    "pair_similarity": gettext_lazy("Similarity of pairs"),
    "fleiss_kappa": gettext_lazy("Fleiss kappa"),
    "alpha": gettext_lazy("Krippendorff alpha"),
    "alpha_similarity": gettext_lazy("Alpha by similarity"),
}


def narrow(scheme: Scheme, counts: list[list[int]], group: str) -> tuple[Scheme, list[list[int]]]:
    """The scheme and the table with one group of classes alone."""
    kept = [place for place, label in enumerate(scheme.classes) if group in ("", label.group)]
    alike = scheme.similarity
    part = replace(
        scheme,
        classes=tuple(scheme.classes[place] for place in kept),
        similarity=None if alike is None else tuple(tuple(alike[a][b] for b in kept) for a in kept),
    )
    return part, [[counts[a][b] for b in kept] for a in kept]


def draw_matrix(scheme: Scheme, counts: list[list[int]], *, first: str, second: str) -> SafeString:
    """Shares of rows, classes that are alike outlined; `first` and `second` name experts, empty for all pairs."""
    return confusion_matrix(
        scheme,
        counts,
        title=_("What one expert says when another says something else"),
        row_label=_("%(name)s says") % {"name": first} if first else _("one says"),
        column_label=_("%(name)s say") % {"name": second} if first else _("another says"),
        has_shares=True,
        blocks=order_blocks(scheme) if scheme.similarity else (),
    )


def find_confusion(scheme: Scheme, counts: list[list[int]]) -> str:
    """The finding: the two classes most often named for the same sample."""
    size = len(scheme)
    pairs = [(counts[a][b] + counts[b][a], a, b) for a in range(size) for b in range(a)]
    count, a, b = max(pairs, default=(0, 0, 0))
    if not count:
        return _("No two classes are mixed up")
    first, second = scheme.classes[b], scheme.classes[a]
    said = {"a": first.code, "an": first.name, "b": second.code, "bn": second.name}
    return _("Mixed up most: %(a)s (%(an)s) and %(b)s (%(bn)s)") % said


def weakest(scheme: Scheme, found: dict[str, Any]) -> dict[str, Any] | None:
    """The class on which experts follow each other least, among those whose interval says something."""
    told = [one for one in found["classes"] if one["specific"]["high"] is not None and one["votes"] >= LEAST_NAMED]
    if not told:
        return None
    least = min(told, key=lambda one: one["specific"]["high"])  # surely low, not low by the chance of few votes
    return {"label": scheme.find(least["code"]), **least["specific"]}


def _whisk(name: str, one: dict[str, Any]) -> Whisker:
    return Whisker(name=name, value=one["value"], low=one["low"], high=one["high"])


def whisk_classes(found: dict[str, Any]) -> list[Whisker]:
    told = [one for one in found["classes"] if one["specific"]["low"] is not None and one["votes"] >= LEAST_NAMED]
    return [_whisk(f"{one['code']}  (n = {one['votes']})", one["specific"]) for one in told]


def whisk_cities(found: dict[str, Any]) -> list[Whisker]:
    rows = [(city, figures["alpha"]) for city, figures in found["cities"].items()]
    told = sorted((row for row in rows if row[1]["low"] is not None), key=lambda row: row[1]["value"])
    return [_whisk(f"{city or _('no region')}  (n = {one['samples']})", one) for city, one in told]


def draw_experts(found: dict[str, Any]) -> SafeString | None:
    rows = [
        Whisker(name=one["expert"], value=one["difference"], low=one["low"], high=one["high"], is_marked=one["is_far"])
        for one in sorted(found["experts"], key=lambda one: one["difference"])
        if one["low"] is not None
    ]
    if not rows:
        return None
    reach = max([0.15, *(max(abs(row.low), abs(row.high)) for row in rows)])
    return whisker_chart(
        rows,
        title=_("Each expert's agreement with the others, less what the others reach among themselves"),
        x_label=_("difference in share of equal pairs"),
        x_range=(-reach, reach),
    )


def draw_entropy(found: dict[str, Any]) -> SafeString:
    one = found["entropy"]
    return histogram(
        one["edges"],
        one["groups"],
        title=_("Entropy of votes by group of classes"),
        x_label=_("entropy of a sample's votes (nats)"),
        y_label=_("share of samples"),
    )


def find_entropy(found: dict[str, Any]) -> str:
    means = sorted(found["entropy"]["means"].items(), key=lambda pair: -pair[1])
    said = {"name": means[0][0], "mean": f"{means[0][1]:.2f}"}
    if len(means) == 1:
        return _("Votes have a mean entropy of %(mean)s nats") % said
    if len({f"{mean:.2f}" for _name, mean in means}) == 1:
        return _("Votes are equally divided in every group of classes: %(mean)s nats on average") % said
    return _("Votes are most divided on %(name)s classes: %(mean)s nats, against %(other)s") % (
        said | {"other": ", ".join(f"{mean:.2f} ({name})" for name, mean in means[1:])}
    )
