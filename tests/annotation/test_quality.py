"""Scores of one expert: by hand, at the edges, and on simulated experts with known errors."""

import datetime
import math

import numpy as np
import pytest

from annotation.panel import make_panel
from annotation.quality import BLOCK, gold_score, list_confusions, measure_pace, self_consistency
from fusion import scheme as schemes
from fusion.errors import BadVotesError

CODES = ("1", "2", "3")
PLAIN = np.eye(3)
LCZ = schemes.find("lcz17")


def test_plain_accuracy_with_its_wilson_interval():
    score = gold_score(["1"] * 10, ["1"] * 8 + ["2"] * 2, CODES, PLAIN)
    assert (score.value, score.n) == (0.8, 10)
    # Wilson 1927, as computed by hand for 8 of 10.
    assert score.low == pytest.approx(0.4902, abs=1e-4)
    assert score.high == pytest.approx(0.9433, abs=1e-4)


def test_similar_classes_earn_partial_credit():
    weights = LCZ.similarity_matrix()
    near = gold_score(["5"] * 4, ["6"] * 4, LCZ.codes, weights)
    far = gold_score(["5"] * 4, ["G"] * 4, LCZ.codes, weights)
    assert near.value == pytest.approx(0.92)
    assert far.value == pytest.approx(0.42)


def test_without_gold_the_score_is_not_known():
    score = gold_score([], [], CODES, PLAIN)
    assert math.isnan(score.value)
    assert (score.low, score.high, score.n) == (0.0, 1.0, 0)


def test_codes_that_the_scheme_lacks_are_refused():
    with pytest.raises(BadVotesError, match="scheme's codes"):
        gold_score(["1"], ["9"], CODES, PLAIN)
    with pytest.raises(BadVotesError, match="equally many"):
        gold_score(["1"], [], CODES, PLAIN)


def test_the_interval_holds_the_true_weighted_score_of_simulated_experts():
    """95 % intervals over 400 simulated experts on 34 gold samples each."""
    rng = np.random.default_rng(1)
    weights, base = LCZ.similarity_matrix(), make_panel(3, experts=1).confusion[0]
    truth = np.repeat(np.arange(17), 2)
    true_score = float((base * weights).sum(1)[truth].mean())
    held = 0
    for _ in range(400):
        answer = [LCZ.codes[rng.choice(17, p=base[look] / base[look].sum())] for look in truth]
        score = gold_score([LCZ.codes[look] for look in truth], answer, LCZ.codes, weights)
        held += score.low <= true_score <= score.high
    assert held >= 0.94 * 400


def test_an_expert_of_whom_a_third_is_noise_is_found_below_the_others():
    """30 % random answers, 60 gold samples: the interval ends below the panel's mean."""
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 17, 60)
    base = make_panel(3, experts=1).confusion[0]
    good = np.array([rng.choice(17, p=base[look] / base[look].sum()) for look in truth])
    bad = np.where(rng.random(60) < 0.3, rng.integers(0, 17, 60), good)
    names = [LCZ.codes[look] for look in truth]
    first, second = (gold_score(names, [LCZ.codes[a] for a in said], LCZ.codes, np.eye(17)) for said in (good, bad))
    assert second.value < first.value - 0.15


def test_self_consistency_counts_equal_pairs():
    share = self_consistency(["1", "2", "3", "3"], ["1", "2", "3", "1"])
    assert (share.value, share.n) == (0.75, 4)
    with pytest.raises(BadVotesError):
        self_consistency(["1"], [])


def test_only_confusions_seen_twice_are_told_and_at_most_three():
    truth = ["1"] * 3 + ["2"] * 2 + ["3"]
    answers = ["2", "2", "3", "1", "2", "3"]
    assert [(one.first, one.second, one.count) for one in list_confusions(truth, answers, CODES)] == [("1", "2", 3)]
    many = [("1", "2"), ("3", "4"), ("5", "6"), ("8", "10")] * 2 + [("6", "5")]
    many += [(code, code) for code in "12345678"]
    told = list_confusions([a for a, _b in many], [b for _a, b in many], LCZ.codes)
    assert [(one.first, one.second) for one in told] == [("5", "6"), ("1", "2"), ("3", "4")]


def test_a_hint_is_kept_back_where_it_would_give_the_key_away():
    """Two samples answered 2, both gold 1: told "1 with 2", one would know both."""
    assert list_confusions(["1", "1"], ["2", "2"], CODES) == []
    assert len(list_confusions(["1", "1", "2"], ["2", "2", "2"], CODES)) == 1


def test_a_skip_earns_nothing_and_is_no_confusion():
    assert gold_score(["1", "2"], ["1", ""], CODES, PLAIN).value == 0.5
    assert list_confusions(["1", "1", "1"], ["", "", "1"], CODES) == []


def test_a_hint_does_not_say_which_of_the_two_is_right():
    one = list_confusions(["1", "1", "1"], ["2", "2", "1"], CODES)
    assert one == list_confusions(["2", "2", "1"], ["1", "1", "1"], CODES)
    assert len(one) == 1


def test_pace_is_told_in_medians_by_block_and_hour():
    start = datetime.datetime(2026, 5, 1, 9, 30, tzinfo=datetime.UTC)
    seconds = [2.0] * BLOCK + [4.0] * BLOCK + [math.nan]
    when = [start] * BLOCK + [start + datetime.timedelta(hours=2)] * (BLOCK + 1)
    pace = measure_pace(seconds, when)
    assert (pace.median_s, pace.n, pace.blocks_s) == (3.0, 100, (2.0, 4.0))
    assert pace.hours_s == {9: 2.0, 11: 4.0}
    assert pace.votes_per_hour == {9: 50, 11: 50}


def test_without_times_there_is_no_pace():
    assert measure_pace([math.nan], [datetime.datetime.now(datetime.UTC)]).n == 0
