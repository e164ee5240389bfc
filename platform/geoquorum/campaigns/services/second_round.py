"""A second round over disputed samples: a closed campaign opens again for that round alone; the first stays."""

from collections.abc import Sequence

from django.db import transaction

from geoquorum.accounts.models import User
from geoquorum.accounts.services import record
from geoquorum.campaigns.models import Campaign, CampaignState, Round, RoundSample
from geoquorum.campaigns.services.beliefs import MINIMUM
from geoquorum.campaigns.services.gate import hold_gate
from geoquorum.campaigns.services.lifecycle import add_round
from geoquorum.campaigns.services.refusal import RefusedError
from geoquorum.catalog.models import Sample


@transaction.atomic
def start_second_round(*, campaign: Campaign, samples: Sequence[Sample], quota: int, by: User) -> Round:
    """A round of its own with its own votes and, when it closes, its own consensus; earlier rounds remain closed.

    While it is open, results of the campaign are out of sight again: who votes a second time shall not be led.
    An adaptive campaign is adaptive in this round too, with `quota` as its most votes: it knows of these samples what
    their new votes say, and nothing of the votes that left them in dispute.
    """
    held = hold_gate(campaign=campaign)
    if held.state != CampaignState.CLOSED:
        raise RefusedError(f"Only a closed campaign gets a second round; this one is {held.get_state_display()}.")
    if not samples:
        raise RefusedError("No sample is in question; a second round needs at least one.", status=400)
    if not 1 <= quota <= 100:
        raise RefusedError("A second round asks for 1 to 100 votes per sample.", status=400)
    _check_policy(held, quota)
    _check_asked(held, samples)
    Campaign.objects.filter(pk=held.pk).update(state=CampaignState.OPEN, closed_at=None)
    new = add_round(campaign=held, samples=samples, quota=quota, purpose=Round.Purpose.DISPUTE)
    detail = {"round": new.number, "samples": len(samples), "quota": quota}
    record(project=held.project, actor=by, action="second round opened", subject=f"campaign {held.pk}", detail=detail)
    campaign.refresh_from_db()
    return new


def _check_policy(campaign: Campaign, quota: int) -> None:
    """The campaign's policy holds in every round, so that a round must be able to reach its minimum."""
    minimum = campaign.policy.get("minimum", MINIMUM) if campaign.policy.get("kind") == "adaptive" else 1
    if quota < minimum:
        raise RefusedError(
            f"This campaign settles no sample before {minimum} votes; ask for at least so many in the second round.",
            status=400,
        )


def _check_asked(campaign: Campaign, samples: Sequence[Sample]) -> None:
    """A second round asks again: every sample was in the campaign before, and each comes once."""
    keys = {sample.pk for sample in samples}
    known = RoundSample.objects.filter(round__campaign=campaign, sample__in=keys).values("sample").distinct().count()
    if known != len(keys) or len(keys) != len(samples):
        raise RefusedError("A second round asks again about samples of this campaign, each once.", status=400)
