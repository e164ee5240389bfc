"""How unlike everything learned a sample is, from a network's logits alone, and how well that tells strangers apart.

Every score here grows with strangeness. A threshold is the exact quantile below which 95 % of held-out samples of the
known domain lie, so one sample in twenty of the known domain is flagged as well.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import digamma, logsumexp

from fusion.bootstrap import Draws, FloatArray, IntArray, Interval, find_interval, number_blocks
from fusion.conformal import find_quantile
from fusion.errors import BadInputError

IN_DOMAIN = 0.95  # share of the known domain below the threshold
HISTOGRAM_BINS = 30
LARGEST_LOGIT = 25.0  # beyond it the spread of the Dirichlet is 0 to within rounding


def score_strangeness(logits: npt.ArrayLike, method: str) -> FloatArray:
    """Strangeness [n] from logits [n, k] before any temperature, by `energy` or `dirichlet`."""
    values = np.asarray(logits, dtype=np.float64)
    if values.ndim != 2 or not np.isfinite(values).all():
        raise BadInputError(f"An out-of-domain score needs finite logits [n, classes], not {list(values.shape)}.")
    if method == "energy":
        return find_energy(values)
    if method == "dirichlet":
        return find_spread(values)
    raise BadInputError(f"Unknown out-of-domain score {method!r}. Known: energy, dirichlet.")


def find_energy(logits: FloatArray) -> FloatArray:
    """Energy -log sum exp(logits) (Liu, Wang, Owens and Li 2020, arXiv 2010.03759), in nats."""
    return -np.asarray(logsumexp(logits, axis=1))


def find_spread(logits: FloatArray) -> FloatArray:
    """Spread of the Dirichlet distribution whose concentrations are exp(logits), in nats.

    Mutual information between the class and the probabilities: distributional uncertainty (Malinin and Gales 2018,
    arXiv 1802.10501; for Earth observation Gawlikowski, Saha, Kruspe and Zhu 2022, IEEE TGRS 60). It falls
    as (k - 1) / (2 strength) where the strength, the sum of concentrations, is large. A network trained without an
    evidential objective never learned a strength: its logits are then read as if it had.
    """
    concentration = np.exp(np.clip(logits, -LARGEST_LOGIT, LARGEST_LOGIT))
    strength = concentration.sum(axis=1, keepdims=True)
    mean = concentration / strength
    gap = np.log(mean) - digamma(concentration + 1) + digamma(strength + 1)
    return np.maximum(-(mean * gap).sum(axis=1), 0)


def find_threshold(scores: npt.ArrayLike, share: float = IN_DOMAIN) -> float:
    """The strangeness that this share of the known domain stays below, from held-out samples of it [n]."""
    return find_quantile(scores, share)


def measure_separation(
    known: npt.ArrayLike,
    strange: npt.ArrayLike,
    *,
    known_blocks: Sequence[Any] | npt.ArrayLike,
    strange_blocks: Sequence[Any] | npt.ArrayLike,
    seed: int = 0,
    resamples: int = 500,
) -> Interval:
    """AUROC with its interval: the chance that a strange sample scores above a known one, equals counting half.

    Blocks are drawn together, so that one that holds samples of both kinds is drawn for both.
    """
    low, high = np.asarray(known, dtype=np.float64), np.asarray(strange, dtype=np.float64)
    if not len(low) or not len(high):
        return {"value": None, "low": None, "high": None}
    blocks = [*np.asarray(known_blocks, dtype=object).ravel(), *np.asarray(strange_blocks, dtype=object).ravel()]
    block = number_blocks(blocks, len(low) + len(high))
    is_strange = np.repeat([False, True], [len(low), len(high)])
    place = np.unique(np.concatenate([low, high]), return_inverse=True)[1].reshape(-1)
    draws = Draws(n_blocks=int(block.max()) + 1, resamples=resamples, seed=seed)
    values = [_rank(row[block], place, is_strange) for portion in draws.weights() for row in portion]
    return find_interval(np.array(values))


def _rank(weight: FloatArray, place: IntArray, is_strange: npt.NDArray[np.bool_]) -> float:
    """Weighted Mann-Whitney statistic; NaN where a draw has only one kind."""
    known, strange = (np.bincount(place, weight * kind, place.max() + 1) for kind in (~is_strange, is_strange))
    total = known.sum() * strange.sum()
    return float((strange * (np.cumsum(known) - known / 2)).sum() / total) if total else np.nan


def count_scores(groups: dict[str, npt.ArrayLike], bins: int = HISTOGRAM_BINS) -> dict[str, Any]:
    """Histograms of scores by group over the same edges, ready for JSON; the outermost 0.5 % lie in the end bins."""
    arrays = {name: np.asarray(values, dtype=np.float64) for name, values in groups.items()}
    low, high = np.percentile(np.concatenate(list(arrays.values())), [0.5, 99.5])
    edges = np.linspace(low, high if high > low else low + 1, bins + 1)
    counts = {name: np.histogram(np.clip(values, edges[0], edges[-1]), edges)[0] for name, values in arrays.items()}
    return {"edges": edges.tolist(), "counts": {name: found.tolist() for name, found in counts.items()}}
