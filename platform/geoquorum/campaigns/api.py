"""Campaigns for programs: what is open, the next samples, votes, and consensus after the close."""

import functools
from collections.abc import Callable
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Query, Router, Schema, Status
from pydantic import Field

from geoquorum.accounts.services import projects_of
from geoquorum.campaigns import access, services
from geoquorum.campaigns.models import Campaign, CampaignState, Consensus, ConsensusRun
from geoquorum.campaigns.schemas import AssignmentOut, BallotIn, ClaimIn, ReceiptOut, show_assignment, show_receipt

router = Router(tags=["campaigns"])


class CampaignOut(Schema):
    """A campaign as every member of its project may see it."""

    id: int
    project: str
    name: str
    question: str
    question_version: int
    scheme: str
    scheme_version: int
    state: str
    is_simulated: bool


class ProblemOut(Schema):
    """One sentence: nothing was stored."""

    error: str


class ConsensusOut(Schema):
    """One label with its certainty; `distribution` and `counts` in the scheme's order."""

    sample: int
    code: str
    status: str
    flags: list[str]
    votes: int
    agreement: float
    low: float
    high: float
    entropy: float
    distribution: list[float]
    counts: list[int]


class ConsensusPageOut(Schema):
    """Rows in the order of samples; ask again with `after` = the last sample until there are none."""

    run: int
    method: str
    last_vote: int | None
    rows: list[ConsensusOut]


REFUSALS = {400: ProblemOut, 404: ProblemOut, 409: ProblemOut}


def answer_refusals(view: Callable[..., Any]) -> Callable[..., Any]:
    """A refusal becomes its status and sentence."""

    @functools.wraps(view)
    def answer(*args: Any, **kwargs: Any) -> Any:
        try:
            return view(*args, **kwargs)
        except services.RefusedError as error:
            return Status(error.status, {"error": str(error)})

    return answer


@router.get("", response=list[CampaignOut])
def list_campaigns(request: HttpRequest) -> list[CampaignOut]:
    """Campaigns of one's projects, the newest first; drafts are left out."""
    seen = Campaign.objects.filter(project__in=projects_of(request.user)).exclude(state=CampaignState.DRAFT)
    shown = [name for name in CampaignOut.model_fields if name not in ("id", "project")]
    return [
        CampaignOut(id=each.pk, project=each.project.slug, **{name: getattr(each, name) for name in shown})
        for each in seen.select_related("project").order_by("-pk")[:500]
    ]


@router.post("/{int:campaign_id}/next", response={200: list[AssignmentOut], **REFUSALS})
@answer_refusals
def claim_next(request: HttpRequest, campaign_id: int, body: ClaimIn) -> Any:
    """The claims one holds, topped up to `count`; an empty list means that nothing is left."""
    campaign, expert = access.find_as_expert(user=request.user, campaign_id=campaign_id)
    session = body.session and services.find_session(campaign=campaign, expert=expert, session=body.session)
    round = services.current_round(campaign=campaign)
    claimed = services.claim(round=round, expert=expert, session=session or None, count=body.count)
    return [show_assignment(each) for each in claimed]


@router.post("/{int:campaign_id}/votes", response={200: ReceiptOut, **REFUSALS})
@answer_refusals
def cast_vote(request: HttpRequest, campaign_id: int, body: BallotIn) -> Any:
    """One vote; the same ballot sent again gets the same receipt. `want` is not used here: ask `next`."""
    campaign, expert = access.find_as_expert(user=request.user, campaign_id=campaign_id)
    receipt = services.cast_vote(campaign=campaign, expert=expert, ballot=body.to_ballot())
    return show_receipt(receipt)


@router.get("/{int:campaign_id}/consensus", response={200: ConsensusPageOut, **REFUSALS})
@answer_refusals
def list_consensus(
    request: HttpRequest,
    campaign_id: int,
    method: Annotated[str, Query(max_length=60)] = "dawid_skene",
    after: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0,
    limit: Annotated[int, Field(ge=1, le=1_000)] = 100,
) -> Any:
    """Labels of a closed campaign by one method, in the order of samples."""
    campaign, _member = access.find_results(user=request.user, campaign_id=campaign_id)
    ready = ConsensusRun.objects.filter(campaign=campaign, method=method, state=ConsensusRun.State.READY)
    run = ready.order_by("-pk").first()
    if run is None:
        raise services.RefusedError(f"There is no consensus by {method[:60]!r} yet.", status=404)
    rows = run.rows.filter(sample__gt=after).order_by("sample")[:limit]
    return {
        "run": run.pk,
        "method": run.method,
        "last_vote": run.last_vote,
        "rows": [_show(row) for row in rows],
    }


def _show(row: Consensus) -> dict[str, Any]:
    names = ("code", "status", "flags", "agreement", "low", "high", "entropy", "distribution", "counts")
    return {"sample": row.sample_id, "votes": row.votes_count} | {name: getattr(row, name) for name in names}
