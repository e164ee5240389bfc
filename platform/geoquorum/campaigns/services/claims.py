"""Who looks at what next: claims with a lease, taken under the lock of the sample's row, never beyond the quota.

An assignment that lost its claim is stored as released, without slot; a sample that its expert skipped as skipped.
The first may be claimed again by the same expert, the second may not.
"""

import random
import time
from collections.abc import Sequence
from typing import Any

from django.db import transaction

from geoquorum.accounts.models import Expert
from geoquorum.campaigns.models import Assignment, Campaign, Round, Session
from geoquorum.campaigns.services import hidden
from geoquorum.campaigns.services.candidates import choose, find_candidates, rate
from geoquorum.campaigns.services.gate import enter_gate, refuse_unless_open
from geoquorum.campaigns.services.lifecycle import RING
from geoquorum.campaigns.services.participation import begin
from geoquorum.campaigns.services.places import TAKE_FREE
from geoquorum.campaigns.services.refusal import RefusedError
from geoquorum.statements import fetch_row, fetch_rows

MOST_AT_ONCE = 50
ATTEMPTS = 8

# `rounds` are those whose claims the expert has in hand as one: the main one, and what is hidden beside it.
STATE = """
SELECT c.state, c.lease_s, c.seed, c.policy, c.scheme, c.declared_digest, r.closed_at IS NOT NULL AS is_over,
       r.purpose, r.model_version, p.id AS participation, p.claims, p.last_place, standing.state AS standing,
       ARRAY(SELECT id FROM campaigns_round b WHERE b.campaign_id = c.id AND (b.id = r.id
             OR (r.purpose IN ('vote', 'dispute') AND b.purpose IN ('gold', 'repeat')))) AS rounds
FROM campaigns_round r JOIN campaigns_campaign c ON c.id = r.campaign_id
LEFT JOIN campaigns_participation p ON p.round_id = r.id AND p.expert_id = %(expert)s
LEFT JOIN campaigns_standing standing ON standing.campaign_id = c.id AND standing.expert_id = %(expert)s
WHERE r.id = %(round)s
"""
RENEW_OWN = """
WITH renewed AS (
    UPDATE campaigns_assignment SET lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
    WHERE expert_id = %(expert)s AND round_id = ANY(%(rounds)s) AND state = 'claimed'
      AND lease_until < clock_timestamp() + make_interval(secs => %(lease)s / 2.0))
SELECT id FROM campaigns_assignment
WHERE expert_id = %(expert)s AND round_id = ANY(%(rounds)s) AND state = 'claimed' ORDER BY claimed_at, id
"""
RELEASE = """
WITH expired AS (
    SELECT s.id AS row, a.id FROM campaigns_assignment a
    JOIN campaigns_roundsample s ON s.round_id = a.round_id AND s.sample_id = a.sample_id
    WHERE a.state = 'claimed' AND a.lease_until < clock_timestamp() AND a.round_id = ANY(%(rounds)s)
    LIMIT 100 FOR UPDATE OF s SKIP LOCKED
), freed AS (
    UPDATE campaigns_assignment a SET state = 'released', slot = NULL, lease_until = NULL
    FROM expired WHERE a.id = expired.id AND a.state = 'claimed' AND a.lease_until < clock_timestamp()
    RETURNING expired.row
), counted AS (SELECT row, count(*) AS n FROM freed GROUP BY row)
UPDATE campaigns_roundsample s SET slots_taken = s.slots_taken - counted.n, is_full = FALSE
FROM counted WHERE s.id = counted.row RETURNING counted.n
"""
LOCK = """
SELECT s.id FROM unnest(%(chosen)s::bigint[]) WITH ORDINALITY AS wanted (id, number)
JOIN campaigns_roundsample s ON s.id = wanted.id
WHERE s.slots_taken < %(quota)s AND s.settled_at IS NULL
ORDER BY wanted.number LIMIT %(wanted)s::int FOR UPDATE OF s SKIP LOCKED
"""
# A new statement, and so a new look: it sees what those did who held the rows before us.
TAKE = f"""
WITH free AS (
    SELECT s.sample_id, locked.number, (
        SELECT min(slot) FROM generate_series(0, %(quota)s - 1) AS slot WHERE NOT EXISTS (
            SELECT FROM campaigns_assignment a
            WHERE a.round_id = s.round_id AND a.sample_id = s.sample_id AND a.slot = slot.slot)) AS slot
    FROM unnest(%(locked)s::bigint[]) WITH ORDINALITY AS locked (id, number)
    JOIN campaigns_roundsample s ON s.id = locked.id
), {TAKE_FREE}"""
MOVE_ON = """
WITH seen AS (
    UPDATE campaigns_session SET seen_at = clock_timestamp() WHERE id = %(session)s AND expert_id = %(expert)s)
UPDATE campaigns_participation SET claims = claims + %(taken)s, last_place = %(last_place)s
WHERE id = %(participation)s RETURNING id
"""


def claim(*, round: Round, expert: Expert, session: Session | None, count: int = 5) -> list[Assignment]:
    """Up to `count` samples in this expert's hands, own claims first; an empty list means that nothing is left.

    Samples come in an order drawn anew for each expert from the campaign's seed, and no neighbour follows a neighbour.
    With the policy {"order": "least_voted"} those with the fewest places taken of a window come first, and adaptive
    rounds take those of which a vote is expected to tell most: both let the choice tell something of other votes,
    which the default order never does.
    """
    wanted = max(1, min(count, MOST_AT_ONCE))
    for attempt in range(ATTEMPTS):
        ids, is_contended = _claim_once(round, expert, session, wanted)
        if ids or not is_contended:
            break
        time.sleep(0.005 * 2**attempt * random.random())
    return _read(ids)


def release_expired(*, round: Round) -> int:
    """Give back the places of claims whose lease is over; called with every claim, so nothing has to sweep."""
    with transaction.atomic():
        return _release([round.pk])


@transaction.atomic
def _claim_once(round: Round, expert: Expert, session: Session | None, wanted: int) -> tuple[list[int], bool]:
    """Own and new claims, and whether samples were passed over because others held their rows at this moment."""
    enter_gate(campaign=Campaign(pk=round.campaign_id), expert=expert)
    values: dict[str, Any] = {"round": round.pk, "expert": expert.pk, "quota": round.quota}
    values |= {"campaign": round.campaign_id, "session": session and session.pk}
    state = fetch_row(STATE, values)
    assert state is not None  # the caller holds the round
    refuse_unless_open(state=state["state"], is_round_over=state["is_over"])
    _refuse_unless_qualified(state)
    values |= {"lease": state["lease_s"], "rounds": state["rounds"], "model_version": state["model_version"]}
    ids = [row["id"] for row in fetch_rows(RENEW_OWN, values)][:wanted]
    if len(ids) == wanted:
        return ids, False
    _release(state["rounds"])
    taken, is_contended = _take(state, values, wanted - len(ids))
    return ids + taken, is_contended


def _refuse_unless_qualified(state: dict[str, Any]) -> None:
    needs = state["purpose"] != Round.Purpose.QUALIFY and state["policy"].get("qualification")
    if needs and state["standing"] not in ("qualified", "waived"):
        raise RefusedError("Qualify first: this campaign counts votes once a short test is passed.")


def _take(state: dict[str, Any], values: dict[str, Any], wanted: int) -> tuple[list[int], bool]:
    """New claims, ordinary runs and hidden ones in the order of their numbers."""
    policy, first = state["policy"], state["claims"] or 0
    values["participation"] = state["participation"] or begin(round_id=values["round"], expert_id=values["expert"])
    values["last_place"], taken, is_contended = state["last_place"] or "", [], False
    words = ["vote"] * wanted
    if state["purpose"] in ("vote", "dispute"):
        words = hidden.due(state["seed"], values["expert"], first, wanted, policy)
    for word, run in _runs(words):
        special = [] if word == "vote" else _take_hidden(values, word, run)
        taken += special
        if rest := run - len(special):
            start = random.Random(f"{state['seed']}/{values['expert']}/{first + len(taken)}").randrange(RING)
            new, is_blocked = _take_ordinary(state, values, rest, start)
            taken, is_contended = taken + new, is_contended or is_blocked
    if taken:
        fetch_row(MOVE_ON, values | {"taken": len(taken)})
    return taken, is_contended


def _take_ordinary(state: dict[str, Any], values: dict[str, Any], wanted: int, start: int) -> tuple[list[int], bool]:
    policy = state["policy"] if state["purpose"] in ("vote", "dispute") else {}
    candidates = find_candidates(values, start=start, wanted=wanted, policy=policy)
    if policy.get("kind") == "adaptive":
        rate(candidates, campaign=_campaign_of(values, state), values=values, policy=policy)
    chosen = choose(candidates, wanted=wanted, last_place=values["last_place"], policy=policy)
    if not chosen:
        return [], False
    ids = [each["id"] for each in chosen]
    locked = [row["id"] for row in fetch_rows(LOCK, values | {"chosen": ids, "wanted": wanted})]
    if not locked:
        return [], True
    values["last_place"] = next(each["place"] for each in chosen if each["id"] == locked[-1])
    return [row["id"] for row in fetch_rows(TAKE, values | {"locked": locked})], False


def _take_hidden(values: dict[str, Any], kind: str, count: int) -> list[int]:
    asked = {"campaign_id": values["campaign"], "expert_id": values["expert"], "session_id": values["session"]}
    found = (hidden.take(**asked, kind=kind, lease_s=values["lease"]) for _ in range(count))
    return [number for number in found if number is not None]


def _runs(words: Sequence[str]) -> list[tuple[str, int]]:
    """Equal words in a row as (word, length)."""
    runs: list[tuple[str, int]] = []
    for word in words:
        if runs and runs[-1][0] == word:
            runs[-1] = (word, runs[-1][1] + 1)
        else:
            runs.append((word, 1))
    return runs


def _release(rounds: Sequence[int]) -> int:
    return sum(row["n"] for row in fetch_rows(RELEASE, {"rounds": list(rounds)}))


def _campaign_of(values: dict[str, Any], state: dict[str, Any]) -> Campaign:
    """The campaign with the few columns that its scheme is found by."""
    return Campaign.from_db(
        "default", ("id", "scheme", "declared_digest"), (values["campaign"], state["scheme"], state["declared_digest"])
    )


def _read(ids: Sequence[int]) -> list[Assignment]:
    found = Assignment.objects.filter(pk__in=ids).select_related("sample__region")
    return sorted(found, key=lambda assignment: ids.index(assignment.pk))
