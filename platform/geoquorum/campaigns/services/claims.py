"""Who looks at what next: claims with a lease, taken under the lock of the sample's row, never beyond the quota.

An assignment that lost its claim is stored as skipped, without slot, with the date of the lease that ended; a sample
that its expert skipped has no such date. The first may be claimed again by the same expert, the second may not.
"""

import random
import time
from collections.abc import Sequence
from typing import Any

from django.db import connection, transaction

from geoquorum.accounts.models import Expert
from geoquorum.campaigns.models import Assignment, Round, Session
from geoquorum.campaigns.services.gate import enter_gate, refuse_unless_open
from geoquorum.campaigns.services.lifecycle import RING

MOST_AT_ONCE = 50
ATTEMPTS = 8
WINDOW = 4  # candidates looked at per sample wanted and level, so that samples locked by others can be passed over

STATE = """
SELECT c.state, c.lease_s, c.seed, c.policy ->> 'order' = 'least_voted', r.closed_at IS NOT NULL,
       (SELECT count(*) FROM campaigns_assignment a WHERE a.expert_id = %(expert)s AND a.round_id = r.id)
FROM campaigns_round r JOIN campaigns_campaign c ON c.id = r.campaign_id WHERE r.id = %(round)s
"""
RENEW_OWN = """
WITH renewed AS (
    UPDATE campaigns_assignment SET lease_until = clock_timestamp() + make_interval(secs => %(lease)s)
    WHERE expert_id = %(expert)s AND round_id = %(round)s AND state = 'claimed'
      AND lease_until < clock_timestamp() + make_interval(secs => %(lease)s / 2.0))
SELECT id FROM campaigns_assignment
WHERE expert_id = %(expert)s AND round_id = %(round)s AND state = 'claimed' ORDER BY claimed_at, id
"""
LOCK_EXPIRED = """
SELECT s.id, a.id FROM campaigns_assignment a
JOIN campaigns_roundsample s ON s.round_id = a.round_id AND s.sample_id = a.sample_id
WHERE a.state = 'claimed' AND a.lease_until < clock_timestamp() AND a.round_id = %(round)s
LIMIT 100 FOR UPDATE OF s SKIP LOCKED
"""
RELEASE = """
WITH freed AS (
    UPDATE campaigns_assignment SET state = 'released', slot = NULL, lease_until = NULL
    WHERE id = ANY(%(assignments)s) AND state = 'claimed' AND lease_until < clock_timestamp()
    RETURNING round_id, sample_id
), counted AS (SELECT round_id, sample_id, count(*) AS n FROM freed GROUP BY 1, 2)
UPDATE campaigns_roundsample s SET slots_taken = s.slots_taken - counted.n
FROM counted WHERE s.round_id = counted.round_id AND s.sample_id = counted.sample_id
"""
# Samples with a free place, once around the ring from `start`; each level of the quota is one range of the index.
# Not NOT EXISTS: on tables without statistics that became a join over all of the expert's votes (360 ms, not 3).
CANDIDATES = """
SELECT found.id, found.position, level, turn
FROM generate_series(0, %(quota)s - 1) AS level
CROSS JOIN (VALUES (0, %(start)s, %(ring)s), (1, 0, %(start)s)) AS arc (turn, first, stop)
CROSS JOIN LATERAL (
    SELECT s.id, s.position FROM campaigns_roundsample s
    WHERE s.round_id = %(round)s AND s.settled_at IS NULL AND s.slots_taken = level
      AND s.position >= first AND s.position < stop
      AND (SELECT a.id FROM campaigns_assignment a
           WHERE a.round_id = s.round_id AND a.sample_id = s.sample_id AND a.expert_id = %(expert)s
             AND a.state <> 'released') IS NULL
    ORDER BY s.position LIMIT %(window)s) AS found
"""
LOCK_FREE = f"""
WITH candidate AS MATERIALIZED ({CANDIDATES})
SELECT s.id FROM campaigns_roundsample s JOIN candidate ON candidate.id = s.id
WHERE s.slots_taken < %(quota)s AND s.settled_at IS NULL
ORDER BY CASE WHEN %(least_voted)s THEN level ELSE 0 END, turn, candidate.position
LIMIT %(wanted)s FOR UPDATE OF s SKIP LOCKED
"""
TAKE = """
WITH free AS (
    SELECT s.sample_id, (
        SELECT min(slot) FROM generate_series(0, %(quota)s - 1) AS slot WHERE NOT EXISTS (
            SELECT FROM campaigns_assignment a
            WHERE a.round_id = s.round_id AND a.sample_id = s.sample_id AND a.slot = slot.slot)) AS slot
    FROM campaigns_roundsample s WHERE s.id = ANY(%(locked)s)
), taken AS (
    INSERT INTO campaigns_assignment AS old
        (campaign_id, round_id, sample_id, expert_id, session_id, quota, slot, state, lease_until)
    SELECT %(campaign)s, %(round)s, sample_id, %(expert)s, %(session)s, %(quota)s, slot, 'claimed',
           clock_timestamp() + make_interval(secs => %(lease)s)
    FROM free WHERE slot IS NOT NULL
    ON CONFLICT (round_id, sample_id, expert_id) DO UPDATE
        SET state = 'claimed', slot = EXCLUDED.slot, lease_until = EXCLUDED.lease_until,
            session_id = EXCLUDED.session_id
        WHERE old.state = 'released'
    RETURNING id, sample_id
), counted AS (
    UPDATE campaigns_roundsample s SET slots_taken = s.slots_taken + 1
    FROM taken WHERE s.round_id = %(round)s AND s.sample_id = taken.sample_id)
SELECT id FROM taken
"""
SEEN = "UPDATE campaigns_session SET seen_at = clock_timestamp() WHERE id = %(session)s AND expert_id = %(expert)s"


def claim(*, round: Round, expert: Expert, session: Session | None, count: int = 5) -> list[Assignment]:
    """Up to `count` samples in this expert's hands, own claims first; an empty list means that nothing is left.

    Samples come in an order drawn anew for each expert from the campaign's seed. With the policy
    {"order": "least_voted"} those with the fewest places taken come first, which tells an expert how many votes the
    others gave; the default order tells nothing.
    """
    wanted = max(1, min(count, MOST_AT_ONCE))
    for attempt in range(ATTEMPTS):
        ids, is_contended = _claim_once(round, expert, session, wanted)
        if ids or not is_contended:
            break
        time.sleep(0.005 * 2**attempt * random.random())
    found = Assignment.objects.filter(pk__in=ids).select_related("sample__region", "campaign")
    return sorted(found, key=lambda assignment: ids.index(assignment.pk))


def release_expired(*, round: Round) -> int:
    """Give back the places of claims whose lease is over; called with every claim, so nothing has to sweep."""
    with transaction.atomic(), connection.cursor() as cursor:
        return _release_expired(cursor, {"round": round.pk})


@transaction.atomic
def _claim_once(round: Round, expert: Expert, session: Session | None, wanted: int) -> tuple[list[int], bool]:
    """Own and new claims, and whether samples were passed over because others held their rows at this moment."""
    enter_gate(campaign=round.campaign)
    values: dict[str, Any] = {"round": round.pk, "expert": expert.pk, "quota": round.quota}
    values |= {"campaign": round.campaign_id, "session": session and session.pk}
    with connection.cursor() as cursor:
        cursor.execute(STATE, values)
        state, lease_s, seed, is_least_voted, is_over, own = cursor.fetchone()
        refuse_unless_open(state=state, is_round_over=is_over)
        values |= {"lease": lease_s, "least_voted": bool(is_least_voted)}
        ids = _fetch_ids(cursor, RENEW_OWN, values)[:wanted]
        if len(ids) == wanted:
            return ids, False
        _release_expired(cursor, values)
        values |= {"wanted": wanted - len(ids), "window": WINDOW * (wanted - len(ids))}
        values |= {"ring": RING, "start": random.Random(f"{seed}/{expert.pk}/{own}").randrange(RING)}
        locked = _fetch_ids(cursor, LOCK_FREE, values)
        if locked:
            ids += _fetch_ids(cursor, TAKE, values | {"locked": locked})
            cursor.execute(SEEN, values)
            return ids, False
        cursor.execute(CANDIDATES, values)
        return ids, cursor.fetchone() is not None


def _release_expired(cursor: Any, values: dict[str, Any]) -> int:
    cursor.execute(LOCK_EXPIRED, values)
    expired = [assignment for _sample, assignment in cursor.fetchall()]
    if expired:
        cursor.execute(RELEASE, {"assignments": expired})
    return len(expired)


def _fetch_ids(cursor: Any, statement: str, values: dict[str, Any]) -> list[int]:
    cursor.execute(statement, values)
    rows: Sequence[tuple[int, ...]] = cursor.fetchall()
    return [row[0] for row in rows]
