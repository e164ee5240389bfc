"""Runs beside each other."""

import csv

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_safe

from fusion.errors import BadInputError
from geoquorum.accounts.services import projects_of
from geoquorum.training import comparing
from geoquorum.training.models import Run
from geoquorum.training.withheld import hide_reports


@login_required
@require_safe
def compare_runs(request: HttpRequest) -> HttpResponse:
    """`?run=1&run=2`: spec differences, scores with paired differences to the first, curves laid over each other."""
    runs = _read_runs(request)
    try:
        comparing.check_comparable(runs)
    except BadInputError as error:
        messages.error(request, str(error))
        return redirect("training:list")
    context = {
        "runs": runs,
        "specs": comparing.list_spec_differences(runs),
        "metrics": comparing.list_metrics(runs),
        "differences": comparing.list_differences(runs),
        "curves": comparing.draw_curves(runs),
        "query": "&".join(f"run={run.pk}" for run in runs),
    }
    return render(request, "training/compare.html", context)


@login_required
@require_safe
def download_comparison(request: HttpRequest) -> HttpResponse:
    """The same as CSV."""
    runs = _read_runs(request)
    try:
        comparing.check_comparable(runs)
    except BadInputError as error:
        return HttpResponse(str(error), status=400, content_type="text/plain; charset=utf-8")
    response = HttpResponse(content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="runs.csv"'
    csv.writer(response).writerows(comparing.tabulate(runs, comparing.list_differences(runs)))
    return response


def _read_runs(request: HttpRequest) -> list[Run]:
    """The runs named, in that order, as far as this person may see them; the first is what others are held against."""
    asked = [int(key) for key in dict.fromkeys(request.GET.getlist("run")) if key.isascii() and key.isdecimal()]
    known = Run.objects.filter(project__in=projects_of(request.user), pk__in=[key for key in asked if key < 2**63])
    by_key = known.select_related("version__project", "project").in_bulk()
    runs = [by_key[key] for key in asked if key in by_key]
    if asked and not runs:
        raise Http404
    if len(runs) < len(asked):
        messages.warning(request, _("A run that was asked for is not there."))
    hide_reports(runs, request.user)
    return runs
