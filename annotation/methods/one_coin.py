"""Each expert is right with one probability, whatever the class; wrong answers fall on all other classes alike.

The homogeneous model of Dawid and Skene; as one-coin model in Zhang et al., NeurIPS 27, 2014. For experts with few
votes.
"""

import numpy as np

from annotation.consensus import Estimate, Parameters, class_method
from annotation.expert_matrices import UNKNOWN_ACCURACY, ExpertMatrices, check_positive, turn
from annotation.methods import dawid_skene
from annotation.vote_rows import Counts, merge_rows
from annotation.votes import VoteTable

# `expert_prior` is pseudo-votes of an expert who is as good as all together.
DEFAULTS: Parameters = {"max_iterations": 100, "tolerance": 1e-5, "expert_prior": 4.0}


def fit(votes: VoteTable, seed: int, parameters: Parameters) -> Estimate:
    """Posterior per sample, accuracy per expert as a matrix; `seed` is not used."""
    check_positive(parameters, "expert_prior")
    rows = merge_rows(votes)
    return dawid_skene.conclude(votes, rows, dawid_skene.find_matrices(rows, parameters, _estimate), parameters)


def _estimate(tally: Counts, parameters: Parameters) -> ExpertMatrices:
    """Matrices with one accuracy each, from expected votes [e * k, k] (vote by truth)."""
    by_expert = turn(tally)
    k = by_expert.shape[-1]
    right, given = by_expert.trace(axis1=1, axis2=2), by_expert.sum((1, 2))
    pooled = (right.sum() + UNKNOWN_ACCURACY) / (given.sum() + 1)
    accuracy = (right + parameters["expert_prior"] * pooled) / (given + parameters["expert_prior"])
    accuracy = np.clip(accuracy, 1e-6, 1 - 1e-6)[:, None, None]
    share = by_expert.sum((0, 2)) + 1e-3
    eye = np.eye(k)
    return ExpertMatrices(
        confusion=accuracy * eye + (1 - accuracy) / (k - 1) * (1 - eye), class_prior=share / share.sum()
    )


METHOD = class_method(
    name="one_coin",
    title="One coin",
    version=1,
    fit=fit,
    defaults=DEFAULTS,
    source="Zhang et al., NeurIPS 27, 2014",
)
