"""Each expert has a confusion matrix, found together with the labels by expectation-maximisation.

Dawid and Skene, Applied Statistics 28(1), 1979, with one addition: an expert's matrix is drawn towards the pooled
matrix of all experts, which matters for experts with few votes and for classes that one has never met.
"""

from collections.abc import Callable

import numpy as np

from annotation.consensus import Estimate, Parameters, class_method
from annotation.expert_matrices import ExpertMatrices, check_positive, estimate_matrices, weigh_votes
from annotation.vote_rows import Counts, VoteRows, merge_rows, score_votes
from annotation.votes import FloatArray, VoteTable

# `expert_prior` and `diagonal_prior` are pseudo-votes per row; `tolerance` is the share of all votes whose expected
# class still moves in one iteration; `max_iterations` is the most iterations that are done.
DEFAULTS: Parameters = {"max_iterations": 100, "tolerance": 1e-5, "expert_prior": 2.0, "diagonal_prior": 1.0}


def fit(votes: VoteTable, seed: int, parameters: Parameters) -> Estimate:
    """Posterior per sample, matrix per expert; the same votes give the same bits, and `seed` is not used."""
    check_positive(parameters, "expert_prior", "diagonal_prior")
    rows = merge_rows(votes)
    return conclude(votes, rows, find_matrices(rows, parameters), parameters)


def conclude(
    votes: VoteTable, rows: VoteRows, end: tuple[ExpertMatrices, int, float], parameters: Parameters
) -> Estimate:
    """The estimate at the end of the iterations."""
    found, step, change = end
    return Estimate(
        distribution=rows.finish(*score(found)),
        confusion=found.confusion.astype(np.float32),
        class_prior=found.class_prior.astype(np.float32),
        weight=weigh_votes(votes, found.confusion, found.class_prior),
        iterations=step,
        converged=change <= parameters["tolerance"],
    )


def find_matrices(
    rows: VoteRows,
    parameters: Parameters,
    estimate: Callable[[Counts, Parameters], ExpertMatrices] = estimate_matrices,
) -> tuple[ExpertMatrices, int, float]:
    """Matrices at the end, the iterations done, and the share of votes that still moved in the last.

    `estimate` makes matrices of expected votes [e * k, k] (vote by truth).
    """
    tally, votes = rows.start(), float(rows.samples @ np.diff(rows.matrix.indptr))
    step, change = 0, float("inf")
    while step < int(parameters["max_iterations"]) and change > parameters["tolerance"]:
        before, tally = tally, rows.expect(*score(estimate(tally, parameters)))
        change = float(np.abs(tally - before).sum() / 2 / votes)
        step += 1
    return estimate(tally, parameters), step, change


def score(found: ExpertMatrices) -> tuple[FloatArray, FloatArray]:
    """Log-likelihood of each possible vote [e * k, k] and log prior [k], as VoteRows takes them."""
    return score_votes(np.log(found.confusion)), np.log(found.class_prior).astype(np.float32)


METHOD = class_method(
    name="dawid_skene",
    title="Dawid-Skene",
    version=1,
    fit=fit,
    defaults=DEFAULTS,
    source="Dawid and Skene, Applied Statistics 28(1), 1979, pooled prior of our own",
)
