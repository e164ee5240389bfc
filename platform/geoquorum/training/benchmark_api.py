"""Benchmarks over the API: what there is, who stands where, and submissions as a file, as rows or as a run."""

import datetime
from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.shortcuts import get_object_or_404
from ninja import Field, File, Query, Router, Schema, Status
from ninja.files import UploadedFile
from pydantic import ConfigDict

from geoquorum.accounts.doors import enter
from geoquorum.accounts.models import Role, Token
from geoquorum.accounts.services import projects_of, require_role
from geoquorum.paging import Cursor, Limit, PageOut, cut_page, make_cursor, read_cursor
from geoquorum.releases.models import DatasetVersion
from geoquorum.training import benchmarks, run_scores, submissions
from geoquorum.training.benchmark_access import find_benchmark, list_benchmarks
from geoquorum.training.models import Benchmark, Run, Score
from geoquorum.training.protocols import SENTENCES
from geoquorum.training.ranking import Row, rank_benchmark
from geoquorum.training.submissions import LAST_SEED, LONGEST_NAME, LONGEST_WORDS, Sender
from geoquorum.uploads import keep_upload

router = Router(tags=["benchmarks"])
PLAIN = r"^[^\x00]*$"
Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME, pattern=PLAIN)]
Words = Annotated[str, Field(max_length=LONGEST_WORDS, pattern=PLAIN)]
SeedIn = Annotated[int, Field(ge=0, le=LAST_SEED)]
Number = Annotated[int, Field(ge=1, le=2**63 - 1)]
Metric = Annotated[str, Field(max_length=40, pattern=PLAIN)]


class BenchmarkIn(Schema):
    """A new benchmark; a contest is one with `has_hidden_labels`, `public_share` and `ends_at`."""

    model_config = ConfigDict(extra="forbid")

    version: Number
    name: Name
    task: Annotated[str, Field(max_length=60)]
    metric: Metric
    protocol: Literal["unseen_cities", "same_cities", "contest"]
    split: Literal["test", "validation"] = "test"
    further_metrics: Annotated[list[Metric], Field(max_length=20)] = Field(default_factory=list)
    note: Words = ""
    interval_by: Literal["block", "city"] = "block"
    seed: SeedIn = 0
    resamples: Annotated[int, Field(ge=1, le=2**31 - 1)] = 1000
    has_hidden_labels: bool = False
    public_share: float | None = None
    ends_at: datetime.datetime | None = None
    daily_limit: Annotated[int, Field(ge=0, le=30_000)] = 20
    counts: Literal["best", "last"] = "best"


class BenchmarkOut(Schema):
    """What a benchmark fixes; `pack_sha256` is the version's hash, `protocol_words` what may be trained on."""

    id: int
    name: str
    slug: str
    version: int
    pack_sha256: str
    task: str
    scheme: str
    split: str
    metric: str
    further_metrics: list[str]
    protocol: str
    protocol_words: str
    note: str
    interval_by: str
    seed: int
    resamples: int
    is_automatic: bool
    has_hidden_labels: bool
    public_share: float | None
    ends_at: datetime.datetime | None
    daily_limit: int
    counts: str


class IntervalOut(Schema):
    """A value with its 95 % interval, where there is one."""

    value: float | None
    low: float | None
    high: float | None


class RowOut(Schema):
    """One system: the mean of its seeds with its interval. `difference` is the leader compared with, minus it.

    `rank` is null for baselines and published figures; the latter have a `source` and were not computed here.
    """

    submission: int
    name: str
    kind: str
    rank: int | None
    is_tied: bool
    value: float
    low: float | None
    high: float | None
    n: int | None
    seeds: list[int]
    spread: float | None
    difference: IntervalOut | None
    board: str
    source: str


class ScoreOut(Schema):
    """One seed of one system. Until the end of a contest the figures are those of its public rows."""

    id: int
    submission: int
    name: str
    kind: str
    seed: int
    value: float
    low: float
    high: float
    n: int
    metrics: dict[str, IntervalOut]
    board: str
    file_sha256: str
    created_at: datetime.datetime


class RowsIn(Schema):
    """Predictions of one seed: a row of class shares (or one-hot) for each held-out sample, in test order."""

    model_config = ConfigDict(extra="forbid")

    name: Name
    seed: SeedIn = 0
    words: Words = ""
    rows: list[list[float]]
    ids: list[str] | None = None


class RunScoreIn(Schema):
    """A finished run on the benchmark's version."""

    model_config = ConfigDict(extra="forbid")

    run: Number


class WaitingOut(Schema):
    """The system whose score a job computes."""

    submission: int
    name: str
    state: str


@router.get("/benchmarks", response=PageOut[BenchmarkOut], operation_id="list_benchmarks")
def list_all(request: HttpRequest, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """Benchmarks of one's projects, newest first."""
    rows = list_benchmarks(projects_of(request.user), request.user)
    items, following = cut_page(rows, of="benchmarks", cursor=cursor, limit=limit, is_newest_first=True)
    return {"items": [_show(one) for one in items], "next": following}


@router.post("/benchmarks", response={201: BenchmarkOut}, operation_id="create_benchmark")
def create(request: HttpRequest, wanted: BenchmarkIn) -> Any:
    """A new benchmark on a ready version. For curators, signed in."""
    version = get_object_or_404(DatasetVersion.objects.select_related("project"), pk=wanted.version)
    require_role(user=request.user, project=version.project, minimum=Role.CURATOR)
    words = wanted.dict() | {"version": version}
    return Status(201, _show(benchmarks.create_benchmark(by=request.user, **words)))


@router.get("/benchmarks/{int:benchmark_id}", response=BenchmarkOut, operation_id="show_benchmark")
def show(request: HttpRequest, benchmark_id: int) -> Any:
    """One benchmark."""
    return _show(find_benchmark(user=request.user, benchmark_id=benchmark_id))


@router.get("/benchmarks/{int:benchmark_id}/board", response=PageOut[RowOut], operation_id="show_board")
def show_board(request: HttpRequest, benchmark_id: int, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """Systems, best first, ties sharing their rank; published figures last."""
    benchmark = find_benchmark(user=request.user, benchmark_id=benchmark_id)
    name = f"board/{benchmark.pk}"
    first = 0 if cursor is None else read_cursor(cursor, of=name)
    board = rank_benchmark(benchmark)
    rows = [_show_row(row, board.shown) for row in board.rows]
    rows += [_show_published(one, board.shown) for one in board.published]
    following = make_cursor(first + limit, of=name) if len(rows) > first + limit else None
    return {"items": rows[first : first + limit], "next": following}


@router.get("/benchmarks/{int:benchmark_id}/scores", response=PageOut[ScoreOut], operation_id="list_scores")
def list_scores(request: HttpRequest, benchmark_id: int, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """Every score, newest first, whether it counts or not."""
    benchmark = find_benchmark(user=request.user, benchmark_id=benchmark_id)
    rows = Score.objects.filter(benchmark=benchmark).select_related("submission", "benchmark")
    items, following = cut_page(rows, of=f"scores/{benchmark.pk}", cursor=cursor, limit=limit, is_newest_first=True)
    return {"items": [_show_score(score) for score in items], "next": following}


@router.post(
    "/benchmarks/{int:benchmark_id}/submissions",
    response={201: ScoreOut},
    auth=enter(Token.Scope.IMPORT),
    operation_id="submit_rows",
)
def submit_rows(request: HttpRequest, benchmark_id: int, sent: RowsIn) -> Any:
    """Predictions as JSON, scored at once; large ones go as a file. What is wrong is told row by row."""
    benchmark = find_benchmark(user=request.user, benchmark_id=benchmark_id)
    sender = Sender(by=request.user, name=sent.name, seed=sent.seed, words=sent.words)
    made = submissions.submit_rows(benchmark=benchmark, rows=sent.rows, ids=sent.ids, sender=sender)
    return Status(201, _show_score(made))


@router.post(
    "/benchmarks/{int:benchmark_id}/submissions/file",
    response={201: ScoreOut},
    auth=enter(Token.Scope.IMPORT),
    operation_id="submit_predictions",
)
def submit_file(
    request: HttpRequest,
    benchmark_id: int,
    file: File[UploadedFile],
    name: Annotated[str, Query(min_length=1, max_length=LONGEST_NAME, pattern=PLAIN)],
    seed: Annotated[int, Query(ge=0, le=LAST_SEED)] = 0,
    words: Annotated[str, Query(max_length=LONGEST_WORDS, pattern=PLAIN)] = "",
) -> Any:
    """Predictions as .csv, .npy or .npz, scored at once. What is wrong is told row by row."""
    benchmark = find_benchmark(user=request.user, benchmark_id=benchmark_id)
    submissions.check_size(file.size)
    with keep_upload(file) as path:
        sender = Sender(by=request.user, name=name, seed=seed, words=words)
        made = submissions.submit_file(benchmark=benchmark, path=path, sender=sender)
    return Status(201, _show_score(made))


@router.post(
    "/benchmarks/{int:benchmark_id}/submissions/run",
    response={202: WaitingOut},
    auth=enter(Token.Scope.IMPORT),
    operation_id="submit_run",
)
def submit_run(request: HttpRequest, benchmark_id: int, sent: RunScoreIn) -> Any:
    """A finished run's checkpoint, scored by a job."""
    benchmark = find_benchmark(user=request.user, benchmark_id=benchmark_id)
    run = get_object_or_404(Run.objects.select_related("version"), pk=sent.run, project=benchmark.project)
    waiting = run_scores.start_scoring(benchmark=benchmark, run=run, by=request.user)
    return Status(202, {"submission": waiting.pk, "name": waiting.name, "state": "queued"})


def _show(benchmark: Benchmark) -> dict[str, Any]:
    names = [name for name in BenchmarkOut.model_fields if name not in ("version", "protocol_words")]
    own = {name: getattr(benchmark, name) for name in names}
    return own | {"version": benchmark.version_id, "protocol_words": str(SENTENCES[benchmark.protocol])}


def _show_row(row: Row, board: str) -> dict[str, Any]:
    names = ("rank", "is_tied", "value", "low", "high", "n", "spread", "difference")
    own = {name: getattr(row, name) for name in names}
    seeds = [seed.seed for seed in row.seeds]
    return own | _show_submission(row.submission) | {"seeds": seeds, "board": board, "source": ""}


def _show_published(one: Any, board: str) -> dict[str, Any]:
    nothing = dict.fromkeys(("rank", "low", "high", "n", "spread", "difference"))
    own = {"value": one.published_value, "seeds": [], "is_tied": False, "board": board, "source": one.source}
    return nothing | own | _show_submission(one)


def _show_submission(one: Any) -> dict[str, Any]:
    return {"submission": one.pk, "name": one.name, "kind": one.kind}


def _show_score(score: Score) -> dict[str, Any]:
    """The figures that are shown now."""
    own = {name: getattr(score, name) for name in ("id", "seed", "file_sha256", "created_at")}
    benchmark = score.benchmark
    is_public = benchmark.has_hidden_labels and not benchmarks.is_over(benchmark)
    if is_public:
        found = dict(score.public or {})
    else:
        metrics = score.detail.get("metrics", {})
        found = {"value": score.value, "low": score.low, "high": score.high, "n": score.samples_count}
        found["metrics"] = metrics
    board = "public" if is_public else "final" if benchmark.has_hidden_labels else "all"
    return own | found | _show_submission(score.submission) | {"board": board}
