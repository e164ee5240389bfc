"""Agreement of a run's votes: computed once, kept in the run's summary, and the same from the exported votes.

The figures depend on the counted votes alone, so whoever asks first fills `summary["agreement"]` of the run; a new
VERSION is computed anew. Tables that would be large (two experts side by side) are read when they are looked at.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from django.db import connection

from annotation import agreement
from annotation.agreement import Measured, Neighbourhood
from annotation.votes import VoteTable
from fusion.grid import parse_cell
from fusion.scheme import Scheme
from geoquorum.campaigns.models import ConsensusRun
from geoquorum.campaigns.services.declaring import scheme_of
from geoquorum.campaigns.services.model_voters import left_out
from geoquorum.campaigns.services.tables import latest_votes
from geoquorum.copying import copy_out

VERSION = 1
MOST_APART = 200  # samples listed as unlike their neighbours
MOST_EXPERTS = 60  # beyond, the table of all pairs of experts is no picture any more
BINS = 12
TOP_SHARE = 0.1  # of the samples, by entropy of their votes, that are worth a second look

KEEP = "UPDATE campaigns_consensusrun SET summary = summary || %s::jsonb WHERE id = %s"
# The last word of two experts on each sample that they answered.
PAIR = """
SELECT sample_id, pseudonym, code FROM (
  SELECT DISTINCT ON (v.assignment_id) v.sample_id, e.pseudonym, v.kind, v.code, v.is_sure
  FROM campaigns_vote v JOIN accounts_expert e ON e.id = v.expert_id
  WHERE v.round_id = %(round)s AND v.id <= %(until)s AND e.pseudonym IN (%(first)s, %(second)s)
  ORDER BY v.assignment_id, v.revision DESC
) AS last
WHERE kind = 'answer' AND code <> '' AND (NOT %(sure_only)s OR is_sure)
"""
PAIR_TYPES = {"sample": pa.int64(), "expert": pa.string(), "code": pa.string()}


def find_agreement(run: ConsensusRun) -> dict[str, Any]:
    """The figures of a READY run, JSON-ready; see `describe_agreement`."""
    kept = run.summary.get("agreement")
    if kept and kept["version"] == VERSION:
        return _order(kept, scheme_of(run.campaign))
    votes = latest_votes(round=run.round, until=run.last_vote, without=left_out(run))
    found = describe_agreement(run, votes)
    with connection.cursor() as cursor:
        cursor.execute(KEEP, [json.dumps({"agreement": found}), run.pk])
    run.summary["agreement"] = found
    return found


def _order(found: dict[str, Any], scheme: Scheme) -> dict[str, Any]:
    """Names in their own order again, which the database's JSON does not keep."""
    groups = dict.fromkeys(label.group or "all" for label in scheme.classes)
    entropy = {
        part: {name: found["entropy"][part][name] for name in groups if name in found["entropy"][part]}
        for part in ("groups", "means")
    }
    return found | {
        "figures": _order_figures(found["figures"]),
        "cities": {city: _order_figures(figures) for city, figures in sorted(found["cities"].items())},
        "entropy": found["entropy"] | entropy,
    }


def _order_figures(figures: dict[str, Any]) -> dict[str, Any]:
    return {name: figures[name] for name in agreement.MEASURES if name in figures}


def describe_agreement(run: ConsensusRun, votes: VoteTable) -> dict[str, Any]:
    """Figures of all, by city and by class; co-votes; experts against the others; entropies; samples that stand apart.

    `votes` are those that the run counted. Figures have value, low, high (95 %) and samples; None is "not defined".
    """
    scheme, seed = scheme_of(run.campaign), run.campaign.seed
    distance = None if scheme.similarity is None else 1 - scheme.similarity_matrix()
    rows = _read_rows(run)
    cities = [rows[sample]["city"] for sample in votes.sample_ids]
    has_pairs = bool((votes.votes_per_sample >= 2).any())
    groups = agreement.measure_groups(votes, cities, distance, seed) if has_pairs else {}
    entropies = agreement.vote_entropy(votes)
    return {
        "version": VERSION,
        "figures": _write_all(agreement.measure_all(votes, distance, seed)) if has_pairs else {},
        "cities": {city: _write_all(figures) for city, figures in groups.items()},
        "classes": _describe_classes(scheme, votes, seed) if has_pairs else [],
        "co_votes": agreement.co_votes(votes).tolist(),
        "co_votes_sure": agreement.co_votes(_keep_sure(votes)).tolist(),
        "experts": _describe_experts(votes),
        "pairs": _describe_pairs(votes),
        "entropy": _describe_entropy(scheme, votes, entropies, rows),
        "apart": _describe_apart(scheme, rows),
    }


def count_pair(run: ConsensusRun, first: str, second: str, *, sure_only: bool = False) -> list[list[int]]:
    """What two experts answered to their common samples, [k, k]: rows = `first`, columns = `second`."""
    values = {"round": run.round_id, "until": run.last_vote, "first": first, "second": second, "sure_only": sure_only}
    rows = copy_out(PAIR, values, PAIR_TYPES).to_pylist()
    said = {name: {row["sample"]: row["code"] for row in rows if row["expert"] == name} for name in (first, second)}
    codes = scheme_of(run.campaign).codes
    place = {code: index for index, code in enumerate(codes)}
    counts = np.zeros((len(codes), len(codes)), np.int64)
    for sample in said[first].keys() & said[second].keys():
        counts[place[said[first][sample]], place[said[second][sample]]] += 1
    return counts.tolist()  # type: ignore[no-any-return]


def _read_rows(run: ConsensusRun) -> dict[int, dict[str, str]]:
    """Label, city and cell of each sample of the run."""
    rows = run.rows.values_list("sample_id", "sample__region__name", "sample__cell", "code")
    return {sample: {"city": city or "", "cell": cell, "code": code} for sample, city, cell, code in rows}


def _keep_sure(votes: VoteTable) -> VoteTable:
    """The votes that their experts were sure of."""
    if votes.sure is None or votes.sure.all():
        return votes
    return VoteTable(
        sample=votes.sample[votes.sure],
        voter=votes.voter[votes.sure],
        answer=votes.answer[votes.sure],
        n_classes=votes.n_classes,
        sample_ids=votes.sample_ids,
        voter_ids=votes.voter_ids,
    )


def _describe_classes(scheme: Scheme, votes: VoteTable, seed: int) -> list[dict[str, Any]]:
    return [
        {
            "code": scheme.codes[one.index],
            "votes": one.votes,
            "specific": _write(one.specific),
            "alpha": _write(one.alpha),
        }
        for one in agreement.measure_classes(votes, seed)
    ]


def _describe_experts(votes: VoteTable) -> list[dict[str, Any]]:
    """Each expert against the others; and what the others said when this one said something, [k, k]."""
    rest = agreement.confusion_with_rest(votes)
    return [
        {
            "expert": str(votes.voter_ids[one.index]),
            **{name: _number(value) for name, value in asdict(one).items() if name not in ("index", "is_far")},
            "is_far": one.is_far,
            "against_rest": rest[one.index].tolist(),
        }
        for one in agreement.measure_experts(votes)
    ]


def _describe_pairs(votes: VoteTable) -> dict[str, Any]:
    """Share of equal answers and number of common samples of every two experts, none where they are too many."""
    if votes.n_voters > MOST_EXPERTS:
        return {"names": [], "share": [], "common": []}
    share, common = agreement.voter_agreement(votes)
    return {
        "names": [str(name) for name in votes.voter_ids],
        "share": [[_number(value) for value in row] for row in share.tolist()],
        "common": common.tolist(),
    }


def _describe_entropy(
    scheme: Scheme, votes: VoteTable, entropies: npt.NDArray[np.float32], rows: Mapping[int, Mapping[str, str]]
) -> dict[str, Any]:
    """A histogram for each group of classes (by label), and the entropy from which a sample is among the top tenth."""
    groups = np.array([scheme.find(rows[sample]["code"]).group or "all" for sample in votes.sample_ids])
    edges = np.linspace(0, max(float(entropies.max()), 0.1), BINS + 1)
    names = [name for name in dict.fromkeys(label.group or "all" for label in scheme.classes) if (groups == name).any()]
    return {
        "edges": edges.round(6).tolist(),
        "groups": {name: np.histogram(entropies[groups == name], edges)[0].tolist() for name in names},
        "means": {name: float(entropies[groups == name].mean()) for name in names},
        "top_from": find_top(entropies),
    }


def find_top(entropies: npt.NDArray[np.float32]) -> float | None:
    """The smallest entropy that at most TOP_SHARE of the samples reach; else the largest; None where all agree."""
    values, counts = np.unique(entropies, return_counts=True)
    if not values[-1] > 0:
        return None
    reach = np.cumsum(counts[::-1])[::-1] / len(entropies)
    enough = values[reach <= TOP_SHARE]
    return float(enough[0]) if len(enough) else float(values[-1])


def _describe_apart(scheme: Scheme, rows: Mapping[int, Mapping[str, str]]) -> list[dict[str, Any]]:
    """Samples unlike all their neighbours on the grid, the most unlike first."""
    placed = [(sample, row) for sample, row in rows.items() if row["cell"]]
    labels = [scheme.index(row["code"]) for _sample, row in placed]
    cells = [parse_cell(row["cell"]) for _sample, row in placed]
    found = agreement.against_neighbours(np.array(labels, np.int64), cells, scheme.similarity_matrix())
    places = sorted(np.flatnonzero(found.is_apart).tolist(), key=lambda place: (found.similarity[place], place))
    return [_describe_neighbours(placed[place][0], found, place) for place in places[:MOST_APART]]


def _describe_neighbours(sample: int, found: Neighbourhood, place: int) -> dict[str, Any]:
    return {"sample": sample, "neighbours": int(found.known[place]), "similarity": _number(found.similarity[place])}


def _write_all(figures: Mapping[str, Measured]) -> dict[str, Any]:
    return {name: _write(one) for name, one in figures.items()}


def _write(one: Measured) -> dict[str, Any]:
    return {name: _number(value) for name, value in asdict(one).items()}


def _number(value: float) -> float | None:
    """JSON has no NaN: what has no value is null."""
    number = float(value)
    return None if number != number else int(number) if isinstance(value, int | np.integer) else round(number, 6)


def order_blocks(scheme: Scheme, least: float = 0.8) -> Sequence[tuple[int, int]]:
    """Runs of neighbouring classes in the scheme's order that are all alike, as [start, end): at least two of them."""
    alike, blocks, start = scheme.similarity_matrix(), [], 0
    for end in range(1, len(scheme) + 1):
        if end == len(scheme) or alike[start:end, end].min() < least:
            blocks.append((start, end))
            start = end
    return [(first, last) for first, last in blocks if last - first > 1]
