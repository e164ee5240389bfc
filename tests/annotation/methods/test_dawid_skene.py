"""Expectation-maximisation against a slow one written out by the formula, and its hard cases."""

import csv

import numpy as np
import pytest

from annotation import consensus, panel, vote_rows, votes
from fusion.errors import BadInputError


def fit_slowly(table, iterations, expert_prior, diagonal_prior):
    """Dawid-Skene with the pooled prior, vote by vote in float64."""
    k, posterior = table.n_classes, table.counts() / table.votes_per_sample[:, None]
    votes_of = list(zip(table.sample, table.voter, table.answer, strict=True))
    for _ in range(iterations + 1):
        expected = np.zeros((table.n_voters, k, k))
        for sample, voter, answer in votes_of:
            expected[voter, :, answer] += posterior[sample]
        pooled = expected.sum(0) + diagonal_prior * (0.7 * np.eye(k) + 0.3 / k)
        matrix = expected + expert_prior * pooled / pooled.sum(1, keepdims=True)
        matrix /= matrix.sum(2, keepdims=True)
        share = expected.sum((0, 2)) + 1e-3
        log_posterior = np.tile(np.log(share / share.sum()), (table.n_samples, 1))
        for sample, voter, answer in votes_of:
            log_posterior[sample] += np.log(matrix[voter, :, answer])
        posterior = np.exp(log_posterior - log_posterior.max(1, keepdims=True))
        posterior /= posterior.sum(1, keepdims=True)
    return posterior, matrix


def make_table(sample, voter, answer, k, voters=None):
    columns = [np.asarray(column, np.int32) for column in (sample, voter, answer)]
    sizes = [int(column.max()) + 1 for column in columns]
    return votes.VoteTable(
        sample=columns[0],
        voter=columns[1],
        answer=columns[2],
        n_classes=k,
        sample_ids=tuple(range(sizes[0])),
        voter_ids=tuple(range(voters or sizes[1])),
    )


@pytest.mark.parametrize("votes_per_sample", [3, 8])
def test_it_equals_the_formula_written_out(votes_per_sample):
    table = panel.make_panel(2, experts=8).vote(np.arange(200) % 17, 2, votes_per_sample).votes
    result = consensus.run("dawid_skene", table, parameters={"max_iterations": 6, "tolerance": 0})
    posterior, matrix = fit_slowly(table, 6, expert_prior=2, diagonal_prior=1)
    np.testing.assert_allclose(result.distribution, posterior, atol=2e-4)
    np.testing.assert_allclose(result.confusion, matrix, atol=1e-4)
    assert result.iterations == 6


def test_merging_equal_rows_changes_nothing_but_time(monkeypatch):
    table = panel.make_panel(3, scheme="water", experts=5).vote(np.arange(3000) % 2, 3).votes
    merged = consensus.run("dawid_skene", table)
    assert vote_rows.merge_rows(table).matrix.shape[0] < 1000
    every = np.arange(table.n_samples, dtype=np.int32)
    monkeypatch.setattr(vote_rows, "find_equal", lambda matrix: (every, every, np.ones_like(every)))
    np.testing.assert_allclose(merged.distribution, consensus.run("dawid_skene", table).distribution, atol=1e-4)


def test_blocks_do_not_show_in_the_result(monkeypatch):
    table = panel.make_panel(3).vote(np.arange(400) % 17, 3, 4).votes
    whole = consensus.run("dawid_skene", table)
    monkeypatch.setattr(vote_rows, "BLOCK_ROWS", 37)
    np.testing.assert_allclose(whole.distribution, consensus.run("dawid_skene", table).distribution, atol=1e-4)


def test_the_same_votes_give_the_same_bits():
    table = panel.make_panel(6).vote(np.arange(300) % 17, 6, 5).votes
    one, other = (consensus.run("dawid_skene", table, seed=seed) for seed in (0, 1))
    assert one.distribution.tobytes() == other.distribution.tobytes()
    assert one.confusion.tobytes() == other.confusion.tobytes()


def test_it_finds_the_experts_matrices():
    truth = np.random.default_rng(8).integers(0, 2, 5000)
    experts = panel.make_panel(8, scheme="water", experts=8, accuracy=0.85)
    table = experts.vote(truth, 8, difficulty=np.zeros(5000)).votes
    found = consensus.run("dawid_skene", table).confusion
    np.testing.assert_allclose(found, experts.confusion, atol=0.03)
    assert found.shape == (8, 2, 2)


def test_an_expert_who_answers_at_random_is_outvoted_by_one_good_expert():
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 1500)
    answers = [truth, truth, rng.integers(0, 3, 1500), rng.integers(0, 3, 1500), rng.integers(0, 3, 1500)]
    table = make_table(np.tile(np.arange(1500), 5), np.repeat(np.arange(5), 1500), np.concatenate(answers), 3)
    result = consensus.run("dawid_skene", table)
    assert np.mean(result.label == truth) > 0.99
    assert np.mean(consensus.run("majority", table).label == truth) < 0.95
    weights = result.effective_votes
    assert weights.mean() == pytest.approx(5, abs=0.01)


def test_experts_with_few_votes_and_classes_nobody_names_stay_finite():
    rng = np.random.default_rng(1)
    truth = rng.integers(0, 2, 200)
    sample = np.concatenate([np.repeat(np.arange(200), 3), [0]])
    voter = np.concatenate([np.tile(np.arange(3), 200), [3]])
    answer = np.concatenate([np.repeat(truth, 3), [1 - truth[0]]])
    result = consensus.run("dawid_skene", make_table(sample, voter, answer, k=5, voters=5))  # voter 4 never voted
    assert np.isfinite(result.distribution).all()
    assert np.isfinite(result.confusion).all()
    assert (result.label == truth).all()
    np.testing.assert_allclose(result.confusion.sum(2), 1, atol=1e-5)
    assert result.confusion[4].diagonal()[:2].min() > 0.95  # nobody knows, so like the others
    assert result.confusion[3].diagonal()[:2].min() > 0.5  # one odd vote does not make a bad expert


def test_hundreds_of_contradicting_votes_do_not_underflow():
    rng = np.random.default_rng(2)
    truth = rng.integers(0, 3, 60)
    answer = np.repeat(truth, 400)
    answer[::2] = rng.integers(0, 3, len(answer[::2]))
    table = make_table(np.repeat(np.arange(60), 400), np.tile(np.arange(400), 60), answer, 3)
    result = consensus.run("dawid_skene", table)
    np.testing.assert_allclose(result.distribution.sum(1), 1, atol=1e-5)
    assert (result.label == truth).all()


@pytest.mark.parametrize(("name", "value"), [("expert_prior", 0), ("diagonal_prior", -1), ("max_iterations", 0)])
def test_a_parameter_out_of_range_is_refused(name, value):
    with pytest.raises(BadInputError, match=name):
        consensus.run("dawid_skene", make_table([0], [0], [0], 2), parameters={name: value})


def test_it_says_whether_it_converged():
    table = panel.make_panel(3).vote(np.arange(400) % 17, 3, 4).votes
    assert not consensus.run("dawid_skene", table, parameters={"max_iterations": 1}).converged
    done = consensus.run("dawid_skene", table, parameters={"max_iterations": 500})
    assert done.converged
    assert 1 < done.iterations < 500


def test_on_a_real_crowd_it_finds_who_can_tell_birds_apart(real_data):
    folder = real_data / "votes" / "bluebirds"
    with open(folder / "answer.csv") as answers, open(folder / "truth.csv") as truths:
        columns = list(zip(*list(csv.reader(answers))[1:], strict=True))
        truth = dict(list(csv.reader(truths))[1:])
    table = votes.from_records(sample=columns[0], voter=columns[1], answer=columns[2], codes=("0", "1"))
    gold = np.array([int(truth[key]) for key in table.sample_ids])
    right = {name: np.mean(consensus.run(name, table).label == gold) for name in ("majority", "dawid_skene")}
    assert right["majority"] == pytest.approx(0.759, abs=0.001)  # as published with the data
    assert right["dawid_skene"] > right["majority"] + 0.1
