"""Many votes at once: simulated experts, other tools, models. All or nothing, under the same rules as single votes."""

import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
from django.db import connection, transaction

from annotation import question as questions
from annotation.panel import PanelVotes
from fusion.errors import BadVotesError
from fusion.lines import Faults
from geoquorum.accounts.models import Expert, User
from geoquorum.accounts.services import record
from geoquorum.campaigns.models import Assignment, Campaign, Round, Vote
from geoquorum.campaigns.services.declaring import scheme_of
from geoquorum.campaigns.services.gate import enter_gate, refuse_unless_open
from geoquorum.campaigns.services.import_checks import (
    Place,
    check_answers,
    check_single,
    complete,
    name_row,
    rank_within,
)
from geoquorum.campaigns.services.posterior import add_counts
from geoquorum.copying import copy_in, copy_out, next_ids

LOCK_ROWS = """
SELECT id FROM campaigns_roundsample WHERE round_id = %s AND sample_id = ANY(%s) ORDER BY id FOR UPDATE
"""
PLACES = "SELECT sample_id, coalesce(slot, -1), expert_id FROM campaigns_assignment WHERE round_id = %(round)s"
SAMPLES = "SELECT sample_id, id FROM campaigns_roundsample WHERE round_id = %(round)s"
COUNT_IN = """
UPDATE campaigns_roundsample s SET slots_taken = s.slots_taken + new.votes, answered = s.answered + new.votes,
  is_full = s.slots_taken + new.votes >= %(quota)s,
  model_version = CASE WHEN %(adaptive)s THEN %(stale)s ELSE s.model_version END,
  posterior = CASE WHEN NOT %(adaptive)s THEN (
    SELECT array_agg(coalesce(s.posterior[i], %(prior)s) + new.counts[i] ORDER BY i)
    FROM generate_subscripts(new.counts, 1) AS i) END
FROM (SELECT unnest(string_to_array(%(rows)s, ';')::bigint[]) AS id,
             unnest(string_to_array(%(votes)s, ';')::int[]) AS votes,
             unnest(string_to_array(%(counts)s, ';'))::float8[] AS counts) AS new
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

SAID = ["code", "skip_reason", "second_code", "is_sure", "shown_at", "decided_at"]
STALE = 2**31 - 1  # a model version that no round reaches: the posterior is made anew when it is next looked at

Ints = npt.NDArray[np.int64]


@transaction.atomic
def import_votes(
    *,
    round: Round,
    table: pa.Table,
    by: User | None,
    kind: str = Expert.Kind.SIMULATED,
    source: str = "import",
    place: Place = name_row,
) -> int:
    """Append votes; returns their number. Raises BadVotesError naming the bad rows, and then stores nothing.

    Columns: `voter` (pseudonym, made where it is new), `sample` (id), `code`; perhaps `skip_reason` (then the code is
    empty), `second_code`, `is_sure`, `shown_at`, `decided_at`. Answers take places below the quota, skips none. Nobody
    votes in the name of a person who votes here. `place` names row 0..n-1 in errors.
    """
    faults = Faults(name=source, error=BadVotesError)
    campaign = round.campaign
    enter_gate(campaign=campaign)
    campaign.refresh_from_db()
    refuse_unless_open(state=campaign.state, is_round_over=round.closed_at is not None)
    rows = complete(table, place)
    codes = scheme_of(campaign).codes
    is_answer = check_answers(rows, codes, questions.find(campaign.question), place, faults)
    voter = _find_experts(round, rows["voter"], kind, place, faults)
    faults.raise_if_any()
    sample = rows["sample"].to_numpy()
    index = copy_out(SAMPLES, {"round": round.pk}, {"sample": pa.int64(), "row": pa.int64()}).sort_by("sample")
    slot = _find_slots(round, index, sample, voter, is_answer, place, faults)
    order = np.lexsort((voter, sample))  # neighbours in the indexes are written together: half the database's time
    shared = _tabulate_shared(round, sample[order], voter[order])
    assignments = _tabulate_assignments(round, slot[order])
    with ThreadPoolExecutor(1) as beside:  # the next table is made while the database takes the last
        is_machine = kind == Expert.Kind.MODEL
        votes = beside.submit(_tabulate_votes, campaign, rows, order, assignments["id"], is_answer, is_machine, source)
        sums = beside.submit(_sum_up, rows, sample, is_answer, codes)
        copy_in(Assignment, pa.table(shared | assignments))
        copy_in(Vote, pa.table(shared | votes.result()))
        _count_in(round, index, len(codes), *sums.result())
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


def _find_experts(round: Round, names: pa.ChunkedArray, kind: str, place: Place, faults: Faults) -> Ints:
    """Id of each row's expert; new pseudonyms are made, those of people are refused, and models stay models."""
    coded = names.combine_chunks().dictionary_encode()
    wanted, index = coded.dictionary.to_pylist(), coded.indices.to_numpy()
    project = round.campaign.project_id
    Expert.objects.bulk_create(
        (Expert(project_id=project, pseudonym=name, kind=kind) for name in wanted), ignore_conflicts=True
    )
    known = Expert.objects.filter(project=project, pseudonym__in=wanted)
    ids = dict(known.values_list("pseudonym", "pk"))
    persons = set(known.exclude(user=None).values_list("pseudonym", flat=True))
    models = set(known.filter(kind=Expert.Kind.MODEL).values_list("pseudonym", flat=True))
    for number, name in enumerate(wanted):
        if name in persons:
            first = int(np.argmax(index == number))
            faults.add(place(first), f"votes as {name!r}, who is a person of this project and votes in person")
        elif (name in models) != (kind == Expert.Kind.MODEL):
            is_what = "a model" if name in models else "no model"
            first = int(np.argmax(index == number))
            faults.add(place(first), f"votes as {name!r}, known here as {is_what}; say so, or choose another name")
    return np.array([ids[name] for name in wanted], np.int64)[index]


def _find_slots(
    round: Round,
    index: pa.Table,
    sample: Ints,
    voter: Ints,
    is_answer: npt.NDArray[np.bool_],
    place: Place,
    faults: Faults,
) -> Ints:
    """The lowest free place of each answer (-1 for skips), under the lock of all rows concerned."""
    samples, which = np.unique(sample, return_inverse=True)
    with connection.cursor() as cursor:
        cursor.execute("SET LOCAL work_mem = '64MB'")  # what triggers compare stays in memory
        cursor.execute(LOCK_ROWS, [round.pk, samples.tolist()])
    for bad in np.flatnonzero(~np.isin(samples, index["sample"].to_numpy())[which]).tolist():
        faults.add(place(bad), f"names sample {sample[bad]}, which is not in this round")
    faults.raise_if_any()
    held = copy_out(PLACES, {"round": round.pk}, {"sample": pa.int64(), "slot": pa.int64(), "expert": pa.int64()})
    check_single(sample, voter, held, place, faults)
    taken = np.zeros((len(samples), round.quota), bool)
    old_sample, old_slot = held["sample"].to_numpy(), held["slot"].to_numpy()
    old = np.isin(old_sample, samples) & (old_slot >= 0)
    taken[np.searchsorted(samples, old_sample[old]), old_slot[old]] = True
    rank = rank_within(which, is_answer)
    for bad in np.flatnonzero(is_answer & (rank >= round.quota - taken.sum(1)[which])).tolist():
        faults.add(place(bad), f"gives sample {sample[bad]} more than its {round.quota} votes")
    faults.raise_if_any()
    free = np.argsort(taken, axis=1, kind="stable")
    return np.where(is_answer, free[which, np.minimum(rank, round.quota - 1)], -1)


def _tabulate_shared(round: Round, sample: Ints, voter: Ints) -> dict[str, Any]:
    """Columns that assignments and votes have in common."""
    n = len(sample)
    ids = {"campaign_id": _all(round.campaign_id, n), "round_id": _all(round.pk, n)}
    return ids | {"sample_id": sample, "expert_id": voter}


def _tabulate_assignments(round: Round, slot: Ints) -> dict[str, Any]:
    """The other columns of assignments; a skip has no place (slot -1)."""
    n, is_answer = len(slot), slot >= 0
    state = pc.if_else(is_answer, Assignment.State.ANSWERED.value, Assignment.State.SKIPPED.value)
    ids = next_ids(Assignment, n)
    return {"id": ids, "quota": _all(round.quota, n), "slot": pa.array(slot, mask=~is_answer), "state": state}


def _tabulate_votes(
    campaign: Campaign,
    rows: pa.Table,
    order: Ints,
    assignment: Ints,
    is_answer: npt.NDArray[np.bool_],
    is_machine: bool,
    source: str,
) -> dict[str, Any]:
    """The other columns of votes, in the order of their assignments."""
    n, said = len(rows), rows.select(SAID).take(order)
    return {name: said[name] for name in SAID} | {
        "kind": pc.if_else(is_answer[order], Vote.Kind.ANSWER.value, Vote.Kind.SKIP.value),
        "is_machine": _all(is_machine, n),
        "assignment_id": assignment,
        "revision": _all(0, n),
        "client_uuid": _make_uuids(n),
        "views_opened": _all("{}", n),
        "interface_version": _all(source[:40], n),
        "question_version": _all(campaign.question_version, n),
        "scheme_version": _all(campaign.scheme_version, n),
    }


def _sum_up(
    rows: pa.Table, sample: Ints, is_answer: npt.NDArray[np.bool_], codes: tuple[str, ...]
) -> tuple[Ints, Ints, list[str]]:
    """The samples that got answers, how many each, and how many of each class as PostgreSQL writes arrays."""
    samples, place = np.unique(sample[is_answer], return_inverse=True)
    answer = pc.index_in(rows["code"], pa.array(codes)).to_numpy()[is_answer].astype(np.int64)
    counts = np.bincount(place * len(codes) + answer, minlength=len(samples) * len(codes)).reshape(-1, len(codes))
    return samples, counts.sum(1), _write_arrays(counts)


def _count_in(round: Round, index: pa.Table, classes: int, samples: Ints, votes: Ints, counts: list[str]) -> None:
    """Add the answers to places taken and posteriors."""
    rows = index["row"].to_numpy()[np.searchsorted(index["sample"].to_numpy(), samples)]
    with connection.cursor() as cursor:
        cursor.execute(
            COUNT_IN,
            {
                "quota": round.quota,
                "adaptive": round.campaign.policy.get("kind") == "adaptive",
                "stale": STALE,
                "prior": float(add_counts(np.zeros((1, classes), np.int64))[0, 0]),
                "rows": ";".join(map(str, rows.tolist())),
                "votes": ";".join(map(str, votes.tolist())),
                "counts": ";".join(counts),
            },
        )


def _count_own(round: Round, voter: Ints, is_answer: npt.NDArray[np.bool_]) -> None:
    """Add to each expert's own counts."""
    experts, place = np.unique(voter, return_inverse=True)
    answered, every = np.bincount(place[is_answer], minlength=len(experts)), np.bincount(place)
    values = {"round": round.pk, "experts": experts.tolist(), "answered": answered.tolist()}
    with connection.cursor() as cursor:
        cursor.execute(COUNT_OWN, values | {"skipped": (every - answered).tolist()})


def _make_uuids(count: int) -> pa.Array:
    """UUIDs of version 7 (RFC 9562) as text: 48 bits of milliseconds, a counter, 62 random bits; in rising order."""
    raw = np.frombuffer(os.urandom(16 * count), np.uint8).reshape(count, 16).copy()
    tick = int(time.time() * 1000) + np.arange(count) // 4096
    raw[:, :6] = tick.astype(">u8").view(np.uint8).reshape(count, 8)[:, 2:]
    raw[:, 6:8] = (0x7000 + np.arange(count) % 4096).astype(">u2").view(np.uint8).reshape(count, 2)
    raw[:, 8] = raw[:, 8] & 0x3F | 0x80
    ends = pa.py_buffer(np.arange(0, 32 * (count + 1), 32, dtype=np.int64))
    return pa.LargeStringArray.from_buffers(count, ends, pa.py_buffer(raw.tobytes().hex().encode()))


def _write_arrays(values: Ints) -> list[str]:
    """Rows of numbers as PostgreSQL writes arrays."""
    columns = [pa.array(column).cast(pa.string()) for column in np.ascontiguousarray(values.T)]
    return pc.binary_join_element_wise("{", pc.binary_join_element_wise(*columns, ","), "}", "").to_pylist()


def _all(value: Any, count: int) -> pa.Array:
    return pa.repeat(pa.scalar(value), count)
