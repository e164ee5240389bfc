"""Campaigns of one's projects."""

import datetime
from typing import Any

from django.http import HttpRequest
from ninja import Router, Schema

from geoquorum.accounts.services import projects_of
from geoquorum.campaigns import access
from geoquorum.campaigns.models import Campaign, CampaignState
from geoquorum.paging import Cursor, Limit, PageOut, cut_page

router = Router()


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
    guide: str
    opened_at: datetime.datetime | None
    closed_at: datetime.datetime | None
    unblinded_at: datetime.datetime | None
    is_simulated: bool

    @staticmethod
    def resolve_project(campaign: Campaign) -> str:
        return campaign.project.slug


@router.get("", response=PageOut[CampaignOut], operation_id="list_campaigns")
def list_campaigns(request: HttpRequest, cursor: Cursor = None, limit: Limit = 100) -> Any:
    """Campaigns of one's projects, the newest first; drafts are left out."""
    seen = Campaign.objects.filter(project__in=projects_of(request.user)).exclude(state=CampaignState.DRAFT)
    rows = seen.select_related("project")
    items, following = cut_page(rows, of="campaigns", cursor=cursor, limit=limit, is_newest_first=True)
    return {"items": items, "next": following}


@router.get("/{int:campaign_id}", response=CampaignOut, operation_id="show_campaign")
def show_campaign(request: HttpRequest, campaign_id: int) -> Any:
    """One campaign; nothing in it tells how far others are."""
    campaign, _member = access.find_campaign(user=request.user, campaign_id=campaign_id)
    return campaign
