"""Samples with a free place that an expert has not looked at, from a random point of the ring on; and which to take."""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np

from annotation import routing
from fusion.errors import BadInputError
from fusion.grid import Cell, parse_cell
from fusion.scheme import Scheme
from geoquorum.campaigns.models import Campaign
from geoquorum.campaigns.services import beliefs
from geoquorum.campaigns.services.declaring import scheme_of
from geoquorum.campaigns.services.lifecycle import RING
from geoquorum.statements import fetch_rows

# Candidates looked at: as plain numbers in the text, because a planner that does not see the limit reads the table.
FEW, MANY, MOST = 16, 64, 256
APART = 4  # cells: nearer ones, or those of one block where no cell is known, are neighbours
SPARE = 2  # candidates beyond those wanted, for those whose rows others hold

# The subquery is a value and no NOT EXISTS: on tables without statistics that became a join over all own votes.
ARC = """
SELECT s.id, s.sample_id, s.slots_taken, coalesce(nullif(x.cell, ''), x.block) AS place{more}
FROM campaigns_roundsample s JOIN catalog_sample x ON x.id = s.sample_id
WHERE s.round_id = %(round)s AND s.settled_at IS NULL AND NOT s.is_full AND s.slots_taken < %(quota)s
  AND s.position >= %(first)s AND s.position < %(stop)s
  AND (SELECT a.id FROM campaigns_assignment a
       WHERE a.round_id = s.round_id AND a.sample_id = s.sample_id AND a.expert_id = %(expert)s
         AND a.state <> 'released') IS NULL
ORDER BY s.position LIMIT {window}
"""
BELIEFS = ", s.posterior, s.answered, s.model_version"
STATEMENTS = {
    (window, is_adaptive): ARC.format(window=window, more=BELIEFS if is_adaptive else "")
    for window in (FEW, MANY, MOST)
    for is_adaptive in (False, True)
}


def find_candidates(
    values: Mapping[str, Any], *, start: int, wanted: int, policy: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Once around the ring from `start`, until the window is full: two or three times as many as are wanted."""
    is_adaptive = policy.get("kind") == "adaptive"
    window = FEW if wanted <= FEW // 2 else MOST
    if is_adaptive or policy.get("order") == "least_voted":
        window = MANY if wanted <= FEW else MOST
    statement = STATEMENTS[window, is_adaptive]
    found = fetch_rows(statement, {**values, "first": start, "stop": RING})
    if len(found) < window:
        found += fetch_rows(statement, {**values, "first": 0, "stop": start})
    return found[:window]


def choose(
    candidates: Sequence[dict[str, Any]], *, wanted: int, last_place: str, policy: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Those to take in the order in which they are shown, and a few to spare behind them.

    No neighbour follows a neighbour where others are left. Which are taken may follow what is known of them (`gain`,
    places taken); the order among them is the ring's, so that within a batch it tells nothing.
    """
    ranked = list(candidates)
    if policy.get("kind") == "adaptive":
        ranked.sort(key=lambda each: -each["gain"])
    elif policy.get("order") == "least_voted":
        ranked.sort(key=lambda each: each["slots_taken"])
    taken = _space_out(ranked, wanted, last_place)
    ids = {each["id"] for each in taken}
    in_ring_order = _space_out([each for each in candidates if each["id"] in ids], wanted, last_place)
    return in_ring_order + [each for each in ranked if each["id"] not in ids][:SPARE]


def rate(
    candidates: Sequence[dict[str, Any]], *, campaign: Campaign, values: Mapping[str, Any], policy: Mapping[str, Any]
) -> None:
    """Write into each candidate its `gain`: what one more vote of this expert is expected to tell, in nats."""
    scheme, version = scheme_of(campaign), values["model_version"]
    model = beliefs.find_model(values["round"], version, len(scheme))
    stale = [each["id"] for each in candidates if each["model_version"] != version and each["answered"]]
    fresh = _refresh(values, scheme, policy, stale) if stale else {}
    known = [fresh.get(each["id"], each["posterior"]) or model.log_prior.tolist() for each in candidates]
    if candidates:
        gains = routing.information_gain(np.array(known), model.log_likelihood(values["expert"]))
        for each, gain in zip(candidates, gains.tolist(), strict=True):
            each["gain"] = gain


def _refresh(
    values: Mapping[str, Any], scheme: Scheme, policy: Mapping[str, Any], rows: list[int]
) -> dict[int, list[float]]:
    version = values["model_version"]
    return beliefs.refresh(round_id=values["round"], version=version, codes=scheme.codes, policy=policy, rows=rows)


def _space_out(ranked: Sequence[dict[str, Any]], wanted: int, last_place: str) -> list[dict[str, Any]]:
    """The first ones, each the next in rank that is no neighbour of the one before; if none is left, any."""
    left, chosen = list(ranked), []
    while left and len(chosen) < wanted:
        apart = next((each for each in left if not are_neighbours(each["place"], last_place)), left[0])
        left.remove(apart)
        chosen.append(apart)
        last_place = apart["place"]
    return chosen


def are_neighbours(place: str, other: str) -> bool:
    """Whether two places lie so close that the one primes for the other: cells nearer than APART, or one block."""
    one, two = _read_cell(place), _read_cell(other)
    if one is None or two is None:
        return bool(place) and place == other
    if (one.zone, one.north) != (two.zone, two.north):
        return False
    reach = APART * max(one.size_m, two.size_m)
    (west, south, *_rest), (other_west, other_south, *_others) = one.bounds, two.bounds
    return abs(west - other_west) < reach and abs(south - other_south) < reach


@lru_cache(maxsize=4096)
def _read_cell(place: str) -> Cell | None:
    try:
        return parse_cell(place)
    except BadInputError:
        return None
