"""What the votes amount to: runs of the methods, and the labels of each run."""

import datetime
from typing import Annotated, Any

from django.http import HttpRequest
from ninja import Path, Query, Router, Schema

from geoquorum.campaigns import access, services
from geoquorum.campaigns.models import Consensus, ConsensusRun
from geoquorum.paging import Cursor, Limit, PageOut, cut_page

router = Router()

Method = Annotated[str, Query(max_length=60, pattern=r"^\w+$", description="name of a consensus method")]


class ConsensusRunOut(Schema):
    """One method applied to one round's votes up to `last_vote`."""

    id: int
    round: int
    method: str
    parameters: dict[str, Any]
    last_vote: int | None
    votes_count: int
    samples_count: int
    ready_at: datetime.datetime | None

    @staticmethod
    def resolve_round(run: ConsensusRun) -> int:
        return run.round.number


class LabelOut(Schema):
    """One label with its certainty; `distribution` and `counts` in the scheme's order.

    `fields` holds what the question asks beside the class, by the field's name: `value`, `votes`, `agreement`, of boxes
    (fractions of the photo) also `found` and `iou`, of choices `counts`; null where the question asks nothing else.
    """

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
    fields: dict[str, dict[str, Any]] | None

    @staticmethod
    def resolve_sample(row: Consensus) -> int:
        return row.sample_id

    @staticmethod
    def resolve_votes(row: Consensus) -> int:
        return row.votes_count


class LabelsOut(PageOut[LabelOut]):
    """Labels in the order of samples, and the run they come from."""

    run: int
    method: str
    last_vote: int | None


@router.get("/{int:campaign_id}/runs", response=PageOut[ConsensusRunOut], operation_id="list_consensus_runs")
def list_runs(request: HttpRequest, campaign_id: int, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """Consensus runs that are ready, the newest first."""
    campaign, _member = access.find_results(user=request.user, campaign_id=campaign_id)
    rows = ConsensusRun.objects.filter(campaign=campaign, state=ConsensusRun.State.READY).select_related("round")
    items, following = cut_page(rows, of=f"runs/{campaign.pk}", cursor=cursor, limit=limit, is_newest_first=True)
    return {"items": items, "next": following}


@router.get("/{int:campaign_id}/runs/{int:run_id}/labels", response=LabelsOut, operation_id="list_labels")
def list_labels(
    request: HttpRequest, campaign_id: int, run_id: Annotated[int, Path()], cursor: Cursor = None, limit: Limit = 100
) -> Any:
    """Labels of one run."""
    run, _member = access.find_run(user=request.user, campaign_id=campaign_id, run_id=run_id)
    return _show_labels(run, cursor, limit)


@router.get("/{int:campaign_id}/consensus", response=LabelsOut, operation_id="list_consensus")
def list_consensus(
    request: HttpRequest, campaign_id: int, method: Method = "", cursor: Cursor = None, limit: Limit = 100
) -> Any:
    """Labels by the newest run of one method, the default method unless another is named."""
    campaign, _member = access.find_results(user=request.user, campaign_id=campaign_id)
    wanted = method or services.list_methods(campaign)[-1]
    ready = ConsensusRun.objects.filter(campaign=campaign, method=wanted, state=ConsensusRun.State.READY)
    run = ready.order_by("-pk").first()
    if run is None:
        raise services.RefusedError(f"There is no consensus by {wanted[:60]!r} yet.", status=404)
    return _show_labels(run, cursor, limit)


def _show_labels(run: ConsensusRun, cursor: str | None, limit: int) -> dict[str, Any]:
    items, following = cut_page(run.rows.all(), of=f"labels/{run.pk}", cursor=cursor, limit=limit, key="sample")
    return {
        "items": items, "next": following, "run": run.pk, "method": run.method, "last_vote": run.last_vote,
    }  # fmt: skip
