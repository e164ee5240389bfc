"""Retrieval: ranks against a search by hand, nothing found by vectors that are all alike."""

import json

import numpy as np
import pytest

from fusion.embedding_scores import evaluate, paired_difference, rank_own
from fusion.errors import BadInputError


def make(n: int = 60, noise: float = 0.6, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 1, 8)) + noise * rng.normal(size=(n, 2, 8))


def test_ranks_are_those_of_a_search_by_hand(monkeypatch) -> None:
    monkeypatch.setattr("fusion.embedding_scores.AT_ONCE", 7)  # several portions
    vectors = make()
    units = vectors / np.linalg.norm(vectors, axis=2, keepdims=True)
    for way, (asking, gallery) in enumerate(((0, 1), (1, 0))):
        near = units[:, asking] @ units[:, gallery].T
        wanted = [1 + sum(near[row, other] > near[row, row] for other in range(60)) for row in range(60)]
        assert rank_own(vectors)[:, way].tolist() == wanted


def test_recall_and_median_are_those_of_the_ranks() -> None:
    vectors = make()
    ranks = rank_own(vectors)
    scores = evaluate(vectors, blocks=np.arange(60) // 6, resamples=50)
    for k in (1, 5, 10):
        assert scores[f"recall_at_{k}"]["value"] == pytest.approx((ranks <= k).mean())
    assert scores["median_rank"]["value"] == np.sort(ranks.ravel())[59]
    assert scores["recall_at_1"]["low"] < scores["recall_at_1"]["value"] < scores["recall_at_1"]["high"]
    assert scores["recall_by_chance"]["at_10"] == pytest.approx(1 / 6)
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores


def test_equal_views_find_each_other_and_vectors_that_are_all_alike_find_nothing() -> None:
    same = np.repeat(make()[:, :1], 2, axis=1)
    assert evaluate(same, blocks=range(60), resamples=5)["recall_at_1"]["value"] == 1.0
    collapsed = evaluate(np.ones((60, 2, 8)), blocks=range(60), resamples=5)
    assert collapsed["recall_at_10"]["value"] == 0.0
    assert collapsed["median_rank"]["value"] == 60


def test_a_difference_is_paired() -> None:
    near, far = make(noise=0.3), make(noise=2.0)
    assert paired_difference(near, near, range(60)) == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert paired_difference(near, far, range(60), "recall_at_5")["low"] > 0
    with pytest.raises(BadInputError, match=r"Unknown metric 'oa'"):
        paired_difference(near, far, range(60), "oa")


@pytest.mark.parametrize("vectors", [np.zeros((3, 8)), np.zeros((3, 3, 8)), np.full((3, 2, 8), np.nan)])
def test_what_is_no_pair_of_views_is_refused(vectors) -> None:
    with pytest.raises(BadInputError, match="2 views"):
        rank_own(vectors)
