"""Pages that start runs and searches."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_http_methods

from fusion.errors import GeoquorumError
from geoquorum.accounts.models import Role
from geoquorum.accounts.services import require_role
from geoquorum.releases.models import DatasetVersion
from geoquorum.training.search import start_search
from geoquorum.training.sisters import start_sisters
from geoquorum.training.start_forms import RunForm, SearchForm


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def start_run(request: HttpRequest, version_id: int) -> HttpResponse:
    """Form and start of a training; several seeds start sister runs, and the first one's page follows."""
    version = _version(request, version_id)
    form = RunForm(request.POST if request.method == "POST" else None, version=version, initial=request.GET.dict())
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            first, *_sisters = start_sisters(
                version=version,
                task=values["task"],
                by=request.user,
                seeds=values["seeds"],
                changes=values["changes"],
                name=values["name"],
                wishes=form.wishes,
            )
            return redirect("training:run", first.pk)
        except GeoquorumError as error:
            form.refuse(str(error))
    return _render(request, form, version, is_search=False)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def start_searching(request: HttpRequest, version_id: int) -> HttpResponse:
    """Form and start of a search."""
    version = _version(request, version_id)
    form = SearchForm(request.POST if request.method == "POST" else None, version=version, initial=request.GET.dict())
    if request.method == "POST" and form.is_valid():
        values = form.cleaned_data
        try:
            run = start_search(
                version=version,
                task=values["task"],
                space=values["space"],
                by=request.user,
                changes=values["changes"] | {"seed": values["seeds"][0]},
                trials=values["trials"],
                parallel=values["parallel"],
                seed=values["seeds"][0],
                warm_up_epochs=values["warm_up_epochs"],
                name=values["name"],
            )
            return redirect("training:run", run.pk)
        except GeoquorumError as error:
            form.refuse(str(error))
    return _render(request, form, version, is_search=True)


def _render(request: HttpRequest, form: RunForm, version: DatasetVersion, *, is_search: bool) -> HttpResponse:
    context = {"form": form, "version": version, "is_search": is_search}
    return render(request, "training/start.html", context, status=400 if form.errors else 200)


def _version(request: HttpRequest, version_id: int) -> DatasetVersion:
    found = DatasetVersion.objects.select_related("project", "consensus_run__campaign")
    version = get_object_or_404(found, pk=version_id)
    require_role(user=request.user, project=version.project, minimum=Role.CURATOR)
    return version
