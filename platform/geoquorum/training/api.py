"""Runs over the API: train on a version, see how it goes, stop it."""

from typing import Annotated, Any

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Field, Router, Schema, Status
from pydantic import ConfigDict

from geoquorum.accounts.models import Role
from geoquorum.accounts.services import projects_of, require_role
from geoquorum.paging import Cursor, Limit, PageOut, cut_page
from geoquorum.releases.models import DatasetVersion
from geoquorum.training import control, services
from geoquorum.training.models import Run
from geoquorum.training.withheld import hide_reports

router = Router(tags=["training"])


class RunIn(Schema):
    """What to train on which version."""

    model_config = ConfigDict(extra="forbid")

    version: Annotated[int, Field(ge=1, le=2**63 - 1)]
    task: Annotated[str, Field(max_length=60)]
    name: Annotated[str, Field(max_length=120, pattern=r"^[^\x00]*$")] = ""
    spec: dict[str, Any] = Field(default_factory=dict)
    processes: Annotated[int, Field(ge=1, le=64)] = 1
    priority: Annotated[int, Field(ge=-10, le=10)] = 0
    time_limit_s: Annotated[int, Field(ge=1, le=2**31 - 1)] | None = None


class PriorityIn(Schema):
    """Higher goes first; above 0 is for administrators of the project."""

    model_config = ConfigDict(extra="forbid")

    priority: Annotated[int, Field(ge=-10, le=10)]


class RunOut(Schema):
    """One run; `report` (fusion.run.RunReport) is null until it is done. `attempts` counts how often a worker began.

    `search` has space and bounds of a search, whose `progress` names the best trial, or number and parameters of a
    trial, whose `parent_id` is the search; of other runs both are null.
    """

    id: int
    parent_id: int | None = None
    search: dict[str, Any] | None = None
    name: str
    task: str
    state: str
    reason: str
    progress: dict[str, Any]
    report: dict[str, Any] | None
    processes: int
    priority: int = 0
    attempts: int = 0
    time_limit_s: int | None = None

    @staticmethod
    def resolve_priority(run: Run) -> int:
        return run.job.priority if run.job else 0

    @staticmethod
    def resolve_attempts(run: Run) -> int:
        return run.job.attempts if run.job else 0

    @staticmethod
    def resolve_time_limit_s(run: Run) -> int | None:
        return run.job.time_limit_s if run.job else None


@router.post("/runs", response={201: RunOut}, operation_id="start_run")
def start_run(request: HttpRequest, wanted: RunIn) -> Any:
    """Train on a version; `spec` changes fields of the RunSpec. An unknown task or field is named."""
    version = get_object_or_404(DatasetVersion.objects.select_related("project"), pk=wanted.version)
    require_role(user=request.user, project=version.project, minimum=Role.CURATOR)
    run = services.start_run(
        version=version,
        task=wanted.task,
        by=request.user,
        changes=wanted.spec,
        name=wanted.name,
        processes=wanted.processes,
        priority=wanted.priority,
        time_limit_s=wanted.time_limit_s,
    )
    return Status(201, run)


@router.get("/runs", response=PageOut[RunOut], operation_id="list_runs")
def list_runs(request: HttpRequest, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """Runs of one's projects, newest first."""
    rows = Run.objects.filter(project__in=projects_of(request.user)).select_related("job", "version__project")
    items, following = cut_page(rows, of="runs", cursor=cursor, limit=limit, is_newest_first=True)
    hide_reports(items, request.user)
    return {"items": items, "next": following}


@router.get("/runs/{int:run_id}", response=RunOut, operation_id="show_run")
def show_run(request: HttpRequest, run_id: int) -> Any:
    """One run with its progress and, when it is done, its report."""
    return _run(request, run_id)


@router.post("/runs/{int:run_id}/cancel", response=RunOut, operation_id="cancel_run")
def cancel_run(request: HttpRequest, run_id: int) -> Any:
    """Ask a run to stop; it keeps a checkpoint first."""
    run = _run(request, run_id)
    services.cancel_run(run=run, by=request.user)
    run.refresh_from_db()
    return run


@router.post("/runs/{int:run_id}/pause", response=RunOut, operation_id="pause_run")
def pause_run(request: HttpRequest, run_id: int) -> Any:
    """Let a run rest: it keeps a checkpoint and gives its device back."""
    run = _run(request, run_id)
    control.pause_run(run=run, by=request.user)
    run.refresh_from_db()
    return run


@router.post("/runs/{int:run_id}/go-on", response=RunOut, operation_id="go_on_with_run")
def go_on_with_run(request: HttpRequest, run_id: int) -> Any:
    """A paused, failed or cancelled run goes on from its last good checkpoint."""
    run = _run(request, run_id)
    control.go_on(run=run, by=request.user)
    run.refresh_from_db()
    return run


@router.post("/runs/{int:run_id}/priority", response=RunOut, operation_id="move_run")
def move_run(request: HttpRequest, run_id: int, wanted: PriorityIn) -> Any:
    """Another place in the queue for a run that waits."""
    run = _run(request, run_id)
    control.set_priority(run=run, priority=wanted.priority, by=request.user)
    run.refresh_from_db()
    return run


def _run(request: HttpRequest, run_id: int) -> Run:
    run = get_object_or_404(Run.objects.select_related("project", "job"), pk=run_id)
    require_role(user=request.user, project=run.project, minimum=Role.CURATOR)
    return run
