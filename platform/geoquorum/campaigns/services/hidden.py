"""Gold and repeats in an expert's stream, hidden among the samples that the campaign asks about.

They are claims like any other, in rounds beside the one that is voted on, so their votes never enter a consensus.
Which of an expert's claims are hidden ones is drawn from the campaign's seed and the installation's secret key: who
reads this code and knows the seed can still not tell. Hidden claims are taken by one claimer of a campaign at a time;
who comes at the same moment gets an ordinary sample instead, so nobody waits and no two claims block each other.

So that an expert sees no difference, whoever claims takes the samples in the order of the words of `due`, ordinary runs
and hidden ones in turn (numbers of claims then tell nothing), hands out own open claims of these rounds again together
with those of the main one, and counts all three rounds as the expert's own progress.
"""

import hashlib
import hmac
from collections.abc import Mapping
from typing import Any, Literal

from django.conf import settings

from geoquorum.campaigns.services.places import TAKE_FREE
from geoquorum.statements import execute, fetch_row

Word = Literal["vote", "gold", "repeat"]
PURPOSES = ("gold", "repeat")
QUOTA = 30_000  # places of a hidden sample: more than there will be experts, and still a smallint
REPEAT_AFTER = (
    30  # own votes between a sample and its repeat: what one hour's memory does not hold (formats-and-ux 1.4)
)
TURN = 71_002  # first half of the advisory key, beside the gate's

PLACES = """
SELECT (SELECT id FROM campaigns_round WHERE campaign_id = %(campaign)s AND purpose IN ('vote', 'dispute')
        ORDER BY number DESC LIMIT 1) AS main,
       (SELECT id FROM campaigns_round WHERE campaign_id = %(campaign)s AND purpose = %(kind)s AND closed_at IS NULL
        ORDER BY number LIMIT 1) AS side
WHERE pg_try_advisory_xact_lock(%(turn)s, %(campaign)s)
"""
MAKE_ROUND = """
INSERT INTO campaigns_round (campaign_id, number, purpose, quota, model_version, created_at)
SELECT %(campaign)s, max(number) + 1, %(kind)s, %(quota)s, 0, clock_timestamp()
FROM campaigns_round WHERE campaign_id = %(campaign)s
ON CONFLICT DO NOTHING RETURNING id
"""
# Gold that the expert has met in no round; first what the campaign does not ask about anyway, so few are met twice.
FIND_GOLD = """
SELECT g.sample_id AS id FROM campaigns_gold g JOIN campaigns_campaign c ON c.id = g.campaign_id
WHERE g.campaign_id = %(campaign)s AND g.use = 'monitor' AND NOT EXISTS (
  SELECT FROM campaigns_assignment a JOIN campaigns_round r ON r.id = a.round_id
  WHERE r.campaign_id = %(campaign)s AND a.sample_id = g.sample_id AND a.expert_id = %(expert)s
    AND a.state <> 'released')
ORDER BY EXISTS (SELECT FROM campaigns_roundsample s WHERE s.round_id = %(main)s AND s.sample_id = g.sample_id),
         md5(concat_ws('/', c.seed, %(expert)s, g.sample_id)) LIMIT 1
"""
# What was answered before the latest own votes, in an order of its own; the conditions are tried until one row holds.
FIND_REPEAT = """
SELECT old.sample_id AS id FROM (
  SELECT sample_id FROM (
    SELECT sample_id, max(id) AS last FROM campaigns_vote
    WHERE expert_id = %(expert)s AND round_id = %(main)s GROUP BY sample_id ORDER BY last DESC OFFSET %(after)s
  ) AS own ORDER BY md5(concat_ws('/', %(campaign)s, %(expert)s, sample_id))
) AS old
WHERE (SELECT state FROM campaigns_assignment a
       WHERE a.round_id = %(main)s AND a.sample_id = old.sample_id AND a.expert_id = %(expert)s) = 'answered'
  AND (SELECT a.id FROM campaigns_assignment a WHERE a.round_id = %(side)s AND a.sample_id = old.sample_id
       AND a.expert_id = %(expert)s AND a.state <> 'released') IS NULL
LIMIT 1
"""
ADD_SAMPLE = """
INSERT INTO campaigns_roundsample
  (round_id, sample_id, quota, position, is_gold, prompt, slots_taken, answered, model_version)
SELECT %(side)s, %(sample)s, %(quota)s, 0, %(kind)s = 'gold', coalesce(
  (SELECT prompt FROM campaigns_roundsample WHERE round_id = %(main)s AND sample_id = %(sample)s), ''), 0, 0, 0
ON CONFLICT (round_id, sample_id) DO NOTHING
"""
LOCK_SAMPLE = "SELECT id FROM campaigns_roundsample WHERE round_id = %(side)s AND sample_id = %(sample)s FOR UPDATE"
# The lowest free place by a walk along the places taken: the quota is far too large to try them all.
TAKE = f"""
WITH free AS (
  SELECT %(sample)s::bigint AS sample_id, 1 AS number, CASE WHEN EXISTS (
      SELECT FROM campaigns_assignment WHERE round_id = %(round)s AND sample_id = %(sample)s AND slot = 0)
    THEN (SELECT a.slot + 1 FROM campaigns_assignment a
          WHERE a.round_id = %(round)s AND a.sample_id = %(sample)s AND a.slot + 1 < %(quota)s AND NOT EXISTS (
            SELECT FROM campaigns_assignment b
            WHERE b.round_id = %(round)s AND b.sample_id = %(sample)s AND b.slot = a.slot + 1)
          ORDER BY a.slot LIMIT 1)
    ELSE 0 END AS slot
), {TAKE_FREE}"""


def due(seed: int, expert_id: int, first: int, count: int, policy: Mapping[str, Any]) -> list[Word]:
    """What the own claims number `first` to `first + count - 1` shall be; the same whenever it is asked."""
    gold, repeat = policy.get("gold_share") or 0.0, policy.get("repeat_share") or 0.0
    if not gold and not repeat:
        return ["vote"] * count
    draws = (_draw(f"{seed}/{expert_id}/{number}") for number in range(first, first + count))
    return ["gold" if draw < gold else "repeat" if draw < gold + repeat else "vote" for draw in draws]


def take(*, campaign_id: int, expert_id: int, kind: str, session_id: int | None, lease_s: int) -> int | None:
    """A claim on gold or on a repeat inside the caller's transaction: its number, or None where nothing fits now."""
    values: dict[str, Any] = {"campaign": campaign_id, "expert": expert_id, "kind": kind, "turn": TURN}
    values |= {"session": session_id, "lease": lease_s, "quota": QUOTA, "after": REPEAT_AFTER}
    places = fetch_row(PLACES, values)
    if places is None or places["main"] is None:
        return None
    values |= {"main": places["main"], "side": places["side"] or 0}
    values["sample"] = _fetch_id(FIND_GOLD if kind == "gold" else FIND_REPEAT, values)
    values["side"] = places["side"] or (values["sample"] and _fetch_id(MAKE_ROUND, values))
    if values["sample"] is None or values["side"] is None:
        return None
    if fetch_row(LOCK_SAMPLE, values) is None:
        execute(ADD_SAMPLE, values)  # nobody else adds it meanwhile: hidden claims are taken one at a time
    return _fetch_id(TAKE, values | {"round": values["side"]})


def _draw(name: str) -> float:
    """A number in 0..1 that only this installation can find."""
    digest = hmac.digest(settings.SECRET_KEY.encode(), name.encode(), hashlib.sha256)
    return int.from_bytes(digest[:8]) / 2**64


def _fetch_id(statement: str, values: dict[str, Any]) -> int | None:
    row = fetch_row(statement, values)
    return None if row is None else int(row["id"])
