"""Votes out of the database as the one table that consensus methods see."""

import json
from collections.abc import Sequence

import pyarrow as pa

from annotation.answer_fields import Said
from annotation.votes import VoteTable, from_records
from geoquorum.campaigns.models import Round
from geoquorum.campaigns.services.declaring import scheme_of
from geoquorum.copying import copy_out

# The latest revision of each assignment, if it is an answer; ids grow in the order of the lock on the sample's row.
LATEST = """
SELECT sample_id, pseudonym, code, is_sure, seconds FROM (
  SELECT DISTINCT ON (v.assignment_id) v.sample_id, v.expert_id, v.kind, v.code, v.is_sure,
    greatest(0, coalesce(extract(epoch FROM v.decided_at - v.shown_at), 0))::real AS seconds
  FROM campaigns_vote v WHERE v.round_id = %(round)s AND v.id <= %(until)s
  ORDER BY v.assignment_id, v.revision DESC
) AS last JOIN accounts_expert e ON e.id = last.expert_id
WHERE last.kind = 'answer' AND last.code <> '' AND e.pseudonym <> ALL(%(without)s::text[])
"""
# The same votes with what they say beside the class.
LATEST_EXTRA = """
SELECT sample_id, pseudonym, coalesce(answer, '{}') FROM (
  SELECT DISTINCT ON (v.assignment_id) v.sample_id, v.expert_id, v.kind, v.code, v.answer
  FROM campaigns_vote v WHERE v.round_id = %(round)s AND v.id <= %(until)s
  ORDER BY v.assignment_id, v.revision DESC
) AS last JOIN accounts_expert e ON e.id = last.expert_id
WHERE last.kind = 'answer' AND last.code <> '' AND e.pseudonym <> ALL(%(without)s::text[])
"""
EXTRA_TYPES = {"sample": pa.int64(), "voter": pa.string(), "extra": pa.string()}
TYPES = {
    "sample": pa.int64(),
    "voter": pa.string(),
    "answer": pa.string(),
    "sure": pa.bool_(),
    "seconds": pa.float32(),
}
EVERY = 2**63 - 1


def latest_votes(*, round: Round, until: int | None = None, without: Sequence[str] = ()) -> VoteTable:
    """Counted votes of a round, up to a vote's number where one is given: samples by id, voters by pseudonym.

    `without` names voters whose votes are left out.
    """
    values = {"round": round.pk, "until": EVERY if until is None else until, "without": list(without)}
    rows = copy_out(LATEST, values, TYPES)
    return from_records(
        rows["sample"],
        rows["voter"],
        rows["answer"],
        codes=scheme_of(round.campaign).codes,
        sure=rows["sure"].to_numpy(),
        seconds=rows["seconds"].to_numpy(),
    )


def latest_extra(*, round: Round, until: int | None = None, without: Sequence[str] = ()) -> list[Said]:
    """What the counted votes of a round say beside the class."""
    values = {"round": round.pk, "until": EVERY if until is None else until, "without": list(without)}
    rows = copy_out(LATEST_EXTRA, values, EXTRA_TYPES)
    said = zip(*(rows[name].to_pylist() for name in EXTRA_TYPES), strict=True)
    return [(sample, voter, json.loads(extra)) for sample, voter, extra in said]
