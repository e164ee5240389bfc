"""What an adaptive campaign believes: shares of the classes, a matrix per expert, and that samples can be hard.

Dawid and Skene's model (Applied Statistics 28(1), 1979) takes errors of different experts as independent. They are
not: a hard sample looks like its neighbour to everybody, and then a posterior is too sure of itself. So a belief may
hold, beside each class ("easy"), the states "is `t`, and a part PULL of all looks takes it for neighbour `a`". A vote
then updates k * (1 + neighbours) logs instead of k, still by one addition. This is a mixture form of item difficulty,
after Whitehill et al. (NIPS 2009) in aim, but linear in votes.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from annotation.votes import VoteTable
from fusion.errors import BadInputError

Logs = npt.NDArray[np.float64]
Table = npt.NDArray[np.float64]

# A slip of the key: so much of each row is spread over all classes, so no single vote excludes a class.
SLIPS = 0.01
# An expert is right this often where nothing is known yet.
UNKNOWN_ACCURACY = 0.7
# Part of the looks at a hard sample that take it for its neighbour; chosen on simulated panels of seeds 11-16.
PULL = 0.4
# Share of hard samples before any vote was seen; the guess weighs as much as all samples: few votes tell little of it.
HARD_SHARE = 0.2
# Votes of an average expert that an own matrix's row starts with.
EXPERT_PRIOR = 40.0
# Few steps on purpose: on two votes per sample, longer runs explain hard samples by worse experts.
EASY_STEPS, HARD_STEPS = 10, 25
BLOCK_ROWS = 16_384


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """Current beliefs of an adaptive campaign, in nats, over `s` states of a sample: k, or k * (1 + neighbours).

    State number r * k + t means class t; r = 0 is easy, r = 1.. taken in part for the r-th neighbour of t. `log_prior`
    [s]; `pooled` [s, k] is log P(answer = column | state = row) of an expert of whom nothing is known; `experts` holds
    the same of each known expert.
    """

    log_prior: Logs
    pooled: Logs
    experts: Mapping[Any, Logs] = field(default_factory=dict)

    @property
    def n_classes(self) -> int:
        return int(self.pooled.shape[1])

    def log_likelihood(self, expert: object) -> Logs:
        """Table [s, k] of an expert; the pooled one for a stranger."""
        return self.experts.get(expert, self.pooled)


def start_model(n_classes: int, accuracy: float = UNKNOWN_ACCURACY) -> Model:
    """Beliefs before the first vote: all classes alike, every expert right with `accuracy`, else any other class."""
    if not 1 / n_classes < accuracy < 1:
        raise BadInputError(f"Accuracy {accuracy} must lie between chance (1/{n_classes}) and 1.")
    table = np.full((n_classes, n_classes), (1 - accuracy) / (n_classes - 1))
    np.fill_diagonal(table, accuracy)
    return Model(log_prior=np.full(n_classes, -np.log(n_classes)), pooled=np.log(table))


def fit_model(votes: VoteTable, *, neighbours: int = 0, slips: float = SLIPS) -> Model:
    """Beliefs from the votes so far, few or many; samples without votes count for nothing, so no pilot is needed.

    Expectation-maximisation from the shares of the votes. With `neighbours` above 0 there are hard states for so many
    of the likeliest confusions of each class. Without any vote it is `start_model`, with easy states only.
    """
    if not 0 < slips < 1:
        raise BadInputError(f"The share of slips is {slips}; it must lie between 0 and 1.")
    if neighbours < 0:
        raise BadInputError(f"{neighbours} neighbours of each class were asked for; ask for 0 or more.")
    if not len(votes):
        return start_model(votes.n_classes)
    rows = votes.matrix[votes.votes_per_sample > 0]
    guess = _fit_easy(rows, votes)
    if neighbours:
        guess = _fit_hard(rows, guess, min(neighbours, votes.n_classes - 1))
    return _to_model(votes, guess, slips)


def score_votes(model: Model, votes: VoteTable) -> Logs:
    """Unnormalised log posterior of every sample from all its votes, [n, s]; the prior where it has none."""
    told = votes.matrix @ _stack_columns(model, votes)
    return np.asarray(told, np.float64) + model.log_prior


def find_chances(model: Model, votes: VoteTable) -> Logs:
    """Probabilities of the classes of every sample under a model, [n, k]."""
    told = _stack_columns(model, votes)
    parts = [fold_states(normalise(block @ told + model.log_prior), votes.n_classes) for block in _cut(votes.matrix)]
    return np.concatenate(parts) if parts else np.empty((0, votes.n_classes))


def normalise(log_posterior: npt.ArrayLike) -> Logs:
    """Probabilities [k] or [n, k] from unnormalised logs; rows sum to 1."""
    logs = np.asarray(log_posterior, np.float64)
    raised = np.exp(logs - logs.max(-1, keepdims=True))
    return np.asarray(raised / raised.sum(-1, keepdims=True))


def fold_states(belief: Logs, n_classes: int) -> Logs:
    """Probabilities of the classes [..., k] from those of the states [..., s]; where s is k nothing changes."""
    return belief if belief.shape[-1] == n_classes else belief.reshape(*belief.shape[:-1], -1, n_classes).sum(-2)


def _stack_columns(model: Model, votes: VoteTable) -> Logs:
    """Columns of all experts in the order of `votes.matrix`, [e * k, s]."""
    tables = np.stack([model.log_likelihood(name).T for name in votes.voter_ids] or [model.pooled.T])
    return tables.reshape(-1, len(model.log_prior))[: votes.matrix.shape[1]]


@dataclass(frozen=True, kw_only=True, eq=False)
class _Guess:
    """Probabilities: matrices [e, k, k] and pooled [k, k] of easy looks, prior [s], neighbours `near` [k, m]."""

    matrices: Table
    pooled: Table
    prior: Table
    near: npt.NDArray[np.int64]


def _to_model(votes: VoteTable, guess: _Guess, slips: float) -> Model:
    k, has_voted = votes.n_classes, np.bincount(votes.voter, minlength=votes.n_voters) > 0
    easy = (1 - slips) * np.concatenate([guess.matrices, guess.pooled[None]]) + slips / k
    tables = np.log(_add_hard(easy, guess.near))
    return Model(
        log_prior=np.log(guess.prior),
        pooled=tables[-1],
        experts={name: tables[place] for place, name in enumerate(votes.voter_ids) if has_voted[place]},
    )


def _add_hard(easy: Table, near: npt.NDArray[np.int64]) -> Table:
    """Rows of the hard states below those of the easy ones: [e, k, k] -> [e, s, k]."""
    hard = [(1 - PULL) * easy + PULL * easy[:, near[:, rank]] for rank in range(near.shape[1])]
    return np.concatenate([easy, *hard], axis=1)


def _fit_easy(rows: sparse.csr_matrix, votes: VoteTable) -> _Guess:
    """Dawid-Skene with matrices drawn to the pooled one, from the shares of the votes."""
    k, unknown = votes.n_classes, np.exp(start_model(votes.n_classes).pooled)
    now = _Guess(
        matrices=np.tile(unknown, (votes.n_voters, 1, 1)),
        pooled=unknown,
        prior=np.full(k, 1 / k),
        near=np.empty((k, 0), np.int64),
    )
    answers = sparse.csr_matrix(np.tile(np.eye(k, dtype=np.float32), (votes.n_voters, 1)))
    shares = (rows @ answers).toarray()
    shares /= shares.sum(1, keepdims=True)
    now = _maximise((rows.T @ shares).reshape(votes.n_voters, k, k), shares.sum(0) + 1, now)
    for _ in range(EASY_STEPS):
        tally, mass = _expect(rows, now)
        now = _maximise(tally, mass + 1, now)
    return now


def _fit_hard(rows: sparse.csr_matrix, guess: _Guess, neighbours: int) -> _Guess:
    """Expectation-maximisation over easy and hard states, from the easy ones."""
    mistakes = guess.pooled * (1 - np.eye(len(guess.pooled)))
    near = np.argsort(-mistakes, axis=1, kind="stable")[:, :neighbours]
    likely = np.take_along_axis(mistakes, near, 1)
    likely /= likely.sum(1, keepdims=True)
    shares = np.concatenate([np.full((len(near), 1), 1 - HARD_SHARE), HARD_SHARE * likely], axis=1).T
    start = (shares * guess.prior).ravel()
    now = _Guess(matrices=guess.matrices, pooled=guess.pooled, prior=start, near=near)
    for _ in range(HARD_STEPS):
        tally, mass = _expect(rows, now)
        now = _maximise(tally, mass + rows.shape[0] * start, now)
    return now


def _expect(rows: sparse.csr_matrix, guess: _Guess) -> tuple[Table, Table]:
    """Expected votes [e, k, s] (answer by state), and expected samples of each state [s]."""
    table = _add_hard(guess.matrices, guess.near).transpose(0, 2, 1)
    scores = np.log(table).reshape(-1, len(guess.prior)).astype(np.float32)
    log_prior = np.log(guess.prior).astype(np.float32)
    tally, mass = np.zeros(scores.shape), np.zeros(len(log_prior))
    for block in _cut(rows):
        belief = block @ scores + log_prior
        belief -= belief.max(1, keepdims=True)
        np.exp(belief, out=belief)
        belief /= belief.sum(1, keepdims=True)
        tally += block.T @ belief
        mass += belief.sum(0)
    return tally.reshape(table.shape), mass


def _maximise(tally: Table, mass: Table, before: _Guess) -> _Guess:
    """New matrices and prior; each vote on a hard sample counts in part as a look at the neighbour."""
    k = tally.shape[1]
    looks = tally[:, :, :k].copy()
    easy = before.matrices.transpose(0, 2, 1)
    for rank in range(before.near.shape[1]):
        hard, other = tally[:, :, k * (rank + 1) : k * (rank + 2)], before.near[:, rank]
        straight = (1 - PULL) * easy / ((1 - PULL) * easy + PULL * easy[:, :, other])
        looks += hard * straight
        for truth in range(k):
            looks[:, :, other[truth]] += (hard * (1 - straight))[:, :, truth]
    by_expert = looks.transpose(0, 2, 1)
    pooled = by_expert.sum(0) + np.exp(start_model(k).pooled)
    pooled /= pooled.sum(1, keepdims=True)
    matrices = by_expert + EXPERT_PRIOR * pooled
    matrices /= matrices.sum(2, keepdims=True)
    return _Guess(matrices=matrices, pooled=pooled, prior=mass / mass.sum(), near=before.near)


def _cut(matrix: sparse.csr_matrix) -> Iterator[sparse.csr_matrix]:
    """Blocks of BLOCK_ROWS rows, to bound memory."""
    for start in range(0, matrix.shape[0], BLOCK_ROWS):
        yield matrix[start : start + BLOCK_ROWS]
