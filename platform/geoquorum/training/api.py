"""Runs over the API: train on a version, see how it goes, stop it."""

from typing import Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Field, Router, Schema, Status
from ninja.errors import HttpError

from fusion.errors import GeoquorumError
from geoquorum.accounts.models import Role
from geoquorum.accounts.services import projects_of, require_role
from geoquorum.releases.models import DatasetVersion
from geoquorum.training import services
from geoquorum.training.models import Run

router = Router(tags=["training"])


class RunIn(Schema):
    version: int
    task: str
    name: str = ""
    spec: dict[str, Any] = Field(default_factory=dict)


class RunOut(Schema):
    id: int
    name: str
    task: str
    state: str
    reason: str
    progress: dict[str, Any]
    report: dict[str, Any] | None


@router.post("/runs", response={201: RunOut})
def start_run(request: HttpRequest, wanted: RunIn) -> Any:
    """Train on a version; `spec` changes fields of the RunSpec. An unknown task or field is named."""
    version = get_object_or_404(DatasetVersion.objects.select_related("project"), pk=wanted.version)
    require_role(user=request.user, project=version.project, minimum=Role.CURATOR)
    try:
        run = services.start_run(
            version=version, task=wanted.task, by=request.user, changes=wanted.spec, name=wanted.name[:120]
        )
    except GeoquorumError as error:
        raise HttpError(400, str(error)) from error
    return Status(201, run)


@router.get("/runs", response=list[RunOut])
def list_runs(request: HttpRequest) -> Any:
    """Runs of one's projects, newest first."""
    return Run.objects.filter(project__in=projects_of(request.user)).order_by("-pk")[:200]


@router.get("/runs/{run_id}", response=RunOut)
def show_run(request: HttpRequest, run_id: int) -> Any:
    """One run with its progress and, when it is done, its report."""
    return _run(request, run_id)


@router.post("/runs/{run_id}/cancel", response=RunOut)
def cancel_run(request: HttpRequest, run_id: int) -> Any:
    """Ask a run to stop; it keeps a checkpoint first."""
    run = _run(request, run_id)
    services.cancel_run(run=run, by=request.user)
    run.refresh_from_db()
    return run


def _run(request: HttpRequest, run_id: int) -> Run:
    run = get_object_or_404(Run.objects.select_related("project", "job"), pk=run_id)
    require_role(user=request.user, project=run.project, minimum=Role.CURATOR)
    return run
