"""Votes: cast one, read one's own, and all of a campaign once they may be seen (the close, or an unblinding)."""

import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema

from geoquorum.accounts.doors import enter
from geoquorum.accounts.models import Token
from geoquorum.campaigns import access, services
from geoquorum.campaigns.models import Vote
from geoquorum.campaigns.schemas import BallotIn, OwnVoteOut, ReceiptOut, show_own_votes, show_receipt
from geoquorum.paging import Cursor, Limit, PageOut, cut_page

router = Router()


class VoteOut(Schema):
    """One revision of one vote, under its expert's pseudonym."""

    id: int
    sample: int
    expert: str
    round: int
    revision: int
    kind: str
    code: str
    answer: dict[str, Any] | None
    second_code: str
    is_sure: bool
    skip_reason: str
    is_machine: bool
    shown_at: datetime.datetime | None
    decided_at: datetime.datetime | None
    received_at: datetime.datetime
    views_opened: list[str]
    question_version: int
    scheme_version: int

    @staticmethod
    def resolve_sample(vote: Vote) -> int:
        return vote.sample_id

    @staticmethod
    def resolve_expert(vote: Vote) -> str:
        return vote.expert.pseudonym

    @staticmethod
    def resolve_round(vote: Vote) -> int:
        return vote.round.number


@router.get(
    "/{int:campaign_id}/votes", response=PageOut[VoteOut], auth=enter(Token.Scope.EXPORT), operation_id="list_votes"
)
def list_votes(request: HttpRequest, campaign_id: int, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """Every revision of every vote in the order in which they came. For curators, once the votes may be seen."""
    campaign = access.find_votes(user=request.user, campaign_id=campaign_id)
    rows = Vote.objects.filter(campaign=campaign).select_related("expert", "round")
    items, following = cut_page(rows, of=f"votes/{campaign.pk}", cursor=cursor, limit=limit)
    return {"items": items, "next": following}


@router.post("/{int:campaign_id}/votes", response=ReceiptOut, auth=enter(Token.Scope.VOTE), operation_id="cast_vote")
def cast_vote(request: HttpRequest, campaign_id: int, body: BallotIn) -> Any:
    """One vote; the same ballot sent again gets the same receipt. `want` is not used here: ask `next`."""
    campaign, expert = access.find_as_expert(user=request.user, campaign_id=campaign_id)
    receipt = services.cast_vote(campaign=campaign, expert=expert, ballot=body.to_ballot())
    return show_receipt(receipt)


@router.get("/{int:campaign_id}/votes/own", response=PageOut[OwnVoteOut], operation_id="list_own_votes")
def list_own_votes(request: HttpRequest, campaign_id: int, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """All that one said oneself, each revision, the latest first."""
    campaign, expert = access.look_as_expert(user=request.user, campaign_id=campaign_id)
    rows = Vote.objects.filter(campaign=campaign, expert=expert).select_related("assignment__sample__region")
    place = f"votes/{campaign.pk}/own"
    items, following = cut_page(rows, of=place, cursor=cursor, limit=limit, is_newest_first=True)
    return {"items": show_own_votes(items, campaign=campaign), "next": following}
