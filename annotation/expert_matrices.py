"""Confusion matrices of experts from expected votes: what the methods in the line of Dawid and Skene share."""

from dataclasses import dataclass

import numpy as np

from annotation.consensus import Parameters
from annotation.vote_rows import Counts
from annotation.votes import FloatArray, VoteTable
from fusion.errors import BadInputError

# A pooled matrix where nothing is known: an expert is right this often.
UNKNOWN_ACCURACY = 0.7


@dataclass(frozen=True, kw_only=True, eq=False)
class ExpertMatrices:
    """Confusion [e, k, k] = P(vote = column | truth = row), and the share of each class [k]."""

    confusion: Counts
    class_prior: Counts


def check_positive(parameters: Parameters, *names: str) -> None:
    """BadInputError for pseudo-votes that are not above 0, or fewer than one iteration."""
    for name in names:
        if not parameters[name] > 0:
            raise BadInputError(f"Parameter {name!r} is {parameters[name]}; it must be above 0.")
    if parameters["max_iterations"] < 1:
        raise BadInputError(f"Parameter 'max_iterations' is {parameters['max_iterations']}; it must be at least 1.")


def pool(by_expert: Counts, diagonal_prior: float) -> Counts:
    """Matrix of all experts together [k, k], from expected votes [e, k, k] (truth by vote) and a few pseudo-votes."""
    k = by_expert.shape[-1]
    unknown = np.full((k, k), (1 - UNKNOWN_ACCURACY) / k) + UNKNOWN_ACCURACY * np.eye(k)
    return normalise(by_expert.sum(0) + diagonal_prior * unknown)


def turn(tally: Counts) -> Counts:
    """Expected votes [e * k, k] (vote by truth) as [e, k, k] (truth by vote)."""
    k = tally.shape[1]
    return tally.reshape(-1, k, k).transpose(0, 2, 1)


def estimate_matrices(tally: Counts, parameters: Parameters) -> ExpertMatrices:
    """Confusion and class shares from expected votes [e * k, k], each expert drawn towards all experts together."""
    by_expert = turn(tally)
    pooled = pool(by_expert, parameters["diagonal_prior"])
    share = by_expert.sum((0, 2)) + 1e-3
    return ExpertMatrices(
        confusion=normalise(by_expert + parameters["expert_prior"] * pooled), class_prior=share / share.sum()
    )


def weigh_votes(votes: VoteTable, confusion: Counts, class_prior: Counts) -> FloatArray:
    """What each vote tells of the truth (mutual information under its expert's matrix); an average vote tells 1."""
    joint = confusion * class_prior[:, None]
    independent = joint.sum(2, keepdims=True) * joint.sum(1, keepdims=True)
    told = (joint * np.log(joint / independent)).sum((1, 2))
    weight = np.maximum(told, 1e-6).astype(np.float32)[votes.voter]
    weight /= weight.mean(dtype=np.float64)
    return weight


def normalise(table: Counts) -> Counts:
    """Rows that sum to 1."""
    return table / table.sum(-1, keepdims=True)
