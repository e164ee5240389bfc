"""Sets of labels, boxes and masks: cases whose answer is known by hand."""

import numpy as np
import pytest

from annotation import consensus
from annotation.box_sets import BoxVotes, overlap
from annotation.label_sets import LabelSetVotes
from annotation.mask_sets import MaskVotes
from fusion.errors import BadVotesError


def people(samples, voters):
    sample, voter = (axis.ravel().astype(np.int32) for axis in np.indices((samples, voters)))
    return {
        "sample": sample,
        "voter": voter,
        "sample_ids": tuple(range(samples)),
        "voter_ids": tuple(f"v{place}" for place in range(voters)),
    }


def draw(boxes_of_voters):
    """One sample; each voter draws a list of boxes."""
    rows = [(ballot, box) for ballot, boxes in enumerate(boxes_of_voters) for box in boxes]
    return BoxVotes(
        **people(1, len(boxes_of_voters)),
        boxes=np.array([box for _, box in rows], np.float32).reshape(-1, 4),
        ballot=np.array([ballot for ballot, _ in rows], np.int32),
    )


def test_a_box_is_there_when_most_drew_it_and_lies_at_the_median():
    left, right = (0, 0, 10, 10), (30, 30, 40, 40)
    votes = draw([[left, right], [(1, 0, 11, 10)], [(2, 0, 12, 10), (80, 80, 90, 90)]])
    result = consensus.find("boxes").aggregate(votes)
    assert result.boxes[result.is_kept].tolist() == [[1, 0, 11, 10]]
    np.testing.assert_allclose(result.probability, [1, 1 / 3, 1 / 3], atol=1e-6)
    assert result.spread[0] == pytest.approx(1 / 3)  # corners move by 1, 0 and 1 in one of two directions


def test_boxes_are_matched_by_the_best_sum_and_not_one_after_the_other():
    # Taken one by one, the first box of the second voter would take the wrong partner (overlap 0.6 against 0.58).
    one = [(0, 0, 10, 10), (3, 0, 13, 10)]
    other = [(2, 0, 12, 10), (4.5, 0, 14.5, 10)]
    result = consensus.find("boxes").aggregate(draw([one, other]))
    assert len(result.boxes) == 2
    assert (result.probability == 1).all()


def test_a_sample_where_nobody_draws_a_box_has_none():
    result = consensus.find("boxes").aggregate(draw([[], [], []]))
    assert len(result) == 1
    assert len(result.boxes) == 0


def test_overlap_is_shared_area_over_joint_area():
    table = overlap(np.array([[0, 0, 2, 2]], np.float32), np.array([[1, 1, 3, 3], [5, 5, 6, 6]], np.float32))
    np.testing.assert_allclose(table, [[1 / 7, 0]], atol=1e-6)


def test_a_box_without_area_is_refused():
    with pytest.raises(BadVotesError, match="Box 1 has no area"):
        draw([[(5, 5, 5, 9)]])


def test_labels_are_told_apart_one_by_one():
    truth = np.random.default_rng(0).random((400, 3)) < (0.2, 0.5, 0.8)
    noise = np.random.default_rng(1).random((400, 5, 3)) < 0.15
    votes = LabelSetVotes(**people(400, 5), chosen=(truth[:, None] ^ noise).reshape(-1, 3))
    result = consensus.find("multi_label").aggregate(votes)
    assert np.mean(result.is_chosen == truth) > 0.96
    assert (result.low <= result.high).all()


def test_a_label_that_nobody_names_is_not_chosen():
    votes = LabelSetVotes(**people(5, 3), chosen=np.zeros((15, 2), np.bool_))
    assert not consensus.find("multi_label").aggregate(votes).is_chosen.any()


def test_staple_finds_the_mask_and_who_paints_carelessly():
    rng = np.random.default_rng(0)
    truth = np.zeros((20, 32, 32), np.bool_)
    truth[:, 8:24, 8:24] = True
    rates = [(0.97, 0.98)] * 2 + [(0.6, 0.7)] * 3  # sensitivity and specificity of five voters
    shape = truth[0].shape
    masks = [np.where(each, rng.random(shape) < s, rng.random(shape) > c) for each in truth for s, c in rates]
    result = consensus.find("staple").aggregate(MaskVotes(**people(20, 5), masks=tuple(masks)))
    np.testing.assert_allclose(result.sensitivity, [s for s, _ in rates], atol=0.02)
    np.testing.assert_allclose(result.specificity, [c for _, c in rates], atol=0.02)
    most = np.array(masks).reshape(20, 5, 32, 32).sum(1) >= 3
    assert np.mean(np.array(result.is_object) == truth) > np.mean(most == truth)


def test_masks_of_one_sample_on_two_grids_are_refused():
    with pytest.raises(BadVotesError, match="differ in shape"):
        MaskVotes(**people(1, 2), masks=(np.zeros((2, 2), np.bool_), np.zeros((2, 3), np.bool_)))
