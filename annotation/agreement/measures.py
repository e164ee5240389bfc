"""Figures of agreement with intervals: equal pairs, Fleiss kappa, Krippendorff alpha; of all, by class and by group."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from annotation.agreement.resampling import (
    RESAMPLES,
    Measured,
    Table,
    divide,
    draw_sums,
    measure,
    sum_blocks,
)
from annotation.consensus import entropy
from annotation.votes import FloatArray, Ids, VoteTable
from fusion.errors import BadInputError, BadVotesError

# Columns of one sample's contribution, before its votes per class.
SAMPLES, SAME_PAIRS, ALIKE_PAIRS, VOTES, UNEQUAL, UNLIKE, HEAD = range(7)


@dataclass(frozen=True, kw_only=True)
class Sums:
    """Sums over samples, one row per draw, and the distance [k, k] that alpha is measured with."""

    rows: Table
    distance: Table

    @property
    def counts(self) -> Table:
        return self.rows[:, HEAD:]


@dataclass(frozen=True, kw_only=True)
class ClassAgreement:
    """One class, by its index: how often it was voted, and two figures.

    `specific`: when one expert names the class, how often another one does too (Fleiss 1975). `alpha`: Krippendorff's
    alpha of this class against all others together, which takes the frequency of the class out.
    """

    index: int
    votes: int
    specific: Measured
    alpha: Measured


def _equal_pairs(sums: Sums) -> Table:
    return divide(sums.rows[:, SAME_PAIRS], sums.rows[:, SAMPLES])


def _alike_pairs(sums: Sums) -> Table:
    return divide(sums.rows[:, ALIKE_PAIRS], sums.rows[:, SAMPLES])


def _kappa(sums: Sums) -> Table:
    """Chance is the agreement of random votes with the class shares of all votes; one class alone has no kappa."""
    chance = (divide(sums.counts, sums.rows[:, [VOTES]]) ** 2).sum(1)
    return divide(_equal_pairs(sums) - chance, np.where(chance < 1 - 1e-12, 1 - chance, 0))


def _alpha(sums: Sums) -> Table:
    votes = sums.rows[:, VOTES]
    return _one_minus(sums.rows[:, UNEQUAL] * (votes - 1), votes**2 - (sums.counts**2).sum(1))


def _alpha_by_distance(sums: Sums) -> Table:
    expected = ((sums.counts @ sums.distance) * sums.counts).sum(1)
    return _one_minus(sums.rows[:, UNLIKE] * (sums.rows[:, VOTES] - 1), expected)


def _one_minus(above: Table, below: Table) -> Table:
    return np.asarray(1 - divide(above, np.where(below > 1e-9, below, 0)))


# Agreement of pairs, the same with partial credit by similarity, and the three that take chance out.
MEASURES: Mapping[str, Callable[[Sums], Table]] = MappingProxyType(
    {
        "pair_agreement": _equal_pairs,
        "pair_similarity": _alike_pairs,
        "fleiss_kappa": _kappa,
        "alpha": _alpha,
        "alpha_similarity": _alpha_by_distance,
    }
)
DISTANCE_FREE = ("pair_agreement", "fleiss_kappa", "alpha")


def pair_agreement(votes: VoteTable) -> FloatArray:
    """Share of the pairs of votes on a sample that are equal, [n]; NaN where there are fewer than two votes."""
    counts = votes.counts().astype(np.float64)
    total = counts.sum(1)
    pairs = divide((counts * (counts - 1)).sum(1), total * (total - 1))
    return pairs.astype(np.float32)


def vote_entropy(votes: VoteTable) -> FloatArray:
    """Entropy of each sample's vote shares in nats, [n]."""
    return entropy(votes.shares())


def percent_agreement(votes: VoteTable, seed: int = 0, resamples: int = RESAMPLES) -> Measured:
    """Mean over samples of the share of equal pairs of votes, 0..1."""
    return _measure(votes, ("pair_agreement",), None, seed, resamples)["pair_agreement"]


def fleiss_kappa(votes: VoteTable, seed: int = 0, resamples: int = RESAMPLES) -> Measured:
    """Agreement beyond chance, at most 1 (Fleiss 1971), for any number of votes per sample from two up; NaN where only
    one class was ever named."""
    return _measure(votes, ("fleiss_kappa",), None, seed, resamples)["fleiss_kappa"]


def krippendorff_alpha(
    votes: VoteTable, distance: npt.ArrayLike | None = None, seed: int = 0, resamples: int = RESAMPLES
) -> Measured:
    """Krippendorff's alpha (2011, "Computing Krippendorff's alpha-reliability"): 1 - observed / expected disagreement.

    Nominal without `distance`; else its entries [k, k] (symmetric, zero on the diagonal) stand for his squared
    difference: 1 - similarity of two Local Climate Zones makes near misses cost less than far ones.
    """
    name = "alpha" if distance is None else "alpha_similarity"
    return _measure(votes, (name,), distance, seed, resamples)[name]


def measure_all(
    votes: VoteTable, distance: npt.ArrayLike | None = None, seed: int = 0, resamples: int = RESAMPLES
) -> dict[str, Measured]:
    """Every figure of MEASURES; without `distance` those of DISTANCE_FREE."""
    names = DISTANCE_FREE if distance is None else tuple(MEASURES)
    return _measure(votes, names, distance, seed, resamples)


def measure_groups(
    votes: VoteTable, groups: Ids, distance: npt.ArrayLike | None = None, seed: int = 0, resamples: int = RESAMPLES
) -> dict[Any, dict[str, Measured]]:
    """The figures within each group of samples (a city each, say), groups in sorted order; `groups` [n] names each
    sample's. Groups without a sample of two votes are left out."""
    names = np.asarray(groups)
    if len(names) != votes.n_samples:
        raise BadVotesError(f"{len(names)} groups were given for {votes.n_samples} samples; give one per sample.")
    counts, enough = votes.counts(), votes.votes_per_sample >= 2
    chosen = DISTANCE_FREE if distance is None else tuple(MEASURES)
    found, place = np.unique(names, return_inverse=True)
    rows = {name: counts[enough & (place == index)] for index, name in enumerate(found.tolist())}
    return {name: _measure_counts(part, chosen, distance, seed, resamples) for name, part in rows.items() if len(part)}


def kappa_by_group(votes: VoteTable, groups: Ids, seed: int = 0, resamples: int = RESAMPLES) -> dict[Any, Measured]:
    """Fleiss kappa within each group of samples."""
    found = measure_groups(votes, groups, None, seed, resamples)
    return {name: figures["fleiss_kappa"] for name, figures in found.items()}


def agreement_by_group(votes: VoteTable, groups: Ids, seed: int = 0, resamples: int = RESAMPLES) -> dict[Any, Measured]:
    """Percent agreement within each group of samples."""
    found = measure_groups(votes, groups, None, seed, resamples)
    return {name: figures["pair_agreement"] for name, figures in found.items()}


def measure_classes(votes: VoteTable, seed: int = 0, resamples: int = RESAMPLES) -> list[ClassAgreement]:
    """Specific agreement and alpha of every class, in the scheme's order; NaN for a class that nobody named."""
    counts = _pairable(votes)

    def contribute(part: slice) -> Table:
        rows = counts[part].astype(np.float64)
        others = rows.sum(1, keepdims=True) - 1
        apart = 2 * rows * (others + 1 - rows) / others
        return np.column_stack([rows * (rows - 1), rows * others, apart, rows, others + 1])

    k = votes.n_classes
    sums = draw_sums(sum_blocks(contribute, len(counts), seed), seed, resamples)
    same, pairs, apart, named = (sums[:, place * k : (place + 1) * k] for place in range(4))
    every = sums[:, [4 * k]]
    specific = divide(same, pairs)
    alphas = _one_minus(apart * (every - 1), 2 * named * (every - named))
    return [
        ClassAgreement(
            index=index,
            votes=int(named[0, index]),
            specific=measure(specific[:, index], int((counts[:, index] > 0).sum())),
            alpha=measure(alphas[:, index], len(counts)),
        )
        for index in range(k)
    ]


def _pairable(votes: VoteTable) -> npt.NDArray[np.int32]:
    """Votes per class of the samples with two votes or more, [m, k]."""
    counts = votes.counts()[votes.votes_per_sample >= 2]
    if not len(counts):
        raise BadVotesError("No sample has two votes; agreement needs at least one that has.")
    return counts


def _measure(
    votes: VoteTable, names: tuple[str, ...], distance: npt.ArrayLike | None, seed: int, resamples: int
) -> dict[str, Measured]:
    return _measure_counts(_pairable(votes), names, distance, seed, resamples)


def _measure_counts(
    counts: npt.NDArray[np.int32],
    names: tuple[str, ...],
    distance: npt.ArrayLike | None,
    seed: int,
    resamples: int,
) -> dict[str, Measured]:
    """Figures of samples given as votes per class [m, k], each row with at least two."""
    apart = _check_distance(distance, counts.shape[1])

    def contribute(part: slice) -> Table:
        return _columns(counts[part].astype(np.float64), apart)

    rows = draw_sums(sum_blocks(contribute, len(counts), seed), seed, resamples)
    sums = Sums(rows=rows, distance=apart)
    return {name: measure(MEASURES[name](sums), len(counts)) for name in names}


def _columns(counts: Table, apart: Table) -> Table:
    """What each sample adds to the sums, [m, HEAD + k]."""
    votes = counts.sum(1)
    pairs = votes * (votes - 1)
    unequal = votes**2 - (counts**2).sum(1)
    unlike = ((counts @ apart) * counts).sum(1)
    head = [np.ones(len(counts)), 1 - unequal / pairs, 1 - unlike / pairs, votes]
    return np.column_stack([*head, unequal / (votes - 1), unlike / (votes - 1), counts])


def _check_distance(distance: npt.ArrayLike | None, k: int) -> Table:
    apart = 1 - np.eye(k) if distance is None else np.asarray(distance, np.float64)
    if apart.shape != (k, k) or not np.allclose(apart, apart.T) or np.diag(apart).any() or (apart < 0).any():
        raise BadInputError(
            f"A distance must be a symmetric {k} x {k} table of numbers from 0, with 0 in its diagonal."
        )
    return apart
