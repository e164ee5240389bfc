"""The same number of votes for every sample, of experts drawn at random."""

import numpy as np

from annotation.allotment import deal
from annotation.policy import Collected, Parameters, Policy, Replies


def collect(replies: Replies, seed: int, parameters: Parameters) -> Collected:
    """A sample is settled when it has its votes; where fewer experts can be asked, all of them are."""
    wanted = int(parameters["votes"])
    asked = np.zeros_like(replies.can_ask)
    deal(np.random.default_rng([seed, 11]), asked, replies.can_ask, np.arange(len(asked)), wanted)
    return Collected(asked=asked, is_settled=asked.sum(1) >= wanted)


POLICY = Policy(name="fixed", title="Fixed number of votes", version=1, collect=collect, defaults={"votes": 10})
