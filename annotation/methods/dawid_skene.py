"""Each expert has a confusion matrix, found together with the labels by expectation-maximisation.

Dawid and Skene, Applied Statistics 28(1), 1979, with one addition: an expert's matrix is drawn towards the pooled
matrix of all experts, which matters for experts with few votes and for classes that one has never met.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import sparse

from annotation.consensus import Estimate, Method, Parameters
from annotation.votes import FloatArray, IntArray, VoteTable
from fusion.errors import BadInputError

Counts = npt.NDArray[np.float64]

# `expert_prior` and `diagonal_prior` are pseudo-votes per row; `tolerance` is the share of all votes whose expected
# class still moves in one iteration; `max_iterations` is the most iterations that are done.
DEFAULTS: Parameters = {"max_iterations": 100, "tolerance": 1e-5, "expert_prior": 2.0, "diagonal_prior": 1.0}
# Rows per block: expectation and maximisation of a block stay in the processor's cache (4,096 x 17 x 4 bytes = 278 kB).
BLOCK_ROWS = 4096
# Below this the sum of exponentials in float32 is about to underflow: such rows are done again from their maximum.
UNDERFLOW = np.float32(1e-30)
# A pooled matrix where nothing is known: an expert is right this often.
UNKNOWN_ACCURACY = 0.7


def fit(votes: VoteTable, seed: int, parameters: Parameters) -> Estimate:
    """Posterior per sample, matrix per expert; the same votes give the same bits, and `seed` is not used."""
    _check(parameters)
    rows = _merge_rows(votes)
    tally = _start(rows)
    step, change = 0, np.inf
    while step < int(parameters["max_iterations"]) and change > parameters["tolerance"]:
        model = _maximise(tally, parameters)
        before, tally = tally, _expect(rows, model)
        change = float(np.abs(tally - before).sum() / 2 / len(votes))
        step += 1
    model = _maximise(tally, parameters)
    return Estimate(
        distribution=_finish(rows, model),
        confusion=model.confusion.astype(np.float32),
        class_prior=model.class_prior.astype(np.float32),
        weight=_weigh(votes, model),
        iterations=step,
        converged=change <= parameters["tolerance"],
    )


@dataclass(frozen=True, kw_only=True, eq=False)
class _Rows:
    """Distinct vote rows: sparse ones [r, e * k], how many samples share each [r], and the row of each sample [n]."""

    matrix: sparse.csr_matrix
    samples: FloatArray
    of_sample: IntArray
    n_classes: int
    n_voters: int

    @cached_property
    def blocks(self) -> list[tuple[sparse.csr_matrix, FloatArray]]:
        """Views of BLOCK_ROWS rows each, with their sample numbers; nothing is copied."""
        starts = range(0, self.matrix.shape[0], BLOCK_ROWS)
        return [(_slice_rows(self.matrix, start), self.samples[start : start + BLOCK_ROWS]) for start in starts]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Model:
    """Confusion [e, k, k] = P(vote = column | truth = row), and the share of each class [k]."""

    confusion: Counts
    class_prior: Counts


def _check(parameters: Parameters) -> None:
    for name in ("expert_prior", "diagonal_prior"):
        if not parameters[name] > 0:
            raise BadInputError(f"Parameter {name!r} is {parameters[name]}; it must be above 0.")
    if parameters["max_iterations"] < 1:
        raise BadInputError(f"Parameter 'max_iterations' is {parameters['max_iterations']}; it must be at least 1.")


def _slice_rows(matrix: sparse.csr_matrix, start: int) -> sparse.csr_matrix:
    edges = matrix.indptr[start : start + BLOCK_ROWS + 1]
    inside = slice(edges[0], edges[-1])
    shape = (len(edges) - 1, matrix.shape[1])
    return sparse.csr_matrix((matrix.data[inside], matrix.indices[inside], edges - edges[0]), shape=shape, copy=False)


def _merge_rows(votes: VoteTable) -> _Rows:
    """Samples with the very same votes are one row: ten experts on 400,000 samples leave under half of them."""
    matrix = votes.matrix
    first, of_sample, samples = _find_equal(matrix)
    merged = matrix if len(first) == votes.n_samples else matrix[first]
    return _Rows(
        matrix=merged,
        samples=samples.astype(np.float32),
        of_sample=of_sample,
        n_classes=votes.n_classes,
        n_voters=votes.n_voters,
    )


def _find_equal(matrix: sparse.csr_matrix) -> tuple[IntArray, IntArray, IntArray]:
    """First sample of each distinct row, distinct row of each sample, and samples per distinct row.

    Rows are found by a 64-bit sum of random numbers per column, then compared in full; no merging where few are alike.
    """
    every = np.arange(matrix.shape[0], dtype=np.int32)
    apart = every, every, np.ones_like(every)
    numbers = np.random.default_rng(0).integers(0, 2**63, matrix.shape[1], dtype=np.uint64)
    keys = np.add.reduceat(numbers[matrix.indices], matrix.indptr[:-1])
    _, first, of_sample, samples = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    if len(first) > 0.9 * len(every) or not _is_equal(matrix, first[of_sample]):
        return apart
    return first.astype(np.int32), of_sample.astype(np.int32), samples.astype(np.int32)


def _is_equal(matrix: sparse.csr_matrix, twin: npt.NDArray[np.int64]) -> bool:
    """Whether each row has the same columns as the row `twin` names."""
    length = np.diff(matrix.indptr)
    if (length != length[twin]).any():
        return False
    shift = np.repeat(matrix.indptr[:-1][twin] - matrix.indptr[:-1], length)
    return bool((matrix.indices == matrix.indices[np.arange(len(shift)) + shift]).all())


def _start(rows: _Rows) -> Counts:
    """Expected votes [e * k, k] when each sample's truth is spread as its votes are."""
    answers = sparse.csr_matrix(np.tile(np.eye(rows.n_classes, dtype=np.float32), (rows.n_voters, 1)))
    tally = np.zeros((rows.matrix.shape[1], rows.n_classes))
    for block, samples in rows.blocks:
        shares = (block @ answers).toarray()
        shares *= (samples / shares.sum(1))[:, None]
        tally += block.T @ shares
    return tally


def _maximise(tally: Counts, parameters: Parameters) -> _Model:
    """Confusion and class shares from expected votes [e * k, k] (vote by truth)."""
    k = tally.shape[1]
    by_expert = tally.reshape(-1, k, k).transpose(0, 2, 1)
    unknown = np.full((k, k), (1 - UNKNOWN_ACCURACY) / k) + UNKNOWN_ACCURACY * np.eye(k)
    pooled = _normalise(by_expert.sum(0) + parameters["diagonal_prior"] * unknown)
    share = by_expert.sum((0, 2)) + 1e-3
    return _Model(
        confusion=_normalise(by_expert + parameters["expert_prior"] * pooled), class_prior=share / share.sum()
    )


def _expect(rows: _Rows, model: _Model) -> Counts:
    """Expected votes [e * k, k] under a model."""
    scores = _score_votes(model)
    tally = np.zeros((rows.matrix.shape[1], rows.n_classes))
    for block, samples in rows.blocks:
        tally += block.T @ _find_posterior(block, scores, samples)
    return tally


def _score_votes(model: _Model) -> tuple[FloatArray, FloatArray]:
    """Log-probability of each possible vote under each truth [e * k, k], up to a constant per vote, and log prior [k].

    Only ratios between classes count: with each vote's best class at 0, unanimous rows stay near exp(0).
    """
    k = len(model.class_prior)
    table = np.log(model.confusion).transpose(0, 2, 1).reshape(-1, k)
    table -= table.max(1, keepdims=True)
    return table.astype(np.float32), np.log(model.class_prior).astype(np.float32)


def _find_posterior(block: sparse.csr_matrix, scores: tuple[FloatArray, FloatArray], total: FloatArray) -> FloatArray:
    """Posterior of a block's rows [b, k], each row summing to its `total`."""
    table, log_prior = scores
    score = block @ table
    score += log_prior
    posterior = np.exp(score)
    mass = posterior @ np.ones(len(log_prior), np.float32)
    faint = mass < UNDERFLOW
    if faint.any():
        posterior[faint] = np.exp(score[faint] - score[faint].max(1, keepdims=True))
        mass[faint] = posterior[faint].sum(1)
    posterior *= (total / mass)[:, None]
    return posterior


def _finish(rows: _Rows, model: _Model) -> FloatArray:
    """Posterior of each sample, [n, k]."""
    scores = _score_votes(model)
    parts = [_find_posterior(block, scores, np.ones_like(samples)) for block, samples in rows.blocks]
    return np.concatenate(parts)[rows.of_sample]


def _weigh(votes: VoteTable, model: _Model) -> FloatArray:
    """What each vote tells of the truth (mutual information under its expert's matrix); an average vote tells 1."""
    joint = model.confusion * model.class_prior[:, None]
    independent = joint.sum(2, keepdims=True) * joint.sum(1, keepdims=True)
    told = (joint * np.log(joint / independent)).sum((1, 2))
    weight = np.maximum(told, 1e-6)[votes.voter]
    return (weight / weight.mean()).astype(np.float32)


def _normalise(table: Counts) -> Counts:
    return table / table.sum(-1, keepdims=True)


METHOD = Method(
    name="dawid_skene",
    title="Dawid-Skene",
    version=1,
    fit=fit,
    defaults=DEFAULTS,
    source="Dawid and Skene, Applied Statistics 28(1), 1979, pooled prior of our own",
)
