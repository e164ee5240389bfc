"""The same number of votes for every sample, of experts drawn at random."""

import numpy as np

from annotation.allotment import deal
from annotation.policy import Collected, Parameters, Policy, Replies


def collect(replies: Replies, seed: int, parameters: Parameters) -> Collected:
    """Settled is what more than half of its votes agree on; where fewer experts can be asked, all of them are."""
    wanted = int(parameters["votes"])
    asked = np.zeros_like(replies.can_ask)
    deal(np.random.default_rng([seed, 11]), asked, replies.can_ask, np.arange(len(asked)), wanted)
    return Collected(asked=asked, is_settled=replies.reveal(asked).shares().max(1) > 0.5)


POLICY = Policy(name="fixed", title="Fixed number of votes", version=1, collect=collect, defaults={"votes": 10})
