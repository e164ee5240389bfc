"""Dataset versions over the API."""

from typing import Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Router, Schema

from geoquorum.accounts.models import Role
from geoquorum.accounts.services import projects_of, require_role
from geoquorum.releases.models import DatasetVersion

router = Router(tags=["releases"])


class VersionOut(Schema):
    id: int
    name: str
    number: int
    state: str
    sha256: str
    size_bytes: int
    summary: dict[str, Any]
    is_simulated: bool


@router.get("/versions", response=list[VersionOut])
def list_versions(request: HttpRequest) -> Any:
    """Versions of one's projects, newest first."""
    return DatasetVersion.objects.filter(project__in=projects_of(request.user)).order_by("-pk")[:200]


@router.get("/versions/{version_id}", response=VersionOut)
def show_version(request: HttpRequest, version_id: int) -> Any:
    """One version."""
    version = get_object_or_404(DatasetVersion.objects.select_related("project"), pk=version_id)
    require_role(user=request.user, project=version.project, minimum=Role.CURATOR)
    return version
