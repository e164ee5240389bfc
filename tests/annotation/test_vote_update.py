"""One more vote without a refit: the formula, and what has no matrices."""

import numpy as np
import pytest

from annotation import consensus, panel
from annotation.vote_update import add_vote
from fusion.errors import BadInputError


@pytest.fixture(scope="module")
def table():
    return panel.make_panel(2).vote(np.arange(400) % 17, 2, 4).votes


def test_it_is_bayes_rule_with_the_experts_row(table):
    result = consensus.run("dawid_skene", table)
    found = add_vote(result, sample=7, voter=3, answer=5)
    by_hand = result.distribution[7].astype(float) * result.confusion[3, :, 5]
    np.testing.assert_allclose(found, by_hand / by_hand.sum(), atol=1e-5)
    assert found[5] > result.distribution[7, 5]


def test_a_stranger_counts_as_the_average_expert(table):
    result = consensus.run("dawid_skene", table)
    found = add_vote(result, sample=7, voter=None, answer=5)
    assert found.sum() == pytest.approx(1, abs=1e-5)
    by_hand = result.distribution[7].astype(float) * result.confusion[:, :, 5].mean(0)
    np.testing.assert_allclose(found, by_hand / by_hand.sum(), atol=1e-5)


def test_a_method_without_matrices_refuses(table):
    with pytest.raises(BadInputError, match="'majority' knows no matrices"):
        add_vote(consensus.run("majority", table), sample=0, voter=0, answer=0)
