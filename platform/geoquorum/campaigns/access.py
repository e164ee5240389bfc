"""Which campaigns a person may see, and as what; asked by every view and every route of the API."""

from django.core.exceptions import PermissionDenied
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.translation import gettext as _

from geoquorum.accounts.models import Expert, Membership, Role, User
from geoquorum.accounts.services import expert_of, is_outside_token, require_role
from geoquorum.campaigns.models import Campaign, CampaignState, ConsensusRun
from geoquorum.campaigns.services.withheld import is_withheld
from geoquorum.statements import fetch_row

LONG = ("guide", "declared", "chosen_by")
SHORT = [field.attname for field in Campaign._meta.concrete_fields if field.name not in LONG]
AS_EXPERT = f"""
SELECT {", ".join(f"c.{name}" for name in SHORT)}, m.role, e.id AS expert, e.pseudonym, e.kind
FROM campaigns_campaign c
LEFT JOIN accounts_membership m ON m.project_id = c.project_id AND m.user_id = %(user)s
LEFT JOIN accounts_expert e ON e.project_id = c.project_id AND e.user_id = %(user)s
WHERE c.id = %(campaign)s
"""


def find_campaign(*, user: User, campaign_id: int, minimum: str = Role.EXPERT) -> tuple[Campaign, Membership]:
    """The campaign and one's membership; 404 for strangers, and drafts do not exist for experts."""
    campaign = get_object_or_404(Campaign.objects.select_related("project"), pk=campaign_id)
    member = require_role(user=user, project=campaign.project, minimum=minimum)
    if campaign.state == CampaignState.DRAFT and member.role == Role.EXPERT:
        raise Http404
    return campaign, member


def find_as_expert(*, user: User, campaign_id: int) -> tuple[Campaign, Expert]:
    """The campaign and the pseudonym under which this person votes in it, made when first needed."""
    campaign, expert = look_as_expert(user=user, campaign_id=campaign_id)
    return campaign, expert or expert_of(user=user, project=campaign.project)


def look_as_expert(*, user: User, campaign_id: int) -> tuple[Campaign, Expert | None]:
    """The campaign and one's pseudonym, if there is one: nobody gets one by looking at a page.

    One statement, for every vote asks this. The rules are those of `find_campaign`. Long columns (guide, declaration,
    what chose the samples) are read when they are asked for.
    """
    row = fetch_row(AS_EXPERT, {"campaign": campaign_id, "user": user.pk})
    if row is None or row["role"] is None or (row["state"] == CampaignState.DRAFT and row["role"] == Role.EXPERT):
        raise Http404
    campaign = Campaign.from_db("default", SHORT, [row[name] for name in SHORT])
    if hasattr(user, "token") and is_outside_token(user, campaign.project):
        raise Http404
    if row["expert"] is None:
        return campaign, None
    known = (row["expert"], campaign.project_id, row["pseudonym"], row["kind"], user.pk)
    return campaign, Expert.from_db("default", ("id", "project_id", "pseudonym", "kind", "user_id"), known)


def known_as(*, user: User, campaign: Campaign) -> Expert | None:
    """The pseudonym, if there is one: nobody gets one by looking at a page."""
    return Expert.objects.filter(project=campaign.project_id, user=user).first()


def find_results(*, user: User, campaign_id: int) -> tuple[Campaign, Membership]:
    """A closed campaign, or for curators one that was unblinded; else there are no results, so that nobody is led.

    Experts are refused while a contest holds labels of its samples back.
    """
    campaign, member = find_campaign(user=user, campaign_id=campaign_id)
    may_look = campaign.unblinded_at is not None and member.role != Role.EXPERT
    if campaign.state != CampaignState.CLOSED and not may_look:
        raise Http404
    refuse_withheld(campaign, member)
    return campaign, member


def refuse_withheld(campaign: Campaign, member: Membership) -> None:
    """403 with the reason where a contest holds back what was said in a campaign."""
    if is_withheld(campaign=campaign, role=member.role):
        raise PermissionDenied(
            _("Samples of this campaign are the hidden test of a contest: what was said of them is for curators.")
        )


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
