"""Scores are those of the textbook, their intervals cover what they claim, and nothing undefined is given a number."""

import json
import time

import numpy as np
import pytest
from sklearn import metrics as reference

from fusion import scheme as schemes
from fusion.errors import BadInputError
from fusion.scores import count_confusion, evaluate, paired_difference

LCZ = schemes.find("lcz17")
WATER = schemes.find("water")


def make_answers(n=600, k=17, seed=0, skill=0.6, classes=None):
    rng = np.random.default_rng(seed)
    truth = rng.choice(np.arange(k) if classes is None else classes, n)
    logits = rng.normal(size=(n, k))
    logits[np.arange(n), truth] += 3 * skill
    shares = np.exp(logits)
    return truth, shares / shares.sum(axis=1, keepdims=True), rng.integers(0, max(2, n // 10), n)


def one_hot(answers, k):
    return np.eye(k)[np.asarray(answers)]


def test_scores_equal_those_of_scikit_learn():
    truth, shares, blocks = make_answers(classes=np.arange(14))
    answers, present = shares.argmax(axis=1), np.unique(truth)
    scores = evaluate(truth, shares, scheme=LCZ, blocks=blocks)
    assert scores["oa"]["value"] == pytest.approx(reference.accuracy_score(truth, answers))
    recalls = reference.recall_score(truth, answers, labels=present, average="macro", zero_division=0)
    assert scores["aa"]["value"] == pytest.approx(recalls)
    assert scores["kappa"]["value"] == pytest.approx(reference.cohen_kappa_score(truth, answers))
    f1 = reference.f1_score(truth, answers, labels=present, average=None)
    assert scores["macro_f1"]["value"] == pytest.approx(f1.mean())
    assert [scores["f1"][LCZ.codes[c]]["value"] for c in present] == pytest.approx(f1.tolist())
    assert scores["confusion"] == reference.confusion_matrix(truth, answers, labels=range(17)).tolist()
    assert scores["negative_log_likelihood"]["value"] == pytest.approx(
        reference.log_loss(truth, shares, labels=range(17))
    )
    assert scores["brier"]["value"] == pytest.approx(((shares - one_hot(truth, 17)) ** 2).sum(axis=1).mean())
    assert scores["f1"]["F"]["n"] == 0
    assert scores["f1"]["3"]["n"] == int((truth == 2).sum())


def test_a_perfect_answer_scores_one_everywhere():
    truth = np.arange(17).repeat(4)
    scores = evaluate(truth, one_hot(truth, 17), scheme=LCZ, blocks=np.arange(68) // 2)
    for name in ("oa", "aa", "kappa", "weighted_accuracy", "oa_built", "oa_built_vs_natural", "macro_f1"):
        assert scores[name] == {"value": 1.0, "low": 1.0, "high": 1.0}, name
    assert scores["ece"]["value"] == 0
    assert scores["brier"]["value"] == 0


def test_a_hand_case_of_built_and_natural():
    codes = ("1", "1", "2", "A", "D", "G")
    answer = ("1", "4", "A", "A", "2", "D")
    truth = np.array([LCZ.index(code) for code in codes])
    shares = one_hot([LCZ.index(code) for code in answer], 17)
    scores = evaluate(truth, shares, scheme=LCZ, blocks=range(6))
    assert scores["oa"]["value"] == pytest.approx(2 / 6)
    assert scores["oa_built"]["value"] == pytest.approx(1 / 2)  # of 1->1, 1->4; 2->A left the built square
    assert scores["oa_built_vs_natural"]["value"] == pytest.approx(4 / 6)
    assert scores["weighted_accuracy"]["value"] == pytest.approx((1 + 0.67 + 0.42 + 1 + 0.08 + 0.92) / 6)
    assert scores["aa"]["value"] == pytest.approx((1 / 2 + 0 + 1 + 0 + 0) / 5)


def test_a_scheme_without_groups_has_no_built_accuracy_and_its_weighted_accuracy_is_plain():
    truth, shares, blocks = make_answers(200, 2)
    scores = evaluate(truth, shares, scheme="water", blocks=blocks)
    assert scores["oa_built"] == {"value": None, "low": None, "high": None}
    assert scores["weighted_accuracy"] == scores["oa"]
    assert set(scores["f1"]) == {"water", "dry"}


def test_calibration_error_of_a_hand_case():
    shares = np.array([[0.92, 0.08]] * 10 + [[0.62, 0.38]] * 10)
    truth = np.array([0] * 5 + [1] * 5 + [0] * 6 + [1] * 4)
    scores = evaluate(truth, shares, scheme=WATER, blocks=range(20))
    assert scores["ece"]["value"] == pytest.approx((10 * 0.42 + 10 * 0.02) / 20)
    assert (scores["ece"]["n"], scores["ece"]["bins"]) == (20, 20)
    filled = {row["low"]: row for row in scores["reliability"] if row["n"]}
    assert set(filled) == {0.6, 0.9}
    assert filled[0.9]["accuracy"] == 0.5
    assert filled[0.9]["confidence"] == pytest.approx(0.92)
    assert filled[0.9]["accuracy_low"] <= 0.5 <= filled[0.9]["accuracy_high"]
    assert sum(row["n"] for row in scores["reliability"]) == 20


def test_full_confidence_falls_into_the_last_bin():
    scores = evaluate([0, 1], one_hot([0, 0], 2), scheme=WATER, blocks=[0, 1])
    assert scores["reliability"][-1]["n"] == 2


def test_cross_entropy_to_the_votes_is_lowest_at_the_votes_themselves():
    truth, shares, blocks = make_answers(100)
    own = evaluate(truth, shares, scheme=LCZ, blocks=blocks, distribution=shares)["cross_entropy_votes"]["value"]
    other = np.full_like(shares, 1 / 17)
    far = evaluate(truth, other, scheme=LCZ, blocks=blocks, distribution=shares)["cross_entropy_votes"]["value"]
    assert own == pytest.approx(-(shares * np.log(shares)).sum(axis=1).mean())
    assert far == pytest.approx(np.log(17))
    assert own < far
    assert evaluate(truth, shares, scheme=LCZ, blocks=blocks)["cross_entropy_votes"]["value"] is None


def test_scores_are_plain_json():
    truth, shares, blocks = make_answers(50, classes=[3, 4])
    scores = evaluate(truth, shares.astype(np.float32), scheme=LCZ, blocks=[f"b{b}" for b in blocks])
    assert json.loads(json.dumps(scores, allow_nan=False)) == scores


def test_the_same_seed_gives_the_same_interval_and_another_seed_another():
    truth, shares, blocks = make_answers()
    first = evaluate(truth, shares, scheme=LCZ, blocks=blocks, seed=1)
    assert evaluate(truth, shares, scheme=LCZ, blocks=blocks, seed=1) == first
    other = evaluate(truth, shares, scheme=LCZ, blocks=blocks, seed=2)
    assert other["oa"]["value"] == first["oa"]["value"]
    assert other["oa"] != first["oa"]


def test_the_order_of_samples_does_not_matter():
    truth, shares, blocks = make_answers()
    order = np.random.default_rng(3).permutation(len(truth))
    first = evaluate(truth, shares, scheme=LCZ, blocks=blocks)
    second = evaluate(truth[order], shares[order], scheme=LCZ, blocks=blocks[order])
    assert second["oa"] == pytest.approx(first["oa"])
    assert second["ece"] == pytest.approx(first["ece"])


def test_one_block_gives_a_value_and_no_interval():
    truth, shares, _ = make_answers(40)
    scores = evaluate(truth, shares, scheme=LCZ, blocks=["all"] * 40)
    assert scores["oa"]["value"] is not None
    assert scores["oa"]["low"] is None
    assert scores["blocks"] == 1


def test_kappa_of_a_single_class_is_not_defined():
    scores = evaluate([1] * 6, one_hot([1] * 6, 2), scheme=WATER, blocks=range(6))
    assert scores["kappa"] == {"value": None, "low": None, "high": None}


def simulate(rng, n_blocks=60, per_block=10):
    """Right answers whose chance differs by block: mean 0.7, spread 0.2."""
    chance = np.clip(rng.normal(0.7, 0.2, n_blocks), 0.02, 0.98).repeat(per_block)
    right = rng.random(len(chance)) < chance
    return np.zeros(len(chance), dtype=int), one_hot(np.where(right, 0, 1), 2), np.arange(n_blocks).repeat(per_block)


@pytest.fixture(scope="module")
def coverage():
    """Share of 300 simulated samples whose interval holds the true accuracy: with blocks, and as if independent."""
    rng = np.random.default_rng(5)
    expected = np.clip(rng.normal(0.7, 0.2, 10**6), 0.02, 0.98).mean()
    hits = np.zeros(2)
    for run in range(300):
        truth, shares, blocks = simulate(rng)
        for place, grouping in enumerate((blocks, np.arange(len(blocks)))):
            interval = paired_difference(
                truth, shares, one_hot(np.ones(len(truth), dtype=int), 2), grouping, seed=run, resamples=200
            )
            hits[place] += interval["low"] <= expected <= interval["high"]
    return hits / 300


def test_the_block_interval_covers_what_it_claims(coverage):
    # nominal 0.95; three standard errors of 300 runs are 0.038, and percentile intervals of 60 blocks run a bit narrow
    assert 0.90 <= coverage[0] <= 0.99


def test_taking_neighbours_as_independent_would_claim_too_much(coverage):
    assert coverage[1] < 0.88


def test_a_paired_difference_is_narrower_than_two_intervals_and_finds_its_sign():
    truth, shares, blocks = make_answers(2000, skill=0.7)
    worse = shares.copy()
    flipped = np.random.default_rng(1).random(len(truth)) < 0.05
    worse[flipped] = np.roll(worse[flipped], 1, axis=1)
    difference = paired_difference(truth, shares, worse, blocks)
    a = evaluate(truth, shares, scheme=LCZ, blocks=blocks)["oa"]
    b = evaluate(truth, worse, scheme=LCZ, blocks=blocks)["oa"]
    assert difference["value"] == pytest.approx(a["value"] - b["value"])
    assert 0 < difference["low"] < difference["high"]
    assert difference["high"] - difference["low"] < (a["high"] - a["low"])


def test_the_difference_of_a_thing_to_itself_is_zero():
    truth, shares, blocks = make_answers()
    assert paired_difference(truth, shares, shares, blocks, "kappa") == {"value": 0, "low": 0, "high": 0}


def test_every_metric_has_a_paired_difference():
    truth, shares, blocks = make_answers()
    other = make_answers(seed=9)[1]
    for metric in ("weighted_accuracy", "oa_built", "oa_built_vs_natural", "macro_f1", "ece", "brier"):
        assert paired_difference(truth, shares, other, blocks, metric, scheme="lcz17")["value"] != 0
    with pytest.raises(BadInputError, match="needs the scheme"):
        paired_difference(truth, shares, other, blocks, "oa_built")
    with pytest.raises(BadInputError, match="Unknown metric 'f2'"):
        paired_difference(truth, shares, other, blocks, "f2")


@pytest.mark.parametrize(
    ("truth", "shares", "blocks", "reason"),
    [
        ([0, -1], one_hot([0, 0], 2), [0, 1], "Leave out -1"),
        ([0, 2], one_hot([0, 0], 2), [0, 1], "classes are 0 to 1"),
        ([], np.zeros((0, 2)), [], "at least one"),
        ([0, 1], one_hot([0, 0], 3), [0, 1], "must be"),
        ([0, 1], [[0.5, 0.6], [1, 0]], [0, 1], "sum to 1"),
        ([0, 1], [[np.nan, 1], [1, 0]], [0, 1], "finite"),
        ([0, 1], one_hot([0, 0], 2), [0], "one for each"),
        ([0.0, 1.0], one_hot([0, 0], 2), [0, 1], "class indices"),
    ],
)
def test_wrong_input_is_refused_with_a_reason(truth, shares, blocks, reason):
    with pytest.raises(BadInputError, match=reason):
        evaluate(truth, shares, scheme=WATER, blocks=blocks)


def test_confusion_counts_have_truth_in_rows():
    assert count_confusion([0, 0, 1], [0, 1, 1], 2).tolist() == [[1, 1], [0, 1]]


@pytest.mark.parametrize(("n", "groups"), [(400, 40), (20_000, 200), (20_000, 20_000)])
def test_all_scores_with_intervals_take_seconds_of_cpu_at_most(n, groups):
    truth, shares, _ = make_answers(n)
    blocks = np.random.default_rng(0).integers(0, groups, n)
    start = time.process_time()
    evaluate(truth, shares, scheme=LCZ, blocks=blocks)
    assert time.process_time() - start < 3  # about 0.05 to 0.6 s on one quiet core
