"""The contract of every consensus method, whatever its answers are: one file over the registry."""

from dataclasses import replace

import numpy as np
import pytest

from annotation import consensus
from annotation.box_sets import BoxVotes
from annotation.label_sets import LabelSetVotes
from annotation.mask_sets import MaskVotes
from annotation.votes import VoteTable
from fusion.errors import BadInputError, BadVotesError

METHODS = consensus.load_all()
SAMPLES, VOTERS, CLASSES = 6, 4, 3


def cast(kind, answers):
    """A table of one kind: what each voter (column) says of each sample (row) in classes 0..2."""
    answers = np.asarray(answers, np.int32).reshape(-1, VOTERS)
    sample, voter = (axis.ravel().astype(np.int32) for axis in np.indices(answers.shape))
    people = {
        "sample": sample,
        "voter": voter,
        "sample_ids": tuple(f"s{place}" for place in range(len(answers))),
        "voter_ids": tuple(f"v{place}" for place in range(VOTERS)),
    }
    return MAKERS[kind](people, answers.ravel())


def make_classes(people, answer):
    return VoteTable(**people, answer=answer, n_classes=CLASSES)


def make_labels(people, answer):
    return LabelSetVotes(**people, chosen=np.eye(CLASSES, dtype=np.bool_)[answer])


def make_boxes(people, answer):
    corner = 10.0 * answer[:, None].astype(np.float32)
    boxes = np.concatenate([corner, corner, corner + 4, corner + 6], 1).astype(np.float32)
    return BoxVotes(**people, boxes=boxes, ballot=np.arange(len(answer), dtype=np.int32))


def make_masks(people, answer):
    return MaskVotes(**people, masks=tuple(np.arange(12).reshape(3, 4) // 4 == each for each in answer))


MAKERS = {"class": make_classes, "labels": make_labels, "boxes": make_boxes, "mask": make_masks}


def read(kind, result):
    """What a result says of each sample, as the class that its answer stands for."""
    if kind == "class":
        return result.label.tolist()
    if kind == "labels":
        return [np.flatnonzero(row).tolist() for row in result.is_chosen]
    if kind == "boxes":
        return [result.boxes[(result.sample == place) & result.is_kept].tolist() for place in range(len(result))]
    return [np.flatnonzero(mask.any(1)).tolist() for mask in result.is_object]


def turn(kind, votes, order):
    """The same votes in another order."""
    columns = {"sample": votes.sample[order], "voter": votes.voter[order]}
    if kind == "class":
        return replace(votes, **columns, answer=votes.answer[order])
    if kind == "labels":
        return replace(votes, **columns, chosen=votes.chosen[order])
    if kind == "mask":
        return replace(votes, **columns, masks=tuple(votes.masks[place] for place in order))
    return replace(votes, **columns, ballot=np.argsort(order)[votes.ballot].astype(np.int32))


@pytest.mark.parametrize("name", METHODS)
def test_unanimous_stays_unanimous(name):
    kind, truth = METHODS[name].answer_kind, [0, 1, 2, 0, 1, 2]
    said = read(kind, METHODS[name].aggregate(cast(kind, np.repeat(truth, VOTERS))))
    meant = {
        "class": truth,
        "labels": [[each] for each in truth],
        "boxes": [[[10 * each, 10 * each, 10 * each + 4, 10 * each + 6]] for each in truth],
        "mask": [[each] for each in truth],
    }
    assert said == meant[kind]


@pytest.mark.parametrize("name", METHODS)
def test_the_order_of_votes_does_not_matter(name):
    rng, kind = np.random.default_rng(3), METHODS[name].answer_kind
    votes = cast(kind, rng.integers(0, CLASSES, (SAMPLES, VOTERS)))
    turned = turn(kind, votes, rng.permutation(SAMPLES * VOTERS))
    one, other = (METHODS[name].aggregate(table) for table in (votes, turned))
    assert (one.decisions == other.decisions).all()
    assert read(kind, one) == read(kind, other)


@pytest.mark.parametrize("name", METHODS)
def test_every_decision_is_a_distribution(name):
    kind = METHODS[name].answer_kind
    result = METHODS[name].aggregate(cast(kind, np.random.default_rng(4).integers(0, CLASSES, (SAMPLES, VOTERS))))
    assert len(result) == SAMPLES
    assert len(result.decisions) >= SAMPLES
    assert (result.decisions >= 0).all()
    np.testing.assert_allclose(result.decisions.sum(1), 1, atol=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_no_votes_is_an_error(name):
    kind = METHODS[name].answer_kind
    with pytest.raises(BadVotesError, match="no votes"):
        METHODS[name].aggregate(cast(kind, []))


@pytest.mark.parametrize("name", METHODS)
def test_a_sample_without_a_vote_is_named(name):
    kind = METHODS[name].answer_kind
    votes = cast(kind, np.zeros((SAMPLES, VOTERS)))
    with pytest.raises(BadVotesError, match="'lonely' has no vote"):
        METHODS[name].aggregate(replace(votes, sample_ids=(*votes.sample_ids, "lonely")))


@pytest.mark.parametrize("name", METHODS)
def test_an_unknown_parameter_is_refused(name):
    kind = METHODS[name].answer_kind
    with pytest.raises(BadInputError, match="no parameter 'sharpness'"):
        METHODS[name].aggregate(cast(kind, np.zeros((SAMPLES, VOTERS))), 0, {"sharpness": 1.0})


def test_a_method_for_masks_is_refused_for_classes():
    with pytest.raises(BadInputError, match=r"for mask, not for classes.*majority"):
        consensus.run("staple", cast("class", np.zeros((SAMPLES, VOTERS))))


def test_the_default_is_a_method_for_classes():
    assert METHODS[consensus.DEFAULT].answer_kind == "class"
