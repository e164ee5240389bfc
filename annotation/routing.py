"""Who is asked what next, and when a sample has votes enough.

Fixed campaigns: every expert has an own random order, and the least voted samples come first. Adaptive campaigns: each
sample has a log posterior that a vote updates by one addition; what an expert would tell about it is expected
information under the current confusion matrices (MacKay, Neural Computation 4(4), 1992; for crowds Dawid and Skene's
model as in Welinder and Perona, CVPR 2010 workshops).
"""

import hashlib

import numpy as np
import numpy.typing as npt

from annotation.belief import SLIPS as SLIPS
from annotation.belief import Logs as Logs
from annotation.belief import Model as Model
from annotation.belief import fit_model as fit_model
from annotation.belief import fold_states as fold_states
from annotation.belief import normalise as normalise
from annotation.belief import score_votes as score_votes
from annotation.belief import start_model as start_model
from annotation.votes import BoolArray

Places = npt.NDArray[np.int64]


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


def add_vote(log_posterior: npt.ArrayLike, log_likelihood_column: npt.ArrayLike) -> Logs:
    """Log posterior [k] (or [n, k]) after one more vote; unnormalised, so votes may come in any order.

    The column is `model.log_likelihood(expert)[:, answer]`. A vote is taken back by adding its column's negative.
    """
    return np.asarray(log_posterior, np.float64) + np.asarray(log_likelihood_column, np.float64)


def is_settled(
    log_posterior: npt.ArrayLike,
    answered: npt.ArrayLike,
    *,
    minimum: int,
    settle_at: float,
    n_classes: int | None = None,
) -> BoolArray:
    """Whether the top class has at least `settle_at` after at least `minimum` votes: a truth value, or [n] of them.

    `n_classes` is needed where the model was fitted with neighbours, so that its states are folded into classes.
    """
    belief = normalise(log_posterior)
    top = fold_states(belief, n_classes or belief.shape[-1]).max(-1)
    return np.asarray((top >= settle_at) & (np.asarray(answered) >= minimum))


def information_gain(log_posteriors: npt.ArrayLike, log_likelihood: npt.ArrayLike) -> Logs:
    """What one vote of an expert is expected to tell about the class of each sample, [n] nats.

    0 for a certain sample or a spammer. `log_posteriors` [n, s] unnormalised; `log_likelihood` [s, k] of the expert.
    Mutual information of answer and class: entropy of the answer, less its mean entropy once the class is known.
    """
    belief = normalise(log_posteriors)
    table = np.exp(np.asarray(log_likelihood, np.float64))
    told = _entropy(belief @ table)
    if table.shape[0] == table.shape[1]:
        return np.maximum(told - belief @ _entropy(table), 0)
    return np.maximum(told - _doubt_left(belief, table), 0)


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


def _doubt_left(belief: Logs, table: Logs) -> Logs:
    """Mean entropy of an answer once the class is known (but not which state of it), [n]."""
    states, k = table.shape
    joint = np.einsum("nrt,rta->nta", belief.reshape(-1, states // k, k), table.reshape(-1, k, k))
    mass = joint.sum(2)
    return _entropy(joint.reshape(-1, k * k)) - _entropy(mass)


def _entropy(table: Logs) -> Logs:
    """Entropy of each row in nats."""
    return np.asarray(-(table * np.log(np.where(table > 0, table, 1))).sum(-1))
