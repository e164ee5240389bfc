"""Agreement against hand-made and published figures."""

import dataclasses

import numpy as np
import pytest

from annotation import agreement, panel, votes
from annotation.agreement import resampling
from fusion import grid
from fusion import scheme as schemes
from fusion.errors import BadInputError, BadVotesError

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


# Krippendorff 2011, "Computing Krippendorff's alpha-reliability": the data of its sections B, C and D, by coder.
TWO_CODERS = ("aabbdcccedda", "babbbccceddd")
FOUR_CODERS = ("123321412...", "1233224125.3", ".3332342251.", "12332441251.")


def from_coders(coders, codes):
    """Votes from one string per coder, a character per unit, a dot where there is none."""
    cells = [(unit, coder, code) for coder, line in enumerate(coders) for unit, code in enumerate(line) if code != "."]
    units, voters, answers = zip(*cells, strict=True)
    return votes.from_records(sample=units, voter=voters, answer=answers, codes=tuple(codes))


def test_krippendorffs_own_examples_come_out_as_he_prints_them():
    binary = from_coders(("0100000010", "1110010000"), "01")
    assert agreement.krippendorff_alpha(binary).value == pytest.approx(0.095, abs=5e-4)
    nominal = from_coders(TWO_CODERS, "abcde")
    assert agreement.krippendorff_alpha(nominal).value == pytest.approx(0.692, abs=5e-4)
    missing = from_coders(FOUR_CODERS, "12345")
    assert agreement.krippendorff_alpha(missing).value == pytest.approx(0.743, abs=5e-4)
    squares = (np.arange(5)[:, None] - np.arange(5)) ** 2
    assert agreement.krippendorff_alpha(missing, squares).value == pytest.approx(0.849, abs=5e-4)


def test_the_coincidence_matrix_is_the_one_he_prints():
    table = agreement.coincidences(from_coders(FOUR_CODERS, "12345"))
    assert table.sum() == pytest.approx(40)  # the twelfth unit has one value and pairs with nothing
    assert table.sum(1) == pytest.approx([9, 13, 10, 5, 3])
    assert np.diag(table) == pytest.approx([7, 10, 8, 4, 3])
    assert table[0, 1:4] == pytest.approx([4 / 3, 1 / 3, 1 / 3])


def alpha_by_hand(table, distance):
    """The definition itself: every ordered pair of values, within units and over all, one by one."""
    units = [table.answer[table.sample == unit] for unit in range(table.n_samples)]
    units = [unit for unit in units if len(unit) > 1]
    values = np.concatenate(units)
    n = len(values)
    observed = sum(distance[unit][:, unit].sum() / (len(unit) - 1) for unit in units) / n
    return 1 - observed / (distance[values][:, values].sum() / (n * (n - 1)))


def random_votes(seed, samples=150, experts=6, classes=17):
    rng = np.random.default_rng(seed)
    truth = rng.integers(classes, size=samples)
    cells = [(s, e) for s in range(samples) for e in range(experts) if rng.random() < 0.7]
    answers = [truth[s] if rng.random() < 0.7 else rng.integers(classes) for s, _e in cells]
    codes = schemes.find("lcz17").codes[:classes]
    return votes.from_records(*zip(*cells, strict=True), [codes[a] for a in answers], codes=codes)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_sums_over_blocks_give_the_alpha_of_the_definition(seed):
    table = random_votes(seed)
    apart = 1 - schemes.find("lcz17").similarity_matrix()
    assert agreement.krippendorff_alpha(table).value == pytest.approx(alpha_by_hand(table, 1 - np.eye(17)))
    assert agreement.krippendorff_alpha(table, apart).value == pytest.approx(alpha_by_hand(table, apart))
    for index, one in enumerate(agreement.measure_classes(table)):
        is_other = np.arange(17) != index
        either = (is_other[:, None] != is_other).astype(float)
        assert one.alpha.value == pytest.approx(alpha_by_hand(table, either), nan_ok=True)
        assert one.specific.value == pytest.approx(agreement.class_agreement(table)[index], nan_ok=True)


def test_near_misses_cost_less_than_far_ones():
    codes = schemes.find("lcz17").codes
    apart = 1 - schemes.find("lcz17").similarity_matrix()
    one, near, far = (codes.index(code) for code in ("2", "3", "G"))
    rows = [np.bincount([one, one], minlength=17), np.bincount([far, far], minlength=17)]
    miss = {name: np.bincount([one, other], minlength=17) for name, other in (("near", near), ("far", far))}
    figures = {name: agreement.measure_all(from_counts([*rows, row]), apart) for name, row in miss.items()}
    assert figures["near"]["pair_agreement"].value == figures["far"]["pair_agreement"].value
    assert figures["near"]["pair_similarity"].value == pytest.approx((2 + 0.92) / 3)
    assert figures["near"]["alpha_similarity"].value > figures["near"]["alpha"].value
    assert figures["far"]["alpha_similarity"].value < figures["near"]["alpha_similarity"].value


def test_a_distance_must_be_a_distance():
    table = from_counts([[1, 1], [2, 0]])
    for wrong in ([[0, 1], [2, 0]], [[1, 0], [0, 1]], [[0, -1], [-1, 0]], [[0]]):
        with pytest.raises(BadInputError, match="symmetric 2 x 2"):
            agreement.krippendorff_alpha(table, wrong)


def test_drawing_blocks_gives_the_interval_of_drawing_samples(monkeypatch):
    table = from_counts(np.random.default_rng(1).multinomial(5, [0.6, 0.3, 0.1], size=3_000))
    blocked = agreement.krippendorff_alpha(table, resamples=2_000)
    monkeypatch.setattr(resampling, "MOST_BLOCKS", 10**6)
    plain = agreement.krippendorff_alpha(table, resamples=2_000)
    assert blocked.value == pytest.approx(plain.value)
    assert blocked.high - blocked.low == pytest.approx(plain.high - plain.low, rel=0.1)


def test_chunks_change_nothing(monkeypatch):
    table = random_votes(4)
    whole = agreement.measure_all(table)
    monkeypatch.setattr(resampling, "CHUNK", 7)
    for name, one in agreement.measure_all(table).items():
        assert one.value == pytest.approx(whole[name].value)


def test_each_expert_is_set_against_all_the_others():
    table = random_votes(5)
    rest = agreement.confusion_with_rest(table)
    for expert in range(table.n_voters):
        others = [agreement.voter_confusion(table, expert, other) for other in range(table.n_voters) if other != expert]
        assert rest[expert].tolist() == np.sum(others, 0).tolist()


def test_an_expert_who_votes_at_random_is_far_from_the_panel_and_a_weak_one_among_weak_ones_is_not():
    panelists = panel.make_panel(3, experts=5, accuracy=0.8)
    made = panelists.vote(np.arange(400) % 17, 3)
    answers = made.votes.answer.copy()
    answers[made.votes.voter == 2] = np.random.default_rng(1).integers(17, size=(made.votes.voter == 2).sum())
    spoiled = dataclasses.replace(made.votes, answer=answers)
    assert [one.index for one in agreement.measure_experts(spoiled) if one.is_far] == [2]
    assert not any(one.is_far for one in agreement.measure_experts(made.votes))


def test_an_experts_distance_is_what_leaving_out_by_hand_gives():
    table = random_votes(6, samples=40)
    for one in agreement.measure_experts(table):
        own, rest = [], []
        for sample in range(table.n_samples):
            answers = dict(zip(table.voter[table.sample == sample], table.answer[table.sample == sample], strict=True))
            if one.index not in answers or len(answers) < 3:
                continue
            mine = answers.pop(one.index)
            others = list(answers.values())
            pairs = [a == b for i, a in enumerate(others) for j, b in enumerate(others) if i != j]
            own.append(np.mean([other == mine for other in others]))
            rest.append(np.mean(pairs))
        assert (one.samples, one.agreement) == (len(own), pytest.approx(np.mean(own)))
        assert one.others == pytest.approx(np.mean(rest))
        half = 1.959964 * np.std(np.subtract(own, rest), ddof=1) / len(own) ** 0.5
        assert one.high - one.difference == pytest.approx(half)


def test_labels_that_a_confident_model_contradicts_are_flagged():
    labels = np.array([0] * 10 + [1] * 10)
    seen = np.where(labels[:, None] == np.arange(2), 0.9, 0.1)
    seen[0] = [0.05, 0.95]  # confidently the other class
    seen[1] = [0.45, 0.55]  # the other class, but not confidently
    assert np.flatnonzero(agreement.against_model(labels, seen)).tolist() == [0]
    with pytest.raises(BadInputError, match="one row each"):
        agreement.against_model(labels, seen[:3])


def test_a_sample_unlike_every_neighbour_stands_apart():
    scheme = schemes.find("lcz17")
    cells = [
        grid.Cell(zone=32, north=True, size_m=320, column=100 + x, row=500 + y) for y in range(5) for x in range(5)
    ]
    labels = np.full(25, scheme.index("6"))
    labels[12] = scheme.index("G")  # water amid open low-rise
    labels[7] = scheme.index("5")  # close enough
    found = agreement.against_neighbours(labels, cells, scheme.similarity_matrix())
    assert np.flatnonzero(found.is_apart).tolist() == [12]
    assert (found.known[12], found.same[12]) == (8, 0)
    assert found.similarity[12] == pytest.approx((7 * 0.50 + 0.42) / 8)
    assert found.known[0] == 3
