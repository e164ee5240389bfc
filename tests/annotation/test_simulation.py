"""Forecasts: what is counted, and which wishes are refused."""

import numpy as np
import pytest

from annotation import simulation
from fusion.errors import BadInputError


@pytest.fixture(scope="module")
def trial():
    return simulation.make_trial(samples=400, experts=6, scheme="lcz17", seed=3)


def test_a_forecast_counts_votes_and_hours(trial):
    three = simulation.forecast(trial, "fixed", {"votes": 3}, 1, 9.0)
    assert three.is_simulated
    assert three.votes == pytest.approx(1200, abs=20)
    assert three.votes_per_sample == pytest.approx(three.votes / len(trial.truth))
    assert three.hours == pytest.approx(three.votes * 9 / 3600)
    assert three.hours / 6 <= three.most_hours < three.hours / 4
    assert three.low < three.accuracy < three.high


def test_the_panels_own_pace_is_used_where_none_is_given(trial):
    assert simulation.forecast(trial, "fixed", {"votes": 2}, 1, None).seconds == trial.seconds
    assert 3 < trial.seconds < 15


def test_policies_are_compared_on_the_same_panel(trial):
    rows = simulation.compare(trial, ["fixed", "adaptive"], [2, 5], {"maximum": 4, "settle_at": 0.9})
    assert [row.policy for row in rows] == ["fixed votes=2", "fixed votes=5", "adaptive maximum=4 settle_at=0.9"]
    assert rows[0].accuracy < rows[1].accuracy
    assert rows[2].votes_per_sample <= 4


def test_every_sample_of_a_trial_can_be_voted_on():
    trial = simulation.make_trial(samples=2000, experts=2, scheme="lcz17", seed=1)
    assert trial.replies.can_ask.any(1).all()
    assert len(trial.truth) <= 2000
    right = [np.mean(trial.replies.answers[:, place] == trial.truth) for place in range(2)]
    assert min(right) > 0.5  # truth and replies lie side by side


@pytest.mark.parametrize(
    ("wish", "words"), [({"samples": 3}, "too few"), ({"experts": 1}, "disagree"), ({"accuracy": 0.01}, "chance")]
)
def test_a_trial_that_makes_no_sense_is_refused(wish, words):
    with pytest.raises(BadInputError, match=words):
        simulation.make_trial(**{"samples": 100, "experts": 5, "scheme": "lcz17", "seed": 1} | wish)


def test_votes_take_time(trial):
    with pytest.raises(BadInputError, match="seconds per vote"):
        simulation.forecast(trial, "fixed", {"votes": 2}, 1, 0.0)
