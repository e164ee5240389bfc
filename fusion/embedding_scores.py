"""How well vectors of two views find each other: recall at k and median rank, with 95 % intervals over blocks.

Every vector of one view asks for its own sample among all vectors of the other view, by cosine; both ways are counted.
The rank is 1 + the number of others that are as near or nearer, so that vectors that are all alike find nothing. Blocks
of asking samples are drawn (fusion.bootstrap); the gallery stays whole, as a longer one is a harder question.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from fusion.bootstrap import Draws, FloatArray, IntArray, Interval, find_interval, number_blocks
from fusion.errors import BadInputError

AT_ONCE = 1024  # asking samples: keeps memory flat
TOPS = (1, 5, 10)


def rank_own(vectors: npt.ArrayLike) -> IntArray:
    """Rank of the own sample [n, 2] (first asks second, second asks first) for vectors [n, 2, size]."""
    given = np.asarray(vectors, dtype=np.float64)
    if given.ndim != 3 or given.shape[1] != 2 or not len(given) or not np.isfinite(given).all():
        raise BadInputError(f"Vectors must be finite and [n, 2 views, size], not {list(given.shape)}.")
    length = np.linalg.norm(given, axis=2, keepdims=True)
    units = given / np.maximum(length, 1e-12)
    return np.stack([_rank(units[:, 0], units[:, 1]), _rank(units[:, 1], units[:, 0])], axis=1)


def _rank(asking: FloatArray, gallery: FloatArray) -> IntArray:
    ranks = []
    for first in range(0, len(asking), AT_ONCE):
        near = asking[first : first + AT_ONCE] @ gallery.T
        own = near[np.arange(len(near)), np.arange(first, first + len(near))]
        ranks.append((near >= own[:, None] - 1e-12).sum(axis=1))  # itself is one of them
    return np.concatenate(ranks).astype(np.int64)


def evaluate(
    vectors: npt.ArrayLike, *, blocks: Sequence[Any] | npt.ArrayLike, seed: int = 0, resamples: int = 500
) -> dict[str, Any]:
    """Every score of vectors [n, 2 views, size], ready for JSON; `recall_by_chance` is what blind answers reach."""
    ranks = rank_own(vectors)
    weights = _draw(blocks, len(ranks), seed, resamples)
    return {
        "n": len(ranks),
        "gallery": len(ranks),
        "blocks": int(number_blocks(blocks, len(ranks)).max()) + 1,
        "resamples": resamples,
        "seed": seed,
        **{name: find_interval(metric(ranks, weights)) for name, metric in METRICS.items()},
        "recall_by_chance": {f"at_{k}": min(1.0, k / len(ranks)) for k in TOPS},
    }


def paired_difference(
    one: npt.ArrayLike,
    other: npt.ArrayLike,
    blocks: Sequence[Any] | npt.ArrayLike,
    metric: str = "recall_at_1",
    *,
    seed: int = 0,
    resamples: int = 500,
) -> Interval:
    """Metric of one minus metric of the other over the same samples and draws, with its interval."""
    if metric not in METRICS:
        raise BadInputError(f"Unknown metric {metric!r}. Known: {', '.join(sorted(METRICS))}.")
    ranks = [rank_own(vectors) for vectors in (one, other)]
    weights = _draw(blocks, len(ranks[0]), seed, resamples)
    a, b = (METRICS[metric](part, weights) for part in ranks)
    return find_interval(a - b)


def _draw(blocks: Sequence[Any] | npt.ArrayLike, n: int, seed: int, resamples: int) -> FloatArray:
    """How often each sample asks in each draw [draws, n]."""
    block = number_blocks(blocks, n)
    draws = Draws(n_blocks=int(block.max()) + 1, resamples=resamples, seed=seed)
    return np.concatenate([portion[:, block] for portion in draws.weights()])


def _recall(ranks: IntArray, weights: FloatArray, *, k: int) -> FloatArray:
    return np.asarray(weights @ (ranks <= k).mean(axis=1) / weights.sum(axis=1))


def _median(ranks: IntArray, weights: FloatArray) -> FloatArray:
    """The lower median over both ways of asking."""
    order = np.argsort(ranks.ravel(), kind="stable")
    run = np.cumsum(np.repeat(weights, 2, axis=1)[:, order], axis=1)
    places = (run < run[:, -1:] / 2).sum(axis=1)
    return ranks.ravel()[order][places].astype(np.float64)


METRICS: Mapping[str, Callable[[IntArray, FloatArray], FloatArray]] = MappingProxyType(
    {**{f"recall_at_{k}": partial(_recall, k=k) for k in TOPS}, "median_rank": _median}
)
