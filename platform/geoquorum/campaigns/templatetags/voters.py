"""Who voted, where it matters: real pixels may carry simulated votes, and then every page of them says so."""

from collections.abc import Mapping
from typing import Any

from django import template
from django.db.models import Count, Q
from django.utils.translation import gettext as _

from geoquorum.accounts.models import Expert
from geoquorum.campaigns.models import Campaign, CampaignState, ConsensusRun
from geoquorum.campaigns.services.disputes import MAIN

register = template.Library()
TOOK_PART = Q(participations__answered__gt=0) | Q(participations__skipped__gt=0)


def count_voters(of: Campaign | ConsensusRun) -> dict[str, int]:
    """How many of each kind voted in a campaign, or in the round of a run without the models that it left out."""
    if isinstance(of, ConsensusRun):
        left_out = [one["expert"] for one in of.summary.get("models", []) if not one["is_admitted"]]
        asked = Q(participations__round=of.round_id) & ~Q(pseudonym__in=left_out)
    else:
        asked = Q(participations__round__campaign=of.pk, participations__round__purpose__in=MAIN)
    found = Expert.objects.filter(asked & TOOK_PART).values("kind").annotate(n=Count("pk", distinct=True))
    return {row["kind"]: row["n"] for row in found.order_by("kind")}


@register.inclusion_tag("partials/simulated_votes.html")
def simulated_votes(of: Any) -> dict[str, Any]:
    """The mark of a campaign, a consensus run or a dataset version whose votes are not only people's.

    Where the world itself is made up, partials/simulated.html says enough.
    """
    if isinstance(of, Campaign | ConsensusRun):
        campaign = of if isinstance(of, Campaign) else of.campaign
        is_made_up = campaign.is_simulated or campaign.project.is_simulated
        if is_made_up:
            return {}
        said = say_voters(count_voters(of))
        is_blind = isinstance(of, Campaign) and of.state != CampaignState.CLOSED
        return said | {"title": ""} if is_blind else said  # how many have voted is no expert's to know before the close
    if not of or of.is_simulated:
        return {}
    counts = of.summary.get("voters")
    if counts is None and of.consensus_run:  # built before its summary told who voted
        counts = count_voters(of.consensus_run)
    return say_voters(counts or {})


def say_voters(counts: Mapping[str, int]) -> dict[str, Any]:
    """The mark's words, or nothing where people alone voted."""
    people, simulated, models = (counts.get(kind, 0) for kind in Expert.Kind.values)
    if not simulated and not models:
        return {}
    words = _("Simulated votes") if not models else _("Machine votes")
    if simulated and models:
        words = _("Simulated and machine votes")
    title = _("Voters: %(people)s people, %(simulated)s simulated experts, %(models)s models")
    return {"words": words, "title": title % {"people": people, "simulated": simulated, "models": models}}
