"""One vote, in one transaction: the expert's turn, one reading that locks the sample's row, one writing."""

from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from psycopg.types.json import Jsonb

from fusion.scheme import Scheme
from geoquorum.accounts.models import Expert
from geoquorum.campaigns.models import Campaign
from geoquorum.campaigns.services import beliefs
from geoquorum.campaigns.services.ballots import SAYING, Ballot, Receipt, check_ballot, is_same, used_elsewhere
from geoquorum.campaigns.services.declaring import refuse_if_question_changed, scheme_of
from geoquorum.campaigns.services.gate import enter_gate, refuse_unless_open
from geoquorum.campaigns.services.participation import begin
from geoquorum.campaigns.services.posterior import move_vote
from geoquorum.campaigns.services.refusal import RefusedError
from geoquorum.statements import fetch_row

STATE_AFTER = {"answer": "answered", "skip": "skipped", "taken_back": "claimed"}
BURST = 30  # votes at once, so that a queue of unsent ballots goes out in one go

# Only this transaction acts for this expert (gate), and whoever changes a place holds the sample's row. Where others
# held that row when we came, what is read beside it may be older: WRITE compares, and then READ is done again.
READ = """
SELECT a.round_id, a.sample_id, a.quota, a.state AS assignment_state, a.slot, a.lease_until,
       s.id AS row, s.posterior, s.answered, s.model_version AS posterior_version, s.settled_at,
       c.id AS campaign_id, c.state, c.scheme, c.scheme_version, c.question, c.question_version, c.declared_digest,
       c.lease_s, CASE WHEN r.purpose IN ('vote', 'dispute') THEN c.policy END AS policy,
       r.closed_at IS NOT NULL AS is_over, r.model_version, session.id AS session,
       last.revision, last.kind AS last_kind, last.code AS last_code,
       same.id AS same, same.assignment_id AS same_assignment, same.revision AS same_revision, same.kind AS same_kind,
       same.code AS same_code, same.received_at AS same_received_at, same.answer AS same_answer,
       same.second_code AS same_second_code, same.is_sure AS same_is_sure, same.skip_reason AS same_skip_reason,
       p.id AS participation,
       coalesce(least(%(burst)s::float8, p.allowance + %(pace)s::float8 *
         extract(epoch FROM clock_timestamp() - p.last_voted_at)::float8), %(burst)s::float8) AS allowance
FROM campaigns_assignment a
JOIN campaigns_roundsample s ON s.round_id = a.round_id AND s.sample_id = a.sample_id
JOIN campaigns_campaign c ON c.id = a.campaign_id
JOIN campaigns_round r ON r.id = a.round_id
LEFT JOIN campaigns_participation p ON p.round_id = a.round_id AND p.expert_id = a.expert_id
LEFT JOIN campaigns_session session
  ON session.id = %(session)s AND session.expert_id = a.expert_id AND session.campaign_id = a.campaign_id
LEFT JOIN LATERAL (
  SELECT revision, kind, code FROM campaigns_vote v WHERE v.assignment_id = a.id ORDER BY revision DESC LIMIT 1
) AS last ON TRUE
LEFT JOIN campaigns_vote same ON same.client_uuid = %(client_uuid)s
WHERE a.id = %(assignment)s AND a.expert_id = %(expert)s AND a.campaign_id = %(campaign)s
FOR UPDATE OF s
"""
FREE_SLOT = """
SELECT min(free) AS slot FROM generate_series(0, %(quota)s - 1) AS free WHERE NOT EXISTS (
  SELECT FROM campaigns_assignment b
  WHERE b.round_id = %(round_id)s AND b.sample_id = %(sample_id)s AND b.slot = free)
"""
WRITE = """
WITH assignment AS (
  UPDATE campaigns_assignment SET state = %(state_after)s, slot = %(slot_after)s, lease_until =
    CASE WHEN %(kind)s = 'taken_back' THEN clock_timestamp() + make_interval(secs => %(lease_s)s) END
  WHERE id = %(assignment)s AND state = %(assignment_state)s AND slot IS NOT DISTINCT FROM %(slot)s::int
  RETURNING id, campaign_id, round_id, sample_id, expert_id
), sample AS (
  UPDATE campaigns_roundsample s SET slots_taken = slots_taken + %(slots_change)s,
    is_full = slots_taken + %(slots_change)s >= %(quota)s, answered = answered + %(answered_change)s,
    posterior = %(posterior_after)s, model_version = %(posterior_version)s,
    settled_at = CASE WHEN %(is_settled)s THEN coalesce(settled_at, clock_timestamp()) END
  FROM assignment WHERE s.id = %(row)s
), own AS (
  UPDATE campaigns_participation p SET answered = answered + %(answered_change)s,
    skipped = skipped + %(skipped_change)s, allowance = %(allowance)s::float8 - 1, last_voted_at = clock_timestamp()
  FROM assignment WHERE p.id = %(participation)s
)
INSERT INTO campaigns_vote (
  assignment_id, revision, client_uuid, campaign_id, round_id, sample_id, expert_id, session_id, kind, code, answer,
  second_code, is_sure, skip_reason, is_machine, shown_at, decided_at, views_opened, interface_version,
  question_version, scheme_version)
SELECT id, %(revision)s, %(client_uuid)s, campaign_id, round_id, sample_id, expert_id, %(session)s, %(kind)s, %(code)s,
  %(answer)s, %(second_code)s, %(is_sure)s, %(skip_reason)s, FALSE, %(shown_at)s, %(decided_at)s, %(views_opened)s,
  %(interface_version)s, %(question_version)s, %(scheme_version)s
FROM assignment RETURNING id, received_at
"""
KEEP_COMMENT = """
INSERT INTO campaigns_comment (campaign_id, sample_id, expert_id, vote_id, text, created_at)
VALUES (%s, %s, %s, %s, %s, clock_timestamp())
"""


def cast_vote(*, campaign: Campaign, expert: Expert, ballot: Ballot) -> Receipt:
    """Store one vote, one revision or one taking-back; raises RefusedError and then nothing is stored."""
    try:
        with transaction.atomic():
            return _cast(campaign, expert, ballot)
    except IntegrityError as error:
        if "client_uuid" in str(error):  # the same id at the same moment, by another expert
            raise used_elsewhere() from error
        raise


def _cast(campaign: Campaign, expert: Expert, ballot: Ballot) -> Receipt:
    enter_gate(campaign=campaign, expert=expert)
    said = vars(ballot) | {"campaign": campaign.pk, "expert": expert.pk}
    said |= {"burst": BURST, "pace": settings.VOTES_PER_S, "views_opened": list(ballot.views_opened)}
    said["answer"] = None if ballot.answer is None else Jsonb(ballot.answer)
    written = None
    while written is None:  # at most twice: the second reading is done with the sample's row in hand
        found = fetch_row(READ, said)
        if found is None:
            raise RefusedError("You hold no claim on this sample; ask for the next samples first.", status=404)
        if found["same"] is not None:
            return _repeat_receipt(ballot, found)
        change = _decide(ballot, found, expert)
        written = fetch_row(WRITE, said | found | change | {"session": ballot.session})
    if ballot.comment:
        with connection.cursor() as cursor:
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


def _decide(ballot: Ballot, found: dict[str, Any], expert: Expert) -> dict[str, Any]:
    """What the vote changes: revision, state, place below the quota, counts and posterior; or why it may not."""
    refuse_unless_open(state=found["state"], is_round_over=found["is_over"])
    asked = _campaign_of(found)
    refuse_if_question_changed(asked)
    scheme = scheme_of(asked)
    check_ballot(ballot, found["question"], scheme)
    if ballot.session is not None and found["session"] is None:
        raise RefusedError("This sitting is not yours or not of this campaign; start a new one.", status=400)
    if ballot.kind == "taken_back" and (found["revision"] is None or found["last_kind"] == "taken_back"):
        raise RefusedError("There is no vote of yours on this sample to take back.")
    if found["allowance"] < 1:
        raise RefusedError("That was faster than a person looks; wait a moment and send this vote again.", status=429)
    before, after = found["assignment_state"], STATE_AFTER[ballot.kind]
    change = {
        "revision": 0 if found["revision"] is None else found["revision"] + 1,
        "state_after": after,
        "answered_change": (after == "answered") - (before == "answered"),
        "skipped_change": (after == "skipped") - (before == "skipped"),
        "participation": found["participation"] or begin(round_id=found["round_id"], expert_id=expert.pk),
    }
    answered = found["answered"] + change["answered_change"]
    return change | _decide_place(ballot, found) | _decide_posterior(ballot, found, scheme, expert.pk, answered)


def _decide_place(ballot: Ballot, found: dict[str, Any]) -> dict[str, Any]:
    """The place below the quota: kept, given back, or taken anew where the claim had run out."""
    had_slot, needs_slot = found["slot"] is not None, ballot.kind != "skip"
    slot = found["slot"]
    if needs_slot and slot is None:
        free = fetch_row(FREE_SLOT, found)
        slot = free and free["slot"]
        if slot is None:
            raise RefusedError(
                "Your claim ended and others have filled this sample's places; your vote was not needed."
            )
    return {"slot_after": slot if needs_slot else None, "slots_change": int(needs_slot) - int(had_slot)}


def _decide_posterior(
    ballot: Ballot, found: dict[str, Any], scheme: Scheme, expert_id: int, answered: int
) -> dict[str, Any]:
    before, after = found["last_code"] or "", ballot.code
    if (found["policy"] or {}).get("kind") == "adaptive":
        codes = scheme.codes
        return beliefs.move_vote(found, codes, expert_id=expert_id, answered=answered, before=before, after=after)
    index = {code: place for place, code in enumerate(scheme.codes)}
    moved = move_vote(found["posterior"], len(scheme), before=index.get(before), after=index.get(after))
    return {"posterior_after": moved, "is_settled": found["settled_at"] is not None}


def _campaign_of(found: dict[str, Any]) -> Campaign:
    """The campaign as it is now, with the few columns that a vote asks for."""
    names = ("id", "question", "question_version", "scheme", "scheme_version", "declared_digest")
    values = [found["campaign_id"], *(found[name] for name in names[1:])]
    return Campaign.from_db("default", names, values)


def _repeat_receipt(ballot: Ballot, found: dict[str, Any]) -> Receipt:
    """The receipt given before; an id that was used for another sample or another answer is refused."""
    if not is_same(ballot, found["same_assignment"], {name: found[f"same_{name}"] for name in SAYING}):
        raise used_elsewhere()
    return Receipt(
        vote=found["same"],
        client_uuid=ballot.client_uuid,
        assignment=ballot.assignment,
        revision=found["same_revision"],
        kind=found["same_kind"],
        code=found["same_code"],
        received_at=found["same_received_at"],
    )
