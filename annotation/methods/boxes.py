"""Boxes of several voters: matched one to one by overlap, there when most voters drew them, median in place.

Matching by the Hungarian method (Kuhn, Naval Research Logistics 2, 1955) on intersection over union.
"""

from itertools import pairwise

import numpy as np
from scipy.optimize import linear_sum_assignment

from annotation.box_sets import BoxSets, BoxVotes, overlap
from annotation.consensus import Method, Parameters, wilson
from annotation.votes import FloatArray

# Two boxes show the same thing when they overlap by this much; 0.5 is the usual limit (PASCAL VOC, IJCV 88, 2010).
DEFAULTS: Parameters = {"overlap": 0.5}
ROUNDS = 5  # of matching against the medians of the round before

Drawn = list[FloatArray]  # the boxes of each ballot of one sample
Groups = list[list[FloatArray]]  # boxes that show the same thing, at most one per ballot


def conclude(votes: BoxVotes, seed: int, parameters: Parameters) -> BoxSets:
    """Median boxes of each sample, sorted by their corners; `seed` is not used."""
    rows: list[tuple[int, FloatArray, int, float, float]] = []
    boxes_of = _split(votes)
    for sample, ballots in enumerate(votes.by_sample()):
        drawn = [boxes_of[ballot] for ballot in ballots]
        groups = _group(drawn, parameters["overlap"])
        found = [(sample, _median(group), len(group), _spread(group), _iou(group)) for group in groups]
        rows += sorted(found, key=lambda row: row[1].tolist())
    sample_of = np.array([row[0] for row in rows], np.int32)
    count, voters = np.array([row[2] for row in rows], np.float32), votes.votes_per_sample[sample_of]
    share = (count / voters).astype(np.float32)
    low, high = wilson(share, voters)
    return BoxSets(
        sample_ids=votes.sample_ids,
        sample=sample_of,
        boxes=np.array([row[1] for row in rows], np.float32).reshape(-1, 4),
        probability=share,
        low=low,
        high=high,
        spread=np.array([row[3] for row in rows], np.float32),
        iou=np.array([row[4] for row in rows], np.float32),
        is_kept=share > 0.5,
        votes=votes.votes_per_sample,
    )


def _split(votes: BoxVotes) -> list[FloatArray]:
    """The boxes of each ballot."""
    order = np.argsort(votes.ballot, kind="stable")
    edges = np.cumsum(np.bincount(votes.ballot, minlength=len(votes)))[:-1]
    return np.split(votes.boxes[order].astype(np.float32), edges)


def _group(drawn: Drawn, least: float) -> Groups:
    """Boxes of one sample by what they show: matched with the best ballot first, then with the medians."""
    centres = _choose_start(drawn)
    groups: Groups = []
    for _ in range(ROUNDS):
        groups = _match_all(drawn, centres, least)
        before, centres = centres, _stack([_median(group) for group in groups])
        if before.shape == centres.shape and (before == centres).all():
            break
    return groups


def _choose_start(drawn: Drawn) -> FloatArray:
    """The boxes of the ballot that overlaps most with all others."""
    every, edges = np.concatenate(drawn), np.cumsum([0, *map(len, drawn)]).tolist()
    table, parts = overlap(every, every), [slice(*pair) for pair in pairwise(edges)]
    agreed = [sum(_sum_matched(table[one, other]) for other in parts) for one in parts]
    return drawn[int(np.argmax(agreed))]


def _sum_matched(table: FloatArray) -> float:
    """The largest sum of overlaps of pairs; with one box on a side that is the largest overlap."""
    if min(table.shape) <= 1:
        return float(table.max(initial=0))
    return float(table[linear_sum_assignment(table, maximize=True)].sum())


def _match_all(drawn: Drawn, centres: FloatArray, least: float) -> Groups:
    """Each ballot matched with the centres; what fits none is matched among itself, voter by voter."""
    groups: Groups = [[] for _ in centres]
    for boxes in drawn:
        here, there, share = _match(boxes, centres)
        for own, place in zip(here[share >= least], there[share >= least], strict=True):
            groups[place].append(boxes[own])
        left = np.delete(boxes, here[share >= least], 0)
        if len(left):
            centres = np.concatenate([centres, left])
            groups += [[box] for box in left]
    return [group for group in groups if group]


def _match(one: FloatArray, other: FloatArray) -> tuple[np.ndarray, np.ndarray, FloatArray]:
    """Pairs of places with the largest sum of overlaps, and each pair's overlap."""
    table = overlap(one, other)
    here, there = linear_sum_assignment(table, maximize=True)
    return here, there, table[here, there]


def _median(group: list[FloatArray]) -> FloatArray:
    found: FloatArray = np.median(np.stack(group), 0).astype(np.float32)
    return found


def _spread(group: list[FloatArray]) -> float:
    return float(np.abs(np.stack(group) - _median(group)).mean())


def _iou(group: list[FloatArray]) -> float:
    return float(overlap(np.stack(group), _median(group)[None]).mean())


def _stack(boxes: list[FloatArray]) -> FloatArray:
    return np.array(boxes, np.float32).reshape(-1, 4)


METHOD = Method(
    name="boxes",
    title="Matched boxes",
    version=1,
    answer_kind="boxes",
    conclude=conclude,
    defaults=DEFAULTS,
    source="Kuhn, Naval Research Logistics 2, 1955",
)
