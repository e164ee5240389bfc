"""Strangeness grows away from what was learned, and its AUROC is the textbook's with an interval."""

import json

import numpy as np
import pytest
from scipy.special import softmax
from scipy.stats import dirichlet
from sklearn.metrics import roc_auc_score

from fusion.errors import BadInputError
from fusion.out_of_domain import (
    count_scores,
    find_spread,
    find_threshold,
    measure_separation,
    score_strangeness,
)


@pytest.mark.parametrize("method", ["energy", "dirichlet"])
def test_strong_logits_are_known_and_weak_ones_strange(method):
    logits = np.array([[9.0, 0, 0], [4.0, 0, 0], [1.0, 0, 0], [-3.0, -3, -3]])
    scores = score_strangeness(logits, method)
    assert (np.diff(scores) > 0).all()
    assert np.isfinite(score_strangeness(np.array([[400.0, -400, 0], [30.0, 30, 30]]), method)).all()


def test_the_spread_is_the_mutual_information_of_the_dirichlet():
    """Against drawing from the distribution itself."""
    logits = np.array([[1.0, 0.5, -0.5]])
    drawn = dirichlet(np.exp(logits[0]), seed=0).rvs(200_000)
    entropy = lambda p: -(p * np.log(p)).sum(axis=-1)  # noqa: E731
    wanted = entropy(softmax(logits[0])) - entropy(np.maximum(drawn, 1e-300)).mean()
    assert find_spread(logits)[0] == pytest.approx(wanted, abs=2e-3)


def test_strangeness_that_is_no_score_is_refused():
    with pytest.raises(BadInputError, match="Known: energy, dirichlet"):
        score_strangeness([[1.0, 2.0]], "mahalanobis")
    with pytest.raises(BadInputError, match="finite logits"):
        score_strangeness([[np.inf, 2.0]], "energy")


def test_the_auroc_is_that_of_scikit_learn_and_counts_ties_half():
    rng = np.random.default_rng(0)
    known, strange = rng.integers(0, 6, 300), rng.integers(2, 8, 120)
    blocks = {"known_blocks": np.arange(300) // 10, "strange_blocks": 100 + np.arange(120) // 10}
    found = measure_separation(known, strange, **blocks)
    truth = np.repeat([0, 1], [300, 120])
    assert found["value"] == pytest.approx(roc_auc_score(truth, np.concatenate([known, strange])))
    assert found["low"] < found["value"] < found["high"]
    assert measure_separation(known, strange, **blocks) == found
    nothing = {"value": None, "low": None, "high": None}
    assert measure_separation(known, [], known_blocks=blocks["known_blocks"], strange_blocks=[]) == nothing


def test_the_interval_covers_the_truth_as_often_as_it_claims():
    """Blocks of ten equal samples: drawing single samples would claim far too much."""
    rng, hits = np.random.default_rng(1), 0
    for _ in range(200):
        levels = rng.normal(0, 1, 40).repeat(10), rng.normal(1, 1, 40).repeat(10)
        blocks = {"known_blocks": np.arange(400) // 10, "strange_blocks": 100 + np.arange(400) // 10}
        found = measure_separation(*levels, **blocks, resamples=200)
        hits += found["low"] <= 0.7602 <= found["high"]  # P(N(1, 1) > N(0, 1)) = Phi(1 / sqrt 2)
    assert 0.88 <= hits / 200 <= 0.99


def test_one_sample_in_twenty_of_the_known_domain_is_flagged():
    rng = np.random.default_rng(2)
    shares = [(rng.normal(size=500) > find_threshold(rng.normal(size=199))).mean() for _ in range(200)]
    assert np.mean(shares) == pytest.approx(0.05, abs=0.005)
    with pytest.raises(BadInputError, match="at least 19 calibration samples; there are 7"):
        find_threshold(np.arange(7.0))


def test_histograms_share_their_edges_and_lose_no_sample():
    found = count_scores({"validation": np.arange(50.0), "test": [1e6, 3.0]})
    assert (sum(found["counts"]["validation"]), sum(found["counts"]["test"])) == (50, 2)
    assert len(found["edges"]) == len(found["counts"]["test"]) + 1
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    assert sum(count_scores({"one": [2.0, 2.0]})["counts"]["one"]) == 2
