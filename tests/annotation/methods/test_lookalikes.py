"""Likely confusions: better than independent errors on few votes, and its limits."""

import numpy as np
import pytest

from annotation import consensus, panel
from fusion.errors import BadInputError


@pytest.mark.parametrize("each", [3, 6])
def test_it_beats_independent_errors_on_few_votes(each):
    truth = np.random.default_rng(4).integers(0, 17, 3000)
    votes = panel.make_panel(4).vote(truth, 4, each).votes
    kept = np.flatnonzero(votes.votes_per_sample == each)
    right = {name: np.mean((consensus.run(name, votes).label == truth)[kept]) for name in ("lookalikes", "dawid_skene")}
    assert right["lookalikes"] > right["dawid_skene"]


def test_it_says_how_sure_it_is_honestly():
    truth = np.random.default_rng(5).integers(0, 17, 3000)
    votes = panel.make_panel(5).vote(truth, 5, 6).votes
    found = consensus.run("lookalikes", votes)
    doubt = {}
    for name in ("lookalikes", "dawid_skene"):
        result = consensus.run(name, votes)
        doubt[name] = abs(result.top_probability.mean() - np.mean(result.label == truth))
    assert doubt["lookalikes"] < doubt["dawid_skene"]
    np.testing.assert_allclose(found.confusion.sum(2), 1, atol=1e-5)
    assert found.class_prior.sum() == pytest.approx(1, abs=1e-5)


def test_slips_must_be_a_share():
    votes = panel.make_panel(5).vote([1, 2, 3], 5, 6).votes
    with pytest.raises(BadInputError, match="slips"):
        consensus.run("lookalikes", votes, parameters={"slips": 0})
