"""Credible intervals hold what they promise, as far as simulated experts can tell."""

import numpy as np
import pytest

from annotation import consensus, panel


def simulate(seed, samples=1500, each=8):
    truth = np.random.default_rng(seed).integers(0, 2, samples)
    experts = panel.make_panel(seed, scheme="water", experts=8, accuracy=0.8)
    return truth, experts, experts.vote(truth, seed, each, difficulty=np.zeros(samples)).votes


def test_intervals_of_matrices_cover_the_true_ones():
    covered = []
    for seed in range(6):
        _truth, experts, table = simulate(seed)
        low, high = consensus.run("bayesian_dawid_skene", table).confusion_interval
        covered.append((low <= experts.confusion) & (experts.confusion <= high))
    assert np.mean(covered) > 0.9  # nominal 0.95


def test_the_label_lies_in_its_credible_interval_and_more_votes_narrow_the_matrices():
    _truth, _experts, few = simulate(1, samples=200)
    _truth, _experts, many = simulate(1, samples=3000)
    widths = []
    for table in (few, many):
        result = consensus.run("bayesian_dawid_skene", table)
        assert result.is_credible
        assert (result.low <= result.top_probability + 1e-6).all()
        assert (result.top_probability <= result.high + 1e-6).all()
        low, high = result.confusion_interval
        assert ((low <= result.confusion) & (result.confusion <= high)).all()
        widths.append(float((high - low).mean()))
    assert widths[1] < widths[0] / 2


def test_the_seed_moves_the_draws_only():
    _truth, _experts, table = simulate(2, samples=300, each=6)
    one, same, other = (consensus.run("bayesian_dawid_skene", table, seed=seed) for seed in (1, 1, 2))
    assert one.distribution.tobytes() == same.distribution.tobytes()
    np.testing.assert_allclose(one.distribution, other.distribution, atol=0.1)
    assert one.distribution.tobytes() != other.distribution.tobytes()


def test_it_is_about_as_accurate_as_dawid_skene():
    truth, _experts, table = simulate(3, each=3)
    right = {
        name: np.mean(consensus.run(name, table).label == truth) for name in ("dawid_skene", "bayesian_dawid_skene")
    }
    assert right["bayesian_dawid_skene"] == pytest.approx(right["dawid_skene"], abs=0.01)
