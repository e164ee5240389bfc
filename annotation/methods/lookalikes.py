"""Hard samples look like a likely neighbour of their class to everybody: the beliefs of adaptive campaigns as a method.

Like item_difficulty in aim; it fixes how much a hard sample pulls and says beforehand that a part of the samples is
hard, which few votes alone tell too late. So it is meant for two to five votes a sample, as adaptive campaigns leave.
"""

import numpy as np

from annotation.belief import find_chances, fit_model
from annotation.consensus import Estimate, Parameters, class_method
from annotation.votes import VoteTable


def fit(votes: VoteTable, seed: int, parameters: Parameters) -> Estimate:
    """Chances of the classes, and matrices of what each expert says of easy samples; `seed` is not used."""
    k = votes.n_classes
    model = fit_model(votes, neighbours=int(parameters["neighbours"]), slips=parameters["slips"])
    easy = [np.exp(model.log_likelihood(name)[:k]) for name in votes.voter_ids]
    return Estimate(
        distribution=find_chances(model, votes).astype(np.float32),
        confusion=np.array(easy, np.float32),
        class_prior=np.exp(model.log_prior).reshape(-1, k).sum(0).astype(np.float32),
    )


METHOD = class_method(
    name="lookalikes",
    title="Likely confusions",
    version=1,
    fit=fit,
    defaults={"neighbours": 5, "slips": 0.01},
    source="mixture of our own after Whitehill et al., NeurIPS 22, 2009, and Dawid and Skene, 1979",
)
