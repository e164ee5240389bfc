"""Which campaigns a person may see, and as what; asked by every view and every route of the API."""

from django.http import Http404
from django.shortcuts import get_object_or_404

from geoquorum.accounts.models import Expert, Membership, Role, User
from geoquorum.accounts.services import expert_of, require_role
from geoquorum.campaigns.models import Campaign, CampaignState, ConsensusRun


def find_campaign(*, user: User, campaign_id: int, minimum: str = Role.EXPERT) -> tuple[Campaign, Membership]:
    """The campaign and one's membership; 404 for strangers, and drafts do not exist for experts."""
    campaign = get_object_or_404(Campaign.objects.select_related("project"), pk=campaign_id)
    member = require_role(user=user, project=campaign.project, minimum=minimum)
    if campaign.state == CampaignState.DRAFT and member.role == Role.EXPERT:
        raise Http404
    return campaign, member


def find_as_expert(*, user: User, campaign_id: int) -> tuple[Campaign, Expert]:
    """The campaign and the pseudonym under which this person votes in it."""
    campaign, _member = find_campaign(user=user, campaign_id=campaign_id)
    return campaign, expert_of(user=user, project=campaign.project)


def known_as(*, user: User, campaign: Campaign) -> Expert | None:
    """The pseudonym, if there is one: nobody gets one by looking at a page."""
    return Expert.objects.filter(project=campaign.project_id, user=user).first()


def find_results(*, user: User, campaign_id: int) -> tuple[Campaign, Membership]:
    """A closed campaign, or for curators one that was unblinded; else there are no results, so that nobody is led."""
    campaign, member = find_campaign(user=user, campaign_id=campaign_id)
    may_look = campaign.unblinded_at is not None and member.role != Role.EXPERT
    if campaign.state != CampaignState.CLOSED and not may_look:
        raise Http404
    return campaign, member


def find_votes(*, user: User, campaign_id: int) -> Campaign:
    """A campaign whose single votes this person may see: a curator, after the close or an unblinding."""
    campaign, _member = find_results(user=user, campaign_id=campaign_id)
    require_role(user=user, project=campaign.project, minimum=Role.CURATOR)
    return campaign


def find_run(*, user: User, campaign_id: int, run_id: int) -> tuple[ConsensusRun, Membership]:
    """One consensus run of a closed campaign."""
    campaign, member = find_results(user=user, campaign_id=campaign_id)
    run = get_object_or_404(
        ConsensusRun.objects.select_related("round"), pk=run_id, campaign=campaign, state=ConsensusRun.State.READY
    )
    run.campaign = campaign
    return run, member
