"""The page of one sample: what it looks like from above, and what is linked to it, how near and how late."""

from itertools import groupby
from pathlib import Path
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_safe

from fusion import modality as modalities
from geoquorum.accounts.models import Role
from geoquorum.accounts.services import require_role
from geoquorum.catalog.content import describe_samples
from geoquorum.catalog.looks import list_views
from geoquorum.catalog.models import Link, Sample
from geoquorum.catalog.windows import has_window

MOST_SHOWN = 24  # of each kind, the nearest first
HOUR_S, DAY_S = 3_600, 86_400


@login_required
@require_safe
def show_sample(request: HttpRequest, sample_id: int) -> HttpResponse:
    """One sample with its pictures and links. Neither votes nor references are shown here."""
    sample = get_object_or_404(Sample.objects.select_related("region", "project"), pk=sample_id)
    require_role(user=request.user, project=sample.project, minimum=Role.EXPERT)
    patches = sample.links_to.select_related("sample").order_by("distance_m", "pk")
    context = {
        "sample": sample,
        "content": describe_samples([sample])[sample.pk],
        "pictures": list_pictures(sample),
        "groups": list_groups(sample),
        "patches": [_tell(link) | {"sample": link.sample} for link in patches[:MOST_SHOWN]],
        "patches_count": patches.count(),
    }
    return render(request, "catalog/sample.html", context)


def list_pictures(sample: Sample) -> list[dict[str, str]]:
    """The first view of each modality and season that the sample's region has scenes of."""
    if sample.region is None or not (has_window(sample) or sample.kind == Sample.Kind.AREA):
        return []
    found: dict[tuple[str, str], dict[str, str]] = {}
    for scene in sample.region.scenes.prefetch_related("assets").order_by("modality", "captured_from", "pk"):
        title = modalities.find(scene.modality).title
        said = {"modality": scene.modality, "season": scene.season, "title": f"{title}, {scene.season}".rstrip(", ")}
        for view in list_views(scene)[:1]:
            found.setdefault((scene.modality, scene.season), said | {"view": view.name})
    return list(found.values())


def list_groups(sample: Sample) -> list[dict[str, Any]]:
    """What is linked to a patch by kind, the nearest first, in the order of kinds."""
    links = sample.links.select_related("other__post", "asset").order_by("kind", "distance_m", "pk")
    by_kind = {kind: list(own) for kind, own in groupby(links, key=lambda link: link.kind)}
    return [
        {
            "kind": str(kind),
            "title": kind.label,
            "count": len(by_kind[kind]),
            "links": [_tell(link) for link in by_kind[kind][:MOST_SHOWN]],
        }
        for kind in Link.Kind
        if kind in by_kind
    ]


def _tell(link: Link) -> dict[str, Any]:
    """A link with its figures in words."""
    path = Path(link.asset.uri) if link.asset else Path()
    return {
        "link": link,
        "file": path.name,
        "part": "" if link.name == path.stem else link.name,
        "facts": [words for words in (_say_distance(link), _say_view(link), _say_cover(link), _say_lag(link)) if words],
    }


def _say_distance(link: Link) -> str:
    if link.distance_m is None:
        return _("place not known")
    if link.kind in (Link.Kind.PHOTO, Link.Kind.POST, Link.Kind.STATION):
        return _say_metres(link.distance_m)
    return ""


def _say_metres(metres: float) -> str:
    if metres >= 10_000:
        return _("%(far).0f km away") % {"far": metres / 1000}
    return _("%(far).0f m away") % {"far": metres}


def _say_view(link: Link) -> str:
    if link.kind != Link.Kind.PHOTO or link.share is None:
        return ""
    return _("looks at %(share).1f %% of the patch") % {"share": 100 * link.share}


def _say_cover(link: Link) -> str:
    if link.kind == Link.Kind.PHOTO or link.share is None:
        return ""
    covered = _("%(share).0f %% of the patch") % {"share": 100 * link.share}
    if link.count is None:
        return covered
    shapes = ngettext("%(n)s shape", "%(n)s shapes", link.count) % {"n": link.count}
    return f"{shapes}, {covered}"


def _say_lag(link: Link) -> str:
    """How much later or earlier than what the patch shows."""
    if link.lag_s is None:
        return ""
    if link.lag_s == 0:
        return _("at the same time")
    size = abs(link.lag_s)
    words = _("%(n).0f days") % {"n": size / DAY_S} if size >= 2 * DAY_S else _("%(n).0f hours") % {"n": size / HOUR_S}
    return _("%(time)s later") % {"time": words} if link.lag_s > 0 else _("%(time)s earlier") % {"time": words}
