"""What the votes amount to: one page per run, its pictures, and the table behind each."""

import csv
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Page, Paginator
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from annotation import consensus as methods_of
from annotation import question as questions
from fusion import scheme as schemes
from fusion.grid import parse_cell
from fusion.scheme import Scheme
from geoquorum.accounts.models import Role
from geoquorum.campaigns import access
from geoquorum.campaigns.models import Campaign, Consensus, ConsensusRun
from geoquorum.campaigns.vote_bars import draw_votes
from geoquorum.figures.cells import Square, cell_map
from geoquorum.figures.whiskers import Whisker

PER_PAGE = 20
CELLS_SHOWN = 5_000  # squares of one region's map; beyond, the page would be heavy and the squares unreadable
CSV_KINDS = ("samples", "confusion", "experts", "map")


@login_required
@require_GET
def show_consensus(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """The newest run of the default method, or the one in `?run=`; disputed samples first, `?page=` by page."""
    campaign, member = access.find_results(user=request.user, campaign_id=campaign_id)
    runs = _latest_runs(campaign)
    run = _choose(request, campaign, runs)
    context: dict[str, Any] = {"campaign": campaign, "runs": runs, "run": run, "is_waiting": _is_waiting(campaign)}
    if run is not None:
        context |= _describe(request, run, is_curator=member.role != Role.EXPERT)
    return render(request, "campaigns/consensus.html", context)


@login_required
@require_GET
def download(request: HttpRequest, campaign_id: int, run_id: int, kind: str) -> StreamingHttpResponse:
    """The table behind a picture as CSV: samples, map, confusion, or (for curators) experts."""
    run, member = access.find_run(user=request.user, campaign_id=campaign_id, run_id=run_id)
    if kind not in CSV_KINDS or (kind == "experts" and member.role == Role.EXPERT):
        raise Http404
    lines = {"samples": _list_samples, "map": _list_samples, "confusion": _list_confusion, "experts": _list_experts}
    response = StreamingHttpResponse(_write_lines(lines[kind](run)), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{run.campaign.slug}-{run.method}-{kind}.csv"'
    return response


def _latest_runs(campaign: Campaign) -> list[ConsensusRun]:
    """The newest ready run of each method, the default method first."""
    ready = ConsensusRun.objects.filter(campaign=campaign, state=ConsensusRun.State.READY).select_related("round")
    latest = {run.method: run for run in ready.order_by("pk")}
    titles = {name: method.title for name, method in methods_of.load_all().items()}
    for run in latest.values():
        run.title = titles[run.method]  # type: ignore[attr-defined]
    return sorted(latest.values(), key=lambda run: (run.method != "dawid_skene", run.method))


def _choose(request: HttpRequest, campaign: Campaign, runs: list[ConsensusRun]) -> ConsensusRun | None:
    wanted = request.GET.get("run", "")
    if not wanted:
        return runs[0] if runs else None
    if not wanted.isdecimal() or len(wanted) > 18:
        raise Http404
    found = ConsensusRun.objects.filter(campaign=campaign, pk=int(wanted), state=ConsensusRun.State.READY).first()
    if found is None:
        raise Http404
    return next((run for run in runs if run == found), found)


def _is_waiting(campaign: Campaign) -> bool:
    return ConsensusRun.objects.filter(campaign=campaign, state=ConsensusRun.State.QUEUED).exists()


def _describe(request: HttpRequest, run: ConsensusRun, *, is_curator: bool) -> dict[str, Any]:
    """All that the page shows of one run."""
    scheme, summary = schemes.find(run.campaign.scheme), run.summary
    whiskers = [
        Whisker(name=row["expert"], value=row["value"], low=row["low"], high=row["high"])
        for row in sorted(summary["experts"], key=lambda row: -row["value"])
    ]
    return {
        "scheme": scheme,
        "summary": summary,
        "maps": _draw_maps(scheme, run),
        "labels": dict(zip(scheme.codes, summary["labels"], strict=True)),
        "whiskers": whiskers if is_curator else [],
        "page": _list_disputed(request, scheme, run),
        "most_confused": _most_confused(scheme, summary["co_votes"]),
        "csv": {kind: reverse("campaigns:csv", args=[run.campaign_id, run.pk, kind]) for kind in CSV_KINDS},
        "is_curator": is_curator,
    }


def _most_confused(scheme: Scheme, table: list[list[int]]) -> dict[str, Any] | None:
    """The two classes that experts most often name side by side for one sample."""
    size = len(scheme)
    pairs = [(table[a][b], a, b) for a in range(size) for b in range(a) if table[a][b]]
    if not pairs:
        return None
    count, a, b = max(pairs)
    return {"first": scheme.classes[b], "second": scheme.classes[a], "count": count}


def _draw_maps(scheme: Scheme, run: ConsensusRun) -> list[dict[str, Any]]:
    """One map for each region and zone: class as colour, agreement as strength, disputed samples crossed."""
    squares: dict[tuple[str, str], list[Square]] = defaultdict(list)
    rows = run.rows.exclude(sample__cell="").values_list(
        "sample__region__name", "sample__cell", "code", "agreement", "status", "sample__key"
    )
    for region, text, code, agreement, status, key in rows:
        cell = parse_cell(text)
        words = f"{key}: {code} {scheme.find(code).name}, {agreement:.0%}"
        is_disputed = status == Consensus.Status.DISPUTED
        square = Square(
            column=cell.column, row=cell.row, code=code, strength=agreement, words=words, is_marked=is_disputed
        )
        squares[region or "", f"EPSG:{cell.epsg}, {cell.size_m} m"].append(square)
    return [_draw_map(scheme, region, grid, found) for (region, grid), found in sorted(squares.items())]


def _draw_map(scheme: Scheme, region: str, grid: str, squares: list[Square]) -> dict[str, Any]:
    shown = squares[:CELLS_SHOWN]
    title = _("Agreement in %(region)s") % {"region": region}
    mean = sum(square.strength for square in squares) / len(squares)
    svg = cell_map(scheme, shown, title=title, largest_px=520)
    return {"region": region, "grid": grid, "n": len(squares), "shown": len(shown), "mean": mean, "svg": svg}


def _list_disputed(request: HttpRequest, scheme: Scheme, run: ConsensusRun) -> Page:
    """Disputed samples first, those with the least agreement at the top, then the others."""
    rows = run.rows.select_related("sample__region").order_by("status", "agreement", "-entropy", "pk")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    views = questions.find(run.campaign.question).views
    for row in page:
        row.bar = draw_votes(scheme, row.counts)
        row.named = scheme.find(row.code)
        row.picture = _picture(row, views[0].modality, views[0].view) if views and row.sample.region_id else ""
    return page


def _picture(row: Consensus, modality: str, view: str) -> str:
    return reverse("catalog:picture", args=[row.sample_id, modality, view])


def _list_samples(run: ConsensusRun) -> Iterator[list[object]]:
    codes = schemes.find(run.campaign.scheme).codes
    yield [
        *("sample", "key", "region", "cell", "longitude", "latitude", "label", "status", "flags", "votes"),
        *("agreement", "low", "high", "entropy"),
        *(f"votes_{code}" for code in codes),
        *(f"probability_{code}" for code in codes),
    ]
    for row in run.rows.select_related("sample__region").order_by("sample").iterator(chunk_size=2_000):
        sample = row.sample
        place = [sample.region.name if sample.region else "", sample.cell, sample.longitude, sample.latitude]
        judged = [row.code, row.status, " ".join(row.flags), row.votes_count]
        figures = [f"{value:.5g}" for value in (row.agreement, row.low, row.high, row.entropy)]
        yield [sample.pk, sample.key, *place, *judged, *figures, *row.counts, *row.distribution]


def _list_confusion(run: ConsensusRun) -> Iterator[list[object]]:
    codes = schemes.find(run.campaign.scheme).codes
    yield ["one_expert_says", "another_says", "pairs"]
    for code, row in zip(codes, run.summary["co_votes"], strict=True):
        yield from ([code, other, count] for other, count in zip(codes, row, strict=True))


def _list_experts(run: ConsensusRun) -> Iterator[list[object]]:
    names = ("expert", "n", "value", "low", "high")
    yield ["expert", "votes", "same_as_consensus", "low", "high"]
    yield from ([row[name] for name in names] for row in run.summary["experts"])


class _Echo:
    """A file that hands back what is written to it."""

    def write(self, text: str) -> str:
        return text


def _write_lines(rows: Iterable[list[object]]) -> Iterator[str]:
    """CSV lines; text that a spreadsheet would run as a formula is quoted with an apostrophe."""
    write: Callable[[list[object]], str] = csv.writer(_Echo()).writerow
    for row in rows:
        yield write([f"'{cell}" if isinstance(cell, str) and cell[:1] in FORMULA_STARTS else cell for cell in row])


FORMULA_STARTS = tuple("=+-@\t\r")
