"""Who is asked what next, and when a sample has votes enough.

Fixed campaigns: every expert has an own random order, and the least voted samples come first. Adaptive campaigns: each
sample has a log posterior that a vote updates by one addition; what an expert would tell about it is expected
information under the current confusion matrices (MacKay, Neural Computation 4(4), 1992; for crowds Dawid and Skene's
model as in Welinder and Perona, CVPR 2010 workshops).
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from annotation import consensus
from annotation.votes import BoolArray, FloatArray, IntArray, VoteTable
from fusion.errors import BadInputError

Places = npt.NDArray[np.int64]
Logs = npt.NDArray[np.float64]

# A slip of the key: so much of each row is spread over all classes, so no single vote excludes a class.
SLIPS = 0.01
# An expert is right this often where nothing is known yet.
UNKNOWN_ACCURACY = 0.7


@dataclass(frozen=True, kw_only=True, eq=False)
class Model:
    """Current beliefs of an adaptive campaign, in nats.

    `log_prior` [k] of the classes; `pooled` [k, k] is log P(answer = column | truth = row) of an expert of whom nothing
    is known; `experts` holds the same of each known expert.
    """

    log_prior: Logs
    pooled: Logs
    experts: Mapping[Any, Logs] = field(default_factory=dict)

    @property
    def n_classes(self) -> int:
        return len(self.log_prior)

    def log_likelihood(self, expert: object) -> Logs:
        """Matrix [k, k] of an expert; the pooled one for a stranger."""
        return self.experts.get(expert, self.pooled)


def order_samples(seed: int, expert: str, n: int) -> Places:
    """Places 0..n-1 in the random order of one expert of one campaign; the same whenever it is asked for."""
    digest = hashlib.sha256(f"{seed}/{expert}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16])).permutation(n)


def choose(
    order: npt.ArrayLike, taken: npt.ArrayLike, wanted: int, count: int, seen: BoolArray | None = None
) -> Places:
    """Up to `count` samples for an expert: fewest votes and leases (`taken`, [n]) first, then the expert's order.

    Full samples (`taken` at `wanted` or above) and those the expert has `seen` [n] are left out. Blind: nothing but
    numbers of votes goes in, so no answer of anybody can shape what is shown.
    """
    places = np.asarray(order)
    load = np.asarray(taken)[places]
    is_open = load < wanted
    if seen is not None:
        is_open &= ~seen[places]
    return places[is_open][np.argsort(load[is_open], kind="stable")][:count]


def start_model(n_classes: int, accuracy: float = UNKNOWN_ACCURACY) -> Model:
    """Beliefs before the first vote: all classes alike, every expert right with `accuracy`, else any other class."""
    if not 1 / n_classes < accuracy < 1:
        raise BadInputError(f"Accuracy {accuracy} must lie between chance (1/{n_classes}) and 1.")
    table = np.full((n_classes, n_classes), (1 - accuracy) / (n_classes - 1))
    np.fill_diagonal(table, accuracy)
    return Model(log_prior=np.full(n_classes, -np.log(n_classes)), pooled=np.log(table))


def fit_model(votes: VoteTable, *, parameters: consensus.Parameters | None = None, slips: float = SLIPS) -> Model:
    """Beliefs from the votes so far, by Dawid-Skene; samples without votes are left out, so no pilot is needed.

    `parameters` are those of the method dawid_skene. Without any vote the model is the one of `start_model`.
    """
    if not 0 < slips < 1:
        raise BadInputError(f"The share of slips is {slips}; it must lie between 0 and 1.")
    if not len(votes):
        return start_model(votes.n_classes)
    known = _drop_unvoted(votes)
    estimate = consensus.run("dawid_skene", known, parameters=parameters)
    if estimate.confusion is None or estimate.class_prior is None:
        raise BadInputError("Method 'dawid_skene' gave no confusion matrices; routing cannot go on without them.")
    has_voted = np.bincount(known.voter, minlength=known.n_voters) > 0
    matrices = _forgive(estimate.confusion, slips)
    return Model(
        log_prior=np.log(estimate.class_prior.astype(np.float64)),
        pooled=_forgive(_pool(known, estimate.distribution), slips),
        experts={name: matrices[place] for place, name in enumerate(votes.voter_ids) if has_voted[place]},
    )


def add_vote(log_posterior: npt.ArrayLike, log_likelihood_column: npt.ArrayLike) -> Logs:
    """Log posterior [k] (or [n, k]) after one more vote; unnormalised, so votes may come in any order.

    The column is `model.log_likelihood(expert)[:, answer]`. A vote is taken back by adding its column's negative.
    """
    return np.asarray(log_posterior, np.float64) + np.asarray(log_likelihood_column, np.float64)


def score_votes(model: Model, votes: VoteTable) -> Logs:
    """Unnormalised log posterior of every sample from all its votes, [n, k]; the prior where it has none."""
    tables = np.stack([model.log_likelihood(name).T for name in votes.voter_ids] or [model.pooled.T])
    told = votes.matrix @ tables.reshape(-1, votes.n_classes)[: votes.matrix.shape[1]]
    return np.asarray(told, np.float64) + model.log_prior


def normalise(log_posterior: npt.ArrayLike) -> Logs:
    """Probabilities [k] or [n, k] from unnormalised logs; rows sum to 1."""
    logs = np.asarray(log_posterior, np.float64)
    raised = np.exp(logs - logs.max(-1, keepdims=True))
    return np.asarray(raised / raised.sum(-1, keepdims=True))


def is_settled(log_posterior: npt.ArrayLike, answered: npt.ArrayLike, *, minimum: int, settle_at: float) -> BoolArray:
    """Whether the top class has at least `settle_at` after at least `minimum` votes: a truth value, or [n] of them."""
    top = normalise(log_posterior).max(-1)
    return np.asarray((top >= settle_at) & (np.asarray(answered) >= minimum))


def information_gain(log_posteriors: npt.ArrayLike, log_likelihood: npt.ArrayLike) -> Logs:
    """What one vote of an expert is expected to tell about each sample, [n] nats: 0 for a certain sample or a spammer.

    `log_posteriors` [n, k] unnormalised; `log_likelihood` [k, k] of the expert. Mutual information of answer and truth:
    entropy of the answer, less its mean entropy once the truth is known.
    """
    belief = normalise(log_posteriors)
    table = np.exp(np.asarray(log_likelihood, np.float64))
    return np.maximum(_entropy(belief @ table) - belief @ _entropy(table), 0)


def order_candidates(gain: npt.ArrayLike, blocks: npt.ArrayLike, last_block: object = None) -> Places:
    """Places of the candidates, most informative first, without those in the block that was shown last.

    `gain` [n], `blocks` [n] of numbers or texts; equal gains keep their order. Where all lie in the last block, all
    come: better a neighbour than nothing. Within the order a block may follow itself; call again for each next sample.
    """
    ranked = np.argsort(-np.asarray(gain, np.float64), kind="stable")
    if last_block is None:
        return ranked
    is_apart = np.asarray(np.asarray(blocks)[ranked] != last_block)
    return ranked[is_apart] if is_apart.any() else ranked


def _drop_unvoted(votes: VoteTable) -> VoteTable:
    """The same votes over the samples that have any."""
    has_votes = votes.votes_per_sample > 0
    if has_votes.all():
        return votes
    place: IntArray = (np.cumsum(has_votes) - 1).astype(np.int32)
    return VoteTable(
        sample=place[votes.sample],
        voter=votes.voter,
        answer=votes.answer,
        n_classes=votes.n_classes,
        sample_ids=tuple(np.flatnonzero(has_votes).tolist()),
        voter_ids=votes.voter_ids,
    )


def _pool(votes: VoteTable, belief: FloatArray) -> Logs:
    """P(answer = column | truth = row) over all experts together, with one vote per row for what was never seen."""
    k = votes.n_classes
    tally = np.zeros((k, k))
    for answer in range(k):
        tally[:, answer] = belief[votes.sample[votes.answer == answer]].sum(0)
    tally += np.exp(start_model(k).pooled)
    return np.asarray(tally / tally.sum(1, keepdims=True))


def _forgive(table: npt.NDArray[np.floating[Any]], slips: float) -> Logs:
    """Logs of rows [..., k, k] with `slips` of each spread over all classes."""
    return np.asarray(np.log((1 - slips) * table.astype(np.float64) + slips / table.shape[-1]))


def _entropy(table: Logs) -> Logs:
    """Entropy of each row in nats."""
    return np.asarray(-(table * np.log(np.where(table > 0, table, 1))).sum(-1))
