"""Dataset versions and their exports over the API."""

from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import reverse
from ninja import Router, Schema

from geoquorum.accounts.doors import enter
from geoquorum.accounts.models import Role, Token
from geoquorum.accounts.services import projects_of, require_role
from geoquorum.paging import Cursor, Limit, PageOut, cut_page
from geoquorum.releases import downloads
from geoquorum.releases.models import DatasetVersion, Export
from geoquorum.releases.withheld import tell_summary

router = Router(tags=["exports"])


class VersionOut(Schema):
    """A dataset version; `sha256` is that of its manifest, which holds those of all files."""

    id: int
    name: str
    number: int
    state: str
    sha256: str
    size_bytes: int
    summary: dict[str, Any]
    is_simulated: bool


class FileOut(Schema):
    """One file of an export and where it is fetched."""

    path: str
    bytes: int
    sha256: str
    url: str


class ExportOut(Schema):
    """One format of a version; `files` is empty until the state is ready."""

    id: int
    exporter: str
    state: str
    files: list[FileOut]


@router.get("/versions", response=PageOut[VersionOut], operation_id="list_versions")
def list_versions(request: HttpRequest, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """Versions of one's projects, newest first."""
    rows = DatasetVersion.objects.filter(project__in=projects_of(request.user))
    rows = rows.select_related("project")
    items, following = cut_page(rows, of="versions", cursor=cursor, limit=limit, is_newest_first=True)
    for version in items:
        version.summary = tell_summary(version=version, user=request.user)
    return {"items": items, "next": following}


@router.get("/versions/{int:version_id}", response=VersionOut, operation_id="show_version")
def show_version(request: HttpRequest, version_id: int) -> Any:
    """One version."""
    return _version(request, version_id)


@router.get(
    "/versions/{int:version_id}/exports",
    response=PageOut[ExportOut],
    auth=enter(Token.Scope.EXPORT),
    operation_id="list_exports",
)
def list_exports(request: HttpRequest, version_id: int, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """Exports of a version, newest first, each with its files and their addresses."""
    version = _version(request, version_id)
    rows = Export.objects.filter(version=version)
    items, following = cut_page(rows, of=f"exports/{version.pk}", cursor=cursor, limit=limit, is_newest_first=True)
    return {"items": [_show_export(export) for export in items], "next": following}


@router.get(
    "/exports/{int:export_id}/files/{int:number}",
    auth=enter(Token.Scope.EXPORT),
    operation_id="download_export",
    openapi_extra={
        # Each format has its own media type.
        "responses": {200: {"description": "the file", "content": {"*/*": {"schema": {}}}}}
    },
)
def download_export(request: HttpRequest, export_id: int, number: int) -> HttpResponse:
    """One file of an export, by its place in the export's list; each download is recorded."""
    return downloads.send_file(user=request.user, export_id=export_id, number=number)


def _version(request: HttpRequest, version_id: int) -> DatasetVersion:
    version = get_object_or_404(DatasetVersion.objects.select_related("project"), pk=version_id)
    require_role(user=request.user, project=version.project, minimum=Role.CURATOR)
    return version


def _show_export(export: Export) -> dict[str, Any]:
    files = [
        file | {"url": reverse("api:download_export", args=[export.pk, number])}
        for number, file in enumerate(export.files)
    ]
    return {"id": export.pk, "exporter": export.exporter, "state": export.state, "files": files}
