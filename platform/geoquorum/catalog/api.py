"""Samples for programs: tables and training areas in."""

from typing import Any

from django.db import transaction
from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import File, Router, Schema
from ninja.files import UploadedFile

from annotation.exchange.areas import CODINGS, Coding
from fusion import scheme as schemes
from geoquorum.accounts.doors import enter
from geoquorum.accounts.models import Project, Role, Token
from geoquorum.accounts.services import projects_of, require_role
from geoquorum.catalog import services
from geoquorum.catalog.areas import take_areas
from geoquorum.catalog.tables import take_samples
from geoquorum.uploads import keep_upload

router = Router(tags=["catalog"])


class SamplesTakenOut(Schema):
    """How many samples are new: all of the table."""

    taken: int


class AreasTakenOut(Schema):
    """What a file of training areas held: areas, how many are new, what was rejected and why, what is unusual."""

    areas: int
    new: int
    rejected: list[str]
    marked: list[str]


@router.post(
    "/projects/{slug}/samples/import",
    response=SamplesTakenOut,
    auth=enter(Token.Scope.IMPORT),
    operation_id="import_samples",
)
def import_samples(request: HttpRequest, slug: str, file: File[UploadedFile], cell_m: int | None = None) -> Any:
    """A CSV or Parquet table of samples into a project, all or nothing. For curators."""
    project = _find_project(request, slug)
    with keep_upload(file) as path:
        return {"taken": take_samples(project=project, path=path, by=request.user, cell_m=cell_m, is_upload=True)}


@router.post(
    "/projects/{slug}/areas/import",
    response=AreasTakenOut,
    auth=enter(Token.Scope.IMPORT),
    operation_id="import_areas",
)
def import_areas(
    request: HttpRequest,
    slug: str,
    file: File[UploadedFile],
    region: str,
    scheme: str = "lcz17",
    coding: Coding = CODINGS[0],
) -> Any:
    """The training areas of a KML or KMZ file into a region, which is made where it is new. For curators."""
    project, alphabet = _find_project(request, slug), schemes.find(scheme)
    with keep_upload(file) as path, transaction.atomic():
        place = services.get_region(project=project, name=region, is_simulated=project.is_simulated)
        taken, new = take_areas(
            region=place, path=path, scheme=alphabet, by=request.user, coding=coding, is_upload=True
        )
    marked = [f"{taken.areas[at].name}: {'; '.join(marks)}" for at, marks in taken.marks.items()]
    return {"areas": len(taken.areas), "new": new, "rejected": [str(one) for one in taken.rejected], "marked": marked}


def _find_project(request: HttpRequest, slug: str) -> Project:
    """One of the person's projects in which they are at least a curator; a token's is its own."""
    project = get_object_or_404(projects_of(request.user), slug=slug)
    require_role(user=request.user, project=project, minimum=Role.CURATOR)
    return project
