"""Several labels may be true of a sample: each label is a question of its own, answered by Dawid and Skene's model."""

import numpy as np

from annotation import consensus
from annotation.consensus import Method, Parameters
from annotation.label_sets import LabelSets, LabelSetVotes
from annotation.votes import FloatArray, VoteTable

DEFAULTS: Parameters = {"max_iterations": 100, "tolerance": 1e-5, "expert_prior": 2.0, "diagonal_prior": 1.0}
TIE = 1e-6


def conclude(votes: LabelSetVotes, seed: int, parameters: Parameters) -> LabelSets:
    """Each label by itself: an expert has a hit rate and a false alarm rate per label."""
    runs = [
        consensus.run("dawid_skene", _ask(votes, label), seed=seed, parameters=parameters)
        for label in range(votes.chosen.shape[1])
    ]
    probability = np.stack([run.distribution[:, 1] for run in runs], 1)
    is_tie = np.abs(probability - 0.5) <= TIE
    bounds = [_turn(run) for run in runs]
    return LabelSets(
        sample_ids=votes.sample_ids,
        probability=probability,
        low=np.stack([low for low, _ in bounds], 1),
        high=np.stack([high for _, high in bounds], 1),
        is_chosen=(probability > 0.5) & ~is_tie,
        is_tie=is_tie,
        votes=votes.votes_per_sample,
    )


def _ask(votes: LabelSetVotes, label: int) -> VoteTable:
    """Votes on one label: 0 = not true, 1 = true."""
    return VoteTable(
        sample=votes.sample,
        voter=votes.voter,
        answer=votes.chosen[:, label].astype(np.int32),
        n_classes=2,
        sample_ids=votes.sample_ids,
        voter_ids=votes.voter_ids,
    )


def _turn(run: consensus.ConsensusResult) -> tuple[FloatArray, FloatArray]:
    """Interval of the share that says true: that of the winning answer, turned where the answer is not true."""
    is_true = run.label == 1
    return np.where(is_true, run.low, 1 - run.high), np.where(is_true, run.high, 1 - run.low)


METHOD = Method(
    name="multi_label",
    title="Labels one by one",
    version=1,
    answer_kind="labels",
    conclude=conclude,
    defaults=DEFAULTS,
    source="Dawid and Skene, 1979, per label",
)
