"""Several runs at once over the API: sisters by seed, a search, and a campaign about what a run is unsure of."""

from typing import Annotated, Any
from uuid import UUID

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Field, Router, Schema, Status
from pydantic import ConfigDict

from geoquorum.accounts.models import Role
from geoquorum.accounts.services import require_role
from geoquorum.catalog.models import Region
from geoquorum.releases.models import DatasetVersion
from geoquorum.training.api import RunIn, RunOut
from geoquorum.training.models import Run
from geoquorum.training.preranking import start_asking
from geoquorum.training.search import start_search
from geoquorum.training.sisters import MOST_SEEDS, start_sisters
from geoquorum.training.wishes import Wishes

router = Router(tags=["training"])
Name = Annotated[str, Field(max_length=120, pattern=r"^[^\x00]*$")]


class SistersIn(RunIn):
    """As a run, with several seeds."""

    seeds: Annotated[list[Annotated[int, Field(ge=0, le=2**31 - 1)]], Field(min_length=1, max_length=MOST_SEEDS)]


class SearchIn(Schema):
    """What to search around, what may change, and how long."""

    model_config = ConfigDict(extra="forbid")

    version: Annotated[int, Field(ge=1, le=2**63 - 1)]
    task: Annotated[str, Field(max_length=60)]
    space: dict[str, Any]
    spec: dict[str, Any] = Field(default_factory=dict)
    trials: Annotated[int, Field(ge=1, le=500)] = 20
    parallel: Annotated[int, Field(ge=1, le=16)] = 1
    seed: Annotated[int, Field(ge=0, le=2**31 - 1)] = 0
    warm_up_epochs: Annotated[int, Field(ge=0, le=100_000)] = 1
    name: Name = ""


class AskIn(Schema):
    """How many samples, which question, how many votes of people for each, and whether the run votes too."""

    model_config = ConfigDict(extra="forbid")

    samples: Annotated[int, Field(ge=1, le=10_000)]
    question: Annotated[str, Field(max_length=60)] = ""
    votes: Annotated[int, Field(ge=1, le=100)] = 3
    policy: dict[str, Any] | None = None
    regions: Annotated[list[Annotated[int, Field(ge=1, le=2**63 - 1)]], Field(max_length=1000)] = []
    is_voting: bool = False
    name: Name = ""


class AskOut(Schema):
    """The job that drafts the campaign; its result names it."""

    job: UUID


@router.post("/runs/seeds", response={201: list[RunOut]}, operation_id="start_sisters")
def start_runs(request: HttpRequest, wanted: SistersIn) -> Any:
    """Train the same several times with other seeds: all of them are queued, or none."""
    version = _version(request, wanted.version)
    runs = start_sisters(
        version=version,
        task=wanted.task,
        by=request.user,
        seeds=wanted.seeds,
        changes=wanted.spec,
        name=wanted.name,
        wishes=Wishes(processes=wanted.processes, priority=wanted.priority, time_limit_s=wanted.time_limit_s),
    )
    return Status(201, runs)


@router.post("/searches", response={201: RunOut}, operation_id="start_search")
def search(request: HttpRequest, wanted: SearchIn) -> Any:
    """Search for settings: a parent run whose trials are chosen on validation; test is scored once, for the winner."""
    version = _version(request, wanted.version)
    run = start_search(
        version=version,
        task=wanted.task,
        space=wanted.space,
        by=request.user,
        changes=wanted.spec,
        trials=wanted.trials,
        parallel=wanted.parallel,
        seed=wanted.seed,
        warm_up_epochs=wanted.warm_up_epochs,
        name=wanted.name,
    )
    return Status(201, run)


@router.post("/runs/{int:run_id}/ask", response={202: AskOut}, operation_id="ask_experts")
def ask_experts(request: HttpRequest, run_id: int, wanted: AskIn) -> Any:
    """Draft a campaign about the unlabelled samples that a finished run is unsure of."""
    found = Run.objects.select_related("project", "version__consensus_run__campaign")
    run = get_object_or_404(found, pk=run_id)
    require_role(user=request.user, project=run.project, minimum=Role.CURATOR)
    job = start_asking(
        run=run,
        samples=wanted.samples,
        question=wanted.question,
        votes=wanted.votes,
        policy=wanted.policy,
        regions=list(Region.objects.filter(pk__in=wanted.regions, project=run.project)),
        is_voting=wanted.is_voting,
        name=wanted.name,
        by=request.user,
    )
    return Status(202, {"job": job.pk})


def _version(request: HttpRequest, key: int) -> DatasetVersion:
    version = get_object_or_404(DatasetVersion.objects.select_related("project"), pk=key)
    require_role(user=request.user, project=version.project, minimum=Role.CURATOR)
    return version
