"""What the votes amount to: one page per run, its pictures, and the table behind each."""

from collections.abc import Iterator
from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.paginator import Page, Paginator
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.http import require_GET

from annotation import question as questions
from fusion.scheme import Scheme
from geoquorum.accounts.models import Role
from geoquorum.campaigns import access
from geoquorum.campaigns.field_words import list_cells, list_columns
from geoquorum.campaigns.label_maps import choose_cities, draw_maps
from geoquorum.campaigns.models import Campaign, ConsensusRun
from geoquorum.campaigns.sample_pictures import list_thumbs
from geoquorum.campaigns.services.adjudication import latest_decisions
from geoquorum.campaigns.services.declaring import fields_of, scheme_of
from geoquorum.campaigns.services.reviewing import QUESTION
from geoquorum.campaigns.views.runs import choose_run, latest_runs
from geoquorum.campaigns.views.tables import answer_csv
from geoquorum.campaigns.vote_bars import draw_votes
from geoquorum.figures.whiskers import Whisker

PER_PAGE = 20
CSV_KINDS = ("samples", "confusion", "experts", "map", "models")


@login_required
@require_GET
def show_consensus(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """The newest run of the default method, or the one in `?run=`; disputed samples first, `?page=` by page."""
    campaign, member = access.find_results(user=request.user, campaign_id=campaign_id)
    runs = latest_runs(campaign)
    run = choose_run(request, campaign, runs)
    context: dict[str, Any] = {"campaign": campaign, "runs": runs, "run": run, "is_waiting": _is_waiting(campaign)}
    if run is not None:
        is_curator = member.role != Role.EXPERT
        context |= _describe(request, run, is_curator=is_curator)
        context["can_be_reviewed"] = is_curator and campaign.scheme == questions.find(QUESTION).prompt_scheme
    return render(request, "campaigns/consensus.html", context)


@login_required
@require_GET
def download(request: HttpRequest, campaign_id: int, run_id: int, kind: str) -> StreamingHttpResponse:
    """The table behind a picture as CSV: samples, map, confusion, or (for curators) experts."""
    run, member = access.find_run(user=request.user, campaign_id=campaign_id, run_id=run_id)
    if kind not in CSV_KINDS or (kind == "experts" and member.role == Role.EXPERT):
        raise Http404
    lines = {
        "samples": _list_samples, "map": _list_samples, "confusion": _list_confusion, "experts": _list_experts,
        "models": _list_models,
    }  # fmt: skip
    return answer_csv(run, kind, lines[kind](run))


def _is_waiting(campaign: Campaign) -> bool:
    return ConsensusRun.objects.filter(campaign=campaign, state=ConsensusRun.State.QUEUED).exists()


def _describe(request: HttpRequest, run: ConsensusRun, *, is_curator: bool) -> dict[str, Any]:
    """All that the page shows of one run."""
    scheme, summary = scheme_of(run.campaign), run.summary
    cities, other_cities = choose_cities(run)
    whiskers = [
        Whisker(name=row["expert"], value=row["value"], low=row["low"], high=row["high"])
        for row in sorted(summary["experts"], key=lambda row: -row["value"])
    ]
    return {
        "scheme": scheme,
        "summary": summary,
        "maps": [one for city in cities for one in draw_maps(scheme, run, city=city)],
        "other_cities": other_cities,
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


def _list_disputed(request: HttpRequest, scheme: Scheme, run: ConsensusRun) -> Page:
    """Disputed samples first, those with the least agreement at the top, then the others."""
    rows = run.rows.select_related("sample__region").order_by("status", "agreement", "-entropy", "pk")
    page = Paginator(rows, PER_PAGE).get_page(request.GET.get("page"))
    thumbs = list_thumbs(run.campaign, [row.sample for row in page])
    decisions = latest_decisions(campaign=run.campaign)
    for row in page:
        row.decision = decisions.get(row.sample_id)
        row.shown = max(row.distribution) if run.summary.get("is_credible") else row.agreement
        row.bar = draw_votes(scheme, row.counts)
        row.named = scheme.find(row.code)
        row.thumb = thumbs[row.sample_id]
    return page


def _list_samples(run: ConsensusRun) -> Iterator[list[object]]:
    codes, fields = scheme_of(run.campaign).codes, fields_of(run.campaign)
    yield [
        *("sample", "key", "region", "cell", "longitude", "latitude", "label", "status", "flags", "votes"),
        *("agreement", "low", "high", "entropy", "adjudicated"),
        *(f"votes_{code}" for code in codes),
        *(f"probability_{code}" for code in codes),
        *list_columns(fields),
    ]
    decisions = latest_decisions(campaign=run.campaign)
    for row in run.rows.select_related("sample__region").order_by("sample").iterator(chunk_size=2_000):
        sample = row.sample
        place = [sample.region.name if sample.region else "", sample.cell, sample.longitude, sample.latitude]
        judged = [row.code, row.status, " ".join(row.flags), row.votes_count]
        figures = [f"{value:.5g}" for value in (row.agreement, row.low, row.high, row.entropy)]
        decided = decisions.get(sample.pk)
        figures.append("" if decided is None else decided.code or "ambiguous")
        said = [*row.counts, *row.distribution, *list_cells(fields, row)]
        yield [sample.pk, sample.key, *place, *judged, *figures, *said]


def _list_confusion(run: ConsensusRun) -> Iterator[list[object]]:
    codes = scheme_of(run.campaign).codes
    yield ["one_expert_says", "another_says", "pairs"]
    for code, row in zip(codes, run.summary["co_votes"], strict=True):
        yield from ([code, other, count] for other, count in zip(codes, row, strict=True))


def _list_models(run: ConsensusRun) -> Iterator[list[object]]:
    """Each model's trial on gold, and the samples whose label it contradicts."""
    names = ("expert", "is_admitted", "samples", "model_accuracy", "panel_accuracy", "difference", "low", "high")
    yield ["model", "counts", "gold_samples", *names[3:], "contradicted_sample"]
    for row in run.summary.get("models", []):
        judged = [row.get(name, "") for name in names]
        yield from ([*judged, sample] for sample in row["contradicted"] or [""])


def _list_experts(run: ConsensusRun) -> Iterator[list[object]]:
    names = ("expert", "n", "value", "low", "high")
    yield ["expert", "votes", "same_as_consensus", "low", "high"]
    yield from ([row[name] for name in names] for row in run.summary["experts"])
