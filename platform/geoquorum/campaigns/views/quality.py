"""How well people work: all experts for curators, oneself for everybody, and the table behind both."""

import math
from collections.abc import Callable, Iterator
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from annotation.quality import Pace, Share
from geoquorum.accounts.models import Expert, Role
from geoquorum.campaigns import access
from geoquorum.campaigns.flag_words import describe_flag
from geoquorum.campaigns.models import Campaign, CampaignState, Standing
from geoquorum.campaigns.services import scheme_of
from geoquorum.campaigns.services.qualification import PASSED, reset_tries, rules_of, waive
from geoquorum.campaigns.services.refusal import RefusedError
from geoquorum.campaigns.services.reports import ExpertReport, list_reports, report_own
from geoquorum.campaigns.services.watch import dismiss_flag
from geoquorum.campaigns.views.tables import write_lines
from geoquorum.figures.lines import Series, line_chart
from geoquorum.figures.whiskers import Whisker

LEAST_TOLD = 10  # repeats below which experts are not told their own consistency
COLUMNS = (
    "expert", "standing", "answered", "skipped", "gold_score", "gold_low", "gold_high", "gold_n", "same_again",
    "same_low", "same_high", "repeats", "median_s", "quartile_1_s", "quartile_3_s", "confused", "open_flags",
)  # fmt: skip


@login_required
@require_GET
def show_experts(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Each expert's score on known samples with its interval, consistency, confusions, pace and flags."""
    campaign, _member = access.find_campaign(user=request.user, campaign_id=campaign_id, minimum=Role.CURATOR)
    reports = list_reports(campaign=campaign)
    scored = [report for report in reports if report.gold and report.gold.n]
    context = {
        "campaign": campaign,
        "scheme": scheme_of(campaign),
        "rows": [_show(campaign, report) for report in reports],
        "flagged": sum(bool(report.open_flags) for report in reports),
        "whiskers": [_draw(report.expert.pseudonym, report.gold) for report in scored],
        "has_qualification": rules_of(campaign) is not None,
        "is_weighted": scheme_of(campaign).similarity is not None,
    }
    return render(request, "campaigns/experts.html", context)


@login_required
@require_GET
def download_experts(request: HttpRequest, campaign_id: int) -> StreamingHttpResponse:
    """The table behind the page."""
    campaign, _member = access.find_campaign(user=request.user, campaign_id=campaign_id, minimum=Role.CURATOR)
    response = StreamingHttpResponse(write_lines(_list_rows(campaign)), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{campaign.slug}-experts.csv"'
    return response


@login_required
@require_GET
def show_own(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """One's own pace and consistency; before the close nothing of gold."""
    campaign, _member = access.find_campaign(user=request.user, campaign_id=campaign_id)
    expert = access.known_as(user=request.user, campaign=campaign)
    report = report_own(campaign=campaign, expert=expert) if expert else None
    row = _show(campaign, report) if report else None
    tells = report is not None and (campaign.state == CampaignState.CLOSED or report.consistency.n >= LEAST_TOLD)
    if row and not tells:
        row["consistency"] = None
    context = {
        "campaign": campaign,
        "scheme": scheme_of(campaign),
        "row": row,
        "tells_consistency": tells,
        "is_weighted": scheme_of(campaign).similarity is not None,
    }
    return render(request, "campaigns/own_report.html", context)


@login_required
@require_POST
def let_in(request: HttpRequest, campaign_id: int, expert_id: int) -> HttpResponse:
    """Qualification waived, with a reason."""
    return _act(request, campaign_id, expert_id, waive, _("May vote now, without qualification."))


@login_required
@require_POST
def reset(request: HttpRequest, campaign_id: int, expert_id: int) -> HttpResponse:
    """All tries anew, with a reason."""
    return _act(request, campaign_id, expert_id, reset_tries, _("Has all tries again."))


@login_required
@require_POST
def dismiss(request: HttpRequest, campaign_id: int, expert_id: int) -> HttpResponse:
    """A flag looked at and dismissed, with a reason."""
    kind = request.POST.get("kind", "")

    def service(*, campaign: Campaign, expert: Expert, reason: str, by: Any) -> None:
        standing = get_object_or_404(Standing, campaign=campaign, expert=expert)
        dismiss_flag(standing=standing, kind=kind, reason=reason, by=by)

    return _act(request, campaign_id, expert_id, service, _("Flag dismissed; it stays in the record."))


def _act(
    request: HttpRequest, campaign_id: int, expert_id: int, service: Callable[..., None], done: str
) -> HttpResponse:
    campaign, _member = access.find_campaign(user=request.user, campaign_id=campaign_id, minimum=Role.CURATOR)
    expert = get_object_or_404(Expert, pk=expert_id, project=campaign.project_id)
    try:
        service(campaign=campaign, expert=expert, reason=request.POST.get("reason", "")[:500], by=request.user)
        messages.success(request, f"{expert.pseudonym}: {done}")
    except RefusedError as error:
        messages.error(request, str(error))
    return redirect("campaigns:experts", campaign.pk)


def _show(campaign: Campaign, report: ExpertReport) -> dict[str, Any]:
    scheme = scheme_of(campaign)
    state = report.standing.state if report.standing else Standing.State.NEW
    return {
        "report": report,
        "state": Standing.State(state).label,
        "can_let_in": rules_of(campaign) is not None and state not in PASSED,
        "gold": _share_or_none(report.gold),
        "consistency": _share_or_none(report.consistency),
        "confused": [(scheme.find(one.first), scheme.find(one.second), one.count) for one in report.confused],
        "flags": [describe_flag(flag) | {"raw": flag} for flag in report.flags],
        "pace": draw_pace(report.pace),
        "hours": sorted(report.pace.hours_s.items()),
    }


def draw_pace(pace: Pace) -> SafeString | None:
    """A small picture: medians of blocks of fifty answers in order; None below two blocks."""
    if len(pace.blocks_s) < 2:
        return None
    points = [((index + 1) * 50.0, seconds) for index, seconds in enumerate(pace.blocks_s)]
    title = _("Median seconds per answer, in blocks of 50: from %(first).1f to %(last).1f s") % {
        "first": pace.blocks_s[0],
        "last": pace.blocks_s[-1],
    }
    return line_chart(
        [Series(name="", points=points)], title=title, x_label=_("answers"), y_label=_("s"), width=330, height=150
    )


def _draw(name: str, share: Share | None) -> Whisker:
    assert share is not None  # only those who answered gold are drawn
    return Whisker(name=name, value=share.value, low=share.low, high=share.high)


def _share_or_none(share: Share | None) -> Share | None:
    return share if share is not None and share.n else None


def _list_rows(campaign: Campaign) -> Iterator[list[object]]:
    yield list(COLUMNS)
    for report in list_reports(campaign=campaign):
        state = report.standing.state if report.standing else Standing.State.NEW
        pace = (report.pace.median_s, report.pace.low_s, report.pace.high_s)
        yield [
            report.expert.pseudonym, state, report.answered, report.skipped, *_figures(report.gold),
            *_figures(report.consistency), *(_number(value) for value in pace),
            "; ".join(f"{one.first} with {one.second} ({one.count})" for one in report.confused),
            " ".join(flag["kind"] for flag in report.open_flags),
        ]  # fmt: skip


def _figures(share: Share | None) -> list[object]:
    if share is None or not share.n:
        return ["", "", "", 0]
    return [_number(share.value), _number(share.low), _number(share.high), share.n]


def _number(value: float) -> str:
    return f"{value:.5g}" if math.isfinite(value) else ""
