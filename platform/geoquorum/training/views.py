"""Pages of runs: is it learning, can I trust it, and what does it make of a city."""

import csv
from pathlib import Path
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from fusion import scheme as schemes
from fusion.errors import GeoquorumError
from geoquorum.accounts.current import projects_in_view
from geoquorum.accounts.models import Role
from geoquorum.accounts.services import has_role, require_role
from geoquorum.campaigns.models import CampaignState, RoundSample
from geoquorum.catalog.models import Region
from geoquorum.releases.models import DatasetVersion
from geoquorum.training import layers, mapping, reports, services, tables
from geoquorum.training.models import MapProduct, Run, RunState

STOP_POLLING = 286  # htmx swaps this answer in and asks no more


@login_required
@require_safe
def list_runs(request: HttpRequest) -> HttpResponse:
    """Runs of the projects in view, newest first."""
    runs = Run.objects.filter(project__in=projects_in_view(request)).select_related("project", "version")
    page = Paginator(runs.order_by("-pk"), 50).get_page(request.GET.get("page"))
    return render(request, "training/runs.html", {"page": page, "rows": [(run, reports.headline(run)) for run in page]})


@login_required
@require_POST
def start_run(request: HttpRequest, version_id: int) -> HttpResponse:
    """Trains the chosen task on a version with the task's own defaults."""
    version = get_object_or_404(DatasetVersion.objects.select_related("project"), pk=version_id)
    require_role(user=request.user, project=version.project, minimum=Role.CURATOR)
    try:
        run = services.start_run(version=version, task=request.POST.get("task", ""), by=request.user)
    except GeoquorumError as error:
        messages.error(request, str(error))
        return redirect("releases:detail", version.pk)
    return redirect("training:run", run.pk)


@login_required
@require_safe
def show_run(request: HttpRequest, run_id: int) -> HttpResponse:
    """One run: curves while it learns, the report when it is done, maps drawn with it."""
    run = _run(request, run_id, Role.EXPERT)
    context = {
        "run": run,
        "live": reports.describe_progress(run),
        "is_curator": has_role(user=request.user, project=run.project, minimum=Role.CURATOR),
    }
    if run.state == RunState.DONE:
        context |= reports.describe_report(run)
        context["maps"] = run.maps.select_related("region").order_by("region__name")
        mapped = run.maps.exclude(state__in=[RunState.FAILED, RunState.CANCELLED]).values("region")
        context["regions"] = run.project.regions.exclude(pk__in=mapped).filter(scenes__isnull=False).distinct()
    return render(request, "training/run.html", context)


@login_required
@require_safe
def show_progress(request: HttpRequest, run_id: int) -> HttpResponse:
    """The live part alone; once the run is over the page reloads whole and the asking ends."""
    run = _run(request, run_id, Role.EXPERT)
    if run.is_over:
        response = HttpResponse(status=STOP_POLLING)
        response["HX-Refresh"] = "true"
        return response
    return render(request, "training/progress.html", {"run": run, "live": reports.describe_progress(run)})


@login_required
@require_POST
def cancel_run(request: HttpRequest, run_id: int) -> HttpResponse:
    """Asks a run to stop."""
    run = _run(request, run_id, Role.CURATOR)
    services.cancel_run(run=run, by=request.user)
    messages.info(request, _("The run stops after it has kept a checkpoint."))
    return redirect("training:run", run.pk)


@login_required
@require_safe
def download_table(request: HttpRequest, run_id: int, table: str) -> HttpResponse:
    """The numbers behind a figure as CSV."""
    run = _run(request, run_id, Role.EXPERT)
    if table not in tables.TABLES or (run.report is None and table != "curves"):
        raise Http404
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="run-{run.pk}-{table}.csv"'
    csv.writer(response).writerows(tables.TABLES[table](run))
    return response


@login_required
@require_POST
def start_map(request: HttpRequest, run_id: int) -> HttpResponse:
    """Draws a region's map with this run."""
    run = _run(request, run_id, Role.CURATOR)
    region = get_object_or_404(Region, pk=_number(request.POST.get("region", "")), project=run.project)
    try:
        product = mapping.start_map(run=run, region=region, by=request.user)
    except GeoquorumError as error:
        messages.error(request, str(error))
        return redirect("training:run", run.pk)
    return redirect("training:map", product.pk)


@login_required
@require_safe
def show_map(request: HttpRequest, map_id: int) -> HttpResponse:
    """A map over the imagery, its confidence, and the reference beside it where there is one."""
    product = _map(request, map_id)
    context: dict[str, Any] = {"map": product, "tiles": layers.basemap()}
    if product.state == RunState.DONE:
        scheme = schemes.find(product.summary["scheme"])
        shares = product.summary["shares"]
        context |= {
            "scheme": scheme,
            "legend": [(label, shares.get(label.code, 0.0)) for label in scheme.classes],
            "layers": layers.map_layers(product),
        }
    return render(request, "training/map.html", context)


@login_required
@require_safe
def show_layer(request: HttpRequest, map_id: int, layer: str) -> HttpResponse:
    """One layer of a map as PNG in web-mercator pixels: classes, confidence, imagery or reference."""
    product = _map(request, map_id)
    if product.state != RunState.DONE or layer not in layers.LAYERS:
        raise Http404
    image, _bounds = layers.draw_layer(product, layer)
    headers = {"Cache-Control": "private, max-age=3600"}
    return HttpResponse(image, content_type="image/png", headers=headers)


@login_required
@require_safe
def download_map(request: HttpRequest, map_id: int, part: str) -> HttpResponse:
    """The map's GeoTIFF, or that of its confidence."""
    product = _map(request, map_id)
    uri = {"classes": product.uri, "confidence": product.confidence_uri}.get(part)
    if not uri or product.state != RunState.DONE:
        raise Http404
    path = Path(uri)
    return FileResponse(path.open("rb"), as_attachment=True, filename=path.name, content_type="image/tiff")


def _run(request: HttpRequest, run_id: int, minimum: str) -> Run:
    run = get_object_or_404(Run.objects.select_related("project", "version", "job"), pk=run_id)
    require_role(user=request.user, project=run.project, minimum=minimum)
    return run


def _map(request: HttpRequest, map_id: int) -> MapProduct:
    """A map, unless its region is being voted on blindly and one is only an expert there."""
    product = get_object_or_404(
        MapProduct.objects.select_related("run__project", "run__version", "region", "job"), pk=map_id
    )
    project = product.run.project
    require_role(user=request.user, project=project, minimum=Role.EXPERT)
    is_voted_on = RoundSample.objects.filter(
        sample__region=product.region, round__campaign__state=CampaignState.OPEN
    ).exists()
    if is_voted_on and not has_role(user=request.user, project=project, minimum=Role.CURATOR):
        raise PermissionDenied(_("This city is being voted on blindly; its map is shown when the campaign is closed."))
    return product


def _number(text: str) -> int:
    if not text.isdecimal():
        raise Http404
    return int(text)
