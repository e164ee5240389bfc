"""Who sees what next: own random orders, least voted first, and blind; then by information, until settled."""

import dataclasses

import numpy as np
import pytest

from annotation import consensus, panel, routing
from annotation.votes import VoteTable
from fusion.errors import BadInputError


def test_an_experts_order_is_the_same_every_time_and_not_that_of_another():
    ann = routing.order_samples(5, "ann", 2000)
    assert sorted(ann.tolist()) == list(range(2000))
    assert (ann == routing.order_samples(5, "ann", 2000)).all()
    for other in (routing.order_samples(5, "bob", 2000), routing.order_samples(6, "ann", 2000)):
        assert abs(np.corrcoef(np.argsort(ann), np.argsort(other))[0, 1]) < 0.08


def test_the_least_voted_come_first_in_the_experts_own_order():
    order, taken = np.array([4, 2, 0, 3, 1]), np.array([1, 0, 1, 0, 3])
    assert routing.choose(order, taken, wanted=3, count=9).tolist() == [3, 1, 2, 0]


def test_full_and_seen_samples_are_left_out():
    seen = np.array([True, False, False])
    assert routing.choose([0, 1, 2], [0, 1, 0], wanted=1, count=5, seen=seen).tolist() == [2]


def test_nobody_is_handed_more_than_asked_for():
    assert routing.choose(np.arange(50), np.zeros(50), wanted=1, count=5).tolist() == [0, 1, 2, 3, 4]


def test_ten_experts_fill_a_quota_evenly():
    taken = np.zeros(100, int)
    orders = [routing.order_samples(1, f"expert {number}", 100) for number in range(10)]
    seen = np.zeros((10, 100), bool)
    for _ in range(30):
        for number, order in enumerate(orders):
            for place in routing.choose(order, taken, wanted=3, count=1, seen=seen[number]):
                taken[place] += 1
                seen[number, place] = True
                assert taken.max() - taken.min() <= 1
    assert (taken == 3).all()


# --- adaptive campaigns ---


def make_votes(seed=1, samples=400, each=3, **panel_options):
    experts = panel.make_panel(seed, **panel_options)
    truth = np.random.default_rng(seed).integers(0, len(experts.codes), samples)
    return experts.vote(truth, seed, each).votes, truth


def take(votes, keep):
    """The kept rows of a table, over the same samples and voters."""
    return replace(votes, sample=votes.sample[keep], voter=votes.voter[keep], answer=votes.answer[keep])


def replace(votes, **columns):
    return dataclasses.replace(votes, **{"sure": None, "seconds": None} | columns)


def test_before_the_first_vote_nothing_is_known():
    model = routing.start_model(4, accuracy=0.7)
    np.testing.assert_allclose(np.exp(model.log_prior), 0.25)
    np.testing.assert_allclose(np.exp(model.pooled).sum(1), 1)
    assert (model.log_likelihood("anybody") == model.pooled).all()
    empty = VoteTable(
        sample=np.empty(0, np.int32),
        voter=np.empty(0, np.int32),
        answer=np.empty(0, np.int32),
        n_classes=4,
        sample_ids=(1, 2),
        voter_ids=("ann",),
    )
    assert (routing.fit_model(empty).pooled == model.pooled).all()
    np.testing.assert_allclose(routing.score_votes(model, empty), np.log(0.25))


def test_vote_after_vote_gives_the_same_posterior_as_all_votes_at_once():
    votes, _truth = make_votes()
    model = routing.fit_model(votes)
    step_by_step = np.tile(model.log_prior, (votes.n_samples, 1))
    for place in np.random.default_rng(3).permutation(len(votes)):
        sample, answer = votes.sample[place], votes.answer[place]
        column = model.log_likelihood(votes.voter_ids[votes.voter[place]])[:, answer]
        step_by_step[sample] = routing.add_vote(step_by_step[sample], column)
    np.testing.assert_allclose(step_by_step, routing.score_votes(model, votes), atol=1e-9)


def test_a_vote_can_be_taken_back():
    model = routing.start_model(3)
    column = model.pooled[:, 1]
    after = routing.add_vote(model.log_prior, column)
    assert routing.normalise(after).argmax() == 1
    np.testing.assert_allclose(routing.add_vote(after, -column), model.log_prior)


def test_the_order_of_the_votes_does_not_change_the_fitted_model():
    votes, _truth = make_votes()
    mixed = take(votes, np.random.default_rng(5).permutation(len(votes)))
    one, other = routing.fit_model(votes), routing.fit_model(mixed)
    np.testing.assert_allclose(one.pooled, other.pooled, atol=1e-5)
    for name in votes.voter_ids:
        np.testing.assert_allclose(one.experts[name], other.experts[name], atol=1e-4)


def test_fitted_beliefs_agree_with_the_consensus_of_the_same_votes():
    votes, _truth = make_votes(each=5)
    model = routing.fit_model(votes)
    label = routing.score_votes(model, votes).argmax(1)
    assert np.mean(label == consensus.run("dawid_skene", votes).label) > 0.95


def test_samples_without_votes_and_strangers_leave_a_model_whole():
    votes, _truth = make_votes(experts=6)
    only_few = take(votes, (votes.sample % 2 == 0) & (votes.voter < 5))
    model = routing.fit_model(only_few)
    assert set(model.experts) == set(votes.voter_ids[:5])
    assert (model.log_likelihood(votes.voter_ids[5]) == model.pooled).all()
    scores = routing.score_votes(model, only_few)
    np.testing.assert_allclose(scores[1::2], np.tile(model.log_prior, (200, 1)))


def test_an_expert_who_never_met_a_class_is_taken_for_like_the_others():
    votes, truth = make_votes(samples=1500, each=None, experts=5, scheme="water", accuracy=0.9)
    model = routing.fit_model(take(votes, (votes.voter > 0) | (truth[votes.sample] == 0)))
    table = np.exp(model.experts[votes.voter_ids[0]])
    assert np.isfinite(table).all()
    np.testing.assert_allclose(table.sum(1), 1, atol=1e-5)
    assert table[1, 1] > 0.5


def test_settled_needs_certainty_and_the_minimum_of_votes():
    logs = np.log([[0.97, 0.02, 0.01], [0.97, 0.02, 0.01], [0.6, 0.3, 0.1]]) + 5
    assert routing.is_settled(logs, [2, 1, 9], minimum=2, settle_at=0.95).tolist() == [True, False, False]
    assert bool(routing.is_settled(logs[0], 2, minimum=2, settle_at=0.95))


def test_information_is_the_expected_fall_of_entropy():
    rng = np.random.default_rng(0)
    belief, table = rng.dirichlet(np.ones(4), 6), rng.dirichlet(np.ones(4), 4)
    for row, gain in zip(belief, routing.information_gain(np.log(belief) - 3, np.log(table)), strict=True):
        after = routing.normalise(np.log(row) + np.log(table).T)  # row = answer
        chance = row @ table
        fall = consensus.entropy(row[None])[0] - chance @ consensus.entropy(after)
        assert abs(gain - fall) < 1e-6


def test_a_spammer_and_a_certain_sample_tell_nothing():
    table = np.log(np.tile([0.7, 0.2, 0.1], (3, 1)))
    assert routing.information_gain(np.zeros((2, 3)), table).max() < 1e-12
    sharp = routing.start_model(3, 0.9).pooled
    gains = routing.information_gain([[0, -60, -60], [0, 0, -60], [0, 0, 0]], sharp)
    assert gains[0] < 1e-6 < gains[1] < gains[2]


def test_a_fitted_spammer_tells_less_than_everybody_else():
    votes, _truth = make_votes(samples=2000, each=None, experts=6)
    is_spam = votes.voter == 2
    answer = np.where(is_spam, np.random.default_rng(9).integers(0, 17, len(votes)), votes.answer).astype(np.int32)
    model = routing.fit_model(replace(votes, answer=answer))
    gains = {name: routing.information_gain(model.log_prior[None], model.experts[name])[0] for name in votes.voter_ids}
    assert gains[votes.voter_ids[2]] < 0.2 * min(gain for name, gain in gains.items() if name != votes.voter_ids[2])


def test_no_single_vote_excludes_a_class():
    votes, truth = make_votes(samples=3000, each=None, experts=4, scheme="water", accuracy=0.9)
    perfect = replace(votes, answer=truth[votes.sample].astype(np.int32))
    assert np.exp(routing.fit_model(perfect).pooled).min() >= routing.SLIPS / 2 - 1e-9


def test_the_block_shown_last_is_left_out():
    gain, blocks = [0.1, 0.4, 0.4, 0.9], ["a", "b", "c", "d"]
    assert routing.order_candidates(gain, blocks).tolist() == [3, 1, 2, 0]
    assert routing.order_candidates(gain, blocks, "d").tolist() == [1, 2, 0]
    assert routing.order_candidates(gain, [7, 7, 8, 8], 8).tolist() == [1, 0]
    assert routing.order_candidates(gain, [8, 8, 8, 8], 8).tolist() == [3, 1, 2, 0]


def test_senseless_settings_are_refused():
    votes, _truth = make_votes(samples=20)
    with pytest.raises(BadInputError, match="slips"):
        routing.fit_model(votes, slips=0)
    with pytest.raises(BadInputError, match="chance"):
        routing.start_model(4, accuracy=0.2)
