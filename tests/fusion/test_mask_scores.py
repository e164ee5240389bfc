"""Scores of masks are those of all their known pixels, drawn by blocks of samples."""

import json

import numpy as np
import pytest
from sklearn import metrics as reference

from fusion.errors import BadInputError
from fusion.mask_scores import count_pixels, evaluate, paired_difference

K = 4


def make(n: int = 12, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 3, (n, 5, 6))  # the last class never occurs
    answers = np.where(rng.random(truth.shape) < 0.7, truth, rng.integers(0, K, truth.shape))
    truth[:, 0] = -1
    return truth, answers


def test_scores_equal_those_of_scikit_learn_over_the_known_pixels() -> None:
    truth, answers = make()
    scores = evaluate(count_pixels(truth, answers, K), codes="abcd", blocks=np.arange(12) // 3, resamples=20)
    true, found = truth[truth >= 0], answers[truth >= 0]
    assert scores["oa"]["value"] == pytest.approx(reference.accuracy_score(true, found))
    assert scores["kappa"]["value"] == pytest.approx(reference.cohen_kappa_score(true, found))
    jaccard = reference.jaccard_score(true, found, average=None, labels=range(K), zero_division=0)
    assert scores["mean_iou"]["value"] == pytest.approx(jaccard.mean())
    assert [scores["iou"][code]["value"] for code in "abcd"] == pytest.approx(jaccard.tolist())
    f1 = reference.f1_score(true, found, average=None, labels=range(K), zero_division=0)
    assert [scores["f1"][code]["value"] for code in "abcd"] == pytest.approx(f1.tolist())
    assert scores["macro_f1"]["value"] == pytest.approx(f1[:3].mean())
    assert scores["confusion"] == reference.confusion_matrix(true, found, labels=range(K)).tolist()
    assert (scores["n"], scores["pixels"], scores["blocks"]) == (12, len(true), 4)
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores


def test_pixels_without_truth_change_nothing_whatever_was_answered() -> None:
    truth, answers = make()
    other = answers.copy()
    other[truth < 0] = (other[truth < 0] + 1) % K
    assert np.array_equal(count_pixels(truth, answers, K), count_pixels(truth, other, K))


def test_a_draw_is_the_sum_over_its_samples() -> None:
    truth, answers = make(2)
    counts = count_pixels(truth, answers, K)
    scores = evaluate(counts, codes="abcd", blocks=[0, 1], resamples=400)
    accuracies = [np.trace(table) / table.sum() for table in (counts[0], counts[1], counts.sum(axis=0))]
    assert scores["oa"]["value"] == pytest.approx(accuracies[2])
    assert (scores["oa"]["low"], scores["oa"]["high"]) == pytest.approx((min(accuracies), max(accuracies)))


def test_a_class_that_nobody_saw_has_no_value() -> None:
    scores = evaluate(count_pixels(np.zeros((3, 2, 2), int), np.zeros((3, 2, 2), int), 2), codes="ab", blocks=range(3))
    assert scores["iou"]["b"]["value"] is None
    assert scores["mean_iou"]["value"] == 1.0
    nothing = evaluate(count_pixels(np.full((3, 2, 2), -1), np.zeros((3, 2, 2), int), 2), codes="ab", blocks=range(3))
    assert nothing["oa"] == {"value": None, "low": None, "high": None}
    assert nothing["pixels"] == 0


def test_a_difference_is_paired() -> None:
    truth, answers = make()
    counts, best = count_pixels(truth, answers, K), count_pixels(truth, np.maximum(truth, 0), K)
    assert paired_difference(counts, counts, range(12), "mean_iou") == {"value": 0.0, "low": 0.0, "high": 0.0}
    found = paired_difference(best, counts, range(12), "oa")
    assert 0 < found["low"] < found["value"] < found["high"]
    with pytest.raises(BadInputError, match=r"Unknown metric 'ece'. Known: aa, kappa"):
        paired_difference(counts, counts, range(12), "ece")


@pytest.mark.parametrize(
    ("truth", "answers", "message"),
    [
        (np.full((2, 3, 3), 4), np.zeros((2, 3, 3), int), "A mask's truth holds codes 4 to 4; known are 0 to 3"),
        (np.zeros((2, 3, 3), int), np.full((2, 3, 3), -1), "A mask's answers holds codes -1 to -1"),
        (np.zeros((2, 3, 3), int), np.zeros((2, 3, 4), int), r"of one shape; truth is \[2, 3, 3\]"),
        (np.zeros((0, 3, 3), int), np.zeros((0, 3, 3), int), "must be of one shape"),
    ],
)
def test_what_is_no_mask_is_refused(truth, answers, message) -> None:
    with pytest.raises(BadInputError, match=message):
        count_pixels(truth, answers, K)
