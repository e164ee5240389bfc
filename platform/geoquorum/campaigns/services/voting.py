"""One vote, in one transaction: the row of its sample is locked, then judged, then written."""

import datetime
import uuid
from dataclasses import dataclass
from typing import Any, Literal

from django.db import IntegrityError, connection, transaction

from annotation import question as questions
from annotation.question import Answer, check_answer
from fusion import scheme as schemes
from geoquorum.accounts.models import Expert
from geoquorum.campaigns.models import Campaign
from geoquorum.campaigns.services.gate import enter_gate, refuse_unless_open
from geoquorum.campaigns.services.posterior import move_vote
from geoquorum.campaigns.services.refusal import RefusedError

Kind = Literal["answer", "skip", "taken_back"]
STATE_AFTER = {"answer": "answered", "skip": "skipped", "taken_back": "claimed"}

LOCK_SAMPLE = """
SELECT a.round_id, a.sample_id, s.id AS row, s.posterior, c.state, c.scheme, c.scheme_version, c.question,
       c.question_version, c.lease_s, r.closed_at IS NOT NULL AS is_over, session.id AS session
FROM campaigns_assignment a
JOIN campaigns_roundsample s ON s.round_id = a.round_id AND s.sample_id = a.sample_id
JOIN campaigns_campaign c ON c.id = a.campaign_id
JOIN campaigns_round r ON r.id = a.round_id
LEFT JOIN campaigns_session session
  ON session.id = %(session)s AND session.expert_id = a.expert_id AND session.campaign_id = a.campaign_id
WHERE a.id = %(assignment)s AND a.expert_id = %(expert)s AND a.campaign_id = %(campaign)s
FOR UPDATE OF s
"""
# Read after the lock, so that it sees whatever the holder before us wrote.
READ_ASSIGNMENT = """
SELECT a.state AS assignment_state, a.slot, last.revision, last.kind AS last_kind, last.code AS last_code,
       same.id AS same, same.assignment_id AS same_assignment, same.revision AS same_revision, same.kind AS same_kind,
       same.code AS same_code, same.received_at AS same_received_at,
       CASE WHEN a.slot IS NULL AND %(needs_slot)s THEN (
         SELECT min(free) FROM generate_series(0, a.quota - 1) AS free WHERE NOT EXISTS (
           SELECT FROM campaigns_assignment b
           WHERE b.round_id = a.round_id AND b.sample_id = a.sample_id AND b.slot = free)) ELSE a.slot END AS free_slot
FROM campaigns_assignment a
LEFT JOIN LATERAL (
  SELECT revision, kind, code FROM campaigns_vote v WHERE v.assignment_id = a.id ORDER BY revision DESC LIMIT 1
) AS last ON TRUE
LEFT JOIN campaigns_vote same ON same.client_uuid = %(client_uuid)s
WHERE a.id = %(assignment)s
"""
WRITE = """
WITH vote AS (
  INSERT INTO campaigns_vote (
    assignment_id, revision, client_uuid, campaign_id, round_id, sample_id, expert_id, session_id, kind, code,
    second_code, is_sure, skip_reason, is_machine, shown_at, decided_at, views_opened, interface_version,
    question_version, scheme_version)
  VALUES (
    %(assignment)s, %(revision)s, %(client_uuid)s, %(campaign)s, %(round_id)s, %(sample_id)s, %(expert)s, %(session)s,
    %(kind)s, %(code)s, %(second_code)s, %(is_sure)s, %(skip_reason)s, FALSE, %(shown_at)s, %(decided_at)s,
    %(views_opened)s, %(interface_version)s, %(question_version)s, %(scheme_version)s)
  RETURNING id, received_at
), assignment AS (
  UPDATE campaigns_assignment SET state = %(state_after)s, slot = %(slot_after)s, lease_until =
    CASE WHEN %(kind)s = 'taken_back' THEN clock_timestamp() + make_interval(secs => %(lease_s)s) END
  WHERE id = %(assignment)s
), sample AS (
  UPDATE campaigns_roundsample SET slots_taken = slots_taken + %(slots_change)s, posterior = %(posterior_after)s
  WHERE id = %(row)s
)
SELECT id, received_at FROM vote
"""
KEEP_COMMENT = """
INSERT INTO campaigns_comment (campaign_id, sample_id, expert_id, vote_id, text, created_at)
VALUES (%s, %s, %s, %s, %s, clock_timestamp())
"""


@dataclass(frozen=True, kw_only=True)
class Ballot:
    """What an expert sends. `client_uuid` is made by the client: the same ballot sent again is one vote.

    The client's clock (`shown_at`, `decided_at`) is kept as told and decides nothing.
    """

    assignment: int
    client_uuid: uuid.UUID
    kind: Kind = "answer"
    session: int | None = None
    code: str = ""
    second_code: str = ""
    is_sure: bool = True
    skip_reason: str = ""
    comment: str = ""
    shown_at: datetime.datetime | None = None
    decided_at: datetime.datetime | None = None
    views_opened: tuple[str, ...] = ()
    interface_version: str = ""


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """Proof that a vote is stored; the same for every repetition of its ballot."""

    vote: int
    client_uuid: uuid.UUID
    assignment: int
    revision: int
    kind: str
    code: str
    received_at: datetime.datetime


def cast_vote(*, campaign: Campaign, expert: Expert, ballot: Ballot) -> Receipt:
    """Store one vote, one revision or one taking-back; raises RefusedError and then nothing is stored."""
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            return _cast(cursor, campaign, expert, ballot)
    except IntegrityError as error:
        if "client_uuid" in str(error):  # the same id at the same moment, for another sample
            raise _used_elsewhere() from error
        raise


def _cast(cursor: Any, campaign: Campaign, expert: Expert, ballot: Ballot) -> Receipt:
    enter_gate(campaign=campaign)
    values = vars(ballot) | {"campaign": campaign.pk, "expert": expert.pk, "needs_slot": ballot.kind != "skip"}
    found = _fetch(cursor, LOCK_SAMPLE, values)
    if found is None:
        raise RefusedError("You hold no claim on this sample; ask for the next samples first.", status=404)
    read = _fetch(cursor, READ_ASSIGNMENT, values)
    assert read is not None  # assignments are never deleted, and the row before named this one
    found |= read
    if found["same"] is not None:
        return _repeat_receipt(ballot, found)
    refuse_unless_open(state=found["state"], is_round_over=found["is_over"])
    _check_ballot(ballot, found)
    change = _decide(ballot, found)
    written = _fetch(cursor, WRITE, values | found | change | {"views_opened": list(ballot.views_opened)})
    assert written is not None  # INSERT ... RETURNING
    if ballot.comment:
        cursor.execute(KEEP_COMMENT, [campaign.pk, found["sample_id"], expert.pk, written["id"], ballot.comment])
    return Receipt(
        vote=written["id"],
        client_uuid=ballot.client_uuid,
        assignment=ballot.assignment,
        revision=change["revision"],
        kind=ballot.kind,
        code=ballot.code,
        received_at=written["received_at"],
    )


def _check_ballot(ballot: Ballot, found: dict[str, Any]) -> None:
    """Refuse what says two things, names no class of the scheme, or comes from a sitting that is not the expert's."""
    if (ballot.kind == "skip") != bool(ballot.skip_reason) or (ballot.kind != "answer" and ballot.code):
        raise RefusedError(
            "A vote is an answer with a class, a skip with a reason, or a taking-back with neither.", status=400
        )
    if ballot.kind != "taken_back":
        answer = Answer(
            code=ballot.code,
            second=ballot.second_code,
            is_sure=ballot.is_sure,
            skip_reason=ballot.skip_reason,
            note=ballot.comment,
        )
        if error := check_answer(questions.find(found["question"]), schemes.find(found["scheme"]), answer):
            raise RefusedError(error, status=400)
    if ballot.session is not None and found["session"] is None:
        raise RefusedError("This sitting is not yours or not of this campaign; start a new one.", status=400)


def _decide(ballot: Ballot, found: dict[str, Any]) -> dict[str, Any]:
    """What the vote changes: revision, state, place below the quota and posterior."""
    if ballot.kind == "taken_back" and (found["revision"] is None or found["last_kind"] == "taken_back"):
        raise RefusedError("There is no vote of yours on this sample to take back.")
    had_slot, needs_slot = found["slot"] is not None, ballot.kind != "skip"
    if needs_slot and found["free_slot"] is None:
        raise RefusedError("Your claim ended and others have filled this sample's places; your vote was not needed.")
    classes = len(schemes.find(found["scheme"]))
    index = {code: place for place, code in enumerate(schemes.find(found["scheme"]).codes)}
    before, after = index.get(found["last_code"] or ""), index.get(ballot.code)
    return {
        "revision": 0 if found["revision"] is None else found["revision"] + 1,
        "state_after": STATE_AFTER[ballot.kind],
        "slot_after": found["free_slot"] if needs_slot else None,
        "slots_change": int(needs_slot) - int(had_slot),
        "posterior_after": move_vote(found["posterior"], classes, before=before, after=after),
    }


def _repeat_receipt(ballot: Ballot, found: dict[str, Any]) -> Receipt:
    """The receipt given before; an id that was used for another sample is refused."""
    if found["same_assignment"] != ballot.assignment:
        raise _used_elsewhere()
    return Receipt(
        vote=found["same"],
        client_uuid=ballot.client_uuid,
        assignment=ballot.assignment,
        revision=found["same_revision"],
        kind=found["same_kind"],
        code=found["same_code"],
        received_at=found["same_received_at"],
    )


def _used_elsewhere() -> RefusedError:
    return RefusedError("This client_uuid already names another vote; make a new one for each vote.")


def _fetch(cursor: Any, statement: str, values: dict[str, Any]) -> dict[str, Any] | None:
    """The one row of a statement by column name, or None."""
    cursor.execute(statement, values)
    row = cursor.fetchone()
    return None if row is None else dict(zip((column.name for column in cursor.description), row, strict=True))
