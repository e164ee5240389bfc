"""Which expert is asked about which sample, when many samples want one vote each and experts have equal time."""

import numpy as np
import numpy.typing as npt

from annotation import routing
from annotation.routing import Logs, Model
from annotation.votes import BoolArray, VoteTable

Places = npt.NDArray[np.int64]

# Steps of the auction that evens out loads, and how fast its prices calm down.
AUCTION_STEPS, CALM = 40, 0.9


def ask_anybody(rng: np.random.Generator, rows: Places, can_ask: BoolArray) -> Places:
    """A random expert for each of `rows` among those who can be asked (`can_ask` [n, e]; at least one per row)."""
    return (rng.random((len(rows), can_ask.shape[1]), dtype=np.float32) + can_ask[rows]).argmax(1)


def deal(rng: np.random.Generator, asked: BoolArray, can_ask: BoolArray, rows: Places, wanted: int) -> None:
    """Ask random experts, in place, until each of `rows` has `wanted` votes or nobody is left."""
    for _ in range(wanted):
        left = can_ask[rows] & ~asked[rows]
        short = rows[(asked[rows].sum(1) < wanted) & left.any(1)]
        asked[short, ask_anybody(rng, short, can_ask & ~asked)] = True


def ask_who_tells_most(model: Model, beliefs: Logs, votes: VoteTable, rows: Places, can_ask: BoolArray) -> Places:
    """An expert for each of `rows`: most expected information, at prices that keep loads alike.

    `beliefs` [n, s] are log posteriors of all samples under `model`. A price per expert rises while more samples want
    that expert than is a fair share (Bertsekas' auction, Annals of Operations Research 14, 1988, without its end game).
    """
    gain = np.full((len(rows), votes.n_voters), -np.inf)
    for place, name in enumerate(votes.voter_ids):
        free = can_ask[rows, place]
        gain[free, place] = routing.information_gain(beliefs[rows[free]], model.log_likelihood(name))
    load = np.bincount(votes.voter, minlength=votes.n_voters)
    return _auction(gain, _share_out(load, len(rows)))


def _share_out(load: npt.NDArray[np.integer], more: int) -> Logs:
    """How many of `more` votes each expert should give so that loads become alike, [e]."""
    wish = np.maximum((load.sum() + more) / len(load) - load, 0)
    return np.asarray(wish * more / wish.sum())


def _auction(gain: Logs, target: Logs) -> Places:
    price = np.zeros(len(target))
    step = 2 * gain.max(1).mean() / len(gain)
    for turn in range(AUCTION_STEPS):
        chosen = (gain - price).argmax(1)
        price += step * CALM**turn * (np.bincount(chosen, minlength=len(target)) - target)
    return (gain - price).argmax(1)
