"""Looks over the shoulders of those who vote: signs of a robot or of fatigue become flags for the curator.

A flag never drops a vote and says what was measured; a curator may dismiss it with a reason. Called by housekeeping;
it does nothing while nobody votes.
"""

from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from annotation.signs import WINDOW, Sign, Trace, find_fatigue, find_robot
from geoquorum.accounts.models import Expert, User
from geoquorum.accounts.services import record
from geoquorum.campaigns.models import Campaign, Standing
from geoquorum.campaigns.services.declaring import scheme_of
from geoquorum.campaigns.services.refusal import RefusedError
from geoquorum.campaigns.services.reports import read_repeats
from geoquorum.statements import fetch_row, fetch_rows

JUDGED = 600  # latest votes of an expert that are read: two hundred for robots, the rest is the own past
CROWD = 3_000  # latest answers in the round that stand for what others say
READY = 25  # new votes after which a look is worth its cost ...
PATIENCE_S = 20  # ... or the age of the oldest one: a robot's hundred votes are seen within this time

ARE_NEW = """
SELECT count(*) AS votes, coalesce(extract(epoch FROM clock_timestamp() - min(received_at)), 0)::float8 AS age_s
FROM (SELECT received_at FROM campaigns_vote WHERE id > %(until)s ORDER BY id LIMIT %(ready)s) AS fresh
"""
WHO = """
SELECT v.campaign_id, v.expert_id, max(v.id) AS last FROM campaigns_vote v
JOIN campaigns_campaign c ON c.id = v.campaign_id AND c.state = 'open'
JOIN accounts_expert e ON e.id = v.expert_id AND e.kind = 'person'
WHERE v.id > %(until)s GROUP BY 1, 2
"""
OWN = """
SELECT * FROM (
  SELECT DISTINCT ON (v.assignment_id) v.id, v.assignment_id, v.round_id, v.sample_id, v.kind, v.code,
    extract(epoch FROM v.decided_at - v.shown_at)::float8 AS seconds, extract(epoch FROM v.received_at)::float8 AS at
  FROM (SELECT * FROM campaigns_vote WHERE expert_id = %(expert)s ORDER BY id DESC LIMIT %(judged)s) AS v
  JOIN campaigns_round r ON r.id = v.round_id AND r.purpose <> 'qualify'
  WHERE v.campaign_id = %(campaign)s ORDER BY v.assignment_id, v.revision DESC
) AS latest WHERE kind = 'answer' AND code <> '' ORDER BY id
"""
OTHERS = """
SELECT a.sample_id, last.code, count(*) AS votes
FROM campaigns_assignment a
JOIN LATERAL (
  SELECT code FROM campaigns_vote v WHERE v.assignment_id = a.id ORDER BY revision DESC LIMIT 1) AS last ON TRUE
WHERE a.round_id = ANY(%(rounds)s::bigint[]) AND a.sample_id = ANY(%(samples)s::bigint[]) AND a.expert_id <> %(expert)s
  AND a.state = 'answered' AND a.expert_id <> ALL(%(doubtful)s::bigint[]) GROUP BY 1, 2
"""
CROWD_SAYS = """
SELECT code, count(*) AS votes FROM (
  SELECT code, expert_id, kind FROM campaigns_vote WHERE round_id = %(round)s ORDER BY id DESC LIMIT %(crowd)s
) AS recent
WHERE expert_id <> %(expert)s AND kind = 'answer' AND expert_id <> ALL(%(doubtful)s::bigint[]) GROUP BY code
"""
DOUBTFUL = """
SELECT expert_id FROM campaigns_standing WHERE campaign_id = %(campaign)s AND EXISTS (
  SELECT FROM jsonb_array_elements(flags) AS flag WHERE flag -> 'dismissed' IS NULL)
"""


def watch_all() -> dict[str, int]:
    """Judge everybody who voted since the last look; answers how many flags are new."""
    until = Standing.objects.aggregate(until=Max("watched_until"))["until"] or 0
    fresh = fetch_row(ARE_NEW, {"until": until, "ready": READY})
    if fresh is None or not fresh["votes"] or (fresh["votes"] < READY and fresh["age_s"] < PATIENCE_S):
        return {"flags": 0}
    voted = fetch_rows(WHO, {"until": until})
    return {"flags": sum(_look(row) for row in voted)}


def watch(*, campaign: Campaign, expert: Expert, until: int) -> int:
    """Judge one expert on the latest votes; answers how many flags are new."""
    own = fetch_rows(OWN, {"campaign": campaign.pk, "expert": expert.pk, "judged": JUDGED})
    signs = [*find_robot(_trace(campaign, expert, own[-2 * WINDOW :])), *_find_fatigue(campaign, expert, own)]
    return _keep(campaign, expert, signs, own, until)


@transaction.atomic
def dismiss_flag(*, standing: Standing, kind: str, reason: str, by: User) -> None:
    """A curator has looked: the flag stays with the reason, and comes back only after a hundred new votes."""
    if not reason.strip():
        raise RefusedError("Say why the flag is dismissed; the reason is recorded.", status=400)
    held = Standing.objects.select_for_update().select_related("campaign__project", "expert").get(pk=standing.pk)
    open_flags = [flag for flag in held.flags if flag["kind"] == kind and not flag.get("dismissed")]
    if not open_flags:
        raise RefusedError("There is no such flag to dismiss.", status=404)
    for flag in open_flags:
        flag["dismissed"] = {"by": by.username, "at": timezone.now().isoformat(), "reason": reason.strip()[:500]}
    held.save(update_fields=["flags"])
    detail = {"expert": held.expert.pseudonym, "kind": kind, "reason": reason.strip()[:500]}
    subject = f"campaign {held.campaign_id}"
    record(project=held.campaign.project, actor=by, action="flag dismissed", subject=subject, detail=detail)


def _look(row: dict[str, Any]) -> int:
    campaign = Campaign.objects.get(pk=row["campaign_id"])
    return watch(campaign=campaign, expert=Expert.objects.get(pk=row["expert_id"]), until=row["last"])


def _trace(campaign: Campaign, expert: Expert, own: list[dict[str, Any]]) -> Trace:
    """The expert's latest answers beside what others said, those under a flag left out."""
    place = {code: index for index, code in enumerate(scheme_of(campaign).codes)}
    others = np.zeros((len(own), len(place)))
    crowd = np.zeros(len(place))
    if own:
        line = {row["sample_id"]: index for index, row in enumerate(own)}
        rounds = sorted({row["round_id"] for row in own})
        doubtful = [row["expert_id"] for row in fetch_rows(DOUBTFUL, {"campaign": campaign.pk})]
        values = {"rounds": rounds, "samples": list(line), "expert": expert.pk, "crowd": CROWD, "doubtful": doubtful}
        for row in fetch_rows(OTHERS, values):
            others[line[row["sample_id"]], place[row["code"]]] += row["votes"]
        main = max(rounds, key=[row["round_id"] for row in own].count)
        for row in fetch_rows(CROWD_SAYS, values | {"round": main}):
            crowd[place[row["code"]]] += row["votes"]
    return Trace(
        answer=np.array([place[row["code"]] for row in own], np.int64),
        seconds=_seconds(own),
        arrival=np.array([row["at"] for row in own]),
        others=others,
        crowd=crowd,
    )


def _find_fatigue(campaign: Campaign, expert: Expert, own: list[dict[str, Any]]) -> list[Sign]:
    repeats = read_repeats(campaign=campaign, expert=expert)
    return find_fatigue(_seconds(own), np.array([one == other for one, other in repeats], np.bool_))


def _seconds(own: list[dict[str, Any]]) -> np.ndarray:
    return np.array([np.nan if row["seconds"] is None else row["seconds"] for row in own], np.float64)


@transaction.atomic
def _keep(campaign: Campaign, expert: Expert, signs: list[Sign], own: list[dict[str, Any]], until: int) -> int:
    """New signs into the standing; a sign that stands already, or was dismissed a few votes ago, is no news."""
    Standing.objects.get_or_create(campaign=campaign, expert=expert)
    held = Standing.objects.select_for_update().get(campaign=campaign, expert=expert)
    news = [sign for sign in signs if _is_news(sign, held.flags, own)]
    arrival = np.array([row["at"] for row in own[-WINDOW:]])
    pace = float(np.median(np.diff(arrival))) if len(arrival) > 1 else None
    codes = scheme_of(campaign).codes
    held.flags += [
        {
            "kind": sign.kind,
            "value": round(sign.value, 4),
            "votes": sign.votes,
            "code": codes[sign.place] if sign.kind == "constant" and sign.place is not None else "",
            "period": sign.place if sign.kind == "cycle" else None,
            "seconds": None if pace is None else round(pace, 2),
            "last_vote": until,
            "at": timezone.now().isoformat(),
        }
        for sign in news
    ]
    held.watched_until = max(held.watched_until, until)
    held.save(update_fields=["flags", "watched_until"])
    return len(news)


def _is_news(sign: Sign, flags: list[dict[str, Any]], own: list[dict[str, Any]]) -> bool:
    before = [flag for flag in flags if flag["kind"] == sign.kind]
    if not before:
        return True
    if not before[-1].get("dismissed"):
        return False
    return sum(row["id"] > before[-1]["last_vote"] for row in own) >= WINDOW
