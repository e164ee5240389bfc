"""Most votes win. Ties are flagged; the label of a tie is the first of its classes in the scheme's order."""

from annotation.consensus import Estimate, Parameters, class_method
from annotation.votes import VoteTable


def fit(votes: VoteTable, seed: int, parameters: Parameters) -> Estimate:
    """Vote shares as they are; neither seed nor parameters are used."""
    return Estimate(distribution=votes.shares())


METHOD = class_method(name="majority", title="Majority", version=1, fit=fit)
