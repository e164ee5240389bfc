"""Where do experts disagree? One page per run, the figures as pictures, and the table behind each."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET

from fusion.scheme import Scheme
from geoquorum.accounts.models import Role
from geoquorum.campaigns import access
from geoquorum.campaigns import agreement_pictures as pictures
from geoquorum.campaigns.agreement_tables import TABLES
from geoquorum.campaigns.label_maps import draw_maps, list_cities
from geoquorum.campaigns.models import ConsensusRun
from geoquorum.campaigns.sample_pictures import list_thumbs
from geoquorum.campaigns.services import agreement
from geoquorum.campaigns.services.declaring import scheme_of
from geoquorum.campaigns.views.runs import choose_run, entitle, latest_runs
from geoquorum.campaigns.views.tables import answer_csv

APART_SHOWN = 24
OPEN_TO_ALL = ("figures", "classes", "cities", "matrix", "entropy", "apart")
FOR_CURATORS = ("experts", "pairs")
REST = "rest"  # stands for all other experts in `?second=`


@dataclass(frozen=True, kw_only=True)
class Choice:
    """What of the matrix and of the map is looked at; empty is everything. Only curators name other experts."""

    group: str = ""
    is_sure: bool = False
    first: str = ""
    second: str = ""
    city: str = ""
    code: str = ""
    by_entropy: bool = False

    @property
    def second_name(self) -> str:
        return _("all others") if self.second == REST else self.second


@login_required
@require_GET
def show_agreement(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Figures with intervals, who mixes up what, where, and what stands apart; `?run=` as on the consensus page."""
    campaign, member = access.find_results(user=request.user, campaign_id=campaign_id)
    runs = latest_runs(campaign)
    run = choose_run(request, campaign, runs)
    context: dict[str, Any] = {"campaign": campaign, "runs": runs, "run": run}
    if run is not None:
        run.campaign = campaign
        context |= _describe(request, run, is_curator=member.role != Role.EXPERT)
    return render(request, "campaigns/agreement.html", context)


@login_required
@require_GET
def download_agreement(request: HttpRequest, campaign_id: int, run_id: int, kind: str) -> StreamingHttpResponse:
    """The table behind a picture of the page, with campaign, run and n above it."""
    run, member = access.find_run(user=request.user, campaign_id=campaign_id, run_id=run_id)
    is_curator = member.role != Role.EXPERT
    if kind not in OPEN_TO_ALL + (FOR_CURATORS if is_curator else ()):
        raise Http404
    found = agreement.find_agreement(run)
    n = f"{run.samples_count} samples, {run.votes_count} votes, {len(run.experts)} experts"
    if kind == "matrix":
        choice = _read_choice(request, run, found, is_curator)
        return answer_csv(run, kind, _list_matrix(run, found, choice), n=n)
    return answer_csv(run, kind, TABLES[kind](found), n=n)


def _describe(request: HttpRequest, run: ConsensusRun, *, is_curator: bool) -> dict[str, Any]:
    scheme, found = scheme_of(run.campaign), agreement.find_agreement(run)
    choice = _read_choice(request, run, found, is_curator)
    cities = list_cities(run)
    city = choice.city or (_least_agreed(found, cities) if cities else "")
    counts = _count(run, found, choice)
    shown, part = pictures.narrow(scheme, counts, choice.group)
    known = request.user.experts.filter(project=run.campaign.project).first()
    return {
        "scheme": scheme,
        "data": f"{run.campaign.slug}, {entitle(run).title}, {_('run')} {run.pk}",
        "found": found,
        "figures": [{"name": pictures.NAMES[name], **one} for name, one in found["figures"].items()],
        "least_named": pictures.LEAST_NAMED,
        "class_rows": pictures.whisk_classes(found),
        "city_rows": pictures.whisk_cities(found),
        "weakest": pictures.weakest(scheme, found),
        "city": city,
        "cities": cities,
        "maps": _draw_maps(run, scheme, city, choice) if cities else [],
        "tiles": {"url": settings.BASEMAP_TILES_URL, "attribution": settings.BASEMAP_ATTRIBUTION},
        "choice": choice,
        "groups": list(dict.fromkeys(label.group for label in scheme.classes if label.group)),
        "matrix": pictures.draw_matrix(shown, part, first=choice.first, second=choice.second_name),
        "matrix_finding": pictures.find_confusion(shown, part),
        "matrix_n": sum(map(sum, part)),
        "entropy_svg": pictures.draw_entropy(found),
        "entropy_finding": pictures.find_entropy(found),
        "apart": _list_pictures(run, scheme, found),
        "contradicted": _list_contradicted(run, scheme),
        "experts": found["experts"] if is_curator else [],
        "experts_far": sum(one["is_far"] for one in found["experts"]),
        "expert_chart": pictures.draw_experts(found) if is_curator else "",
        "own": next((one for one in found["experts"] if known and one["expert"] == known.pseudonym), None),
        "is_curator": is_curator,
        "csv": {
            kind: reverse("campaigns:agreement_csv", args=[run.campaign_id, run.pk, kind])
            for kind in OPEN_TO_ALL + FOR_CURATORS
        },
    }


def _draw_maps(run: ConsensusRun, scheme: Scheme, city: str, choice: Choice) -> list[dict[str, Any]]:
    asked = {"city": city, "code": choice.code, "by_entropy": choice.by_entropy}
    return draw_maps(scheme, run, has_pictures=True, **asked)


def _read_choice(request: HttpRequest, run: ConsensusRun, found: dict[str, Any], is_curator: bool) -> Choice:
    """What the address asks for; 404 for what is not there, and for others' names where one is no curator."""
    asked, scheme = request.GET, scheme_of(run.campaign)
    choice = Choice(
        group=asked.get("group", ""),
        is_sure=asked.get("sure", "") == "1",
        first=asked.get("first", ""),
        second=asked.get("second", "") or (REST if asked.get("first") else ""),
        city=asked.get("city", ""),
        code=asked.get("code", ""),
        by_entropy=asked.get("strength", "") == "entropy",
    )
    known = {one["expert"] for one in found["experts"]}
    own = request.user.experts.filter(project=run.campaign.project).values_list("pseudonym", flat=True).first()
    may_name = known if is_curator else known & {own}
    is_known = choice.first in (may_name | {""}) and choice.second in (known if is_curator else set()) | {"", REST}
    is_there = choice.group in {label.group for label in scheme.classes} | {""} and choice.code in (*scheme.codes, "")
    if not (is_known and is_there and (not choice.city or choice.city in list_cities(run))):
        raise Http404
    return choice


def _count(run: ConsensusRun, found: dict[str, Any], choice: Choice) -> list[list[int]]:
    """The table that was asked for: two experts, one against the rest, or all pairs of votes."""
    if choice.first and choice.second != REST:
        return agreement.count_pair(run, choice.first, choice.second, sure_only=choice.is_sure)
    if choice.first:
        return next(one["against_rest"] for one in found["experts"] if one["expert"] == choice.first)
    return found["co_votes_sure" if choice.is_sure else "co_votes"]


def _least_agreed(found: dict[str, Any], cities: Sequence[str]) -> str:
    known = {city: found["cities"][city]["pair_agreement"]["value"] for city in cities if city in found["cities"]}
    return min(known, key=lambda city: known[city]) if known else cities[0]


def _list_pictures(run: ConsensusRun, scheme: Scheme, found: dict[str, Any]) -> list[dict[str, Any]]:
    """The samples that stand apart with their label and picture."""
    chosen = {one["sample"]: one for one in found["apart"][:APART_SHOWN]}
    shown = (one | chosen[one["row"].sample_id] for one in _list_cards(run, scheme, list(chosen)))
    return sorted(shown, key=lambda one: one["similarity"])


def _list_contradicted(run: ConsensusRun, scheme: Scheme) -> list[dict[str, Any]]:
    """Each model that voted, whether it counts or not, with the samples whose label it contradicts."""
    return [
        {
            "expert": one["expert"],
            "n": one["contradicts"],
            "is_admitted": one["is_admitted"],
            "samples": _list_cards(run, scheme, one["contradicted"][:APART_SHOWN]),
        }
        for one in run.summary.get("models", [])
        if one["contradicts"]
    ]


def _list_cards(run: ConsensusRun, scheme: Scheme, samples: Sequence[int]) -> list[dict[str, Any]]:
    """Samples of the run by id, each with its row, its label and how it looks."""
    rows = list(run.rows.filter(sample__in=samples).select_related("sample__region").order_by("agreement", "pk"))
    thumbs = list_thumbs(run.campaign, [row.sample for row in rows])
    return [{"row": row, "named": scheme.find(row.code), "thumb": thumbs[row.sample_id]} for row in rows]


def _list_matrix(run: ConsensusRun, found: dict[str, Any], choice: Choice) -> Iterator[list[object]]:
    scheme, counts = pictures.narrow(scheme_of(run.campaign), _count(run, found, choice), choice.group)
    yield ["one_says", "another_says", "pairs"]
    for code, row in zip(scheme.codes, counts, strict=True):
        yield from ([code, other, count] for other, count in zip(scheme.codes, row, strict=True))
