"""How far a campaign and an expert are. Counts only: never what anybody answered."""

from dataclasses import dataclass

from django.db.models import Count, Q

from geoquorum.accounts.models import Expert
from geoquorum.campaigns.models import Assignment, Campaign, Round, Vote

HISTORY = 10


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
    """One's own answers and skips; None is somebody without a pseudonym, who has none."""
    mine = Assignment.objects.filter(round=round, expert=expert)
    counts = mine.aggregate(answered=Count("pk", filter=ANSWERED), skipped=Count("pk", filter=SKIPPED))
    return OwnProgress(total=round.round_samples.count(), **counts)


def count_progress(*, round: Round) -> Progress:
    """What a curator may know before the close."""
    counts = round.assignments.aggregate(
        answered=Count("pk", filter=ANSWERED),
        skipped=Count("pk", filter=SKIPPED),
        experts=Count("expert", filter=ANSWERED | SKIPPED, distinct=True),
    )
    samples = round.round_samples.count()
    return Progress(samples=samples, quota=round.quota, wanted=samples * round.quota, **counts)


def list_history(*, campaign: Campaign, expert: Expert) -> list[Vote]:
    """One's own last ten samples, the latest first, each with its latest vote."""
    votes = Vote.objects.filter(campaign=campaign, expert=expert).select_related("assignment__sample__region")
    latest: dict[int, Vote] = {}
    for vote in votes.order_by("-pk")[: 10 * HISTORY]:
        latest.setdefault(vote.assignment_id, vote)
    return list(latest.values())[:HISTORY]


ANSWERED = Q(state=Assignment.State.ANSWERED)
SKIPPED = Q(state=Assignment.State.SKIPPED)
