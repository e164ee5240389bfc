"""What is kept of a system for later comparison: its metric on every draw, the same draws for all."""

import numpy as np
import pytest

from fusion.bootstrap import find_interval
from fusion.errors import BadInputError
from fusion.scores import draw_metrics, evaluate, paired_difference


def make_system(skill, seed, n=400):
    rng = np.random.default_rng(seed)
    truth = np.arange(n) % 17
    logits = rng.normal(size=(n, 17))
    logits[np.arange(n), truth] += skill
    shares = np.exp(logits)
    return truth, shares / shares.sum(axis=1, keepdims=True), np.arange(n) // 10


def test_intervals_of_draws_are_those_of_the_evaluation():
    truth, shares, blocks = make_system(2.0, 1)
    drawn = draw_metrics(truth, shares, ["oa", "kappa", "ece"], scheme="lcz17", blocks=blocks, seed=3, resamples=200)
    found = evaluate(truth, shares, scheme="lcz17", blocks=blocks, seed=3, resamples=200)
    for name, values in drawn.items():
        assert find_interval(values) == {key: found[name][key] for key in ("value", "low", "high")}


def test_differences_of_draws_are_paired_differences():
    truth, first, blocks = make_system(2.0, 1)
    second = make_system(2.2, 2)[1]
    a, b = (
        draw_metrics(truth, one, ["kappa"], scheme="lcz17", blocks=blocks, seed=7, resamples=300)["kappa"]
        for one in (first, second)
    )
    assert find_interval(a - b) == paired_difference(truth, first, second, blocks, "kappa", seed=7, resamples=300)


@pytest.mark.parametrize("name", ["f2", "cross_entropy_votes"])
def test_a_metric_that_cannot_be_drawn_is_named(name):
    truth, shares, blocks = make_system(2.0, 1)
    with pytest.raises(BadInputError, match=name):
        draw_metrics(truth, shares, ["oa", name], scheme="lcz17", blocks=blocks)
