"""Before votes count: a try at gold that only curators know, a score with its interval, and at most three hints.

A try is a round beside the campaign's own, shared by all who come to it; nothing ever says what gold says of a sample.
"""

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from django.db import connection, transaction
from django.db.models import Count
from django.db.models.functions import Now

from annotation.quality import Share, gold_score, list_confusions
from geoquorum.accounts.models import Expert, User
from geoquorum.accounts.services import record
from geoquorum.campaigns.models import (
    Assignment,
    Attempt,
    Campaign,
    CampaignState,
    Gold,
    Round,
    RoundSample,
    Session,
    Standing,
    Vote,
)
from geoquorum.campaigns.services.claims import MOST_AT_ONCE
from geoquorum.campaigns.services.declaring import scheme_of
from geoquorum.campaigns.services.gate import enter_gate
from geoquorum.campaigns.services.hidden import QUOTA, TURN
from geoquorum.campaigns.services.lifecycle import add_round
from geoquorum.campaigns.services.refusal import RefusedError
from geoquorum.campaigns.services.voting import Ballot, Receipt, cast_vote

PASSED = (Standing.State.QUALIFIED, Standing.State.WAIVED)

# Every sample of the round at once, in an order of the expert's own; a place is never given back before the end.
CLAIM_ALL = """
INSERT INTO campaigns_assignment (campaign_id, round_id, sample_id, expert_id, quota, slot, state, lease_until)
SELECT %(campaign)s, s.round_id, s.sample_id, %(expert)s, %(quota)s,
       coalesce((SELECT max(slot) + 1 FROM campaigns_assignment a
                 WHERE a.round_id = s.round_id AND a.sample_id = s.sample_id), 0),
       'claimed', clock_timestamp() + make_interval(secs => %(lease)s)
FROM campaigns_roundsample s WHERE s.round_id = %(round)s ORDER BY md5(concat_ws('/', %(expert)s, s.sample_id))
"""
COUNT_CLAIMS = "UPDATE campaigns_roundsample SET slots_taken = slots_taken + 1 WHERE round_id = %(round)s"
LOCK_TURN = "SELECT pg_advisory_xact_lock(%(turn)s, %(campaign)s)"


@dataclass(frozen=True, kw_only=True)
class Rules:
    """What a campaign asks of an expert before votes count."""

    threshold: float
    samples: int
    tries: int


@dataclass(frozen=True, kw_only=True)
class Qualification:
    """Where one expert stands: `current` is the try that is under way."""

    rules: Rules
    state: str
    attempts: tuple[Attempt, ...]
    current: Attempt | None
    gold: int

    @property
    def tries_left(self) -> int:
        return max(self.rules.tries - len(self.attempts), 0)

    @property
    def is_passed(self) -> bool:
        return self.state in PASSED


def rules_of(campaign: Campaign) -> Rules | None:
    """The campaign's rules, or None where everybody's votes count from the first."""
    asked = campaign.policy.get("qualification")
    if not asked:
        return None
    return Rules(threshold=float(asked["threshold"]), samples=int(asked["samples"]), tries=int(asked["tries"]))


def show_standing(*, campaign: Campaign, expert: Expert | None) -> Qualification | None:
    """Where an expert stands (None: nobody yet); None for a campaign without qualification."""
    rules = rules_of(campaign)
    if rules is None:
        return None
    standing = Standing.objects.filter(campaign=campaign, expert=expert).first()
    tries = tuple(Attempt.objects.filter(campaign=campaign, expert=expert).select_related("round").order_by("number"))
    return Qualification(
        rules=rules,
        state=standing.state if standing else Standing.State.NEW,
        attempts=tries,
        current=next((one for one in tries if one.ended_at is None), None),
        gold=Gold.objects.filter(campaign=campaign, use=Gold.Use.QUALIFY).count(),
    )


@transaction.atomic
def start_attempt(*, campaign: Campaign, expert: Expert) -> Attempt:
    """A new try, or the one under way: a second window goes on with the first one's."""
    enter_gate(campaign=campaign, expert=expert)
    campaign.refresh_from_db()
    rules = rules_of(campaign)
    if rules is None:
        raise RefusedError("This campaign asks for no qualification; vote at once.")
    if campaign.state != CampaignState.OPEN:
        raise RefusedError("This campaign is not open; nobody can qualify for it now.")
    standing = _hold_standing(campaign, expert)
    found = show_standing(campaign=campaign, expert=expert)
    assert found is not None  # the campaign has rules
    if found.current is not None:
        return found.current
    if standing.state in PASSED:
        raise RefusedError("You are qualified already; vote.")
    if not found.tries_left:
        raise RefusedError(f"All {rules.tries} tries are used; ask a curator of this project.")
    number = 1 + max((one.number for one in found.attempts), default=0)
    round = _find_round(campaign, expert, rules)
    values = {"campaign": campaign.pk, "round": round.pk, "expert": expert.pk, "lease": campaign.lease_s}
    with connection.cursor() as cursor:
        cursor.execute(COUNT_CLAIMS, values)  # first: it holds the samples' rows while places are given
        cursor.execute(CLAIM_ALL, values | {"quota": round.quota})
    return Attempt.objects.create(campaign=campaign, expert=expert, round=round, number=number)


def claim_attempt(*, attempt: Attempt, session: Session | None, count: int = 5) -> list[Assignment]:
    """The next samples of a try; none left ends it. The same list again until they are answered."""
    mine = Assignment.objects.filter(round=attempt.round_id, expert=attempt.expert_id, state="claimed")
    ids = list(mine.order_by("pk").values_list("pk", flat=True)[: max(1, min(count, MOST_AT_ONCE))])
    if not ids:
        finish_attempt(attempt=attempt)
    mine.filter(pk__in=ids, session=None).update(session=session)
    return list(Assignment.objects.filter(pk__in=ids).select_related("sample__region", "campaign").order_by("pk"))


def cast_in_attempt(*, attempt: Attempt, ballot: Ballot) -> Receipt:
    """A vote of a try: only on its own samples, and only while it is under way; the same ballot again is a receipt."""
    if not Assignment.objects.filter(pk=ballot.assignment, round=attempt.round_id, expert=attempt.expert_id).exists():
        raise RefusedError("This sample is not part of your try.", status=404)
    is_known = Vote.objects.filter(client_uuid=ballot.client_uuid, assignment=ballot.assignment).exists()
    if attempt.ended_at is not None and not is_known:
        raise RefusedError("This try is over; its score stands.")
    return cast_vote(campaign=attempt.campaign, expert=attempt.expert, ballot=ballot)


@transaction.atomic
def finish_attempt(*, attempt: Attempt) -> Attempt:
    """Score a try of which every sample is answered or skipped; a second call changes nothing."""
    standing = _hold_standing(attempt.campaign, attempt.expert)
    attempt.refresh_from_db()
    mine = Assignment.objects.filter(round=attempt.round_id, expert=attempt.expert_id)
    left = mine.filter(state="claimed").count()
    if attempt.ended_at is not None:
        return attempt
    if left:
        raise RefusedError(f"{left} samples of this try are not answered yet.")
    score, hints = _judge(attempt)
    rules = rules_of(attempt.campaign)
    assert rules is not None  # an attempt is only made where there are rules
    is_passed = score.value >= rules.threshold
    Attempt.objects.filter(pk=attempt.pk).update(
        ended_at=Now(), score=score.value, low=score.low, high=score.high, is_passed=is_passed, hints=hints
    )
    _settle_standing(standing, attempt, rules, is_passed=is_passed)
    attempt.refresh_from_db()
    return attempt


@transaction.atomic
def waive(*, campaign: Campaign, expert: Expert, reason: str, by: User) -> None:
    """Let an expert vote without qualification; the reason is recorded."""
    _need_reason(reason)
    standing = _hold_standing(campaign, expert)
    Standing.objects.filter(pk=standing.pk).update(state=Standing.State.WAIVED, decided_at=Now())
    _record(campaign, expert, by, "qualification waived", {"reason": reason.strip()})


@transaction.atomic
def reset_tries(*, campaign: Campaign, expert: Expert, reason: str, by: User) -> None:
    """Give all tries anew, on other rounds; what the old ones scored stays in the record."""
    _need_reason(reason)
    standing = _hold_standing(campaign, expert)
    if standing.state in PASSED:
        raise RefusedError("This expert may vote already.")
    tries = Attempt.objects.filter(campaign=campaign, expert=expert)
    scores = list(tries.order_by("number").values_list("score", flat=True))
    if not scores:
        raise RefusedError("This expert has not tried yet.")
    open_claims = Assignment.objects.filter(round__in=tries.values("round"), expert=expert, state="claimed")
    open_claims.update(state="released", slot=None, lease_until=None)
    tries.delete()
    Standing.objects.filter(pk=standing.pk).update(state=Standing.State.NEW, decided_at=None)
    _record(campaign, expert, by, "tries reset", {"reason": reason.strip(), "scores": scores})


def _judge(attempt: Attempt) -> tuple[Share, list[list[str]]]:
    """Score of one try, and hints from all tries that the expert made."""
    scheme = scheme_of(attempt.campaign)
    truth, answers = _read_answers(attempt, [attempt.round_id])
    score = gold_score(truth, answers, scheme.codes, scheme.similarity_matrix())
    rounds = Attempt.objects.filter(campaign=attempt.campaign_id, expert=attempt.expert_id).values("round")
    confused = list_confusions(*_read_answers(attempt, rounds), scheme.codes)
    return score, [[one.first, one.second] for one in confused]


def _read_answers(attempt: Attempt, rounds: Any) -> tuple[list[str], list[str]]:
    """What gold says and what the expert said last, sample by sample; a skip is an empty answer."""
    votes = Vote.objects.filter(round__in=rounds, expert=attempt.expert_id).order_by("assignment", "revision")
    latest = {(vote.round_id, vote.sample_id): vote.code for vote in votes}
    gold = dict(Gold.objects.filter(campaign=attempt.campaign_id, use="qualify").values_list("sample_id", "code"))
    known = [(gold[sample], code) for (_round, sample), code in latest.items() if sample in gold]
    return [one for one, _code in known], [code for _one, code in known]


def _settle_standing(standing: Standing, attempt: Attempt, rules: Rules, *, is_passed: bool) -> None:
    """Who passed is qualified; who used the last try is not, unless a curator has let them in meanwhile."""
    if standing.state in PASSED:
        return
    used = Attempt.objects.filter(campaign=attempt.campaign_id, expert=attempt.expert_id).count()
    if is_passed:
        Standing.objects.filter(pk=standing.pk).update(state=Standing.State.QUALIFIED, decided_at=Now())
    elif used >= rules.tries:
        Standing.objects.filter(pk=standing.pk).update(state=Standing.State.FAILED, decided_at=Now())


def _find_round(campaign: Campaign, expert: Expert, rules: Rules) -> Round:
    """The first qualification round that this expert has not seen, made where all are seen."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK_TURN, {"turn": TURN, "campaign": campaign.pk})
    rounds = campaign.rounds.filter(purpose=Round.Purpose.QUALIFY, closed_at=None)
    fresh = rounds.exclude(assignments__expert=expert).order_by("number").first()
    if fresh is not None:
        return fresh
    chosen = _choose_samples(campaign, rules.samples)
    new = add_round(
        campaign=campaign, samples=[one.sample for one in chosen], quota=QUOTA, purpose=Round.Purpose.QUALIFY
    )
    RoundSample.objects.filter(round=new).update(is_gold=True)
    return new


def _choose_samples(campaign: Campaign, wanted: int) -> list[Gold]:
    """Gold for one round, class by class in turn; what earlier rounds asked comes last."""
    pool = Gold.objects.filter(campaign=campaign, use=Gold.Use.QUALIFY).select_related("sample")
    if not pool:
        raise RefusedError("No samples for qualification have been chosen yet; ask a curator of this project.")
    used = RoundSample.objects.filter(round__campaign=campaign, round__purpose="qualify").values_list("sample")
    times = dict(used.annotate(times=Count("pk")).values_list("sample", "times"))
    by_class: dict[str, list[Gold]] = defaultdict(list)
    for gold in sorted(pool, key=lambda one: (times.get(one.sample_id, 0), _draw(campaign, one.sample_id))):
        by_class[gold.code].append(gold)
    turns = [(place, index, gold) for index, of in enumerate(by_class.values()) for place, gold in enumerate(of)]
    return [gold for _place, _index, gold in sorted(turns, key=lambda turn: turn[:2])][:wanted]


def _draw(campaign: Campaign, sample: int) -> str:
    return hashlib.sha256(f"{campaign.seed}/qualify/{sample}".encode()).hexdigest()


def _hold_standing(campaign: Campaign, expert: Expert) -> Standing:
    """The expert's standing, locked: tries are started and ended one at a time."""
    Standing.objects.get_or_create(campaign=campaign, expert=expert)
    return Standing.objects.select_for_update().get(campaign=campaign, expert=expert)


def _need_reason(reason: str) -> None:
    if not reason.strip():
        raise RefusedError("Say why; the reason is recorded.", status=400)


def _record(campaign: Campaign, expert: Expert, by: User, action: str, detail: dict[str, Any]) -> None:
    subject = f"campaign {campaign.pk}"
    record(
        project=campaign.project, actor=by, action=action, subject=subject, detail={"expert": expert.pseudonym} | detail
    )
