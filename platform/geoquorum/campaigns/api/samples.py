"""What a campaign asks about."""

from typing import Any

from django.http import HttpRequest
from ninja import Router

from geoquorum.campaigns import access
from geoquorum.campaigns.models import Round
from geoquorum.campaigns.schemas import SampleOut, show_sample
from geoquorum.catalog.models import Sample
from geoquorum.paging import Cursor, Limit, PageOut, cut_page

router = Router()


@router.get("/{int:campaign_id}/samples", response=PageOut[SampleOut], operation_id="list_samples")
def list_samples(request: HttpRequest, campaign_id: int, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """The campaign's samples in the order of their numbers: what an expert may know of each, and no more.

    Samples of its main rounds alone: which are gold, asked again or disputed is not told here.
    """
    campaign, _member = access.find_campaign(user=request.user, campaign_id=campaign_id)
    asked = campaign.rounds.filter(purpose=Round.Purpose.VOTE)
    rows = Sample.objects.filter(round_samples__round__in=asked).distinct()
    items, following = cut_page(rows, of=f"samples/{campaign.pk}", cursor=cursor, limit=limit)
    return {"items": [show_sample(sample) for sample in items], "next": following}
