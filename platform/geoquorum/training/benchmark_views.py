"""Pages of benchmarks: who stands where on what, how sure that is, and how to take part."""

import csv
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.paginator import Paginator
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from fusion import scheme as schemes
from fusion.errors import GeoquorumError
from geoquorum.accounts.current import projects_in_view
from geoquorum.accounts.models import Project, Role
from geoquorum.accounts.services import projects_of
from geoquorum.figures.whiskers import Whisker
from geoquorum.releases.models import DatasetVersion
from geoquorum.training import benchmarks, run_scores, submissions
from geoquorum.training.benchmark_access import find_benchmark, is_curator, list_benchmarks
from geoquorum.training.benchmark_forms import TITLES, BenchmarkForm, FigureForm, SubmissionForm
from geoquorum.training.board_table import list_board, list_sample_rows
from geoquorum.training.models import Benchmark, Protocol, Run, RunState
from geoquorum.training.prediction_files import MOST_BYTES
from geoquorum.training.protocols import SENTENCES
from geoquorum.training.ranking import Board, list_waiting, rank_benchmark
from geoquorum.training.scoring import open_held_out
from geoquorum.training.submissions import Sender
from geoquorum.uploads import check_whole, keep_upload, tell_trouble

PER_PAGE = 30
LONGEST_DRAWN = 24  # letters of a name beside the figure
MOST_DRAWN = 30  # rows of the figure; the table has them all
CURATING = (Role.CURATOR, Role.ADMIN)


@login_required
@require_safe
def list_all(request: HttpRequest) -> HttpResponse:
    """Benchmarks of the projects in view, those of one protocol together."""
    rows = list_benchmarks(projects_in_view(request), request.user).order_by("-pk")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    groups = [
        {"title": protocol.label, "sentence": SENTENCES[protocol], "benchmarks": [_show_short(one) for one in own]}
        for protocol in Protocol
        if (own := [one for one in page if one.protocol == protocol])
    ]
    context = {"groups": groups, "page": page, "can_make": _curated(request).exists()}
    return render(request, "training/benchmarks.html", context)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def new(request: HttpRequest) -> HttpResponse:
    """Form of a new benchmark, and its making; nothing for those who are curators nowhere."""
    if not _curated(request).exists():
        raise Http404
    versions = DatasetVersion.objects.filter(project__in=_curated(request)).select_related("project")
    asked = {"version": request.GET.get("version", "")} if request.method != "POST" else {}
    form = BenchmarkForm(request.POST if request.method == "POST" else None, versions=versions, initial=asked)
    if request.method == "POST" and form.is_valid():
        try:
            return redirect("benchmarks:show", benchmarks.create_benchmark(by=request.user, **form.request()).pk)
        except GeoquorumError as error:
            form.add_error(None, str(error))
    context = {"form": form, "sentences": [(Protocol(key).label, text) for key, text in SENTENCES.items()]}
    return render(request, "training/benchmark_new.html", context, status=400 if form.errors else 200)


@login_required
@require_safe
def show(request: HttpRequest, benchmark_id: int) -> HttpResponse:
    """The board with its figure, and for members the ways to submit."""
    return _show(request, find_benchmark(user=request.user, benchmark_id=benchmark_id))


@login_required
@require_POST
def submit(request: HttpRequest, benchmark_id: int) -> HttpResponse:
    """Takes a file of predictions, scores it, and shows the board; a refused one is told row by row."""
    benchmark = find_benchmark(user=request.user, benchmark_id=benchmark_id)
    form = SubmissionForm(request.POST, request.FILES)
    if not form.is_valid():
        return _show(request, benchmark, form=form)
    sent = form.cleaned_data
    sender = Sender(by=request.user, name=sent["name"], seed=sent["seed"], words=sent["words"])
    try:
        check_whole(request)
        submissions.check_size(sent["file"].size)
        with keep_upload(sent["file"]) as path:
            score = submissions.submit_file(benchmark=benchmark, path=path, sender=sender)
    except GeoquorumError as error:
        return _show(request, benchmark, form=form, trouble=tell_trouble(error))
    messages.success(request, _("Scored: %(name)s, seed %(seed)d.") % {"name": score.submission, "seed": score.seed})
    return redirect("benchmarks:show", benchmark.pk)


@login_required
@require_POST
def submit_run(request: HttpRequest, benchmark_id: int) -> HttpResponse:
    """Queues the scoring of a finished run."""
    benchmark = find_benchmark(user=request.user, benchmark_id=benchmark_id)
    word = request.POST.get("run", "")
    run = Run.objects.filter(project=benchmark.project, pk=int(word)).first() if word[:18].isdecimal() else None

    def start() -> None:
        if run is None:
            raise benchmarks.RefusedError(_("Choose a run of this project."))
        run_scores.start_scoring(benchmark=benchmark, run=run, by=request.user)

    return _act(request, benchmark, start, _("Queued: a job predicts the held-out samples and scores them."))


@login_required
@require_POST
def enter_figure(request: HttpRequest, benchmark_id: int) -> HttpResponse:
    """A published figure, shown apart."""
    benchmark = find_benchmark(user=request.user, benchmark_id=benchmark_id, minimum=Role.CURATOR)
    form = FigureForm(request.POST)

    def enter() -> None:
        if not form.is_valid():
            raise benchmarks.RefusedError(_("A published figure needs a name, a value and its source."))
        sent = form.cleaned_data
        words = {"name": sent["figure_name"], "value": sent["value"], "source": sent["source"]}
        benchmarks.publish_figure(benchmark=benchmark, by=request.user, **words)

    return _act(request, benchmark, enter, _("Entered as published; it is not ranked."))


@login_required
@require_POST
def remove(request: HttpRequest, benchmark_id: int) -> HttpResponse:
    """Takes away a benchmark without scores."""
    benchmark = find_benchmark(user=request.user, benchmark_id=benchmark_id, minimum=Role.CURATOR)
    try:
        benchmarks.remove_benchmark(benchmark=benchmark, by=request.user)
    except GeoquorumError as error:
        messages.error(request, str(error))
        return redirect("benchmarks:show", benchmark_id)
    messages.success(request, _("Removed."))
    return redirect("benchmarks:list")


@login_required
@require_POST
def open_labels(request: HttpRequest, benchmark_id: int) -> HttpResponse:
    """Lets go the labels of a contest that is over."""
    benchmark = find_benchmark(user=request.user, benchmark_id=benchmark_id, minimum=Role.CURATOR)
    done = _("The labels are no longer held back.")
    return _act(request, benchmark, lambda: benchmarks.open_labels(benchmark=benchmark, by=request.user), done)


@login_required
@require_safe
def download_board(request: HttpRequest, benchmark_id: int) -> HttpResponse:
    """The numbers behind the board, a row for each seed."""
    benchmark = find_benchmark(user=request.user, benchmark_id=benchmark_id)
    return _send_csv(f"{benchmark.slug}.csv", list_board(benchmark, rank_benchmark(benchmark)))


@login_required
@require_safe
def download_sample(request: HttpRequest, benchmark_id: int) -> HttpResponse:
    """A submission in the right form that knows nothing: ids in test order, every class as likely."""
    benchmark = find_benchmark(user=request.user, benchmark_id=benchmark_id)
    return _send_csv(f"{benchmark.slug}-sample.csv", list_sample_rows(open_held_out(benchmark)))


def _show(
    request: HttpRequest, benchmark: Benchmark, *, form: SubmissionForm | None = None, trouble: Any = None
) -> HttpResponse:
    board, curates = rank_benchmark(benchmark), is_curator(user=request.user, benchmark=benchmark)
    drawn = board.rows[:MOST_DRAWN]
    reach = [value for row in board.rows for value in (row.low, row.high)]
    ends = (max(0.0, min(reach) - 0.02), min(1.0, max(reach) + 0.02)) if reach else (0.0, 1.0)
    context: dict[str, Any] = {
        "benchmark": benchmark,
        "board": board,
        "finding": _say_finding(benchmark, board),
        "metric": TITLES.get(benchmark.metric, benchmark.metric),
        "further": [(name, TITLES.get(name, name)) for name in benchmark.further_metrics],
        "sentence": SENTENCES[benchmark.protocol],
        "whiskers": [_draw(row.submission.name, row) for row in drawn],
        "hidden_rows": len(board) - len(drawn),
        "smallest": ends[0],
        "largest": max(ends[1], ends[0] + 0.01),
        "is_curator": curates,
        "is_over": benchmarks.is_over(benchmark),
        "form": form or SubmissionForm(),
        "figure_form": FigureForm(),
        "trouble": trouble,
        "used": submissions.count_used(benchmark=benchmark, user=request.user),
        "codes": schemes.find(benchmark.scheme).codes if benchmark.scheme else (),
        "most_mib": MOST_BYTES >> 20,
        "waiting": list_waiting(benchmark, request.user, is_curator=curates),
        "runs": _list_unscored(benchmark),
    }
    is_wrong = trouble is not None or bool(form and form.errors)
    return render(request, "training/benchmark.html", context, status=400 if is_wrong else 200)


def _say_finding(benchmark: Benchmark, board: Board) -> str:
    """What the board says, in one line."""
    first = [row for row in board.rows if row.rank == 1]
    if not first:
        return ""
    if len(first) == 1:
        return _("%(name)s leads") % {"name": first[0].submission}
    return _("%(count)d systems share the first rank") % {"count": len(first)}


def _draw(name: str, row: Any) -> Whisker:
    shown = f"{row.rank}  {name}" if row.rank else name
    short = shown if len(shown) <= LONGEST_DRAWN else f"{shown[: LONGEST_DRAWN - 1]}…"
    return Whisker(name=short, value=row.value, low=row.low, high=row.high, is_marked=row.rank == 1)


def _show_short(benchmark: Benchmark) -> dict[str, Any]:
    board = rank_benchmark(benchmark)
    return {
        "benchmark": benchmark,
        "metric": TITLES.get(benchmark.metric, benchmark.metric),
        "leader": next((row for row in board.rows if row.rank == 1), None),
        "systems": sum(not row.is_baseline for row in board.rows),
        "is_over": benchmarks.is_over(benchmark),
    }


def _list_unscored(benchmark: Benchmark) -> list[Run]:
    """Finished runs on its version whose predictions are not known here yet."""
    scored = benchmark.scores.exclude(draws=b"").exclude(checkpoint=None).values("checkpoint__run")
    runs = Run.objects.filter(version=benchmark.version, state=RunState.DONE, checkpoints__isnull=False)
    return list(runs.exclude(pk__in=scored).distinct().order_by("-pk")[:50])


def _curated(request: HttpRequest) -> Any:
    """Projects in which this person may make benchmarks."""
    mine = Project.objects.filter(memberships__user=request.user, memberships__role__in=CURATING)
    return projects_of(request.user).filter(pk__in=mine)


def _act(request: HttpRequest, benchmark: Benchmark, act: Callable[[], Any], done: str) -> HttpResponse:
    try:
        act()
        messages.success(request, done)
    except GeoquorumError as error:
        messages.error(request, str(error))
    return redirect("benchmarks:show", benchmark.pk)


def _send_csv(name: str, rows: Any) -> HttpResponse:
    answer = HttpResponse(content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = f'attachment; filename="{name}"'
    answer["Cache-Control"] = "no-store"
    csv.writer(answer).writerows(rows)
    return answer
