"""Agreement against hand-made and published figures."""

import numpy as np
import pytest

from annotation import agreement, panel, votes
from fusion.errors import BadVotesError

# Fleiss 1971 as reprinted in textbooks: 10 subjects, 14 raters, 5 categories; kappa 0.210, mean agreement 0.378.
FLEISS = [
    [0, 0, 0, 0, 14],
    [0, 2, 6, 4, 2],
    [0, 0, 3, 5, 6],
    [0, 3, 9, 2, 0],
    [2, 2, 8, 1, 1],
    [7, 7, 0, 0, 0],
    [3, 2, 6, 3, 0],
    [2, 5, 3, 2, 2],
    [6, 5, 2, 1, 0],
    [0, 2, 2, 3, 7],
]


def from_counts(counts):
    """Votes with these counts per sample and class; voter 0 gives the first vote of each sample, and so on."""
    answers = [np.repeat(np.arange(len(row)), row) for row in counts]
    return votes.VoteTable(
        sample=np.repeat(np.arange(len(counts)), [len(row) for row in answers]).astype(np.int32),
        voter=np.concatenate([np.arange(len(row)) for row in answers]).astype(np.int32),
        answer=np.concatenate(answers).astype(np.int32),
        n_classes=len(counts[0]),
        sample_ids=tuple(range(len(counts))),
        voter_ids=tuple(range(max(len(row) for row in answers))),
    )


def test_fleiss_kappa_is_the_published_one():
    measured = agreement.fleiss_kappa(from_counts(FLEISS))
    assert measured.value == pytest.approx(0.210, abs=5e-4)
    assert measured.low < measured.value < measured.high
    assert agreement.percent_agreement(from_counts(FLEISS)).value == pytest.approx(0.378, abs=5e-4)


def test_samples_with_one_vote_say_nothing_of_agreement():
    table = from_counts([[2, 0], [1, 1], [1, 0]])
    assert agreement.percent_agreement(table).samples == 2
    assert agreement.percent_agreement(table).value == 0.5
    pairs = agreement.pair_agreement(table)
    assert pairs[:2].tolist() == [1, 0]
    assert np.isnan(pairs[2])
    with pytest.raises(BadVotesError, match="two votes"):
        agreement.fleiss_kappa(from_counts([[1, 0], [0, 1]]))


def test_kappa_of_one_class_has_no_meaning():
    assert np.isnan(agreement.fleiss_kappa(from_counts([[3, 0], [2, 0]])).value)


def test_random_votes_have_a_kappa_around_zero_and_equal_votes_of_one():
    rng = np.random.default_rng(0)
    random = from_counts([np.bincount(rng.integers(0, 4, 5), minlength=4) for _ in range(2000)])
    measured = agreement.fleiss_kappa(random)
    assert measured.low < 0 < measured.high
    assert measured.high - measured.low < 0.06
    assert agreement.fleiss_kappa(from_counts([[4, 0], [0, 4]] * 20)).value == pytest.approx(1)


def test_the_interval_holds_the_figure_of_all_about_19_times_in_20():
    experts = panel.make_panel(1, scheme="water", accuracy=0.8)
    full = agreement.fleiss_kappa(experts.vote(np.arange(60_000) % 2, 0, 3).votes, resamples=2).value
    tries = [agreement.fleiss_kappa(experts.vote(np.arange(400) % 2, seed, 3).votes) for seed in range(1, 41)]
    assert sum(one.low <= full <= one.high for one in tries) >= 34  # 38 expected; below 34 has a chance of 0.5 %


def test_co_votes_count_ordered_pairs_of_different_experts():
    table = agreement.co_votes(from_counts([[2, 1, 0], [0, 0, 2]]))
    assert table.tolist() == [[2, 2, 0], [2, 0, 0], [0, 0, 2]]
    assert agreement.row_shares(table)[0].tolist() == [0.5, 0.5, 0]
    assert agreement.class_agreement(from_counts([[2, 1, 0], [0, 0, 2]])).tolist() == [0.5, 0, 1]


def test_two_experts_are_compared_on_their_common_samples_only():
    table = votes.from_records(
        sample=["s1", "s1", "s2", "s2", "s3", "s4"],
        voter=["ann", "bob", "ann", "bob", "ann", "cem"],
        answer=["a", "a", "a", "b", "b", "b"],
        codes=("a", "b"),
    )
    share, common = agreement.voter_agreement(table)
    assert share[0, 1] == 0.5
    assert common.tolist() == [[3, 2, 0], [2, 2, 0], [0, 0, 1]]
    assert np.isnan(share[0, 2])
    assert agreement.voter_confusion(table, 0, 1).tolist() == [[1, 1], [0, 0]]
    assert agreement.voter_confusion(table, 1, 0).tolist() == [[1, 0], [1, 0]]


def test_groups_are_measured_apart():
    table = from_counts([[2, 0], [0, 2], [1, 1], [1, 1], [1, 0]])
    cities = ["ada", "ada", "bex", "bex", "cod"]
    assert {city: one.value for city, one in agreement.agreement_by_group(table, cities).items()} == {
        "ada": 1,
        "bex": 0,
    }
    assert agreement.kappa_by_group(table, cities)["ada"].value == 1
    with pytest.raises(BadVotesError, match="4 groups were given for 5 samples"):
        agreement.kappa_by_group(table, cities[:4])


def test_vote_entropy_is_highest_where_votes_are_even():
    assert agreement.vote_entropy(from_counts([[4, 0], [2, 2], [3, 1]])).argsort().tolist() == [0, 2, 1]
