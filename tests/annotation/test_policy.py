"""Policies played on panels: what they ask, whom, when they stop, and what it is worth."""

import dataclasses

import numpy as np
import pytest

from annotation import consensus, panel, policy
from annotation.allotment import ask_who_tells_most
from annotation.routing import fit_model, information_gain, score_votes
from annotation.votes import VoteTable
from fusion.errors import BadInputError, BadVotesError, UnknownKindError

EVERY = sorted(policy.load_all())


def crowd(samples=1500, seed=2, experts=10, each=None, spammer=None, **options):
    """Replies of a panel, and the truth."""
    people = panel.make_panel(seed, experts=experts, **options)
    truth = np.random.default_rng(seed).integers(0, len(people.codes), samples)
    votes = people.vote(truth, seed, each).votes
    if spammer is not None:
        noise = np.random.default_rng(9).integers(0, len(people.codes), len(votes))
        answer = np.where(votes.voter == spammer, noise, votes.answer).astype(np.int32)
        votes = dataclasses.replace(votes, answer=answer)
    return policy.make_replies(votes), truth


@pytest.mark.parametrize("name", EVERY)
def test_a_policy_asks_only_whom_it_can_and_each_once(name):
    replies, _truth = crowd(samples=300, each=4)
    outcome = policy.find(name).play(replies, seed=1)
    assert outcome.votes.votes_per_sample.min() >= 1
    assert outcome.votes.votes_per_sample.max() <= 4
    assert (replies.answers[outcome.votes.sample, outcome.votes.voter] == outcome.votes.answer).all()
    assert outcome.load.sum() == len(outcome.votes)
    assert outcome.label.shape == outcome.is_disputed.shape == (300,)


@pytest.mark.slow
@pytest.mark.parametrize("name", EVERY)
def test_the_same_seed_plays_the_same_campaign(name):
    replies, _truth = crowd(samples=200)
    one, same, other = (policy.find(name).play(replies, seed=seed, parameters={}) for seed in (4, 4, 5))
    if name == "fixed":
        one, same, other = (policy.find(name).play(replies, seed=seed, parameters={"votes": 3}) for seed in (4, 4, 5))
    assert one.votes.voter.tobytes() == same.votes.voter.tobytes()
    assert one.label.tobytes() == same.label.tobytes()
    assert one.votes.voter.tobytes() != other.votes.voter.tobytes()


def test_fixed_gives_every_sample_its_number():
    replies, _truth = crowd(samples=200)
    outcome = policy.find("fixed").play(replies, parameters={"votes": 3})
    assert set(outcome.votes.votes_per_sample.tolist()) <= {2, 3}  # 2 where skips left nobody
    assert outcome.votes_per_sample == pytest.approx(3, abs=0.05)


def test_adaptive_keeps_minimum_and_maximum_and_disputes_only_at_the_end():
    replies, _truth = crowd(samples=800)
    outcome = policy.find("adaptive").play(replies, parameters={"minimum": 3, "maximum": 5})
    answered = outcome.votes.votes_per_sample
    assert answered.min() == 3
    assert answered.max() == 5
    assert 0 < outcome.is_disputed.mean() < 0.5
    possible = replies.can_ask.sum(1)
    assert (answered[outcome.is_disputed] == np.minimum(possible, 5)[outcome.is_disputed]).all()


def test_adaptive_needs_fewer_votes_for_the_certainty_of_all():
    replies, truth = crowd(samples=3000)
    everything = consensus.run("dawid_skene", replies.source)
    outcome = policy.find("adaptive").play(replies, parameters={"settle_at": 0.96})
    assert outcome.votes_per_sample < 5
    assert np.mean(outcome.label == truth) > np.mean(everything.label == truth) - 0.015
    three = policy.find("fixed").play(replies, parameters={"votes": 3})
    assert np.mean(outcome.label == truth) > np.mean(three.label == truth) + 0.01


@pytest.mark.slow
def test_more_certainty_wanted_takes_more_votes():
    replies, _truth = crowd(samples=600)
    adaptive = policy.find("adaptive")
    used = [adaptive.play(replies, parameters={"settle_at": level}).votes_per_sample for level in (0.8, 0.9, 0.99)]
    assert used[0] < used[1] < used[2]


def test_experts_share_the_load():
    replies, _truth = crowd(samples=2000)
    load = policy.find("adaptive").play(replies).load
    assert load.max() < 1.05 * load.mean()
    assert load.min() > 0.95 * load.mean()


def test_who_has_given_much_already_is_asked_less():
    replies, _truth = crowd(samples=2000, experts=6, spammer=1)
    model = fit_model(replies.source, neighbours=2)
    first = replies.reveal(np.arange(6) == 0)
    rows = np.arange(500)
    can_ask = replies.can_ask & (np.arange(6) > 0)
    chosen = ask_who_tells_most(model, score_votes(model, first), first, rows, can_ask)
    assert (chosen > 0).all()
    unequal = dataclasses.replace(first, voter=np.full(len(first), 2, np.int32))
    later = ask_who_tells_most(model, score_votes(model, first), unequal, rows, can_ask)
    assert np.mean(later == 2) < 0.8 * np.mean(chosen == 2)


def test_without_prices_a_spammer_would_hardly_be_asked():
    replies, _truth = crowd(samples=2000, experts=6, spammer=1)
    model = fit_model(replies.source, neighbours=2)
    first = replies.reveal(np.arange(6) == 0)
    beliefs = score_votes(model, first)
    gains = np.stack([information_gain(beliefs, model.log_likelihood(name)) for name in first.voter_ids])
    assert np.mean(gains[1:].argmax(0) == 0) < 0.01


def test_a_majority_settles_a_fixed_number_of_votes():
    answers = np.array([[0, 0, 1], [0, 1, 2]])
    votes = VoteTable(
        sample=np.repeat([0, 1], 3).astype(np.int32),
        voter=np.tile([0, 1, 2], 2).astype(np.int32),
        answer=answers.ravel().astype(np.int32),
        n_classes=3,
        sample_ids=("a", "b"),
        voter_ids=("x", "y", "z"),
    )
    outcome = policy.find("fixed").play(policy.make_replies(votes), parameters={"votes": 3})
    assert outcome.is_disputed.tolist() == [False, True]


@pytest.mark.slow
def test_a_spammer_is_outvoted():
    replies, truth = crowd(samples=2000, spammer=3)
    honest, honest_truth = crowd(samples=2000)
    spoiled, clean = (policy.find("adaptive").play(each) for each in (replies, honest))
    assert np.mean(spoiled.label == truth) > np.mean(clean.label == honest_truth) - 0.02
    assert spoiled.votes_per_sample > clean.votes_per_sample


def test_the_plain_rules_pilot_counts():
    replies, _truth = crowd(samples=500)
    plain = policy.find("posterior")
    some, most = (plain.play(replies, parameters={"pilot": share}) for share in (0.1, 0.8))
    assert most.votes_per_sample > some.votes_per_sample
    assert (some.votes.votes_per_sample == replies.can_ask.sum(1)).mean() >= 0.1


@pytest.mark.parametrize(
    ("parameters", "words"),
    [
        ({"votes": 3}, "no parameter 'votes'"),
        ({"settle_at": -1}, "settle_at"),
        ({"settle_at": float("nan")}, "settle_at"),
        ({"minimum": 0}, "minimum"),
        ({"minimum": 6, "maximum": 5}, "minimum"),
    ],
)
def test_senseless_parameters_are_refused(parameters, words):
    replies, _truth = crowd(samples=20)
    with pytest.raises(BadInputError, match=words):
        policy.find("adaptive").play(replies, parameters=parameters)


def test_a_sample_without_votes_cannot_be_replayed():
    votes = crowd(samples=30)[0].source
    kept = votes.sample > 0
    gap = dataclasses.replace(
        votes, sample=votes.sample[kept], voter=votes.voter[kept], answer=votes.answer[kept], sure=None, seconds=None
    )
    with pytest.raises(BadVotesError, match="leave the others out"):
        policy.make_replies(gap)


def test_an_unknown_policy_is_answered_with_the_known_ones():
    with pytest.raises(UnknownKindError, match="adaptive, fixed, posterior"):
        policy.find("oracle")
