"""The learning rate is a function of the share of the run that is done."""

from itertools import pairwise

import pytest

from fusion.engine.schedule import learning_rate_at
from fusion.run import RunSpec


@pytest.mark.parametrize("schedule", ["constant", "cosine", "one_cycle"])
def test_a_rate_rises_to_its_peak_and_ends_as_it_should(schedule):
    spec = RunSpec(task="lcz", pack="p", learning_rate=0.1, schedule=schedule, warm_up=0.1)
    rates = [learning_rate_at(spec, share / 100) for share in range(101)]
    peak = 30 if schedule == "one_cycle" else 10
    assert rates[0] == pytest.approx(0.001)
    assert rates[peak] == pytest.approx(0.1)
    assert all(low < high for low, high in pairwise(rates[: peak + 1]))
    assert all(high >= low for high, low in pairwise(rates[peak:]))
    assert rates[-1] == pytest.approx(0.1 if schedule == "constant" else 0.001)


def test_shares_beyond_the_end_keep_the_last_rate():
    spec = RunSpec(task="lcz", pack="p")
    assert learning_rate_at(spec, 1.7) == learning_rate_at(spec, 1.0)
