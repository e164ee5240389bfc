"""Some samples look like another class to everybody; experts have confusion matrices of what they look at.

A sample is easy, or hard: then each look at it shows a neighbour of its class with a chance d, the sample's own. So
the errors of different experts go together, and ten votes are not ten times the evidence of one. Mixture of our own
after the difficulty of Whitehill et al., NeurIPS 22, 2009, on the matrices of Dawid and Skene, 1979; d on a few levels,
and only the CANDIDATES likeliest classes of each sample, keep it to closed sums over some twenty states a sample.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from annotation.consensus import Estimate, Parameters, class_method
from annotation.expert_matrices import ExpertMatrices, check_positive, estimate_matrices, weigh_votes
from annotation.methods import dawid_skene
from annotation.vote_rows import BLOCK_ROWS, Counts, merge_rows
from annotation.votes import FloatArray, IntArray, VoteTable

Places = npt.NDArray[np.int64]

# `expert_prior` and `diagonal_prior` are pseudo-votes per row of a matrix, `class_prior` pseudo-samples spread evenly
# over the classes, `easy_prior` pseudo-samples that are easy. Early stopping is part of it: on three votes per sample
# longer runs explain hard samples by worse experts (panels of tests/benchmarks/accuracy.py).
DEFAULTS: Parameters = {
    "max_iterations": 15,
    "tolerance": 1e-5,
    "expert_prior": 2.0,
    "diagonal_prior": 1.0,
    "class_prior": 200.0,
    "easy_prior": 50.0,
}
LEVELS = np.array([0.15, 0.35, 0.5], np.float32)  # of d; above a half the sample is its neighbour, as far as one sees
CANDIDATES = 3
START_ITERATIONS = 10
START_EASY = 0.7


@dataclass(frozen=True, kw_only=True, eq=False)
class _Model:
    """Experts [e, k, k], shares of the classes [k], what each is taken for [k, k], shares of easy and levels [1+l]."""

    confusion: Counts
    class_prior: Counts
    taken_for: Counts
    weight: Counts


@dataclass(frozen=True, kw_only=True, eq=False)
class _States:
    """What a sample with m candidates can be: its class, what it is taken for (itself when easy), its level (0 = easy).

    `mix` [m, states] is the share of the looks that show each candidate.
    """

    one: Places
    other: Places
    level: Places
    mix: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class _Block:
    """Votes of some samples in order: place of the sample in the block, `vote` = voter * k + answer; first of each.

    `candidates` [b, m] are the classes that each sample can be.
    """

    sample: IntArray
    vote: IntArray
    edges: IntArray
    candidates: IntArray


@dataclass(kw_only=True, eq=False)
class _Sums:
    """What an expectation adds up over blocks: votes [e * k, k] (vote by truth), classes, pairs, levels."""

    tally: Counts
    classes: Counts
    pairs: Counts
    levels: Counts


def fit(votes: VoteTable, seed: int, parameters: Parameters) -> Estimate:
    """Posterior per sample, matrix per expert; the same votes give the same bits, and `seed` is not used."""
    check_positive(parameters, "expert_prior", "diagonal_prior", "class_prior", "easy_prior")
    candidates, model = _start(votes, parameters)
    distribution = np.zeros((votes.n_samples, votes.n_classes), np.float32)
    step, change = 0, float("inf")
    before: Counts | None = None
    while step < int(parameters["max_iterations"]) and change > parameters["tolerance"]:
        sums = _expect(votes, candidates, model, distribution)
        model = _maximise(sums, model, parameters)
        change = float("inf") if before is None else float(np.abs(sums.tally - before).sum() / 2 / len(votes))
        before, step = sums.tally, step + 1
    _expect(votes, candidates, model, distribution)
    return Estimate(
        distribution=distribution,
        confusion=model.confusion.astype(np.float32),
        class_prior=model.class_prior.astype(np.float32),
        weight=weigh_votes(votes, model.confusion, model.class_prior),
        iterations=step,
        converged=change <= parameters["tolerance"],
    )


def _start(votes: VoteTable, parameters: Parameters) -> tuple[IntArray, _Model]:
    """Candidates of each sample and a first model, from a short fit of Dawid and Skene's model."""
    rows = merge_rows(votes)
    first, _, _ = dawid_skene.find_matrices(rows, {**parameters, "max_iterations": START_ITERATIONS})
    candidates = _choose_candidates(votes, rows.finish(*dawid_skene.score(first)), first.class_prior)
    taken_for = first.confusion.mean(0) * (1 - np.eye(votes.n_classes)) + 1e-3
    model = _Model(
        confusion=first.confusion,
        class_prior=first.class_prior,
        taken_for=taken_for / taken_for.sum(1, keepdims=True),
        weight=np.append(START_EASY, np.full(len(LEVELS), (1 - START_EASY) / len(LEVELS))),
    )
    return candidates, model


def _choose_candidates(votes: VoteTable, distribution: FloatArray, class_prior: Counts) -> IntArray:
    """The likeliest classes of each sample [n, m]: by a first fit, its votes and the class shares, in that order."""
    distribution += 1e-6 * class_prior.astype(np.float32)
    distribution += 0.1 * votes.shares()
    found = np.empty((len(distribution), min(CANDIDATES, votes.n_classes)), np.int32)
    for start in range(0, len(distribution), BLOCK_ROWS):
        order = np.argsort(-distribution[start : start + BLOCK_ROWS], 1, kind="stable")
        found[start : start + BLOCK_ROWS] = order[:, : found.shape[1]]
    return found


def _maximise(sums: _Sums, before: _Model, parameters: Parameters) -> _Model:
    experts: ExpertMatrices = estimate_matrices(sums.tally, parameters)
    share = sums.classes + parameters["class_prior"] / len(sums.classes)
    weight = sums.levels + 1 + parameters["easy_prior"] * np.eye(len(sums.levels))[0]
    taken_for = np.maximum(sums.pairs + before.taken_for, 1e-9)
    return _Model(
        confusion=experts.confusion,
        class_prior=share / share.sum(),
        taken_for=taken_for / taken_for.sum(1, keepdims=True),
        weight=weight / weight.sum(),
    )


def _list_states(candidates: int) -> _States:
    """Each candidate when easy, then each ordered pair of candidates at each level."""
    first, second = np.nonzero(~np.eye(candidates, dtype=np.bool_))
    own, pairs = np.arange(candidates), np.arange(len(first)).repeat(len(LEVELS))
    level = np.append(np.zeros(candidates, np.int64), np.tile(np.arange(1, len(LEVELS) + 1), len(first)))
    one, other = np.append(own, first[pairs]), np.append(own, second[pairs])
    eye, chance = np.eye(candidates), np.append(0, LEVELS)[level]
    mix = eye[:, one] * (1 - chance) + eye[:, other] * chance
    return _States(one=one, other=other, level=level, mix=mix.astype(np.float32))


def _expect(votes: VoteTable, candidates: IntArray, model: _Model, distribution: FloatArray) -> _Sums:
    """Expected sums under a model; `distribution` [n, k] is filled with the posterior."""
    k = votes.n_classes
    sums = _Sums(
        tally=np.zeros((votes.n_voters * k, k)),
        classes=np.zeros(k),
        pairs=np.zeros((k, k)),
        levels=np.zeros(1 + len(LEVELS)),
    )
    states = _list_states(candidates.shape[1])
    confusion = model.confusion.transpose(0, 2, 1).reshape(-1, k).astype(np.float32)
    for start in range(0, votes.n_samples, BLOCK_ROWS):
        block = _cut(votes, candidates, start)
        likely = confusion[block.vote[:, None], block.candidates[block.sample]]
        mixed = likely @ states.mix
        posterior = _find_posterior(block, states, model, mixed)
        looked = likely * ((posterior[block.sample] / mixed) @ states.mix.T)
        found = posterior @ np.eye(candidates.shape[1], dtype=np.float32)[states.one]
        _add(sums, block, states, (looked, posterior, found))
        np.put_along_axis(distribution[start : start + BLOCK_ROWS], block.candidates, found, 1)
    return sums


def _cut(votes: VoteTable, candidates: IntArray, start: int) -> _Block:
    """BLOCK_ROWS samples; votes come from the sorted matrix, so that the order of the table does not matter."""
    edges = votes.matrix.indptr[start : start + BLOCK_ROWS + 1]
    return _Block(
        sample=np.repeat(np.arange(len(edges) - 1, dtype=np.int32), np.diff(edges)),
        vote=votes.matrix.indices[edges[0] : edges[-1]],
        edges=edges[:-1] - edges[0],
        candidates=candidates[start : start + BLOCK_ROWS],
    )


def _find_posterior(block: _Block, states: _States, model: _Model, mixed: FloatArray) -> FloatArray:
    """P(state) of each sample [b, states], from the likelihood of each vote in each state [votes, states]."""
    one, other = block.candidates[:, states.one], block.candidates[:, states.other]
    prior = np.log(model.class_prior[:, None] * np.where(np.eye(len(model.class_prior)), 1, model.taken_for))
    score = np.add.reduceat(np.log(mixed), block.edges)
    score += prior.astype(np.float32)[one, other]
    score += np.log(model.weight).astype(np.float32)[states.level]
    posterior = np.exp(score - score.max(1, keepdims=True))
    posterior /= posterior.sum(1, keepdims=True)
    return posterior


def _add(
    sums: _Sums,
    block: _Block,
    states: _States,
    expected: tuple[npt.NDArray[np.floating], FloatArray, npt.NDArray[np.floating]],
) -> None:
    """Adds which class each vote looked at [votes, m], each sample's states [b, states] and its classes [b, m]."""
    looked, posterior, found = expected
    k, rows = len(sums.classes), len(sums.tally)
    cell = block.vote[:, None] * np.int64(k) + block.candidates[block.sample]
    sums.tally += np.bincount(cell.ravel(), looked.ravel(), rows * k).reshape(rows, k)
    sums.classes += np.bincount(block.candidates.ravel(), found.ravel(), k)
    pair = block.candidates[:, states.one] * np.int64(k) + block.candidates[:, states.other]
    table = np.bincount(pair.ravel(), posterior.ravel(), k * k).reshape(k, k)
    sums.pairs += table * (1 - np.eye(k))
    sums.levels += np.bincount(states.level, posterior.sum(0, dtype=np.float64))


METHOD = class_method(
    name="item_difficulty",
    title="Item difficulty",
    version=1,
    fit=fit,
    defaults=DEFAULTS,
    source="mixture of our own after Whitehill et al., NeurIPS 22, 2009, and Dawid and Skene, 1979",
)
