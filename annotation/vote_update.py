"""The posterior of one sample after one more vote, while matrices stay as fitted: no refit, O(classes)."""

import numpy as np

from annotation.consensus import ConsensusResult
from annotation.votes import FloatArray
from fusion.errors import BadInputError

FAINT = 1e-30  # a class is never excluded for good by a probability that float32 holds as 0


def add_vote(result: ConsensusResult, *, sample: int, voter: int | None, answer: int) -> FloatArray:
    """Distribution [k] of the sample at this place; a voter nobody knows (None) is taken for the average one.

    Exact where votes are independent given the truth (Dawid-Skene, one coin). Item difficulty counts a vote on a hard
    sample too high until the next refit. BadInputError for a result without matrices.
    """
    if result.confusion is None:
        raise BadInputError(f"Method {result.method!r} knows no matrices of its experts; refit it with the new vote.")
    told = result.confusion.mean(0)[:, answer] if voter is None else result.confusion[voter, :, answer]
    found = np.maximum(result.distribution[sample].astype(np.float64), FAINT) * told
    return (found / found.sum()).astype(np.float32)
