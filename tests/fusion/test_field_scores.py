"""Scores of continuous values: textbook figures, intervals that hold, a variance that is checked against the truth."""

import json

import numpy as np
import pytest
from sklearn import metrics as reference

from fusion.errors import BadInputError
from fusion.field_scores import evaluate, fit_scale, paired_difference, sum_errors


def make(n: int = 40, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.normal(300, 5, (n, 2, 6, 6))
    mean = truth + rng.normal(0.5, 2, truth.shape)
    truth[:, 0, 0] = np.nan
    return truth, mean


def test_scores_equal_those_of_scikit_learn_over_the_known_values() -> None:
    truth, mean = make()
    scores = evaluate(sum_errors(truth, mean, reference=[300.0, 299.0]), bands=["a", "b"], blocks=range(40), unit="K")
    for band, place in (("a", 0), ("b", 1)):
        known = np.isfinite(truth[:, place])
        pair = truth[:, place][known], mean[:, place][known]
        own = scores["bands"][band]
        assert own["rmse"]["value"] == pytest.approx(reference.mean_squared_error(*pair) ** 0.5)
        assert own["mae"]["value"] == pytest.approx(reference.mean_absolute_error(*pair))
        assert own["r2"]["value"] == pytest.approx(reference.r2_score(*pair))
        assert own["bias"]["value"] == pytest.approx((pair[1] - pair[0]).mean())
    assert scores["values"] == np.isfinite(truth).sum()
    assert scores["unit"] == "K"
    assert scores["rmse"]["low"] < scores["rmse"]["value"] < scores["rmse"]["high"]
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores


def test_values_without_truth_change_nothing_whatever_was_predicted() -> None:
    truth, mean = make()
    variance = np.full_like(mean, 4.0)
    before = sum_errors(truth, mean, variance)
    mean[np.isnan(truth)], variance[np.isnan(truth)] = np.nan, -1.0
    assert np.array_equal(sum_errors(truth, mean, variance), before)


def test_a_right_variance_covers_ninety_per_cent_and_a_wrong_one_is_measured() -> None:
    rng = np.random.default_rng(1)
    mean, spread = rng.normal(0, 3, (200, 1, 100)), rng.uniform(0.5, 3, (200, 1, 100))
    truth = mean + spread * rng.normal(size=mean.shape)
    right = evaluate(sum_errors(truth, mean, spread**2), bands=["a"], blocks=range(200), resamples=20)
    assert right["coverage_90"]["value"] == pytest.approx(0.9, abs=0.01)
    assert right["standard_error"]["value"] == pytest.approx(1.0, abs=0.02)
    exact = -np.mean(-0.5 * np.log(2 * np.pi * spread**2) - (truth - mean) ** 2 / (2 * spread**2))
    assert right["negative_log_likelihood"]["value"] == pytest.approx(exact)
    small = sum_errors(truth, mean, (spread / 2) ** 2)
    assert evaluate(small, bands=["a"], blocks=range(200), resamples=20)["coverage_90"]["value"] < 0.65
    assert fit_scale(small) == pytest.approx(2.0, abs=0.04)
    assert fit_scale(sum_errors(np.full((1, 1, 2), np.nan), np.zeros((1, 1, 2)), np.ones((1, 1, 2)))) == 1.0


def test_a_field_without_truth_or_of_one_value_has_no_share_of_variance() -> None:
    same = np.full((4, 1, 3), 300.0)
    scores = evaluate(sum_errors(same, same + 1, reference=10.0), bands=["a"], blocks=range(4))
    assert scores["r2"]["value"] is None
    assert scores["bias"]["value"] == pytest.approx(1.0)
    nothing = evaluate(sum_errors(same * np.nan, same), bands=["a"], blocks=range(4))
    assert nothing["rmse"] == {"value": None, "low": None, "high": None}


def test_a_difference_is_paired_and_its_metric_known() -> None:
    truth, mean = make()
    one, other = sum_errors(truth, mean), sum_errors(truth, mean + 3)
    assert paired_difference(one, one, range(40)) == {"value": 0.0, "low": 0.0, "high": 0.0}
    assert paired_difference(one, other, range(40), "rmse")["high"] < 0
    assert paired_difference(one, other, range(40), "bias")["value"] == pytest.approx(-3)
    with pytest.raises(BadInputError, match=r"Unknown metric 'coverage_90'. Known: bias, mae"):
        paired_difference(one, other, range(40), "coverage_90")


@pytest.mark.parametrize(
    ("mean", "variance", "message"),
    [
        (np.zeros((2, 1, 4)), None, r"truth is \[2, 1, 3\], mean \[2, 1, 4\]"),
        (np.full((2, 1, 3), np.inf), None, "values that are not finite"),
        (np.zeros((2, 1, 3)), np.zeros((2, 1, 3)), "variance must be finite and above 0"),
    ],
)
def test_what_is_no_field_is_refused(mean, variance, message) -> None:
    with pytest.raises(BadInputError, match=message):
        sum_errors(np.zeros((2, 1, 3)), mean, variance)
