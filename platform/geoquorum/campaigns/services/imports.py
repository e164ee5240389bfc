"""Many votes at once: simulated experts, other tools, models. All or nothing, under the same rules as single votes."""

import os
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from django.db import connection, transaction

from annotation.panel import PanelVotes
from fusion import scheme as schemes
from fusion.errors import BadVotesError
from geoquorum.accounts.models import Expert, User
from geoquorum.accounts.services import record
from geoquorum.campaigns.models import Assignment, Round, Vote
from geoquorum.campaigns.services.gate import enter_gate, refuse_unless_open
from geoquorum.campaigns.services.posterior import add_counts
from geoquorum.copying import copy_in, copy_out, next_ids

NEEDED = ("voter", "sample", "code")
OPTIONAL = {
    "skip_reason": pa.string(),
    "second_code": pa.string(),
    "is_sure": pa.bool_(),
    "shown_at": pa.timestamp("us", tz="UTC"),
    "decided_at": pa.timestamp("us", tz="UTC"),
}
LOCK_ROWS = """
SELECT id FROM campaigns_roundsample WHERE round_id = %s AND sample_id = ANY(%s) ORDER BY id FOR UPDATE
"""
PLACES = "SELECT sample_id, coalesce(slot, -1), expert_id FROM campaigns_assignment WHERE round_id = %(round)s"
SAMPLES = "SELECT sample_id, id FROM campaigns_roundsample WHERE round_id = %(round)s"
COUNT_IN = """
UPDATE campaigns_roundsample s SET slots_taken = s.slots_taken + new.votes, answered = s.answered + new.votes,
  is_full = s.slots_taken + new.votes >= %(quota)s,
  posterior = (SELECT array_agg(coalesce(s.posterior[i], %(prior)s) + new.counts[i] ORDER BY i)
               FROM generate_subscripts(new.counts, 1) AS i)
FROM (SELECT unnest(%(rows)s::bigint[]) AS id, unnest(%(votes)s::int[]) AS votes,
             unnest(%(counts)s::text[])::float8[] AS counts) AS new
WHERE s.id = new.id
"""
COUNT_OWN = """
INSERT INTO campaigns_participation AS own
  (round_id, expert_id, answered, skipped, claims, last_place, allowance, model_version)
SELECT %(round)s, expert, answered, skipped, answered + skipped, '', 0, 0
FROM unnest(%(experts)s::bigint[], %(answered)s::int[], %(skipped)s::int[]) AS new (expert, answered, skipped)
ON CONFLICT (round_id, expert_id) DO UPDATE SET answered = own.answered + EXCLUDED.answered,
  skipped = own.skipped + EXCLUDED.skipped, claims = own.claims + EXCLUDED.claims
"""

Ints = npt.NDArray[np.int64]


@transaction.atomic
def import_votes(
    *, round: Round, table: pa.Table, by: User | None, kind: str = Expert.Kind.SIMULATED, source: str = "import"
) -> int:
    """Append votes; returns their number. Raises BadVotesError naming the first bad row, and then stores nothing.

    Columns: `voter` (pseudonym, made where it is new), `sample` (id), `code`; perhaps `skip_reason` (then the code is
    empty), `second_code`, `is_sure`, `shown_at`, `decided_at`. Answers take places below the quota, skips none.
    """
    campaign = round.campaign
    enter_gate(campaign=campaign)
    campaign.refresh_from_db()
    refuse_unless_open(state=campaign.state, is_round_over=round.closed_at is not None)
    rows = _complete(table)
    codes = schemes.find(campaign.scheme).codes
    is_answer = _check_answers(rows, codes)
    sample, voter = rows["sample"].to_numpy(), _find_experts(round, rows["voter"], kind)
    slot = _find_slots(round, sample, voter, is_answer)
    _write(round, rows, sample, voter, slot, kind == Expert.Kind.MODEL, source)
    _count_in(round, rows, sample, is_answer, codes)
    _count_own(round, voter, is_answer)
    detail = {"votes": len(rows), "source": source}
    record(project=campaign.project, actor=by, action="votes imported", subject=f"round {round.pk}", detail=detail)
    return len(rows)


def tabulate_panel(panel: PanelVotes, codes: tuple[str, ...]) -> pa.Table:
    """The votes and skips of a simulated panel as a table for `import_votes`; its sample ids must be the database's."""
    votes, names = panel.votes, np.array(panel.votes.voter_ids, dtype=object)
    places = np.concatenate([votes.sample, panel.skipped_sample])
    skips = len(panel.skipped_sample)
    seconds = np.zeros(len(votes)) if votes.seconds is None else votes.seconds
    seconds = np.concatenate([seconds, panel.skip_seconds])
    sure = np.ones(len(votes), np.bool_) if votes.sure is None else votes.sure
    decided = np.full(len(places), np.datetime64("now", "us"))
    return pa.table(
        {
            "voter": names[np.concatenate([votes.voter, panel.skipped_voter])].tolist(),
            "sample": pa.array(np.array(votes.sample_ids)[places], pa.int64()),
            "code": [codes[answer] for answer in votes.answer] + [""] * skips,
            "skip_reason": [""] * len(votes) + list(panel.skip_reason),
            "is_sure": np.concatenate([sure, np.ones(skips, np.bool_)]),
            "shown_at": decided - (seconds * 1e6).astype("timedelta64[us]"),
            "decided_at": decided,
        }
    )


def _complete(table: pa.Table) -> pa.Table:
    """The known columns in their types, with what was left out filled in."""
    unknown = set(table.column_names) - set(NEEDED) - set(OPTIONAL)
    missing = set(NEEDED) - set(table.column_names)
    if unknown or missing or not len(table):
        raise BadVotesError(
            f"Votes need the columns {', '.join(NEEDED)} and may have {', '.join(OPTIONAL)}; "
            f"missing: {', '.join(sorted(missing)) or 'none'}, unknown: {', '.join(sorted(unknown)) or 'none'}, "
            f"rows: {len(table)}."
        )
    types = {"voter": pa.string(), "sample": pa.int64(), "code": pa.string()} | OPTIONAL
    empty = {"skip_reason": "", "second_code": "", "is_sure": True, "code": ""}
    columns = {
        name: table[name].cast(kind) if name in table.column_names else pa.nulls(len(table), kind)
        for name, kind in types.items()
    }
    for name in ("voter", "sample"):
        if columns[name].null_count:
            raise BadVotesError(f"Row {_first(pc.is_null(columns[name])) + 1} names no {name}.")
    return pa.table(
        {name: pc.fill_null(column, empty[name]) if name in empty else column for name, column in columns.items()}
    )


def _check_answers(rows: pa.Table, codes: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """True for answers, False for skips; a row that is neither or both is refused."""
    known = pa.array([*codes, ""])
    for name in ("code", "second_code"):
        good = pc.is_in(rows[name], known)
        if not pc.all(good).as_py():
            bad = _first(pc.invert(good))
            raise BadVotesError(f"Row {bad + 1} has {name} {rows[name][bad].as_py()!r}. Codes: {', '.join(codes)}.")
    is_answer, is_skip = pc.not_equal(rows["code"], ""), pc.not_equal(rows["skip_reason"], "")
    if pc.any(pc.equal(is_answer, is_skip)).as_py():
        bad = _first(pc.equal(is_answer, is_skip))
        raise BadVotesError(f"Row {bad + 1} must have either a code or a skip_reason.")
    return is_answer.to_numpy()


def _find_experts(round: Round, names: pa.ChunkedArray, kind: str) -> Ints:
    """Id of each row's expert; new pseudonyms are made."""
    coded = names.combine_chunks().dictionary_encode()
    wanted = coded.dictionary.to_pylist()
    project = round.campaign.project_id
    Expert.objects.bulk_create(
        (Expert(project_id=project, pseudonym=name, kind=kind) for name in wanted), ignore_conflicts=True
    )
    ids = dict(Expert.objects.filter(project=project, pseudonym__in=wanted).values_list("pseudonym", "pk"))
    return np.array([ids[name] for name in wanted], np.int64)[coded.indices.to_numpy()]


def _find_slots(round: Round, sample: Ints, voter: Ints, is_answer: npt.NDArray[np.bool_]) -> Ints:
    """The lowest free place of each answer (-1 for skips), under the lock of all rows concerned."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK_ROWS, [round.pk, np.unique(sample).tolist()])
    inside = copy_out(SAMPLES, {"round": round.pk}, {"sample": pa.int64(), "row": pa.int64()})["sample"].to_numpy()
    if not np.isin(sample, inside).all():
        bad = int(np.argmin(np.isin(sample, inside)))
        raise BadVotesError(f"Row {bad + 1} names sample {sample[bad]}, which is not in this round.")
    held = copy_out(PLACES, {"round": round.pk}, {"sample": pa.int64(), "slot": pa.int64(), "expert": pa.int64()})
    _check_single(sample, voter, held)
    samples, place = np.unique(sample, return_inverse=True)
    taken = np.zeros((len(samples), round.quota), bool)
    old_sample, old_slot = held["sample"].to_numpy(), held["slot"].to_numpy()
    old = np.isin(old_sample, samples) & (old_slot >= 0)
    taken[np.searchsorted(samples, old_sample[old]), old_slot[old]] = True
    rank = _rank_within(place, is_answer)
    full = is_answer & (rank >= round.quota - taken.sum(1)[place])
    if full.any():
        bad = int(np.argmax(full))
        raise BadVotesError(f"Row {bad + 1}: sample {sample[bad]} would have more than its {round.quota} votes.")
    free = np.argsort(taken, axis=1, kind="stable")
    return np.where(is_answer, free[place, np.minimum(rank, round.quota - 1)], -1)


def _check_single(sample: Ints, voter: Ints, held: pa.Table) -> None:
    """Refuse a second vote of one expert on one sample, within the table or beside what is stored."""
    pairs = np.stack([sample, voter], 1)
    stored = np.stack([held["sample"].to_numpy(), held["expert"].to_numpy()], 1)
    _found, first, count = np.unique(np.concatenate([stored, pairs]), axis=0, return_index=True, return_counts=True)
    if (count > 1).any():
        doubled = np.concatenate([stored, pairs])[first[np.argmax(count > 1)]]
        bad = np.flatnonzero((pairs == doubled).all(1))[-1]
        raise BadVotesError(f"Row {bad + 1} is a second vote of its voter on sample {doubled[0]}.")


def _rank_within(place: Ints, is_answer: npt.NDArray[np.bool_]) -> Ints:
    """How many answers on the same sample come before each row."""
    order = np.argsort(place, kind="stable")
    before = np.cumsum(is_answer[order]) - is_answer[order]
    start = np.searchsorted(place[order], place[order])
    rank = np.empty(len(place), np.int64)
    rank[order] = before - before[start]
    return rank


def _write(round: Round, rows: pa.Table, sample: Ints, voter: Ints, slot: Ints, is_machine: bool, source: str) -> None:
    """Append assignments and votes."""
    n, campaign = len(rows), round.campaign
    ids, is_answer = next_ids(Assignment, n), slot >= 0
    shared = {
        "campaign_id": _all(campaign.pk, n),
        "round_id": _all(round.pk, n),
        "sample_id": sample,
        "expert_id": voter,
    }
    state = np.where(is_answer, Assignment.State.ANSWERED, Assignment.State.SKIPPED).tolist()
    own = {"id": ids, "quota": _all(round.quota, n), "slot": pa.array(slot, mask=~is_answer), "state": state}
    copy_in(Assignment, pa.table(shared | own))
    said = {name: rows[name] for name in ("code", "skip_reason", "second_code", "is_sure", "shown_at", "decided_at")}
    said |= {"kind": np.where(is_answer, Vote.Kind.ANSWER, Vote.Kind.SKIP).tolist(), "is_machine": _all(is_machine, n)}
    said |= {"assignment_id": ids, "revision": _all(0, n), "client_uuid": _make_uuids(n)}
    said |= {"views_opened": _all("{}", n), "interface_version": _all(source[:40], n)}
    said |= {"question_version": _all(campaign.question_version, n), "scheme_version": _all(campaign.scheme_version, n)}
    copy_in(Vote, pa.table(shared | said))


def _count_in(
    round: Round, rows: pa.Table, sample: Ints, is_answer: npt.NDArray[np.bool_], codes: tuple[str, ...]
) -> None:
    """Add the answers to places taken and posteriors."""
    index = copy_out(SAMPLES, {"round": round.pk}, {"sample": pa.int64(), "row": pa.int64()})
    row_of = dict(zip(index["sample"].to_pylist(), index["row"].to_pylist(), strict=True))
    samples, place = np.unique(sample[is_answer], return_inverse=True)
    answer = pc.index_in(rows["code"], pa.array(codes)).to_numpy()[is_answer].astype(np.int64)
    counts = np.bincount(place * len(codes) + answer, minlength=len(samples) * len(codes)).reshape(-1, len(codes))
    with connection.cursor() as cursor:
        cursor.execute(
            COUNT_IN,
            {
                "quota": round.quota,
                "prior": float(add_counts(np.zeros((1, len(codes)), np.int64))[0, 0]),
                "rows": [row_of[each] for each in samples.tolist()],
                "votes": counts.sum(1).tolist(),
                "counts": ["{" + ",".join(map(str, row)) + "}" for row in counts.tolist()],
            },
        )


def _count_own(round: Round, voter: Ints, is_answer: npt.NDArray[np.bool_]) -> None:
    """Add to each expert's own counts."""
    experts, place = np.unique(voter, return_inverse=True)
    answered, every = np.bincount(place[is_answer], minlength=len(experts)), np.bincount(place)
    values = {"round": round.pk, "experts": experts.tolist(), "answered": answered.tolist()}
    with connection.cursor() as cursor:
        cursor.execute(COUNT_OWN, values | {"skipped": (every - answered).tolist()})


def _make_uuids(count: int) -> list[str]:
    """Random UUIDs of version 4 as text, all from one draw."""
    raw = np.frombuffer(os.urandom(16 * count), np.uint8).reshape(count, 16).copy()
    raw[:, 6] = raw[:, 6] & 0x0F | 0x40
    raw[:, 8] = raw[:, 8] & 0x3F | 0x80
    text = raw.tobytes().hex()
    return [text[start : start + 32] for start in range(0, 32 * count, 32)]


def _all(value: Any, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(value), count)


def _first(mask: Any) -> int:
    """Place of the first true value."""
    return int(np.argmax(np.asarray(mask)))
