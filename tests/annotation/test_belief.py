"""Beliefs fitted on few votes; hard samples; and what may not go wrong in them."""

import dataclasses

import numpy as np
import pytest

from annotation import belief, panel, routing
from annotation.votes import VoteTable
from fusion.errors import BadInputError


def ask(samples=2000, each=4, seed=3, difficulty=None, **panel_options):
    experts = panel.make_panel(seed, **panel_options)
    truth = np.random.default_rng(seed).integers(0, len(experts.codes), samples)
    return experts.vote(truth, seed, each, difficulty=difficulty).votes, truth, experts


def judge(model, votes, truth):
    """Accuracy, and mean log loss in nats."""
    chance = routing.fold_states(routing.normalise(routing.score_votes(model, votes)), votes.n_classes)
    return np.mean(chance.argmax(1) == truth), -np.log(chance[np.arange(len(truth)), truth] + 1e-9).mean()


def test_hard_states_make_certainty_honest():
    votes, truth, _experts = ask(each=8)
    plain = judge(belief.fit_model(votes), votes, truth)
    hard = judge(belief.fit_model(votes, neighbours=5), votes, truth)
    assert hard[1] < 0.8 * plain[1]
    assert hard[0] > plain[0] - 0.002


def test_where_no_sample_is_hard_nothing_is_lost():
    votes, truth, _experts = ask(each=6, difficulty=np.zeros(2000))
    plain = judge(belief.fit_model(votes), votes, truth)
    hard = judge(belief.fit_model(votes, neighbours=5), votes, truth)
    assert hard[0] > plain[0] - 0.005


def test_matrices_come_out_of_two_votes_a_sample():
    votes, _truth, experts = ask(samples=8000, each=2, scheme="water", accuracy=0.85, experts=5, difficulty=[0] * 8000)
    model = belief.fit_model(votes)
    for name, matrix in zip(experts.names, experts.confusion, strict=True):
        np.testing.assert_allclose(np.exp(model.experts[name]), matrix, atol=0.08)


def test_states_are_classes_first_and_their_neighbours_below():
    votes, _truth, _experts = ask(samples=500)
    model = belief.fit_model(votes, neighbours=3)
    assert model.log_prior.shape == (17 * 4,)
    assert model.pooled.shape == (17 * 4, 17)
    assert model.n_classes == 17
    table = np.exp(model.pooled)
    np.testing.assert_allclose(table.sum(1), 1, atol=1e-9)
    np.testing.assert_allclose(np.exp(model.log_prior).sum(), 1, atol=1e-9)
    for truth in range(17):
        blurred = table[17 + truth] - (1 - belief.PULL) * table[truth]
        match = np.abs(table[:17] * belief.PULL - blurred).max(1)
        assert match.min() < 1e-9
        assert match.argmin() != truth


def test_one_vote_more_equals_all_votes_again_with_hard_states_too():
    votes, _truth, _experts = ask(samples=200)
    model = belief.fit_model(votes, neighbours=4)
    step_by_step = np.tile(model.log_prior, (200, 1))
    for sample, voter, answer in zip(votes.sample[::-1], votes.voter[::-1], votes.answer[::-1], strict=True):
        column = model.log_likelihood(votes.voter_ids[voter])[:, answer]
        step_by_step[sample] = routing.add_vote(step_by_step[sample], column)
    np.testing.assert_allclose(step_by_step, belief.score_votes(model, votes), atol=1e-9)


def test_a_settled_sample_is_one_whose_class_is_sure_whatever_its_state():
    logs = np.log([[0.5, 0.01, 0.48, 0.01]])  # two classes, two states: class 0 has 0.98
    assert routing.is_settled(logs, [2], minimum=2, settle_at=0.95, n_classes=2).tolist() == [True]
    assert routing.is_settled(logs, [2], minimum=2, settle_at=0.95).tolist() == [False]


def test_information_is_about_the_class_and_not_about_how_hard_it_is():
    votes, _truth, _experts = ask(samples=500)
    model = belief.fit_model(votes, neighbours=2)
    k, table = 17, np.exp(model.pooled)
    state = np.full((2, 51), -80.0)
    state[0, [4, 17 + 4, 34 + 4]] = np.log([0.4, 0.3, 0.3])  # surely class 4, perhaps hard
    state[1, [4, 17 + 5]] = np.log([0.5, 0.5])
    sure, torn = routing.information_gain(state, model.pooled)
    assert sure < 1e-9
    answers = np.stack([table[4], table[17 + 5]])
    mean = answers.mean(0)
    assert torn == pytest.approx((answers * np.log(answers / mean)).sum(1).mean(), abs=1e-6)
    assert k == model.n_classes


def test_the_same_votes_give_the_same_bits():
    votes, _truth, _experts = ask(samples=400)
    one, other = belief.fit_model(votes, neighbours=3), belief.fit_model(votes, neighbours=3)
    assert one.log_prior.tobytes() == other.log_prior.tobytes()
    assert all(one.experts[name].tobytes() == other.experts[name].tobytes() for name in votes.voter_ids)


def test_blocks_do_not_show_in_the_result(monkeypatch):
    votes, _truth, _experts = ask(samples=400)
    whole = belief.fit_model(votes, neighbours=3)
    monkeypatch.setattr(belief, "BLOCK_ROWS", 37)
    np.testing.assert_allclose(whole.log_prior, belief.fit_model(votes, neighbours=3).log_prior, atol=1e-4)


def test_a_vote_on_one_sample_of_many_is_enough_to_fit():
    one = VoteTable(
        sample=np.array([1], np.int32),
        voter=np.array([0], np.int32),
        answer=np.array([2], np.int32),
        n_classes=3,
        sample_ids=(0, 1, 2),
        voter_ids=("ann", "bob"),
    )
    model = belief.fit_model(one, neighbours=9)
    assert set(model.experts) == {"ann"}
    scores = belief.score_votes(model, one)
    assert np.isfinite(scores).all()
    assert routing.fold_states(routing.normalise(scores), 3)[1].argmax() == 2


def test_a_spammer_among_the_experts_spoils_no_hard_states():
    votes, truth, _experts = ask(each=6)
    is_spam = votes.voter == 0
    answer = np.where(is_spam, np.random.default_rng(1).integers(0, 17, len(votes)), votes.answer).astype(np.int32)
    spoiled = dataclasses.replace(votes, answer=answer)
    model = belief.fit_model(spoiled, neighbours=5)
    without = dataclasses.replace(
        votes, sample=votes.sample[~is_spam], voter=votes.voter[~is_spam], answer=votes.answer[~is_spam],
        sure=None, seconds=None,
    )  # fmt: skip
    assert judge(model, spoiled, truth)[0] > judge(belief.fit_model(without, neighbours=5), without, truth)[0] - 0.02
    gains = [routing.information_gain(model.log_prior[None], model.experts[name])[0] for name in votes.voter_ids]
    assert gains[0] < 0.3 * min(gains[1:])


def test_a_negative_number_of_neighbours_is_refused():
    votes, _truth, _experts = ask(samples=50)
    with pytest.raises(BadInputError, match="neighbours"):
        belief.fit_model(votes, neighbours=-1)
