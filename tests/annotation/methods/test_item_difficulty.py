"""Hard samples are told from bad experts; certainty means what it says; one coin knows each expert's accuracy."""

import numpy as np
import pytest

from annotation import consensus, panel
from annotation.methods import item_difficulty


@pytest.fixture(scope="module")
def hard():
    truth = np.random.default_rng(5).integers(0, 17, 6000)
    return truth, panel.make_panel(5).vote(truth, 5, 10).votes


def miscalibration(result, truth):
    """Expected calibration error over 15 bins."""
    place = np.minimum((result.top_probability * 15).astype(int), 14)
    gap = result.top_probability - (result.label == truth)
    return np.abs(np.bincount(place, gap, 15)).sum() / len(truth)


def test_it_is_better_and_better_calibrated_where_samples_are_hard(hard):
    truth, table = hard
    ours, simple = (consensus.run(name, table) for name in ("item_difficulty", "dawid_skene"))
    assert np.mean(ours.label == truth) > np.mean(simple.label == truth)
    assert miscalibration(ours, truth) < 0.5 * miscalibration(simple, truth)


def test_it_is_as_good_as_dawid_skene_where_no_sample_is_hard():
    truth = np.random.default_rng(6).integers(0, 17, 4000)
    table = panel.make_panel(6).vote(truth, 6, 5, difficulty=np.zeros(4000)).votes
    right = [np.mean(consensus.run(name, table).label == truth) for name in ("item_difficulty", "dawid_skene")]
    assert right[0] > right[1] - 0.005


def test_blocks_do_not_show_in_the_result(hard, monkeypatch):
    _truth, table = hard
    whole = consensus.run("item_difficulty", table, parameters={"max_iterations": 3})
    monkeypatch.setattr(item_difficulty, "BLOCK_ROWS", 1003)
    parts = consensus.run("item_difficulty", table, parameters={"max_iterations": 3})
    np.testing.assert_allclose(whole.distribution, parts.distribution, atol=1e-3)


def test_it_works_with_two_classes():
    truth = np.random.default_rng(7).integers(0, 2, 1000)
    table = panel.make_panel(7, scheme="water", experts=6, accuracy=0.8).vote(truth, 7).votes
    result = consensus.run("item_difficulty", table)
    assert np.mean(result.label == truth) > 0.85
    np.testing.assert_allclose(result.confusion.sum(2), 1, atol=1e-5)


def test_one_coin_finds_the_accuracy_of_each_expert():
    rng = np.random.default_rng(8)
    truth, accuracy = rng.integers(0, 4, 4000), np.array([0.95, 0.8, 0.6, 0.4])
    wrong = (truth[:, None] + rng.integers(1, 4, (4000, 4))) % 4
    answer = np.where(rng.random((4000, 4)) < accuracy, truth[:, None], wrong)
    sample, voter = np.indices(answer.shape)
    table = panel.VoteTable(
        sample=sample.ravel().astype(np.int32),
        voter=voter.ravel().astype(np.int32),
        answer=answer.ravel().astype(np.int32),
        n_classes=4,
        sample_ids=tuple(range(4000)),
        voter_ids=tuple(range(4)),
    )
    found = consensus.run("one_coin", table)
    np.testing.assert_allclose(found.confusion[:, 0, 0], accuracy, atol=0.03)
    assert np.mean(found.label == truth) > np.mean(consensus.run("majority", table).label == truth)
