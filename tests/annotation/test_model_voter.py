"""A model votes only where it beats the panel on gold."""

import numpy as np
import pytest

from annotation import votes
from annotation.model_voter import add_model_voter, judge_model
from fusion.errors import BadInputError, BadVotesError


def labels(right, samples):
    """Labels of which the first `right` are those of a gold of zeros."""
    return (np.arange(samples) >= right).astype(int)


def judge(panel, model, samples=200):
    return judge_model(panel=labels(panel, samples), model=labels(model, samples), gold=np.zeros(samples))


def test_a_clearly_better_model_is_admitted_with_its_evidence():
    found = judge(panel=160, model=180)
    assert found.is_admitted
    assert (found.panel_accuracy, found.model_accuracy) == (0.8, 0.9)
    assert found.low < found.difference < found.high


def test_a_worse_or_merely_luckier_model_stays_out():
    assert not judge(panel=180, model=160).is_admitted
    assert "worse" in judge(panel=180, model=160).reason
    assert not judge(panel=180, model=183).is_admitted
    assert "not clearly" in judge(panel=180, model=183).reason


def test_few_gold_samples_decide_nothing():
    assert not judge(panel=0, model=20, samples=20).is_admitted


def test_the_interval_is_that_of_agresti_and_min():
    found = judge(panel=160, model=180)  # b = 20, c = 0 of 200: (20.5 - 0.5) / 202 and sqrt(21 - 400 / 202) / 202
    assert (found.low, found.high) == pytest.approx((0.0567, 0.1413), abs=2e-4)


def test_labels_of_another_length_are_refused():
    with pytest.raises(BadInputError, match="every gold sample"):
        judge_model(panel=[1], model=[1, 2], gold=[1, 2])


def test_the_model_becomes_one_more_voter():
    table = votes.from_records(sample=["a", "b"], voter=["x", "x"], answer=["0", "1"], codes=("0", "1"))
    more = add_model_voter(table, sample=[1], answer=[0], name="model")
    assert more.voter_ids == ("x", "model")
    assert more.counts().tolist() == [[1, 0], [1, 1]]
    with pytest.raises(BadVotesError, match="name of its own"):
        add_model_voter(more, sample=[0], answer=[0], name="model")
