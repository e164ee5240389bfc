"""What holds for every method: labels, flags and intervals."""

import numpy as np
import pytest

from annotation import consensus, panel, votes
from fusion.errors import BadInputError, BadVotesError, UnknownKindError

METHODS = sorted(consensus.load_all("class"))
CODES = ("a", "b", "c")


def make_votes(*rows: str) -> votes.VoteTable:
    """One text per sample, one letter per voter; a dot is no vote."""
    cells = [(f"s{i}", f"v{j}", code) for i, row in enumerate(rows) for j, code in enumerate(row) if code != "."]
    sample, voter, answer = zip(*cells, strict=True) if cells else ((), (), ())
    return votes.from_records(sample=sample, voter=voter, answer=answer, codes=CODES)


@pytest.mark.parametrize("method", METHODS)
def test_unanimous_stays_unanimous(method):
    result = consensus.run(method, make_votes("aaaa", "bbbb", "cccc", "aaaa", "bb..", "..cc"))
    assert result.label.tolist() == [0, 1, 2, 0, 1, 2]
    assert (result.agreement == 1).all()
    assert not result.is_disputed.any()


@pytest.mark.parametrize("method", METHODS)
def test_the_order_of_votes_does_not_matter(method):
    table = panel.make_panel(4).vote(np.arange(300) % 17, 4, 5).votes
    turn = np.random.default_rng(0).permutation(len(table))
    turned = votes.VoteTable(
        sample=table.sample[turn],
        voter=table.voter[turn],
        answer=table.answer[turn],
        n_classes=17,
        sample_ids=table.sample_ids,
        voter_ids=table.voter_ids,
    )
    one, other = consensus.run(method, table), consensus.run(method, turned)
    assert (one.label == other.label).all()
    np.testing.assert_array_equal(one.distribution, other.distribution)
    np.testing.assert_allclose(one.low, other.low, atol=1e-6)


@pytest.mark.parametrize("method", METHODS)
def test_every_distribution_sums_to_one_and_tops_at_its_label(method):
    result = consensus.run(method, panel.make_panel(5).vote(np.arange(500) % 17, 5, 3).votes)
    np.testing.assert_allclose(result.distribution.sum(1), 1, atol=1e-5)
    assert (result.distribution >= 0).all()
    assert (result.distribution.max(1) - result.top_probability < 1e-5).all()
    assert (result.low <= result.high).all()
    assert not (result.is_settled & result.is_disputed).any()


@pytest.mark.parametrize("method", METHODS)
def test_no_votes_is_an_error(method):
    with pytest.raises(BadVotesError, match="no votes"):
        consensus.run(method, make_votes())


@pytest.mark.parametrize("method", METHODS)
def test_a_sample_without_a_vote_is_named(method):
    one = np.zeros(1, np.int32)
    table = votes.VoteTable(sample=one, voter=one, answer=one, n_classes=2, sample_ids=("s1", "s2"), voter_ids=("ann",))
    with pytest.raises(BadVotesError, match="'s2' has no vote"):
        consensus.run(method, table)


@pytest.mark.parametrize("method", METHODS)
def test_an_unknown_parameter_is_refused_with_the_known_ones(method):
    with pytest.raises(BadInputError, match=r"no parameter 'sharpness'.*settled_at"):
        consensus.run(method, make_votes("aa"), parameters={"sharpness": 1})


def test_an_unknown_method_is_refused_with_the_known_ones():
    with pytest.raises(UnknownKindError, match=r"dawid_skene.*majority"):
        consensus.find("oracle")


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_dawid_skene_is_at_least_as_good_as_majority_on_a_panel(seed):
    truth = np.random.default_rng(seed).integers(0, 17, 4000)
    table = panel.make_panel(seed).vote(truth, seed, 10).votes
    right = {name: np.mean(consensus.run(name, table).label == truth) for name in ("majority", "dawid_skene")}
    assert right["dawid_skene"] >= right["majority"] - 0.002


def test_wilson_intervals_are_those_of_the_textbook():
    # 8 of 10 and 0 of 10 at 95 %: Newcombe, Statistics in Medicine 17, 1998, method 3 (computed by hand).
    low, high = consensus.wilson([0.8, 0.0], [10, 10])
    np.testing.assert_allclose(low, [0.4902, 0], atol=1e-4)
    np.testing.assert_allclose(high, [0.9433, 0.2775], atol=1e-4)


def test_entropy_is_zero_when_sure_and_log_k_when_even():
    rows = np.array([[1, 0, 0, 0], [0.25, 0.25, 0.25, 0.25]], np.float32)
    np.testing.assert_allclose(consensus.entropy(rows), [0, np.log(4)], atol=1e-6)


def test_stated_thresholds_decide_what_is_settled_and_disputed():
    table = make_votes("aaaaa", "aaaab", "aaabc", "a....")
    result = consensus.run("majority", table)
    assert result.is_settled.tolist() == [True, False, False, False]  # one vote is not enough to settle
    assert result.is_disputed.tolist() == [False, False, False, False]
    strict = consensus.run("majority", table, parameters={"settled_at": 0.8, "disputed_below": 0.7})
    assert strict.is_settled.tolist() == [True, True, False, False]
    assert strict.is_disputed.tolist() == [False, False, True, False]
    assert strict.parameters["settled_at"] == 0.8
