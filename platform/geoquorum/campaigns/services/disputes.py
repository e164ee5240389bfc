"""Disputed samples of a closed campaign, and what experts write about a sample.

A thread holds words only: nobody's vote, code or count is in it. To an expert it opens after the own vote on its
sample, or when a second round hands out the sample to look at again.
"""

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import Exists, FloatField, OuterRef, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.utils import timezone

from geoquorum.accounts.models import Expert, Role, User
from geoquorum.accounts.services import has_role, record
from geoquorum.campaigns.models import (
    Assignment,
    Campaign,
    CampaignState,
    Comment,
    Consensus,
    ConsensusRun,
    Round,
    Thread,
)
from geoquorum.campaigns.services.refusal import RefusedError
from geoquorum.catalog.held_back import holds_any
from geoquorum.catalog.models import Sample

BELOW = 0.6  # probability of the label under which a sample is worth a second look (formats-and-ux 1.4)
LONGEST = 4_000  # signs of one comment
SHORTEST_REASON = 3
MAIN = (Round.Purpose.VOTE, Round.Purpose.DISPUTE)
ASKED = (*MAIN, Round.Purpose.GOLD, Round.Purpose.REPEAT)  # a thread that stays shut would tell gold from the others
SPOKEN = (Assignment.State.ANSWERED, Assignment.State.SKIPPED)

TOP = "(SELECT max(p) FROM unnest(campaigns_consensus.distribution) p)"
VOTE_ENTROPY = """
(SELECT coalesce(ln(sum(c)) - sum(c * ln(c::float)) / sum(c), 0) FROM unnest(campaigns_consensus.counts) c WHERE c > 0)
"""
SLACK = 1e-5  # single precision of the kept threshold


@dataclass(frozen=True, kw_only=True)
class Queue:
    """Which samples are in question: a label below `below`, votes of at least this entropy, or raised by somebody."""

    below: float = BELOW
    entropy_from: float | None = None


def list_disputed(run: ConsensusRun, queue: Queue) -> QuerySet[Consensus]:
    """Rows in question, the least certain first; each with `top`, `vote_entropy` and `is_raised`."""
    threads = Thread.objects.filter(campaign=run.campaign_id, sample=OuterRef("sample"))
    rows = Consensus.objects.filter(run=run).annotate(
        top=RawSQL(TOP, [], output_field=FloatField()),
        vote_entropy=RawSQL(VOTE_ENTROPY, [], output_field=FloatField()),
        is_raised=Exists(threads),
    )
    wanted = Q(top__lt=queue.below) | Q(is_raised=True)
    if queue.entropy_from is not None:
        wanted |= Q(vote_entropy__gte=queue.entropy_from - SLACK)
    return rows.filter(wanted).order_by("top", "-vote_entropy", "sample")


def has_spoken(*, campaign: Campaign, sample: Sample, expert: Expert | None) -> bool:
    """Whether this expert has an own vote or skip on the sample that still stands."""
    if expert is None:
        return False
    own = Assignment.objects.filter(campaign=campaign, sample=sample, expert=expert, round__purpose__in=ASKED)
    return own.filter(state__in=SPOKEN).exists()


def may_read_thread(*, campaign: Campaign, sample: Sample, user: User, expert: Expert | None) -> bool:
    """After the close every member; before, curators (they answer for what is written) and who has voted on it.

    While a contest holds its label back it is as before the close.
    """
    if has_role(user=user, project=campaign.project, minimum=Role.CURATOR):
        return True
    if campaign.state == CampaignState.CLOSED and not holds_any(Sample.objects.filter(pk=sample.pk)):
        return True
    return has_spoken(campaign=campaign, sample=sample, expert=expert) or _is_asked_again(campaign, sample, expert)


def _is_asked_again(campaign: Campaign, sample: Sample, expert: Expert | None) -> bool:
    """Whether an open second round has handed the sample to this expert."""
    again = Assignment.objects.filter(
        campaign=campaign, sample=sample, expert=expert, round__purpose=Round.Purpose.DISPUTE, round__closed_at=None
    )
    return expert is not None and again.exclude(state=Assignment.State.RELEASED).exists()


@transaction.atomic
def raise_sample(*, campaign: Campaign, sample: Sample, expert: Expert, by: User, text: str = "") -> Thread:
    """Open the sample's thread, with a first comment where there is one; 404 before the own vote, so that nothing is
    learnt by trying."""
    is_asked = campaign.rounds.filter(round_samples__sample=sample).exists()
    if not is_asked or not may_read_thread(campaign=campaign, sample=sample, user=by, expert=expert):
        raise RefusedError("Vote on this sample first; its discussion opens then.", status=404)
    thread, is_new = Thread.objects.get_or_create(campaign=campaign, sample=sample, defaults={"raised_by": expert})
    if is_new:
        record(
            project=campaign.project,
            actor=by,
            action="sample raised",
            subject=f"campaign {campaign.pk}",
            detail={"sample": sample.pk},
        )
    if text.strip():
        _write(thread, expert, text)
    return thread


def post_comment(*, campaign: Campaign, sample: Sample, expert: Expert, by: User, text: str) -> Comment:
    """A comment in the sample's thread, which is opened where there is none; the rules of `raise_sample` hold."""
    words = _clean(text)
    with transaction.atomic():
        thread = raise_sample(campaign=campaign, sample=sample, expert=expert, by=by)
        return _write(thread, expert, words)


def _write(thread: Thread, expert: Expert, text: str) -> Comment:
    return Comment.objects.create(
        campaign_id=thread.campaign_id, sample_id=thread.sample_id, thread=thread, expert=expert, text=_clean(text)
    )


def _clean(text: str) -> str:
    """Text without the sign that PostgreSQL cannot hold; empty and overlong text is refused."""
    words = text.replace("\0", "").strip()
    if not words:
        raise RefusedError("Write something first.", status=400)
    if len(words) > LONGEST:
        raise RefusedError(f"A comment has at most {LONGEST} signs; this one has {len(words)}.", status=400)
    return words


@transaction.atomic
def erase_comment(*, comment: Comment, by: User, reason: str = "") -> Comment:
    """Empty a comment's text for good; the row stays. One's own at any time; curators others', with a logged reason."""
    project, words = comment.campaign.project, reason.replace("\0", "").strip()
    is_own = comment.expert.user_id == by.pk
    if not is_own and not has_role(user=by, project=project, minimum=Role.CURATOR):
        raise RefusedError("There is no such comment of yours.", status=404)
    if not is_own and len(words) < SHORTEST_REASON:
        raise RefusedError("Say why: a curator erases with a reason, which is kept.", status=400)
    held = Comment.objects.select_for_update().get(pk=comment.pk)
    if held.erased_at is None:
        held.text, held.erased_at = "", timezone.now()
        held.save(update_fields=["text", "erased_at"])
        detail: dict[str, Any] = {"comment": held.pk, "sample": held.sample_id, "own": is_own, "reason": words[:2000]}
        record(
            project=project, actor=by, action="comment erased", subject=f"campaign {held.campaign_id}", detail=detail
        )
    return held
