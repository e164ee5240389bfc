"""Qualification: one page that says what is asked and how it went, and the vote page on the samples of a try.

Nothing here holds what gold says: scores, intervals and pairs of classes only.
"""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from annotation import question as questions
from fusion.scheme import Scheme
from geoquorum.campaigns import access
from geoquorum.campaigns.models import Assignment, Attempt, Campaign, CampaignState, Vote
from geoquorum.campaigns.sample_pictures import first_picture
from geoquorum.campaigns.schemas import BallotIn, ClaimIn, show_assignments, show_own_votes, show_receipt
from geoquorum.campaigns.services import find_session, scheme_of
from geoquorum.campaigns.services.progress import HISTORY
from geoquorum.campaigns.services.qualification import (
    Qualification,
    cast_in_attempt,
    claim_attempt,
    finish_attempt,
    show_standing,
    start_attempt,
)
from geoquorum.campaigns.services.refusal import RefusedError
from geoquorum.campaigns.services.shown import list_views
from geoquorum.campaigns.views.endpoint import json_endpoint, read_body
from geoquorum.campaigns.views.vote_config import configure
from geoquorum.campaigns.views.voting import show_regions
from geoquorum.figures.whiskers import Whisker


@login_required
@require_GET
def show_qualification(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """What is asked before votes count, one's own tries with score and hints, and the one thing to do next."""
    campaign, _member = access.find_campaign(user=request.user, campaign_id=campaign_id)
    expert = access.known_as(user=request.user, campaign=campaign)
    found = show_standing(campaign=campaign, expert=expert)
    if found is None:
        messages.info(request, _("This campaign asks for no qualification."))
        return redirect("campaigns:campaign", campaign.pk)
    scheme = scheme_of(campaign)
    ended = [one for one in found.attempts if one.ended_at]
    context = {
        "campaign": campaign,
        "scheme": scheme,
        "question": questions.find(campaign.question),
        "found": found,
        "is_weighted": scheme.similarity is not None,
        "whiskers": [_draw(one) for one in ended],
        "last": ended[-1] if ended else None,
        "hints": _show_hints(scheme, ended[-1]) if ended else [],
        "said": _show_said(campaign, scheme, ended[-1]) if ended else [],
        "own": _count(found.current) if found.current else None,
        "can_start": _can_start(campaign, found),
    }
    return render(request, "campaigns/qualify.html", context)


@login_required
@require_POST
def start(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """Begin a try, or go on with the one under way."""
    campaign, expert = access.find_as_expert(user=request.user, campaign_id=campaign_id)
    try:
        attempt = start_attempt(campaign=campaign, expert=expert)
    except RefusedError as error:
        messages.error(request, str(error))
        return redirect("campaigns:qualify", campaign.pk)
    if not _count(attempt)["total"] - _done(attempt):
        finish_attempt(attempt=attempt)
        return redirect("campaigns:qualify", campaign.pk)
    return redirect("campaigns:qualify_vote", campaign.pk)


@login_required
@require_GET
def show_vote(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """The vote page, on the samples of the try under way."""
    campaign, _member = access.find_campaign(user=request.user, campaign_id=campaign_id)
    expert = access.known_as(user=request.user, campaign=campaign)
    found = show_standing(campaign=campaign, expert=expert)
    if expert is None or found is None or found.current is None or campaign.state != CampaignState.OPEN:
        return redirect("campaigns:qualify", campaign.pk)
    question = questions.find(campaign.question)
    config = configure(campaign, expert, _count(found.current))
    config["urls"] |= _urls(campaign)
    context = {
        "campaign": campaign,
        "expert": expert,
        "question": question,
        "scheme": scheme_of(campaign),
        "views": list_views(campaign),
        "config": config,
        "layout": question.layout,
        "stage": f"campaigns/stages/{question.layout}.html",
    }
    return render(request, "campaigns/vote.html", context)


@require_POST
@json_endpoint
def claim(request: HttpRequest, campaign_id: int) -> dict[str, Any]:
    """As the vote page's claims, on one's own try; an empty list means that it is over and scored."""
    body: ClaimIn = read_body(request, ClaimIn)
    campaign, attempt = _find_attempt(request, campaign_id)
    return _claim(campaign, attempt, body.session, body.count) | {"own": _count(attempt)}


@require_POST
@json_endpoint
def cast(request: HttpRequest, campaign_id: int) -> dict[str, Any]:
    """As the vote page's votes, on one's own try."""
    body: BallotIn = read_body(request, BallotIn)
    campaign, attempt = _find_attempt(request, campaign_id)
    answer = {"receipt": show_receipt(cast_in_attempt(attempt=attempt, ballot=body.to_ballot()))}
    return answer | (_claim(campaign, attempt, body.session, body.want) if body.want else {})


@require_GET
@json_endpoint
def history(request: HttpRequest, campaign_id: int) -> dict[str, Any]:
    """As the vote page's history, of this try alone."""
    campaign, attempt = _find_attempt(request, campaign_id)
    votes = Vote.objects.filter(round=attempt.round_id, expert=attempt.expert_id).order_by("-pk")
    latest: dict[int, Vote] = {}
    for vote in votes.select_related("assignment__sample__region")[: 10 * HISTORY]:
        latest.setdefault(vote.assignment_id, vote)
    shown = list(latest.values())[:HISTORY]
    regions = show_regions([vote.assignment for vote in shown])
    said = show_own_votes(shown, campaign=campaign)
    return {"votes": said, "regions": regions, "own": _count(attempt)}


def _find_attempt(request: HttpRequest, campaign_id: int) -> tuple[Campaign, Attempt]:
    """One's latest try; without any there is nothing here."""
    campaign, _member = access.find_campaign(user=request.user, campaign_id=campaign_id)
    expert = access.known_as(user=request.user, campaign=campaign)
    tries = Attempt.objects.filter(campaign=campaign, expert=expert).select_related("campaign", "expert")
    attempt = tries.order_by("-number").first() if expert else None
    if attempt is None:
        raise Http404
    return campaign, attempt


def _claim(campaign: Campaign, attempt: Attempt, session_id: int | None, count: int) -> dict[str, Any]:
    session = session_id and find_session(campaign=campaign, expert=attempt.expert, session=session_id)
    claimed = claim_attempt(attempt=attempt, session=session or None, count=count)
    return {"assignments": show_assignments(claimed, campaign=campaign), "regions": show_regions(claimed)}


def _count(attempt: Attempt) -> dict[str, int]:
    """Own progress in a try, in the vote page's words."""
    mine = Assignment.objects.filter(round=attempt.round_id, expert=attempt.expert_id)
    states = list(mine.values_list("state", flat=True))
    return {"answered": states.count("answered"), "skipped": states.count("skipped"), "total": len(states)}


def _done(attempt: Attempt) -> int:
    counts = _count(attempt)
    return counts["answered"] + counts["skipped"]


def _can_start(campaign: Campaign, found: Qualification) -> bool:
    is_open = campaign.state == CampaignState.OPEN and not found.is_passed
    return is_open and bool(found.current or (found.tries_left and found.gold))


def _draw(attempt: Attempt) -> Whisker:
    name = _("Try %(number)s") % {"number": attempt.number}
    return Whisker(
        name=name, value=attempt.score, low=attempt.low, high=attempt.high, is_marked=bool(attempt.is_passed)
    )


def _show_hints(scheme: Scheme, attempt: Attempt) -> list[dict[str, Any]]:
    """Both classes of each hint with what tells them apart, which everybody may read in the class cards anyway."""
    return [{"first": scheme.find(first), "second": scheme.find(second)} for first, second in attempt.hints]


def _show_said(campaign: Campaign, scheme: Scheme, attempt: Attempt) -> list[dict[str, Any]]:
    """One's own answers of a try, class by class, to look at beside what the class looks like; not which were right."""
    votes = Vote.objects.filter(round=attempt.round_id, expert=attempt.expert_id).order_by("assignment", "-revision")
    pictures: dict[str, list[str]] = {}
    for vote in votes.distinct("assignment").select_related("sample"):
        if vote.code:
            pictures.setdefault(vote.code, []).append(first_picture(campaign, vote.sample))
    return [
        {"named": scheme.find(code), "count": len(pictures[code]), "pictures": sorted(filter(None, pictures[code]))}
        for code in scheme.codes
        if code in pictures
    ]


def _urls(campaign: Campaign) -> dict[str, str]:
    return {
        "claim": reverse("campaigns:qualify_claim", args=[campaign.pk]),
        "vote": reverse("campaigns:qualify_cast", args=[campaign.pk]),
        "history": reverse("campaigns:qualify_history", args=[campaign.pk]),
        "done": reverse("campaigns:qualify", args=[campaign.pk]),
        "raise": "",
        "thread": "",
    }
