"""The page by which curators bring files into a project: tables, training areas, photos, posts, files of any source.

All or nothing. What is packed, large or decoded by others is opened in a child process with bounds first: rasters,
clouds, shapes, cubes, videos and pictures always, tables and areas but for small texts.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_http_methods

from fusion.errors import GeoquorumError
from fusion.sources.posts.reading import KNOWN as POST_COLUMNS
from geoquorum.accounts.models import Project, Role
from geoquorum.accounts.services import projects_of, require_role
from geoquorum.catalog.forms import AreasForm, PhotosForm, PostsForm, SamplesForm, SourceForm
from geoquorum.catalog.receiving import (
    Received,
    receive_areas,
    receive_photos,
    receive_posts,
    receive_samples,
    receive_source,
)
from geoquorum.catalog.tables import COLUMNS
from geoquorum.uploads import check_whole, tell_trouble


@dataclass(frozen=True, kw_only=True)
class Incoming:
    """One kind of file: its title, its form, what it holds, and the service that takes it."""

    title: str | Promise
    form: type[forms.Form]
    words: str | Promise
    take: Callable[..., Received]
    columns: tuple[str, ...] = ()


INCOMING: Mapping[str, Incoming] = MappingProxyType(
    {
        "samples": Incoming(
            title=gettext_lazy("Samples from a table"),
            form=SamplesForm,
            words=gettext_lazy("One row per sample; only the column sample is needed."),
            take=receive_samples,
            columns=tuple(COLUMNS),
        ),
        "areas": Incoming(
            title=gettext_lazy("Training areas"),
            form=AreasForm,
            words=gettext_lazy(
                "Polygons as they are drawn in Google Earth for Local Climate Zones, one folder per class. An area "
                "becomes a sample, its class a reference that voters do not see. What is no polygon is named and left "
                "out; unusual areas are marked and kept."
            ),
            take=receive_areas,
        ),
        "photos": Incoming(
            title=gettext_lazy("Street photos"),
            form=PhotosForm,
            words=gettext_lazy("One sample per photo. All of them are read first; one bad photo refuses them all."),
            take=receive_photos,
        ),
        "posts": Incoming(
            title=gettext_lazy("Posts"),
            form=PostsForm,
            words=gettext_lazy(
                "One row per post; id and text are needed. Names, addresses and numbers are taken out of the words; "
                "authors are kept as keyed hashes alone."
            ),
            take=receive_posts,
            columns=POST_COLUMNS,
        ),
        "source": Incoming(
            title=gettext_lazy("Scenes, point clouds, shapes, series and videos"),
            form=SourceForm,
            words=gettext_lazy(
                "What it is, is told from its content. It is opened in a process of its own, and kept as it came. "
                "Of photos the pixels alone are kept."
            ),
            take=receive_source,
        ),
    }
)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def bring_files(request: HttpRequest, slug: str) -> HttpResponse:
    """The forms, and what came of the one that was sent; its faults are shown by line, and then nothing is stored."""
    project = get_object_or_404(projects_of(request.user), slug=slug)
    require_role(user=request.user, project=project, minimum=Role.CURATOR)
    if request.method != "POST":
        return _render(request, project)
    kind = request.POST.get("kind", "")
    if kind not in INCOMING:
        return _render(request, project, status=400)
    form = INCOMING[kind].form(request.POST, request.FILES, auto_id=f"{kind}-%s")
    if not form.is_valid():
        return _render(request, project, {kind: {"form": form}}, status=400)
    try:
        check_whole(request)
        with transaction.atomic():
            taken = INCOMING[kind].take(project, request.user, **form.cleaned_data)
    except GeoquorumError as error:
        status = getattr(error, "status", 400)
        return _render(request, project, {kind: {"form": form, "trouble": tell_trouble(error)}}, status=status)
    if taken.notes:
        return _render(request, project, {kind: {"taken": taken}})
    messages.success(request, taken.words)
    return redirect("catalog:files", project.slug)


def _render(
    request: HttpRequest, project: Project, shown: Mapping[str, dict[str, Any]] | None = None, *, status: int = 200
) -> HttpResponse:
    """Every form empty but the one that was refused."""
    said = shown or {}
    kinds = [
        {"name": name, "kind": one, "form": one.form(auto_id=f"{name}-%s")} | said.get(name, {})
        for name, one in INCOMING.items()
    ]
    regions = project.regions.order_by("name").values_list("name", flat=True)
    context = {"project": project, "kinds": kinds, "regions": regions}
    return render(request, "catalog/files.html", context, status=status)
