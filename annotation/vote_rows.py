"""Votes in the form that expectation-maximisation runs over: distinct sparse rows, in blocks that stay in the cache."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
from scipy import sparse

from annotation.votes import FloatArray, IntArray, VoteTable

Counts = npt.NDArray[np.float64]

# Rows per block: expectation and maximisation of a block stay in the processor's cache (4,096 x 17 x 4 bytes = 278 kB).
BLOCK_ROWS = 4096
# Below this the sum of exponentials in float32 is about to underflow: such rows are done again from their maximum.
UNDERFLOW = np.float32(1e-30)


@dataclass(frozen=True, kw_only=True, eq=False)
class VoteRows:
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
        return [(slice_rows(self.matrix, start), self.samples[start : start + BLOCK_ROWS]) for start in starts]

    def start(self) -> Counts:
        """Expected votes [e * k, k] when each sample's truth is spread as its votes are."""
        answers = sparse.csr_matrix(np.tile(np.eye(self.n_classes, dtype=np.float32), (self.n_voters, 1)))
        tally = np.zeros((self.matrix.shape[1], self.n_classes))
        for block, samples in self.blocks:
            shares = (block @ answers).toarray()
            shares *= (samples / shares.sum(1))[:, None]
            tally += block.T @ shares
        return tally

    def expect(self, table: FloatArray, log_prior: FloatArray) -> Counts:
        """Expected votes [e * k, k] (vote by truth) when `table` [e * k, k] scores each possible vote, in nats."""
        tally = np.zeros((self.matrix.shape[1], self.n_classes))
        for block, samples in self.blocks:
            tally += block.T @ find_posterior(block, table, log_prior, samples)
        return tally

    def finish(self, table: FloatArray, log_prior: FloatArray) -> FloatArray:
        """Posterior of each sample, [n, k]."""
        found = np.empty((self.matrix.shape[0], self.n_classes), np.float32)
        for place, (block, samples) in enumerate(self.blocks):
            part = slice(place * BLOCK_ROWS, place * BLOCK_ROWS + len(samples))
            found[part] = find_posterior(block, table, log_prior, np.ones_like(samples))
        return found if len(found) == len(self.of_sample) else found[self.of_sample]


def merge_rows(votes: VoteTable) -> VoteRows:
    """Samples with the very same votes are one row: ten experts on 400,000 samples leave under half of them."""
    matrix = votes.matrix
    first, of_sample, samples = find_equal(matrix)
    return VoteRows(
        matrix=matrix if len(first) == votes.n_samples else matrix[first],
        samples=samples.astype(np.float32),
        of_sample=of_sample,
        n_classes=votes.n_classes,
        n_voters=votes.n_voters,
    )


def find_equal(matrix: sparse.csr_matrix) -> tuple[IntArray, IntArray, IntArray]:
    """First sample of each distinct row, distinct row of each sample, and samples per distinct row.

    Rows are found by a 64-bit sum of random numbers per column, then compared in full; no merging where few are alike.
    """
    every = np.arange(matrix.shape[0], dtype=np.int32)
    keys = _hash_rows(matrix)
    _, first, of_sample, samples = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
    if len(first) > 0.9 * len(every) or not _is_equal(matrix, first[of_sample]):
        return every, every, np.ones_like(every)
    return first.astype(np.int32), of_sample.astype(np.int32), samples.astype(np.int32)


def slice_rows(matrix: sparse.csr_matrix, start: int) -> sparse.csr_matrix:
    """BLOCK_ROWS rows from `start` on, as a view."""
    edges = matrix.indptr[start : start + BLOCK_ROWS + 1]
    inside = slice(edges[0], edges[-1])
    shape = (len(edges) - 1, matrix.shape[1])
    return sparse.csr_matrix((matrix.data[inside], matrix.indices[inside], edges - edges[0]), shape=shape, copy=False)


def find_posterior(block: sparse.csr_matrix, table: FloatArray, log_prior: FloatArray, total: FloatArray) -> FloatArray:
    """Posterior of a block's rows [b, k] from scored votes, each row summing to its `total`."""
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


def score_votes(log_confusion: Counts) -> FloatArray:
    """Log-probability of each possible vote under each truth [e * k, k], from [e, truth, vote], up to a constant.

    Only ratios between classes count: with each vote's best class at 0, unanimous rows stay near exp(0).
    """
    table = log_confusion.transpose(0, 2, 1).reshape(-1, log_confusion.shape[1])
    return (table - table.max(1, keepdims=True)).astype(np.float32)


def _hash_rows(matrix: sparse.csr_matrix) -> npt.NDArray[np.uint64]:
    """Sum of a random number per column, block by block (all at once would hold 8 bytes per vote)."""
    numbers = np.random.default_rng(0).integers(0, 2**63, matrix.shape[1], dtype=np.uint64)
    keys = np.empty(matrix.shape[0], np.uint64)
    for start in range(0, matrix.shape[0], BLOCK_ROWS):
        edges = matrix.indptr[start : start + BLOCK_ROWS + 1]
        inside = numbers[matrix.indices[edges[0] : edges[-1]]]
        keys[start : start + BLOCK_ROWS] = np.add.reduceat(inside, edges[:-1] - edges[0])
    return keys


def _is_equal(matrix: sparse.csr_matrix, twin: npt.NDArray[np.int64]) -> bool:
    """Whether each row has the same columns as the row `twin` names."""
    length = np.diff(matrix.indptr)
    if (length != length[twin]).any():
        return False
    for start in range(0, matrix.shape[0], BLOCK_ROWS):
        rows = slice(start, start + BLOCK_ROWS)
        edges = matrix.indptr[start : start + BLOCK_ROWS + 1]
        shift = np.repeat(matrix.indptr[:-1][twin[rows]] - edges[:-1], length[rows])
        own = np.arange(edges[0], edges[-1])
        if (matrix.indices[own] != matrix.indices[own + shift]).any():
            return False
    return True
