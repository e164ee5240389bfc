"""What stands apart: samples against a model or against their neighbours, experts against the others. Hints for a
curator, never a reason to drop anything."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from annotation.agreement.resampling import Table, divide
from annotation.consensus import Z_95
from annotation.votes import BoolArray, VoteTable
from fusion.errors import BadInputError
from fusion.grid import Cell

FAR = 0.1  # an expert is far from the others when the whole interval lies this far below them
LEAST_COMMON = 30  # samples with at least two other votes, below which nothing is said of an expert
LEAST_NEIGHBOURS = 4  # of eight
UNLIKE_UP_TO = 0.55  # mean similarity to the neighbours: water amid open low-rise has 0.50
RING = tuple((x, y) for x in (-1, 0, 1) for y in (-1, 0, 1) if (x, y) != (0, 0))


@dataclass(frozen=True, kw_only=True)
class ExpertDistance:
    """One expert, by index, against the others on the same samples.

    `agreement` is the mean share of the other votes on a sample that equal the expert's; `others` what those others
    reach among themselves on the same samples; `difference` = agreement - others with its 95 % interval. Samples that
    are hard for everybody so weigh against nobody. `is_far`: the whole interval lies below -FAR.
    """

    index: int
    samples: int
    agreement: float
    others: float
    difference: float
    low: float
    high: float
    is_far: bool


@dataclass(frozen=True, kw_only=True)
class Neighbourhood:
    """A sample among its up to eight neighbours: how many are labelled, how many share its label, how similar the
    mean one is (1 = same class), and whether it stands apart: no neighbour shares the label, and few are like it."""

    known: npt.NDArray[np.int64]
    same: npt.NDArray[np.int64]
    similarity: Table
    is_apart: BoolArray


def measure_experts(votes: VoteTable) -> list[ExpertDistance]:
    """Every expert with at least one sample that two others voted on, left out of what he or she is compared with."""
    counts = votes.counts().astype(np.float64)
    total = counts.sum(1)
    equal = (counts * (counts - 1)).sum(1)
    usable = total[votes.sample] >= 3
    sample, voter = votes.sample[usable], votes.voter[usable]
    alike = counts[sample, votes.answer[usable]] - 1
    own = alike / (total[sample] - 1)
    # Pairs among the others: all pairs without those in which this vote takes part.
    rest = (equal[sample] - 2 * alike) / ((total[sample] - 1) * (total[sample] - 2))
    n = np.bincount(voter, minlength=votes.n_voters).astype(np.float64)
    means = [divide(_sum(voter, column, votes.n_voters), n) for column in (own, rest, own - rest)]
    squares = _sum(voter, (own - rest) ** 2, votes.n_voters)
    spread = np.sqrt(np.maximum(divide(squares, n) - means[2] ** 2, 0) / np.maximum(n - 1, 1))
    return [
        ExpertDistance(
            index=index,
            samples=int(n[index]),
            agreement=float(means[0][index]),
            others=float(means[1][index]),
            difference=float(means[2][index]),
            low=float(means[2][index] - Z_95 * spread[index]),
            high=float(means[2][index] + Z_95 * spread[index]),
            is_far=bool(n[index] >= LEAST_COMMON and means[2][index] + Z_95 * spread[index] < -FAR),
        )
        for index in np.flatnonzero(n > 0).tolist()
    ]


def against_model(labels: npt.ArrayLike, probabilities: npt.ArrayLike) -> BoolArray:
    """Samples whose label a model contradicts with confidence, [n] (confident learning, Northcutt et al. 2021).

    `probabilities` [n, k] must come from a model that was not trained on these samples. A class is confidently seen
    where its probability is at least the model's mean for the samples that carry it as label; a sample is flagged when
    the most probable such class is not its label.
    """
    given, seen = np.asarray(labels), np.asarray(probabilities, np.float64)
    if seen.ndim != 2 or len(seen) != len(given):
        raise BadInputError(f"Probabilities of shape {seen.shape} do not fit {len(given)} labels; give one row each.")
    k = seen.shape[1]
    own = seen[np.arange(len(given)), given]
    usual = divide(_sum(given, own, k), np.bincount(given, minlength=k).astype(np.float64))
    confident = np.where(seen >= np.where(np.isfinite(usual), usual, np.inf), seen, -1)
    best = confident.argmax(1)
    return np.asarray((confident.max(1) >= 0) & (best != given))


def against_neighbours(labels: npt.ArrayLike, cells: Sequence[Cell], similarity: npt.ArrayLike) -> Neighbourhood:
    """Each sample against those on the eight cells around it; `similarity` [k, k] is the scheme's."""
    given, alike = np.asarray(labels), np.asarray(similarity, np.float64)
    if len(cells) != len(given):
        raise BadInputError(f"{len(cells)} cells were given for {len(given)} labels; give one each.")
    place = {(c.zone, c.north, c.size_m, c.column, c.row): index for index, c in enumerate(cells)}
    known, same = np.zeros(len(given), np.int64), np.zeros(len(given), np.int64)
    total = np.zeros(len(given))
    for x, y in RING:
        other = np.array(
            [place.get((c.zone, c.north, c.size_m, c.column + x, c.row + y), -1) for c in cells], dtype=np.int64
        )
        there = np.flatnonzero(other >= 0)
        label, beside = given[there], given[other[there]]
        known[there] += 1
        same[there] += label == beside
        total[there] += alike[label, beside]
    mean = divide(total, known.astype(np.float64))
    apart = (known >= LEAST_NEIGHBOURS) & (same == 0) & (mean <= UNLIKE_UP_TO)
    return Neighbourhood(known=known, same=same, similarity=mean, is_apart=np.asarray(apart))


def _sum(place: npt.NDArray[Any], values: Table, size: int) -> Table:
    """Sum of the values at each place, [size]."""
    return np.bincount(place, values, size).astype(np.float64)
