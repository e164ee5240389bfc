"""The vote page and its JSON endpoints. All answers concern the expert alone: nobody else's vote, count or progress.

Every POST carries the CSRF token in `X-CSRFToken`; bodies and answers are JSON; times are ISO 8601. A refusal is
`{"error": "one sentence"}` with status 400 (a value that cannot be), 401 (signed out), 403/404 (not yours), 409 (not
now: closed, place taken, nothing to take back), 429 (faster than a person looks: send the same ballot again later) or
503 (the database does not answer: send the same ballot again).

The page gets a JSON block `vote-config`:

    {"campaign": 7, "name": "...", "is_simulated": true, "interface_version": "4", "person": 5,
     "urls": {"claim": "...", "vote": "...", "history": "...", "session": "...",
              "picture": "/catalog/samples/0/picture/MODALITY/VIEW.png",
              "values": "/catalog/samples/0/values/MODALITY.bin",
              "done": "page to show when nothing is left", "raise": "/campaigns/7/samples/0/raise/" or "",
              "thread": "/campaigns/7/samples/0/#thread", there after the own vote on the sample, or ""},
     "question": {"name", "title", "help", "prefetch": 5, "context_cells": 3, "has_second_choice": true,
                  "layout": "patch", "fields": [{"name", "title", "kind": "box" | "choice", "key",
                                                 "options": [{"code", "name", "key"}], "is_required"}],
                  "views": [{"modality", "view", "has_seasons"}], "skip_reasons": [{"key", "title", "needs_text"}]},
     "scheme": {"name", "classes": [{"code", "name", "colour", "ink", "key", "group", "help",
                "aerial", "ground", "confused_with": [code] where declared}]},
     "own": {"answered": 12, "skipped": 1, "total": 240}}
"""

from dataclasses import asdict
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_GET, require_POST

from annotation import question as questions
from geoquorum.accounts.models import Expert
from geoquorum.campaigns import access, services
from geoquorum.campaigns.models import Assignment, CampaignState, Round, Session
from geoquorum.campaigns.schemas import (
    BallotIn,
    ClaimIn,
    SessionIn,
    show_assignments,
    show_own_votes,
    show_receipt,
)
from geoquorum.campaigns.services.progress import count_own, list_history
from geoquorum.campaigns.services.qualification import show_standing
from geoquorum.campaigns.services.shown import list_views
from geoquorum.campaigns.views.endpoint import json_endpoint, read_body
from geoquorum.campaigns.views.vote_config import configure
from geoquorum.catalog.dates import list_dates


@login_required
@require_GET
def show_vote(request: HttpRequest, campaign_id: int) -> HttpResponse:
    """The page on which an expert votes; sends elsewhere while the campaign is not open or qualification is due."""
    campaign, expert = access.look_as_expert(user=request.user, campaign_id=campaign_id)
    if campaign.state != CampaignState.OPEN:
        messages.info(request, _("This campaign is not open for votes."))
        return redirect("campaigns:campaign", campaign.pk)
    standing = show_standing(campaign=campaign, expert=expert)
    if standing is not None and not standing.is_passed:
        return redirect("campaigns:qualify", campaign.pk)
    question = questions.find(campaign.question)
    context = {
        "campaign": campaign,
        "expert": expert,
        "question": question,
        "scheme": services.scheme_of(campaign),
        "views": list_views(campaign),
        "config": configure(
            campaign, expert or Expert(user=request.user), _own(services.current_round(campaign=campaign), expert)
        ),
        "stage": f"campaigns/stages/{question.layout}.html",
    }
    return render(request, "campaigns/vote.html", context)


@require_POST
@json_endpoint
def claim(request: HttpRequest, campaign_id: int) -> dict[str, Any]:
    """POST {"count": 5, "session": 3} -> the claims one holds now, topped up to `count`.

    {"assignments": [{"id": 11, "lease_until": "...", "sample": {"id": 21, "key": "...", "kind": "patch", "region": 2,
                      "longitude": 7.1, "latitude": 50.7, "pixel_size_m": 10.0, "width_px": 32, "height_px": 32,
                      "is_simulated": true}}],
     "regions": {"2": {"name": "...", "is_simulated": true,
                       "seasons": {"sentinel2": ["spring", "summer"], "sentinel1": [""]}}},
     "own": {"answered": 12, "skipped": 1, "total": 240}}

    An empty list means that nothing is left for this expert. Claims hold for the campaign's lease (10 minutes unless
    set otherwise) and are renewed by asking again. A vote taken back is among the claims again.
    """
    body: ClaimIn = read_body(request, ClaimIn)
    campaign, expert = access.find_as_expert(user=request.user, campaign_id=campaign_id)
    round = services.current_round(campaign=campaign)
    return _claim(round, expert, body.session, body.count) | {"own": _own(round, expert)}


@require_POST
@json_endpoint
def cast(request: HttpRequest, campaign_id: int) -> dict[str, Any]:
    """POST one ballot -> {"receipt": {...}}, and with "want" above 0 also what `claim` answers, without "own".

    {"assignment": 11, "client_uuid": "made by the client, new for each vote", "kind": "answer" | "skip" | "taken_back",
     "session": 3, "code": "6", "second_code": "", "is_sure": true, "skip_reason": "" ("1".."6", "0" needs a comment),
     "comment": "", "shown_at": "...", "decided_at": "...", "views_opened": ["true_colour"], "interface_version": "1",
     "want": 0}

    answer: needs `code`. skip: needs `skip_reason`, no code. taken_back: neither; the sample is claimed again at once.
    Voting again on the same assignment is a correction (a new revision) as long as the campaign is open.
    receipt: {"vote": 5, "client_uuid", "assignment", "revision", "kind", "code", "received_at"}. The same ballot sent
    again, at any time, gets the same receipt and stores nothing.
    """
    body: BallotIn = read_body(request, BallotIn)
    campaign, expert = access.find_as_expert(user=request.user, campaign_id=campaign_id)
    receipt = services.cast_vote(campaign=campaign, expert=expert, ballot=body.to_ballot())
    answer: dict[str, Any] = {"receipt": show_receipt(receipt)}
    if body.want:
        answer |= _claim(services.current_round(campaign=campaign), expert, body.session, body.want)
    return answer


@require_GET
@json_endpoint
def history(request: HttpRequest, campaign_id: int) -> dict[str, Any]:
    """GET -> one's own last ten samples, the latest first, each with its latest vote.

    {"votes": [{"id": assignment, "sample": {...}, "lease_until": null, "vote": 5, "received_at": "...", "kind", "code",
                "second_code", "is_sure", "skip_reason", "revision"}],
     "regions": as in claim, "own": {...}}
    """
    campaign, expert = access.look_as_expert(user=request.user, campaign_id=campaign_id)
    votes = list_history(campaign=campaign, expert=expert)
    regions = show_regions([vote.assignment for vote in votes])
    own = _own(services.current_round(campaign=campaign), expert)
    return {"votes": show_own_votes(votes, campaign=campaign), "regions": regions, "own": own}


@require_POST
@json_endpoint
def start_session(request: HttpRequest, campaign_id: int) -> dict[str, Any]:
    """POST {"device": "", "interface_version": "1"} -> {"session": 3, "urls": {"pause", "resume", "end"}}."""
    body: SessionIn = read_body(request, SessionIn)
    campaign, expert = access.find_as_expert(user=request.user, campaign_id=campaign_id)
    device = body.device or request.headers.get("User-Agent", "")
    session = services.start_session(
        campaign=campaign, expert=expert, device=device, interface_version=body.interface_version
    )
    urls = {
        action: reverse(f"campaigns:session_{action}", args=[campaign.pk, session.pk])
        for action in ("pause", "resume", "end")
    }
    return _show_session(session) | {"urls": urls}


@require_POST
@json_endpoint
def pause_session(request: HttpRequest, campaign_id: int, session_id: int) -> dict[str, Any]:
    """POST -> {"session", "is_paused", "paused_s", "is_over"}; a second call changes nothing."""
    return _show_session(services.pause_session(session=_session(request, campaign_id, session_id)))


@require_POST
@json_endpoint
def resume_session(request: HttpRequest, campaign_id: int, session_id: int) -> dict[str, Any]:
    """POST -> as pause."""
    return _show_session(services.resume_session(session=_session(request, campaign_id, session_id)))


@require_POST
@json_endpoint
def end_session(request: HttpRequest, campaign_id: int, session_id: int) -> dict[str, Any]:
    """POST -> as pause; votes that were on their way still name this session."""
    return _show_session(services.end_session(session=_session(request, campaign_id, session_id)))


def _session(request: HttpRequest, campaign_id: int, session_id: int) -> Session:
    campaign, expert = access.find_as_expert(user=request.user, campaign_id=campaign_id)
    return services.find_session(campaign=campaign, expert=expert, session=session_id)


def _show_session(session: Session) -> dict[str, Any]:
    is_paused = bool(session.pauses) and "to" not in session.pauses[-1]
    is_over = session.ended_at is not None
    return {"session": session.pk, "is_paused": is_paused, "paused_s": session.paused_s, "is_over": is_over}


def _claim(round: Round, expert: Expert, session_id: int | None, count: int) -> dict[str, Any]:
    session = session_id and services.find_session(campaign=round.campaign, expert=expert, session=session_id)
    claimed = services.claim(round=round, expert=expert, session=session or None, count=count)
    shown = show_assignments(claimed, campaign=round.campaign)
    return {"assignments": shown, "regions": show_regions(claimed)}


def show_regions(claimed: list[Assignment]) -> dict[str, Any]:
    """Name and dates to choose from, for each region that the claimed samples lie in."""
    found = {each.sample.region_id: each.sample.region for each in claimed if each.sample.region is not None}
    shown: dict[str, Any] = {
        str(key): {"name": region.name, "is_simulated": region.is_simulated, "seasons": {}}
        for key, region in found.items()
    }
    for region, dates in list_dates(found).items():
        shown[str(region)]["seasons"] |= dates
    return shown


def _own(round: Round, expert: Expert | None) -> dict[str, int]:
    return asdict(count_own(round=round, expert=expert))
