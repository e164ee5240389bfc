"""How far a campaign and an expert are. Counts only: never what anybody answered."""

import math
import time
from dataclasses import dataclass

from django.db.models import Count, Q, Sum

from geoquorum.accounts.models import Expert
from geoquorum.campaigns.models import Campaign, Participation, Round, Vote
from geoquorum.campaigns.services import hidden

HISTORY = 10
COUNT_AGAIN_S = 30.0
_COUNTED: dict[int, tuple[float, int]] = {}  # of each round: until when, and how many samples


@dataclass(frozen=True, kw_only=True)
class OwnProgress:
    """One expert's own work in a round; `total` is the number of its samples, whatever others did."""

    answered: int
    skipped: int
    total: int

    @property
    def done(self) -> int:
        return self.answered + self.skipped


@dataclass(frozen=True, kw_only=True)
class Progress:
    """For curators: votes so far and votes wanted, skips, experts and samples."""

    answered: int
    wanted: int
    skipped: int
    experts: int
    samples: int
    quota: int

    @property
    def share(self) -> float:
        return min(1.0, self.answered / self.wanted) if self.wanted else 0.0


def count_own(*, round: Round, expert: Expert | None) -> OwnProgress:
    """One's own answers and skips; None is somebody without a pseudonym, who has none.

    Gold and repeats count like any other sample, in what is done and in the total: progress must not give them away.
    """
    sums = {"answered": Sum("answered", default=0), "skipped": Sum("skipped", default=0)}
    own = Participation.objects.filter(beside(round), expert=expert).aggregate(**sums)
    return OwnProgress(total=count_total(round), **own)


def count_progress(*, round: Round) -> Progress:
    """What a curator may know before the close."""
    counts = Participation.objects.filter(round=round).aggregate(
        experts=Count("expert", filter=Q(answered__gt=0) | Q(skipped__gt=0)),
        answered=Sum("answered", default=0),
        skipped=Sum("skipped", default=0),
    )
    samples = count_samples(round)
    return Progress(samples=samples, quota=round.quota, wanted=samples * round.quota, **counts)


def beside(round: Round) -> Q:
    """The round itself, and for the main one the rounds hidden beside it."""
    if round.purpose not in (Round.Purpose.VOTE, Round.Purpose.DISPUTE):
        return Q(round=round)
    return Q(round=round) | Q(round__campaign=round.campaign_id, round__purpose__in=hidden.PURPOSES)


def count_total(round: Round) -> int:
    """How many samples one will be shown at most: the round's, and the shares of gold and repeats among them."""
    policy = round.campaign.policy
    shares = (policy.get("gold_share") or 0.0) + (policy.get("repeat_share") or 0.0)
    return math.ceil(count_samples(round) / (1 - shares))


def count_samples(round: Round) -> int:
    """Samples of a round, counted at most every half minute: at 400,000 samples it takes 30 ms."""
    until, count = _COUNTED.get(round.pk, (0.0, 0))
    if time.monotonic() > until:
        count = round.round_samples.count()
        _COUNTED[round.pk] = (time.monotonic() + COUNT_AGAIN_S, count)
    return count


def list_history(*, campaign: Campaign, expert: Expert | None) -> list[Vote]:
    """One's own last ten samples, the latest first, each with its latest vote; tries at qualification are apart."""
    votes = Vote.objects.filter(campaign=campaign, expert=expert).exclude(round__purpose=Round.Purpose.QUALIFY)
    votes = votes.select_related("assignment__sample__region")
    latest: dict[int, Vote] = {}
    for vote in votes.order_by("-pk")[: 10 * HISTORY]:
        latest.setdefault(vote.assignment_id, vote)
    return list(latest.values())[:HISTORY]
