"""Which samples experts are asked about next: doubt as it is defined, batches that are not all one place."""

import numpy as np
import pytest

from annotation.preranking import RULES, choose, measure_doubt
from fusion.errors import BadInputError

SURE, TORN, THREE = [0.98, 0.01, 0.01], [0.49, 0.5, 0.01], [0.34, 0.33, 0.33]


def members(*rows):
    """One network's predictions."""
    return np.array([rows])


def crowd(n=200, k=5, seed=0, count=3):
    """Predictions of `count` networks that agree now and then."""
    rng = np.random.default_rng(seed)
    return rng.dirichlet(np.full(k, 0.5), (count, n))


def test_doubt_is_entropy_margin_and_what_members_disagree_about():
    found = measure_doubt(members(SURE, TORN, THREE))
    assert found.margin == pytest.approx([0.97, 0.01, 0.01])
    assert found.entropy[2] == pytest.approx(np.log(3), abs=1e-3)
    assert found.mutual_information == pytest.approx([0, 0, 0])
    split = measure_doubt(np.array([[[1.0, 0.0]], [[0.0, 1.0]]]))
    assert split.mutual_information == pytest.approx([np.log(2)]), "each is sure, and they contradict each other"


@pytest.mark.parametrize(("rule", "first"), [("margin", 1), ("entropy", 2)])
def test_a_rule_takes_what_it_doubts_most(rule, first):
    assert choose(members(SURE, TORN, THREE), 1, rule=rule).tolist() == [first]


def test_members_that_contradict_each_other_come_first_by_mutual_information():
    both = np.array([[[0.5, 0.5], [0.95, 0.05]], [[0.5, 0.5], [0.05, 0.95]]])
    assert choose(both, 1, rule="mutual_information").tolist() == [1]


@pytest.mark.parametrize("rule", RULES)
def test_a_batch_names_every_sample_once_and_the_same_seed_chooses_the_same(rule):
    found = choose(crowd(), 40, rule=rule, seed=3)
    assert len(set(found.tolist())) == 40
    assert np.array_equal(found, choose(crowd(), 40, rule=rule, seed=3))


@pytest.mark.parametrize("rule", RULES)
def test_more_than_there_is_gives_all_there_is(rule):
    assert sorted(choose(crowd(7), 50, rule=rule)) == list(range(7))


@pytest.mark.parametrize("rule", RULES)
def test_no_batch_is_all_one_place(rule):
    table = crowd(200)
    table[:, :100] = 0.2  # the first hundred are the most doubtful, and all in one city
    blocks = ["one"] * 100 + ["two"] * 50 + ["three"] * 50
    counts = np.bincount(choose(table, 30, blocks=blocks, rule=rule, seed=1) // 100, minlength=2)
    assert counts[0] <= 20, "twice its even share of thirty in three places"
    assert counts.sum() == 30


def test_a_place_fills_the_batch_where_no_other_has_any():
    assert len(choose(crowd(30), 20, blocks=["one"] * 29 + ["two"])) == 20


def test_a_spread_batch_does_not_ask_the_same_question_ten_times():
    """Nine tenths are one hard pair, a tenth another: by margin all of a batch is the first pair, spread is not."""
    table = np.tile([0.5, 0.5, 0.0, 0.0], (100, 1))
    table[90:] = [0.0, 0.0, 0.52, 0.48]
    spread = choose(table[None], 10, rule="spread", seed=0)
    assert (spread[:2] >= 90).any(), "the second question is the other pair"
    assert (choose(table[None], 10, rule="margin") < 90).all()


def test_looks_count_beside_predictions():
    table = np.tile([0.5, 0.5], (60, 1))
    looks = np.zeros((60, 2))
    looks[50:] = [5.0, -5.0]
    found = choose(table[None], 2, features=looks, rule="spread", seed=0)
    assert (found >= 50).sum() == 1, "of two alike by prediction the second looks otherwise"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"probabilities": [[0.5, 0.5]]}, "members, samples, classes"),
        ({"probabilities": [[[0.5, 0.9]]]}, "1 in sum"),
        ({"count": 0}, "at least 1"),
        ({"blocks": ["a", "b"]}, "blocks must have one entry for each of 3"),
        ({"features": [[1.0]]}, "features must be 3 rows"),
        ({"rule": "clever"}, "Unknown rule 'clever'"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(given, words):
    asked = {"probabilities": members(SURE, TORN, THREE), "count": 1} | given
    with pytest.raises(BadInputError, match=words):
        choose(asked.pop("probabilities"), asked.pop("count"), **asked)
