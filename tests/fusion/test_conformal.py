"""Conformal sets hold the true class as often as they promise, and say where they cannot."""

import json
import math

import numpy as np
import pytest

from fusion.conformal import calibrate, find_quantile, measure_sets, predict_sets, score_classes
from fusion.errors import BadInputError

METHODS = ("lac", "aps", "raps")


def draw(n, k=6, seed=0, sharpness=0.5):
    """Probabilities that are right: the truth is drawn from them."""
    rng = np.random.default_rng(seed)
    shares = rng.dirichlet(np.full(k, sharpness), n)
    truth = (shares.cumsum(axis=1) < rng.random((n, 1))).sum(axis=1).clip(max=k - 1)
    return shares, truth


@pytest.mark.parametrize("coverage", [0.5, 0.8, 0.9, 0.95])
@pytest.mark.parametrize("n", [19, 20, 99, 1000])
def test_the_quantile_is_the_score_of_the_exact_rank(n, coverage):
    scores = np.random.default_rng(n).random(n)
    assert find_quantile(scores, coverage) == np.sort(scores)[math.ceil(round((n + 1) * coverage, 9)) - 1]


@pytest.mark.parametrize("method", METHODS)
def test_exchangeable_data_are_covered_as_promised(method):
    """Over 400 draws of 50 calibration samples: between the promise and the promise + 1 / (n + 1), to within chance."""
    shares, truth = draw(400 * 100)
    held = []
    for part, labels in zip(np.split(shares, 400), np.split(truth, 400), strict=True):
        found = calibrate(part[:50], labels[:50], 0.9, method=method)
        held.append(predict_sets(part[50:], found)[np.arange(50), labels[50:]].mean())
    error = np.std(held) / math.sqrt(len(held))
    assert 0.9 - 3 * error <= np.mean(held) <= 0.9 + 1 / 51 + 3 * error


@pytest.mark.parametrize("method", METHODS)
def test_a_wrong_network_is_covered_as_well_with_larger_sets(method):
    shares, truth = draw(4000)
    blind = np.random.default_rng(1).permutation(shares)
    sizes = []
    for answers in (shares, blind):
        found = calibrate(answers[:2000], truth[:2000], 0.9, method=method)
        sets = predict_sets(answers[2000:], found)
        held = sets[np.arange(2000), truth[2000:]].mean()
        assert held >= 0.87
        assert held <= 0.93 or found.note  # where the truth is often ranked last, sums of all are tied at 1
        sizes.append(sets.sum(axis=1).mean())
    assert sizes[1] > sizes[0] + 1


def test_cities_count_alike_and_the_new_one_as_one_more():
    """Hand case: nine cities of one score each but a tenth of a thousand equal ones; one in eleven is at infinity."""
    scores = np.concatenate([np.arange(9.0), np.full(1000, 9.0)])
    cities = [*map(str, range(9)), *["large"] * 1000]
    assert find_quantile(scores, 0.9, cities) == 9.0  # 9 / 11 lie below it
    assert find_quantile(scores, 0.8, cities) == 8.0
    assert find_quantile(scores, 0.8) == 9.0  # by sample the large city is all there is


def test_a_new_city_is_covered_on_average_over_cities():
    """Cities differ in how good the network is: by sample a new city is held less often than by city."""
    rng, held = np.random.default_rng(3), {"sample": [], "city": []}
    for turn in range(200):
        parts = [draw(int(rng.choice([10, 200])), seed=1000 * turn + city) for city in range(13)]
        blurred = [
            (part if len(part) > 50 else rng.dirichlet(np.full(6, 0.5), len(part)), truth) for part, truth in parts
        ]
        shares, truth = (np.concatenate([part[place] for part in blurred[1:]]) for place in (0, 1))
        cities = np.repeat(np.arange(12), [len(part) for part, _ in blurred[1:]])
        for name, groups in (("sample", None), ("city", cities)):
            found = calibrate(shares, truth, 0.9, groups=groups)
            new, own = blurred[0]
            held[name].append(predict_sets(new, found)[np.arange(len(own)), own].mean())
    assert np.mean(held["city"]) > 0.9
    assert np.mean(held["sample"]) < 0.88


def test_too_few_calibration_samples_are_refused_with_what_would_do():
    shares, truth = draw(8)
    with pytest.raises(BadInputError, match=r"0\.9 needs at least 9 calibration samples; there are 8.*at most 0\.889"):
        calibrate(shares, truth, 0.9)
    assert calibrate(*draw(9), 0.9).samples == 9
    shares, truth = draw(400)
    with pytest.raises(BadInputError, match=r"at least 9 calibration groups \(cities\); there are 4"):
        calibrate(shares, truth, 0.9, groups=np.arange(400) % 4)
    with pytest.raises(BadInputError, match="at least one"):
        find_quantile([], 0.9)
    with pytest.raises(BadInputError, match="between 0 and 1"):
        find_quantile([1.0], 1.0)


def test_ties_are_told_and_only_widen_the_sets():
    certain = np.eye(3)[[0] * 95 + [1] * 5]
    found = calibrate(certain, np.zeros(100, np.int64), 0.9)
    assert found.tied == pytest.approx(0.94)
    assert "94% of the calibration samples" in found.note
    assert predict_sets(certain[:1], found).tolist() == [[True, False, False]]
    assert calibrate(*draw(400), 0.9).note == ""


def test_scores_of_a_hand_case():
    shares = [[0.5, 0.3, 0.2]]
    np.testing.assert_allclose(score_classes(shares, "lac"), [[0.5, 0.7, 0.8]])
    np.testing.assert_allclose(score_classes(shares, "aps"), [[0.5, 0.8, 1.0]])
    np.testing.assert_allclose(score_classes(shares, "raps"), [[0.5, 0.8, 1.05]])
    with pytest.raises(BadInputError, match="Unknown method"):
        score_classes(shares, "mondrian")


def test_a_report_of_sets_counts_by_hand_and_is_plain_json():
    sets = np.array([[1, 0, 0], [1, 1, 0], [0, 0, 0], [0, 1, 1]], dtype=bool)
    found = measure_sets(sets, np.array([0, 1, 1, 0]), blocks=["a", "a", "b", "b"], codes=["x", "y", "z"], resamples=40)
    assert found["coverage"] == {"value": 0.5, "low": 0.0, "high": 1.0}
    assert found["mean_size"]["value"] == 1.25
    assert found["empty"]["value"] == 0.25
    assert (found["classes"]["x"]["value"], found["classes"]["x"]["n"]) == (0.5, 2)
    assert found["classes"]["z"] == {"value": None, "low": None, "high": None, "n": 0}
    assert [one["n"] for one in found["sizes"]] == [1, 1, 2, 0]
    assert [one["coverage"] for one in found["sizes"]] == [0.0, 1.0, 0.5, None]
    assert json.loads(json.dumps(found, allow_nan=False)) == found


@pytest.mark.parametrize("truth", [[0.0, 1.0], [0, 9], [0], [-1, 0]])
def test_truth_that_is_no_class_index_is_refused(truth):
    with pytest.raises(BadInputError):
        calibrate([[0.5, 0.5], [0.5, 0.5]], truth, 0.5)
    with pytest.raises(BadInputError, match="finite probabilities"):
        score_classes([[np.nan, 1.0]])


def test_a_class_that_is_always_held_is_not_told_as_certain():
    """Ten samples in two blocks: draws of blocks never differ, and two alike do not make a law."""
    found = measure_sets(np.ones((10, 2), dtype=bool), np.zeros(10, np.int64), blocks=np.arange(10) // 5, codes="ab")
    one = found["classes"]["a"]
    assert (one["value"], one["high"]) == (1.0, 1.0)
    assert one["low"] == pytest.approx(2 / (2 + 1.959964**2))
