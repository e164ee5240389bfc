"""The plain rule: matrices from a pilot with all votes, then votes of experts in random order until one class leads.

Kept to be compared with. Errors count as independent, so it asks on about samples that are hard for everybody.
"""

import numpy as np

from annotation import routing
from annotation.allotment import ask_anybody, deal
from annotation.policy import Collected, Parameters, Policy, Replies


def collect(replies: Replies, seed: int, parameters: Parameters) -> Collected:
    """`pilot` is the share of samples that get every vote first; their votes count."""
    rng, can_ask = np.random.default_rng([seed, 12]), replies.can_ask
    n, experts = can_ask.shape
    asked = np.zeros_like(can_ask)
    pilot = rng.permutation(n)[: max(round(parameters["pilot"] * n), 1)]
    deal(rng, asked, can_ask, pilot, experts)
    model = routing.fit_model(replies.reveal(asked))
    deal(rng, asked, can_ask, np.arange(n), int(parameters["minimum"]))
    while True:
        beliefs, answered = routing.score_votes(model, replies.reveal(asked)), asked.sum(1)
        is_settled = routing.is_settled(beliefs, answered, minimum=1, settle_at=parameters["settle_at"])
        is_open = ~is_settled & (answered < parameters["maximum"]) & (can_ask & ~asked).any(1)
        if not is_open.any():
            return Collected(asked=asked, is_settled=is_settled, refits=1)
        rows = np.flatnonzero(is_open)
        asked[rows, ask_anybody(rng, rows, can_ask & ~asked)] = True


POLICY = Policy(
    name="posterior",
    title="Plain posterior rule",
    version=1,
    collect=collect,
    defaults={"minimum": 2, "maximum": 10, "settle_at": 0.99, "pilot": 0.05},
)
