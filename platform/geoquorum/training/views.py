"""Pages of runs: is it learning, can I trust it, and what does it make of a city."""

import csv

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from fusion.errors import GeoquorumError
from geoquorum.accounts.current import projects_in_view
from geoquorum.accounts.models import Role
from geoquorum.accounts.services import has_role, require_role
from geoquorum.releases.models import DatasetVersion
from geoquorum.training import reports, services, tables
from geoquorum.training.models import Run, RunState
from geoquorum.training.wishes import read_wishes

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
    """Trains the chosen task on a version with the task's own defaults; processes, priority and limit as wished."""
    version = get_object_or_404(DatasetVersion.objects.select_related("project"), pk=version_id)
    require_role(user=request.user, project=version.project, minimum=Role.CURATOR)
    try:
        wishes = read_wishes(request.POST)
        run = services.start_run(
            version=version,
            task=request.POST.get("task", ""),
            by=request.user,
            processes=wishes.processes,
            priority=wishes.priority,
            time_limit_s=wishes.time_limit_s,
        )
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


def _run(request: HttpRequest, run_id: int, minimum: str) -> Run:
    run = get_object_or_404(Run.objects.select_related("project", "version", "job"), pk=run_id)
    require_role(user=request.user, project=run.project, minimum=minimum)
    return run
