"""Simulated experts do what they are documented to do."""

import numpy as np
import pytest

from annotation import panel
from annotation.so2sat_confusion import PUBLISHED, PUBLISHED_CODES, PUBLISHED_PRIOR, lcz_confusion
from fusion import scheme
from fusion.errors import BadInputError

LCZ = scheme.find("lcz17")


def test_the_published_table_is_carried_over_whole(real_data):
    import json

    published = json.loads((real_data / "lcz" / "so2sat-expert-confusion.json").read_text())
    assert list(PUBLISHED_CODES) == published["labels"]
    np.testing.assert_array_equal(PUBLISHED, published["confusion"])
    np.testing.assert_array_equal(PUBLISHED_PRIOR, published["prior"])


def test_lcz_confusion_keeps_the_published_rows_and_states_lcz_7():
    table = lcz_confusion()
    np.testing.assert_allclose(table.sum(1), 1)
    assert table[LCZ.index("5"), LCZ.index("2")] == pytest.approx(0.096, abs=1e-3)
    assert table[LCZ.index("9"), LCZ.index("6")] == pytest.approx(0.359, abs=2e-3)
    row = table[LCZ.index("7")]
    assert row.argsort()[-2:].tolist() == [LCZ.index("3"), LCZ.index("7")]
    assert row[LCZ.index("7")] == pytest.approx(0.796, abs=5e-3)  # mean of the nine urban classes


def test_easy_samples_are_answered_as_each_experts_matrix_says():
    experts = panel.make_panel(1, experts=3)
    truth = np.full(20_000, LCZ.index("5"))
    votes = experts.vote(truth, 1, difficulty=np.zeros(len(truth))).votes
    for number in range(3):
        shares = np.bincount(votes.answer[votes.voter == number], minlength=17) / np.sum(votes.voter == number)
        np.testing.assert_allclose(shares, experts.confusion[number, LCZ.index("5")], atol=0.015)


def test_skill_sharpens_or_blurs():
    experts = panel.make_panel(3, experts=30)
    right = experts.confusion.diagonal(axis1=1, axis2=2).mean(1)
    assert np.corrcoef(experts.skill, right)[0, 1] > 0.9
    base = experts.base.diagonal().mean()
    assert (right[experts.skill > 1] > base).all()
    assert (right[experts.skill < 1] < base).all()


def test_experts_err_together_on_hard_samples():
    experts = panel.make_panel(2, experts=2)
    truth = np.random.default_rng(0).integers(0, 17, 20_000)
    table = experts.vote(truth, 2).votes
    wrong = np.full((2, len(truth)), np.nan)
    wrong[table.voter, table.sample] = table.answer != truth[table.sample]
    kept = wrong[:, np.isfinite(wrong).all(0)]
    assert np.corrcoef(kept)[0, 1] > 0.1


def test_hard_samples_take_longer_and_leave_experts_unsure():
    hard = np.repeat([0.0, 0.8], 5000)
    said = panel.make_panel(4).vote(np.zeros(10_000, int), 4, 3, difficulty=hard)
    is_hard = hard[said.votes.sample] > 0
    assert said.votes.seconds[is_hard].mean() > 1.5 * said.votes.seconds[~is_hard].mean()
    assert said.votes.sure[~is_hard].mean() > 0.95
    assert said.votes.sure[is_hard].mean() < 0.6
    skipped_hard = hard[said.skipped_sample] > 0
    assert skipped_hard.mean() > 0.8
    assert set(said.skip_reason) == {"6"}


def test_each_sample_gets_the_votes_asked_for_skips_counted():
    said = panel.make_panel(5, experts=8).vote(np.arange(500) % 17, 5, 3)
    asked = said.votes.votes_per_sample + np.bincount(said.skipped_sample, minlength=500)
    assert (asked == 3).all()
    assert said.is_simulated


def test_mixed_cells_draw_from_their_shares():
    shares = np.zeros((4000, 17))
    shares[:, LCZ.index("G")], shares[:, LCZ.index("A")] = 0.55, 0.45
    said = panel.make_panel(6).vote(np.full(4000, LCZ.index("G")), 6, 4, shares=shares)
    seen = said.votes.counts().sum(0) / len(said.votes)
    assert seen[LCZ.index("G")] == pytest.approx(0.55, abs=0.02)
    assert seen[LCZ.index("A")] == pytest.approx(0.44, abs=0.02)
    assert set(said.skip_reason) == {"3"}


def test_a_seed_gives_the_same_votes_and_another_seed_others():
    truth = np.arange(300) % 17
    one, same = (panel.make_panel(7).vote(truth, 7, 4).votes for _ in range(2))
    assert one.answer.tobytes() == same.answer.tobytes()
    assert panel.make_panel(7).vote(truth, 8, 4).votes.answer.tobytes() != one.answer.tobytes()


def test_a_two_class_panel_has_the_accuracy_asked_for():
    truth = np.random.default_rng(0).integers(0, 2, 4000)
    votes = panel.make_panel(9, experts=40, scheme="water", accuracy=0.85).vote(truth, 9, 10, np.zeros(4000)).votes
    assert np.mean(votes.answer == truth[votes.sample]) == pytest.approx(0.85, abs=0.03)
    assert votes.n_classes == 2


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"votes_per_sample": 11}, "11 votes per sample were asked of 10 experts"),
        ({"difficulty": [2.0, 0.0]}, "Difficulty must be 2 numbers"),
        ({"shares": [[0.5] * 17] * 2}, "sum to 1"),
    ],
)
def test_wrong_demands_are_refused(how, words):
    with pytest.raises(BadInputError, match=words):
        panel.make_panel(1).vote([0, 1], 1, **how)
    with pytest.raises(BadInputError, match="chance"):
        panel.make_panel(1, scheme="water", accuracy=0.4)
