"""What to look at next."""

from typing import Any

from django.http import HttpRequest
from ninja import Router

from geoquorum.accounts.doors import enter
from geoquorum.accounts.models import Token
from geoquorum.campaigns import access, services
from geoquorum.campaigns.schemas import AssignmentOut, ClaimIn, show_assignments

router = Router()


@router.post(
    "/{int:campaign_id}/next", response=list[AssignmentOut], auth=enter(Token.Scope.VOTE), operation_id="claim_next"
)
def claim_next(request: HttpRequest, campaign_id: int, body: ClaimIn) -> Any:
    """The claims one holds, topped up to `count`; an empty list means that nothing is left."""
    campaign, expert = access.find_as_expert(user=request.user, campaign_id=campaign_id)
    session = body.session and services.find_session(campaign=campaign, expert=expert, session=body.session)
    round = services.current_round(campaign=campaign)
    claimed = services.claim(round=round, expert=expert, session=session or None, count=body.count)
    return show_assignments(claimed, campaign=campaign)
