"""Pages of dataset versions: what is in one, where it came from, and its files."""

from pathlib import Path
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.db.models import Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.dateparse import parse_datetime
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from annotation import exporter as exporters
from fusion import grid
from fusion import scheme as schemes
from fusion import task as tasks
from fusion.errors import GeoquorumError, PackError
from fusion.pack import SPLITS, Pack
from geoquorum.accounts.current import projects_in_view
from geoquorum.accounts.models import Expert, Role
from geoquorum.accounts.services import has_role, require_role
from geoquorum.campaigns.models import CampaignState, ConsensusRun, RoundSample
from geoquorum.catalog.models import Link
from geoquorum.figures.cells import Square, cell_map
from geoquorum.releases import downloads, services
from geoquorum.releases.choosing import list_runs
from geoquorum.releases.forms import ReleaseForm
from geoquorum.releases.leak_words import is_refused, list_refusals
from geoquorum.releases.models import BuildState, DatasetVersion
from geoquorum.releases.withheld import is_withheld


@login_required
@require_safe
def list_versions(request: HttpRequest) -> HttpResponse:
    """Versions of the projects in view, newest first."""
    versions = DatasetVersion.objects.filter(project__in=projects_in_view(request)).select_related("project")
    page = Paginator(versions.order_by("-pk"), 50).get_page(request.GET.get("page"))
    return render(request, "releases/versions.html", {"page": page})


@login_required
@require_safe
def show_version(request: HttpRequest, version_id: int) -> HttpResponse:
    """One version: counts, classes, map, leaks, provenance, checksums, downloads, and training on it."""
    version = _version(request, version_id, Role.EXPERT)
    context = {
        "version": version,
        "is_curator": has_role(user=request.user, project=version.project, minimum=Role.CURATOR),
        "runs": version.runs.order_by("-pk")[:20] if hasattr(version, "runs") else [],
        "exporters": exporters.load_all().values(),
        "exports": {export.exporter: export for export in version.exports.all()},
        "tasks": [task for task in tasks.load_all().values() if _fits(task, version)],
        "chosen_by": version.consensus_run.campaign.chosen_by if version.consensus_run else {},
        "earlier": [run for run, _until in list_runs(version)[1:]] if version.consensus_run else [],
    }
    if version.state == BuildState.READY:
        has_counts = not is_withheld(version=version, user=request.user)
        has_maps = context["is_curator"] or (has_counts and not _is_asked_again(version))
        try:
            context |= _describe(version, has_maps=has_maps, has_counts=has_counts)
        except PackError as error:
            context["trouble"] = str(error)
    elif version.state == BuildState.FAILED and version.summary.get("leaks"):
        context |= _describe_refusal(version, has_names=context["is_curator"] or not _is_asked_again(version))
    return render(request, "releases/version.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def new_version(request: HttpRequest, run_id: int) -> HttpResponse:
    """Form and start of a new version from one consensus run."""
    run = get_object_or_404(ConsensusRun.objects.select_related("campaign__project"), pk=run_id)
    require_role(user=request.user, project=run.campaign.project, minimum=Role.CURATOR)
    form = ReleaseForm(request.POST if request.method == "POST" else None, run=run)
    if request.method == "POST" and form.is_valid():
        try:
            version = services.start_release(run=run, by=request.user, **form.request())
            return redirect("releases:detail", version.pk)
        except GeoquorumError as error:
            form.add_error(None, str(error))
    status = 400 if form.errors else 200
    return render(request, "releases/new.html", {"form": form, "run": run}, status=status)


@login_required
@require_POST
def start_export(request: HttpRequest, version_id: int, exporter: str) -> HttpResponse:
    """Queues one format."""
    version = _version(request, version_id, Role.CURATOR)
    try:
        services.start_export(version=version, exporter=exporter, by=request.user)
    except GeoquorumError as error:
        messages.error(request, str(error))
    return redirect("releases:detail", version.pk)


@login_required
@require_safe
def download_export(request: HttpRequest, export_id: int, number: int) -> HttpResponse:
    """One file of an export."""
    return downloads.send_file(user=request.user, export_id=export_id, number=number)


def _version(request: HttpRequest, version_id: int, minimum: str) -> DatasetVersion:
    found = DatasetVersion.objects.select_related("project", "job", "consensus_run__campaign", "consensus_run__round")
    version = get_object_or_404(found, pk=version_id)
    require_role(user=request.user, project=version.project, minimum=minimum)
    return version


def _fits(task: tasks.Task, version: DatasetVersion) -> bool:
    """Whether a task's modalities and scheme are in the version."""
    there = {entry["modality"] for entry in version.modalities}
    scheme = version.consensus_run.campaign.scheme if version.consensus_run else None
    return set(task.modalities) <= there and task.scheme in (None, scheme)


def _is_asked_again(version: DatasetVersion) -> bool:
    """Whether an open campaign asks about samples of this version: then their labels are not shown to experts."""
    asked = RoundSample.objects.filter(round__campaign__state=CampaignState.OPEN)
    runs = version.consensus_ids
    own = Q(sample__consensus__run__in=runs) | Q(sample__parent__consensus__run__in=runs)
    return asked.filter(own).exists()


def _describe(version: DatasetVersion, *, has_maps: bool, has_counts: bool) -> dict[str, object]:
    """What the page shows; counts by class are left out where a contest holds labels back."""
    pack = Pack.open(Path(version.uri), sha256=version.sha256)
    scheme = schemes.find(pack.scheme())
    classes = version.summary["classes"] if has_counts else {}
    return {
        "scheme": scheme,
        "splits": [(split, version.summary["splits"][split]) for split in SPLITS],
        "has_counts": has_counts,
        "classes": [
            (label, [classes[split].get(label.code, 0) for split in SPLITS])
            for label in (scheme.classes if has_counts else ())
        ],
        "class_totals": {code: sum(split.get(code, 0) for split in classes.values()) for code in scheme.codes},
        "maps": _maps(pack, scheme) if has_maps else [],
        "files": sorted(pack.manifest["files"].items()),
        "arrays": pack.manifest["arrays"],
        "linked": _say_linked(pack.manifest.get("links", {}).get("kinds", {})),
        "voters": _say_voters(version.summary.get("voters", {})),
        "unblinded_at": parse_datetime(version.summary.get("unblinded_at") or ""),
        "shared": _say_shared(version.summary["leaks"].get("shared", {})),
        "nearest": version.summary["leaks"].get("nearest_pair") if has_maps else None,
    }


def _describe_refusal(version: DatasetVersion, *, has_names: bool) -> dict[str, object]:
    """The leak report of a version that was refused; samples that are voted on are not named to experts."""
    leaks = version.summary["leaks"]
    return {
        "refusals": list_refusals(leaks),
        "shared": _say_shared(leaks.get("shared", {})),
        "nearest": leaks.get("nearest_pair") if has_names else None,
        "names": has_names,
    }


def _say_shared(shared: dict[str, dict[str, Any]]) -> list[dict[str, Any]]:
    """What splits share by kind, with shares in percent; versions of before counted groups alone."""
    titles = {
        "block": _("blocks"),
        "area": _("areas"),
        "scene": _("scenes"),
        "photo": _("photos"),
        "user": _("users"),
        "clip": _("clips"),
        "linked_photo": _("photos linked to samples"),
        "linked_post": _("posts linked to samples"),
        "linked_user": _("authors of linked posts"),
    }
    return [
        {
            "title": titles.get(kind, kind),
            "groups": found["groups"],
            "share": None if found.get("share") is None else 100 * found["share"],
            "limit": None if found.get("limit") is None else 100 * found["limit"],
            "first": found.get("first", [])[:3],
            "is_refused": is_refused(found),
        }
        for kind, found in shared.items()
    ]


def _say_linked(kinds: dict[str, dict[str, int]]) -> list[dict[str, Any]]:
    """How many things of each kind the pack links to how many of its samples."""
    titles = dict(Link.Kind.choices)
    return [{"title": titles.get(kind, kind)} | found for kind, found in kinds.items()]


def _say_voters(counts: dict[str, int]) -> list[str]:
    """How many of each kind voted, in words; versions of before know no kinds in their summary."""
    words = {
        Expert.Kind.PERSON: ngettext("%(count)d person", "%(count)d people", counts.get("person", 0)),
        Expert.Kind.SIMULATED: ngettext(
            "%(count)d simulated expert", "%(count)d simulated experts", counts.get("simulated", 0)
        ),
        Expert.Kind.MODEL: ngettext("%(count)d model", "%(count)d models", counts.get("model", 0)),
    }
    return [words[kind] % {"count": counts[kind]} for kind in Expert.Kind if counts.get(kind)]


def _maps(pack: Pack, scheme: schemes.Scheme) -> list[tuple[str, str, str]]:
    """A small map per city: city, split, SVG."""
    cities: dict[str, list[tuple[Square, str]]] = {}
    columns = ("city", "cell", "label", "agreement", "split")
    for city, cell_id, code, agreement, split in zip(
        *(pack.samples.column(c).to_pylist() for c in columns), strict=True
    ):
        if not cell_id:
            continue
        cell = grid.parse_cell(cell_id)
        words = f"{cell_id}: {code}, agreement {agreement:.0%}"
        square = Square(column=cell.column, row=cell.row, code=code, strength=agreement, words=words)
        cities.setdefault(city, []).append((square, split))
    return [
        (
            city,
            ", ".join(sorted({split or "unused" for _square, split in found})),
            cell_map(scheme, [square for square, _split in found], title=f"Labels of {city}", largest_px=240),
        )
        for city, found in sorted(cities.items())
    ]
