"""Votes where they tell most: beliefs refitted as votes come, samples that may be hard, loads of experts alike.

No pilot: the first votes that every sample gets anyway are what the matrices are first fitted on. Every pass refits,
looks which samples are settled under the new beliefs (a settled one may open again), and asks one more expert about
each open one. Disputed is what is not settled at the maximum, or where nobody is left to ask.
"""

import numpy as np

from annotation import routing
from annotation.allotment import ask_who_tells_most, deal
from annotation.policy import Collected, Parameters, Policy, Replies

# Refits end when less than this share of the samples is open: the last few are then asked under the same beliefs.
REFIT_SHARE = 0.001


def collect(replies: Replies, seed: int, parameters: Parameters) -> Collected:
    """`neighbours` is the number of hard states of each class; see annotation/belief.py."""
    rng, can_ask = np.random.default_rng([seed, 13]), replies.can_ask
    asked = np.zeros_like(can_ask)
    deal(rng, asked, can_ask, np.arange(len(asked)), int(parameters["minimum"]))
    refits, rows, model = 0, np.arange(len(asked)), None
    while True:
        votes = replies.reveal(asked)
        if model is None or len(rows) > REFIT_SHARE * len(asked):
            model, refits = routing.fit_model(votes, neighbours=int(parameters["neighbours"])), refits + 1
        beliefs, answered = routing.score_votes(model, votes), asked.sum(1)
        is_settled = routing.is_settled(
            beliefs, answered, minimum=1, settle_at=parameters["settle_at"], n_classes=votes.n_classes
        )
        can_go_on = (answered < parameters["maximum"]) & (can_ask & ~asked).any(1)
        rows = np.flatnonzero(~is_settled & can_go_on)
        if not len(rows):
            return Collected(asked=asked, is_settled=is_settled, refits=refits)
        asked[rows, ask_who_tells_most(model, beliefs, votes, rows, can_ask & ~asked)] = True


POLICY = Policy(
    name="adaptive",
    title="Adaptive votes",
    version=1,
    collect=collect,
    defaults={"minimum": 2, "maximum": 10, "settle_at": 0.94, "neighbours": 5},
    source="MacKay, Neural Computation 4(4), 1992 (information); Dawid and Skene, Applied Statistics 28(1), 1979",
)
