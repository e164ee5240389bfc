"""Pages of runs: is it learning, can I trust it, and what does it make of a city."""

import csv
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST, require_safe

from geoquorum.accounts.current import projects_in_view
from geoquorum.accounts.models import Role
from geoquorum.accounts.services import has_role, require_role
from geoquorum.training import live, reports, services, tables, told_samples
from geoquorum.training.models import Run, RunState
from geoquorum.training.preranking import can_ask, list_asked
from geoquorum.training.search_pages import describe_search
from geoquorum.training.withheld import hide_report, hide_reports

STOP_POLLING = 286  # htmx swaps this answer in and asks no more


@login_required
@require_safe
def list_runs(request: HttpRequest) -> HttpResponse:
    """Runs of the projects in view, newest first; trials stand on the page of their search."""
    runs = Run.objects.filter(project__in=projects_in_view(request), parent=None).select_related("project", "version")
    page = Paginator(runs.order_by("-pk"), 50).get_page(request.GET.get("page"))
    hide_reports(page, request.user)
    return render(request, "training/runs.html", {"page": page, "rows": [(run, reports.headline(run)) for run in page]})


@login_required
@require_safe
def show_run(request: HttpRequest, run_id: int) -> HttpResponse:
    """One run: curves while it learns, the report when it is done, maps drawn with it, whom it asked."""
    run = _run(request, run_id, Role.EXPERT)
    is_curator = has_role(user=request.user, project=run.project, minimum=Role.CURATOR)
    context = {
        "run": run,
        "is_withheld": run.state == RunState.DONE and run.report is None,
        "is_curator": is_curator,
        **_describe_live(request, run, is_curator),
    }
    if run.state == RunState.DONE and run.report is not None:
        context |= reports.describe_report(run)
        context["maps"] = run.maps.select_related("region").order_by("region__name")
        mapped = run.maps.exclude(state__in=[RunState.FAILED, RunState.CANCELLED]).values("region")
        context["regions"] = run.project.regions.exclude(pk__in=mapped).filter(scenes__isnull=False).distinct()
        context["asked"] = list_asked(run) if is_curator else []
        context["can_ask"] = is_curator and can_ask(run)
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
    is_curator = has_role(user=request.user, project=run.project, minimum=Role.CURATOR)
    context = {"run": run, "is_curator": is_curator, **_describe_live(request, run, is_curator)}
    return render(request, "training/progress.html", context)


@login_required
@require_safe
def show_sample(request: HttpRequest, run_id: int, number: int, kind: str) -> HttpResponse:
    """A picture of a sample that the run tells of, as PNG."""
    run = _run(request, run_id, Role.EXPERT)
    if not told_samples.may_see(run, request.user):
        raise Http404
    image = told_samples.draw_told(run, number, kind)
    return HttpResponse(image, content_type="image/png", headers={"Cache-Control": "private, max-age=30"})


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


def _describe_live(request: HttpRequest, run: Run, is_curator: bool) -> dict[str, Any]:
    """What goes on, as far as this person may see it: the trials of a search, or curves, samples and log of a run."""
    if run.search is not None and run.parent_id is None:
        return {"search": describe_search(run), "log": "", "live": {}}
    return {
        "live": live.describe_progress(run),
        "told": told_samples.describe_told(run) if told_samples.may_see(run, request.user) else {},
        "log": live.read_log(run) if is_curator else "",
    }


def _run(request: HttpRequest, run_id: int, minimum: str) -> Run:
    """The run, for experts without its report while a contest holds labels of its version back."""
    run = get_object_or_404(Run.objects.select_related("project", "version", "job", "parent"), pk=run_id)
    require_role(user=request.user, project=run.project, minimum=minimum)
    hide_report(run, request.user)
    return run
