"""Robots are found within a hundred votes, honest people never: simulated, many seeds, several ways of working."""

import numpy as np
import pytest

from annotation.panel import make_panel
from annotation.signs import TOO_FAST_S, Trace, find_fatigue, find_robot

K, WATER = 17, 16
EVEN = np.full(K, 1 / K)
HARBOUR = np.where(np.arange(K) == WATER, 0.8, 0.2 / (K - 1))  # a water-rich city
TOWN = np.where(np.arange(K) == 5, 0.55, 0.45 / (K - 1))  # open low-rise as far as one looks


def work(seed, shares, *, votes=400, median_s=2.0, spread=0.5, skill=None, others=3):
    """An honest expert, simulated: looks at random samples of a city, with a published confusion matrix."""
    rng = np.random.default_rng(seed)
    panel = make_panel(seed, experts=2)
    confusion = panel.confusion if skill is None else np.stack([np.eye(K) * skill + (1 - skill) / K] * 2)
    truth = rng.choice(K, votes, p=shares)
    answer = np.array([rng.choice(K, p=confusion[0, look] / confusion[0, look].sum()) for look in truth])
    seconds = median_s * np.exp(rng.normal(0, spread, votes))
    counts = np.zeros((votes, K))
    for row, look in enumerate(truth):
        said = rng.choice(K, others, p=confusion[1, look] / confusion[1, look].sum())
        counts[row] = np.bincount(said, minlength=K)
    return Trace(
        answer=answer,
        seconds=seconds,
        arrival=np.cumsum(seconds + rng.exponential(0.4, votes)),
        others=counts,
        crowd=counts.sum(0),
    )


def cut(trace, start, end, crowd=None):
    """The trace as watched after `end` votes."""
    part = slice(start, end)
    return Trace(
        answer=trace.answer[part],
        seconds=trace.seconds[part],
        arrival=trace.arrival[part],
        others=trace.others[part],
        crowd=trace.crowd if crowd is None else crowd,
    )


def watch(trace, crowd=None):
    """Kinds of signs found when one looks after every ten votes."""
    ends = range(10, len(trace.answer) + 1, 10)
    return {sign.kind for end in ends for sign in find_robot(cut(trace, max(0, end - 200), end, crowd))}


SCRIPTS = {
    "two seconds": {"shares": EVEN},
    "a water-rich city": {"shares": HARBOUR},
    "one class in half the town": {"shares": TOWN},
    "a fast expert": {"shares": EVEN, "median_s": 1.0, "spread": 0.3},
    "a fast expert at sea": {"shares": HARBOUR, "median_s": 0.9, "spread": 0.35},
    "slow and careful": {"shares": EVEN, "median_s": 12.0, "spread": 0.8},
    "even pace": {"shares": EVEN, "spread": 0.2},
    "a beginner": {"shares": TOWN, "skill": 0.5},
    "alone so far": {"shares": EVEN, "others": 0},
    "alone at sea": {"shares": HARBOUR, "others": 0},
}


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS)
def test_honest_people_are_never_flagged(script):
    for seed in range(8):
        assert watch(work(seed, **SCRIPTS[script])) == set(), seed


def test_votes_that_waited_for_the_network_are_no_sign_of_haste():
    trace = work(3, EVEN)
    arrival = trace.arrival.copy()
    arrival[100:150] = arrival[149] + np.arange(50) * 0.01  # all that one may hold, at once
    assert watch(Trace(**vars(trace) | {"arrival": arrival})) == set()


def test_pauses_change_nothing():
    trace = work(4, EVEN)
    arrival = trace.arrival + np.repeat(np.arange(4) * 3_600.0, 100)
    assert watch(Trace(**vars(trace) | {"arrival": arrival})) == set()


def robot(answer, gap_s, *, told_s=None, crowd=None, others=None):
    n = len(answer)
    return Trace(
        answer=np.asarray(answer),
        seconds=np.full(n, np.nan) if told_s is None else np.broadcast_to(told_s, n).astype(float),
        arrival=np.cumsum(np.broadcast_to(gap_s, n)).astype(float),
        others=np.zeros((n, K)) if others is None else others,
        crowd=np.zeros(K) if crowd is None else crowd,
    )


@pytest.mark.parametrize("gap_s", [0.01, 0.34, 0.4, 2.0, 6.0])
def test_a_robot_that_names_one_class_is_found_within_a_hundred_votes(gap_s):
    rng = np.random.default_rng(1)
    gaps = gap_s * np.exp(rng.normal(0, 0.5, 100))  # even where it dawdles like a person
    assert "constant" in {sign.kind for sign in find_robot(robot([0] * 100, gaps))}


def test_a_robot_is_found_earlier_when_the_others_answers_are_known():
    rng = np.random.default_rng(2)
    gaps = 2 * np.exp(rng.normal(0, 0.5, 45))
    found = find_robot(robot([0] * 45, gaps, crowd=EVEN * 1_000))
    assert [(sign.kind, sign.place, sign.votes, sign.value) for sign in found] == [("constant", 0, 45, 1.0)]


def test_a_robot_with_a_few_other_classes_is_found_too():
    rng = np.random.default_rng(3)
    answer = np.where(rng.random(100) < 0.05, rng.integers(0, K, 100), 0)
    gaps = 2 * np.exp(rng.normal(0, 0.5, 100))
    assert "constant" in {sign.kind for sign in find_robot(robot(answer, gaps, crowd=EVEN * 1_000))}


def test_all_water_is_believed_where_the_others_say_so():
    rng = np.random.default_rng(4)
    gaps = 2 * np.exp(rng.normal(0, 0.5, 100))
    crowd = np.where(np.arange(K) == WATER, 970.0, 2.0)
    assert find_robot(robot([WATER] * 100, gaps, crowd=crowd)) == []


def test_too_fast_to_look_is_found_from_what_the_page_tells_and_from_arrivals():
    rng = np.random.default_rng(5)
    answer = rng.integers(0, K, 100)
    quick = 0.8 * TOO_FAST_S * np.exp(rng.normal(0, 0.4, 100))
    assert "fast" in {sign.kind for sign in find_robot(robot(answer, 3.0, told_s=quick))}
    liar = 4 * np.exp(rng.normal(0, 0.5, 100))  # tells four seconds, sends twice a second
    assert "fast" in {sign.kind for sign in find_robot(robot(answer, quick, told_s=liar))}


def test_a_timer_is_found_by_its_evenness():
    rng = np.random.default_rng(6)
    answer = rng.integers(0, K, 100)
    signs = find_robot(robot(answer, 2.0 + rng.normal(0, 0.05, 100)))
    assert [sign.kind for sign in signs] == ["clockwork"]


def test_a_quick_reviewer_who_nearly_always_says_yes_is_no_robot():
    """Yes or no in half a second, 97 % yes, alone or beside others who say the same."""
    for seed in range(8):
        rng = np.random.default_rng(seed)
        seconds = 0.55 * np.exp(rng.normal(0, 0.35, 400))
        answer = (rng.random(400) < 0.03).astype(int)
        others = np.eye(2)[(rng.random(400) < 0.03).astype(int)] * 3
        for beside in (others, np.zeros((400, 2))):
            trace = Trace(
                answer=answer, seconds=seconds, arrival=np.cumsum(seconds), others=beside, crowd=beside.sum(0)
            )
            assert watch(trace) == set(), seed
    hasty = robot(answer[:100], 0.2, crowd=np.zeros(2), others=np.zeros((100, 2)))
    assert "fast" in {sign.kind for sign in find_robot(hasty)}


def test_classes_in_turn_are_found():
    rng = np.random.default_rng(7)
    gaps = 2 * np.exp(rng.normal(0, 0.5, 100))
    signs = find_robot(robot(np.arange(100) % 5, gaps))
    assert [(sign.kind, sign.place) for sign in signs] == [("cycle", 5)]


def test_random_answers_are_found_against_the_others_on_the_same_samples():
    missed = []
    for seed in range(8):
        trace = work(seed, EVEN, votes=200)
        rng = np.random.default_rng(seed)
        blind = Trace(**vars(trace) | {"answer": rng.integers(0, K, 200)})
        if "blind" not in {sign.kind for sign in find_robot(blind)}:
            missed.append(seed)
    assert missed == []


def test_beside_robots_nobody_is_blind():
    """Others who all name one class, or each at random, say nothing of the samples."""
    for seed in range(8):
        trace = work(seed, EVEN, votes=200)
        rng = np.random.default_rng(seed)
        one_class = np.tile(np.eye(K)[0] * 3, (200, 1))
        noise = np.stack([np.bincount(rng.integers(0, K, 3), minlength=K) for _ in range(200)]).astype(float)
        for others in (one_class, noise):
            found = find_robot(Trace(**vars(trace) | {"others": others, "crowd": np.zeros(K)}))
            assert found == []


def test_another_mix_of_classes_than_everybodys_is_found():
    rng = np.random.default_rng(8)
    gaps = 2 * np.exp(rng.normal(0, 0.5, 100))
    answer = rng.integers(0, 4, 100)
    crowd = np.where(np.arange(K) >= 4, 100.0, 0.0)
    assert "unlike" in {sign.kind for sign in find_robot(robot(answer, gaps, crowd=crowd))}


def test_few_answers_say_nothing():
    assert find_robot(robot([0] * 39, 0.1)) == []


def test_an_even_working_life_shows_no_fatigue():
    for seed in range(20):
        rng = np.random.default_rng(seed)
        seconds = 2 * np.exp(rng.normal(0, 0.5, 1_000))
        same = rng.random(50) < 0.85
        for end in range(50, 1_001, 50):
            assert find_fatigue(seconds[:end], same[: end // 20]) == [], (seed, end)


@pytest.mark.parametrize(("factor", "kind"), [(3.0, "slower"), (0.35, "hasty")])
def test_a_change_of_pace_is_seen_against_ones_own_past(factor, kind):
    rng = np.random.default_rng(1)
    seconds = 2 * np.exp(rng.normal(0, 0.4, 500))
    seconds[-50:] *= factor
    assert [sign.kind for sign in find_fatigue(seconds, np.zeros(0, bool))] == [kind]


def test_repeats_that_begin_to_differ_are_seen():
    same = np.r_[np.ones(30, bool), np.zeros(7, bool), np.ones(3, bool)]
    signs = find_fatigue(np.zeros(0), same)
    assert [(sign.kind, sign.value, sign.votes) for sign in signs] == [("inconsistent", 0.3, 10)]
