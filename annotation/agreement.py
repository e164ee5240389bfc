"""How far experts agree: on a sample, in a class, in a city, with each other. All from the votes alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from annotation.consensus import entropy
from annotation.votes import FloatArray, Ids, IntArray, VoteTable
from fusion.errors import BadVotesError

Counts = npt.NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A figure with its 95 % bootstrap interval over samples, and the number of samples with two votes or more."""

    value: float
    low: float
    high: float
    samples: int


def pair_agreement(votes: VoteTable) -> FloatArray:
    """Share of the pairs of votes on a sample that are equal, [n]; NaN where there are fewer than two votes."""
    return _pair_share(votes.counts().astype(np.float64)).astype(np.float32)


def vote_entropy(votes: VoteTable) -> FloatArray:
    """Entropy of each sample's vote shares in nats, [n]."""
    return entropy(votes.shares())


def percent_agreement(votes: VoteTable, seed: int = 0, resamples: int = 200) -> Measured:
    """Mean over samples of the share of equal pairs of votes, 0..1."""
    return _bootstrap(_paired(votes), lambda mean: float(mean[0]), seed, resamples)


def fleiss_kappa(votes: VoteTable, seed: int = 0, resamples: int = 200) -> Measured:
    """Agreement beyond chance, at most 1 (Fleiss 1971), for any number of votes per sample from two up.

    Chance is the agreement of random votes with the class shares of all votes; where only one class was ever named,
    kappa has no meaning and is NaN.
    """
    return _bootstrap(_paired(votes), _kappa, seed, resamples)


def kappa_by_group(votes: VoteTable, groups: Ids, seed: int = 0, resamples: int = 200) -> dict[Any, Measured]:
    """Fleiss kappa within each group of samples (a city each, say); `groups` [n] names each sample's."""
    return _by_group(votes, groups, _kappa, seed, resamples)


def agreement_by_group(votes: VoteTable, groups: Ids, seed: int = 0, resamples: int = 200) -> dict[Any, Measured]:
    """Percent agreement within each group of samples; `groups` [n] names each sample's."""
    return _by_group(votes, groups, lambda mean: float(mean[0]), seed, resamples)


def co_votes(votes: VoteTable) -> IntArray:
    """Ordered pairs of votes of different experts on the same sample by class, [k, k], symmetric."""
    counts = votes.counts().astype(np.int64)
    return (counts.T @ counts - np.diag(counts.sum(0))).astype(np.int64)


def row_shares(table: npt.ArrayLike) -> Counts:
    """Each row divided by its sum; rows without votes are zero."""
    rows = np.asarray(table, np.float64)
    total = rows.sum(-1, keepdims=True)
    return np.divide(rows, total, out=np.zeros_like(rows), where=total > 0)


def class_agreement(votes: VoteTable) -> Counts:
    """When one expert names a class, how often another one does too, [k] (specific agreement, Fleiss 1975)."""
    table = co_votes(votes)
    total = table.sum(1)
    return np.divide(np.diag(table), total, out=np.full(len(table), np.nan), where=total > 0)


def voter_agreement(votes: VoteTable) -> tuple[Counts, IntArray]:
    """Share of equal answers on common samples [e, e] (NaN without any), and the number of those samples [e, e]."""
    k, size = votes.n_classes, votes.n_voters
    joint = _joint(votes).reshape(size, k, size, k)
    common = joint.sum((1, 3))
    equal = np.trace(joint, axis1=1, axis2=3)
    return np.divide(equal, common, out=np.full((size, size), np.nan), where=common > 0), common


def voter_confusion(votes: VoteTable, first: int, second: int) -> IntArray:
    """What two experts answered to their common samples, [k, k]: rows = `first`, columns = `second`."""
    k = votes.n_classes
    columns = [slice(voter * k, (voter + 1) * k) for voter in (first, second)]
    one, other = (votes.matrix[:, place] for place in columns)
    return (one.T @ other).toarray().astype(np.int64)


def _joint(votes: VoteTable) -> IntArray:
    return (votes.matrix.T @ votes.matrix).toarray().astype(np.int64)


def _pair_share(counts: Counts) -> Counts:
    total = counts.sum(1)
    pairs = total * (total - 1)
    equal = (counts * (counts - 1)).sum(1)
    return np.divide(equal, pairs, out=np.full(len(counts), np.nan), where=pairs > 0)


def _paired(votes: VoteTable) -> Counts:
    """Per sample with two votes or more: share of equal pairs, then the votes of each class, [m, 1 + k]."""
    counts = votes.counts().astype(np.float64)
    counts = counts[counts.sum(1) >= 2]
    if not len(counts):
        raise BadVotesError("No sample has two votes; agreement needs at least one that has.")
    return np.column_stack([_pair_share(counts), counts])


def _kappa(mean: Counts) -> float:
    """Kappa from mean pair agreement and mean votes per class."""
    shares = mean[1:] / mean[1:].sum()
    chance = float((shares**2).sum())
    return (float(mean[0]) - chance) / (1 - chance) if chance < 1 else float("nan")


def _bootstrap(table: Counts, figure: Callable[[Counts], float], seed: int, resamples: int) -> Measured:
    """A figure of the column means of `table`, and the middle 95 % of it over resampled rows."""
    rng, n = np.random.default_rng(seed), len(table)
    draws = (np.bincount(rng.integers(n, size=n), minlength=n) for _ in range(resamples))
    drawn = [figure(times @ table / n) for times in draws]
    low, high = np.nanpercentile(drawn, [2.5, 97.5]) if np.isfinite(drawn).any() else (np.nan, np.nan)
    return Measured(value=figure(table.mean(0)), low=float(low), high=float(high), samples=n)


def _by_group(
    votes: VoteTable, groups: Ids, figure: Callable[[Counts], float], seed: int, resamples: int
) -> dict[Any, Measured]:
    """A figure per group, groups in sorted order; those without a sample of two votes are left out."""
    names = np.asarray(groups)
    if len(names) != votes.n_samples:
        raise BadVotesError(f"{len(names)} groups were given for {votes.n_samples} samples; give one per sample.")
    enough = votes.votes_per_sample >= 2
    table, names = _paired(votes), names[enough]
    return {name: _bootstrap(table[names == name], figure, seed, resamples) for name in np.unique(names).tolist()}
