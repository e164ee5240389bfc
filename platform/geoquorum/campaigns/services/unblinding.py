"""Looking at votes before the close: allowed to curators, never silently, and the campaign keeps the mark."""

from datetime import datetime

from django.db import transaction
from django.db.models.functions import Now

from geoquorum.accounts.models import Event, User
from geoquorum.accounts.services import record
from geoquorum.campaigns.models import Campaign, CampaignState, ConsensusRun
from geoquorum.campaigns.services.gate import hold_gate
from geoquorum.campaigns.services.refusal import RefusedError

UNBLINDED = "campaign unblinded"
SHORTEST_REASON = 10


@transaction.atomic
def unblind_campaign(*, campaign: Campaign, by: User, reason: str) -> Campaign:
    """Open votes and results of an open campaign to its curators; experts still see nothing until the close."""
    words = reason.strip()
    if len(words) < SHORTEST_REASON:
        raise RefusedError(
            f"Say in at least {SHORTEST_REASON} letters why the votes are looked at before the close.", status=400
        )
    held = hold_gate(campaign=campaign)
    if held.state != CampaignState.OPEN:
        raise RefusedError(f"Only an open campaign is unblinded; this campaign is {held.get_state_display()}.")
    if held.unblinded_at is None:
        Campaign.objects.filter(pk=held.pk).update(unblinded_at=Now())
    record(
        project=held.project, actor=by, action=UNBLINDED, subject=f"campaign {held.pk}", detail={"reason": words[:2000]}
    )
    campaign.refresh_from_db()
    return campaign


def list_unblindings(*, campaign: Campaign) -> list[Event]:
    """Who looked, when and why, the first time first."""
    found = Event.objects.filter(project=campaign.project_id, action=UNBLINDED, subject=f"campaign {campaign.pk}")
    return list(found.select_related("actor").order_by("pk"))


def unblinded_before(*, run: ConsensusRun) -> datetime | None:
    """When somebody first looked, where that was before this consensus was made; a later look does not touch it."""
    first = run.campaign.unblinded_at
    return first if first is not None and run.ready_at is not None and first <= run.ready_at else None
