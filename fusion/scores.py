"""How good class probabilities are, with 95 % intervals from a bootstrap over blocks of samples that belong together.

Neighbouring samples are not independent: whole blocks are drawn with replacement, every metric is computed on each
draw, and the 2.5th and 97.5th percentile are given. Confusion counts and losses are summed per block once, so a draw
costs one product. Where a value is not defined (no such class, one block only) it is None, never NaN.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy import sparse

from fusion import scheme as schemes
from fusion.bootstrap import Draws, FloatArray, IntArray, Interval, divide, find_interval, number_blocks, to_number
from fusion.errors import BadInputError
from fusion.scheme import Scheme

BINS = 20  # of equal width over the confidence, as in Koller, Kauermann and Zhu 2022 (arXiv 2205.15265)
SMALLEST_PROBABILITY = 1.1920929e-07  # float32's step: the logarithm of a smaller one is taken of this


@dataclass(frozen=True, kw_only=True)
class Sums:
    """Sums over samples for each draw; row 0 is the sample itself, the others are bootstrap draws."""

    confusion: FloatArray  # [draws, truth, answer]
    bins: FloatArray  # [draws, (count, confidence, right), BINS]
    losses: FloatArray  # [draws, (negative log-likelihood, Brier, cross-entropy to votes)]
    scheme: Scheme | None

    @property
    def total(self) -> FloatArray:
        """Number of samples in each draw."""
        return self.confusion.sum(axis=(1, 2))


def evaluate(
    truth: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    *,
    scheme: Scheme | str,
    blocks: Sequence[Any] | npt.ArrayLike,
    seed: int = 0,
    resamples: int = 500,
    distribution: npt.ArrayLike | None = None,
) -> dict[str, Any]:
    """Every score of `probabilities` [n, k] against class indices `truth` [n], ready for JSON.

    The answer is the class of the highest probability (the first of equals). `distribution` [n, k] are vote shares;
    with them comes `cross_entropy_votes`. BadInputError where an input is not what it must be.
    """
    alphabet = schemes.find(scheme) if isinstance(scheme, str) else scheme
    labels, shares = _check(truth, probabilities, len(alphabet))
    votes = None if distribution is None else _check_shares(distribution, shares.shape, "distribution")
    block = number_blocks(blocks, len(labels))
    draws = Draws(n_blocks=int(block.max()) + 1, resamples=resamples, seed=seed)
    sums = _sum_draws(labels, shares, votes, block, draws, alphabet)
    scores: dict[str, Any] = {name: find_interval(metric(sums)) for name, metric in METRICS.items()}
    if votes is None:
        scores["cross_entropy_votes"] = {"value": None, "low": None, "high": None}
    scores["ece"] |= {"n": len(labels), "bins": BINS}
    return {
        "n": len(labels),
        "blocks": int(block.max()) + 1,
        "resamples": resamples,
        "seed": seed,
        "scheme": alphabet.name,
        "codes": list(alphabet.codes),
        **scores,
        "f1": _list_f1(sums, alphabet),
        "confusion": sums.confusion[0].astype(int).tolist(),
        "reliability": _list_bins(sums),
    }


def paired_difference(
    truth: npt.ArrayLike,
    probabilities_a: npt.ArrayLike,
    probabilities_b: npt.ArrayLike,
    blocks: Sequence[Any] | npt.ArrayLike,
    metric: str = "oa",
    *,
    scheme: Scheme | str | None = None,
    seed: int = 0,
    resamples: int = 1000,
) -> Interval:
    """Metric of a minus metric of b on the same samples, with the interval of the difference over the same draws."""
    if metric not in METRICS or metric == "cross_entropy_votes":
        raise BadInputError(f"Unknown metric {metric!r}. Known: {', '.join(sorted(METRICS))}.")
    alphabet = schemes.find(scheme) if isinstance(scheme, str) else scheme
    if alphabet is None and metric in NEED_SCHEME:
        raise BadInputError(f"The metric {metric!r} needs the scheme of the classes; give scheme=.")
    k = np.asarray(probabilities_a).shape[-1]
    labels, shares_a = _check(truth, probabilities_a, k)
    _, shares_b = _check(truth, probabilities_b, k)
    block = number_blocks(blocks, len(labels))
    draws = Draws(n_blocks=int(block.max()) + 1, resamples=resamples, seed=seed)
    a, b = (METRICS[metric](_sum_draws(labels, s, None, block, draws, alphabet)) for s in (shares_a, shares_b))
    return find_interval(a - b)


def draw_metrics(
    truth: npt.ArrayLike,
    probabilities: npt.ArrayLike,
    metrics: Sequence[str],
    *,
    scheme: Scheme | str,
    blocks: Sequence[Any] | npt.ArrayLike,
    seed: int = 0,
    resamples: int = 1000,
) -> dict[str, FloatArray]:
    """Each metric on the samples themselves (its first number) and on every draw [1 + resamples]; NaN where undefined.

    The same blocks, seed and resamples give the same draws: what is kept of two systems can be compared draw by draw,
    as `paired_difference` does, without their probabilities; bootstrap.find_interval gives the interval of a metric,
    a mean or a difference. With one block alone there are no draws.
    """
    if unknown := set(metrics) - set(METRICS) | {"cross_entropy_votes"} & set(metrics):
        raise BadInputError(f"Unknown metric {min(unknown)!r}. Known: {', '.join(sorted(METRICS))}.")
    alphabet = schemes.find(scheme) if isinstance(scheme, str) else scheme
    labels, shares = _check(truth, probabilities, len(alphabet))
    block = number_blocks(blocks, len(labels))
    draws = Draws(n_blocks=int(block.max()) + 1, resamples=resamples, seed=seed)
    sums = _sum_draws(labels, shares, None, block, draws, alphabet)
    return {name: METRICS[name](sums) for name in metrics}


def count_confusion(truth: npt.ArrayLike, answers: npt.ArrayLike, k: int) -> IntArray:
    """Confusion counts [truth, answer] of class indices."""
    pairs = np.asarray(truth, dtype=np.int64) * k + np.asarray(answers, dtype=np.int64)
    return np.bincount(pairs, minlength=k * k).reshape(k, k)


def _check(truth: npt.ArrayLike, probabilities: npt.ArrayLike, k: int) -> tuple[IntArray, FloatArray]:
    labels = np.asarray(truth)
    if labels.ndim != 1 or not len(labels) or labels.dtype.kind not in "iu":
        raise BadInputError("Scores need at least one sample and the truth as class indices [n].")
    if labels.min() < 0 or labels.max() >= k:
        raise BadInputError(f"Truth holds {labels.min()} to {labels.max()}; classes are 0 to {k - 1}. Leave out -1.")
    return labels.astype(np.int64), _check_shares(probabilities, (len(labels), k), "probabilities")


def _check_shares(values: npt.ArrayLike, shape: tuple[int, ...], name: str) -> FloatArray:
    shares = np.asarray(values, dtype=np.float64)
    if shares.shape != shape:
        raise BadInputError(f"{name} must be [n, classes] = {list(shape)}, not {list(shares.shape)}.")
    if not np.isfinite(shares).all() or (shares < 0).any() or (abs(shares.sum(axis=1) - 1) > 1e-3).any():
        raise BadInputError(f"Every row of {name} must be finite, not negative, and sum to 1.")
    return shares


def _sum_draws(
    truth: IntArray,
    shares: FloatArray,
    votes: FloatArray | None,
    block: IntArray,
    draws: Draws,
    scheme: Scheme | None,
) -> Sums:
    n, k = shares.shape
    rows = np.arange(n)
    answer, confidence = shares.argmax(axis=1), shares.max(axis=1)
    place = np.minimum((confidence * BINS).astype(np.int64), BINS - 1) + k * k
    logs = np.log(np.maximum(shares, SMALLEST_PROBABILITY))
    brier = ((shares - np.eye(k)[truth]) ** 2).sum(axis=1)
    cross = np.zeros(n) if votes is None else -(votes * logs).sum(axis=1)
    last = k * k + 3 * BINS
    columns = [truth * k + answer, place, place + BINS, place + 2 * BINS, *(np.full(n, last + i) for i in range(3))]
    values = [np.ones(n), np.ones(n), confidence, truth == answer, -logs[rows, truth], brier, cross]
    places = (np.tile(block, len(columns)), np.concatenate(columns))
    per_block = sparse.csr_array((np.concatenate(values).astype(np.float64), places), shape=(draws.n_blocks, last + 3))
    sums = np.concatenate([portion @ per_block for portion in draws.weights()])
    return Sums(
        confusion=sums[:, : k * k].reshape(-1, k, k),
        bins=sums[:, k * k : last].reshape(-1, 3, BINS),
        losses=sums[:, last:],
        scheme=scheme,
    )


def _mean_of_present(values: FloatArray, sums: Sums) -> FloatArray:
    """Mean over the classes that occur in the truth of the draw."""
    present = sums.confusion.sum(axis=2) > 0
    return divide(np.where(present, values, 0).sum(axis=1), present.sum(axis=1).astype(np.float64))


def _overall(sums: Sums) -> FloatArray:
    return divide(np.trace(sums.confusion, axis1=1, axis2=2), sums.total)


def _recall(sums: Sums) -> FloatArray:
    return divide(np.diagonal(sums.confusion, axis1=1, axis2=2), sums.confusion.sum(axis=2))


def _f1(sums: Sums) -> FloatArray:
    right = np.diagonal(sums.confusion, axis1=1, axis2=2)
    return divide(2 * right, sums.confusion.sum(axis=1) + sums.confusion.sum(axis=2))


def _kappa(sums: Sums) -> FloatArray:
    """Cohen's kappa; not defined where truth and answers are one and the same class."""
    by_chance = divide((sums.confusion.sum(axis=1) * sums.confusion.sum(axis=2)).sum(axis=1), sums.total**2)
    return divide(_overall(sums) - by_chance, np.where(by_chance < 1 - 1e-12, 1 - by_chance, 0))


def _weighted(sums: Sums) -> FloatArray:
    """Accuracy with partial credit from the scheme's similarity table (Bechtel, Demuzere and Stewart 2020)."""
    if sums.scheme is None:
        raise BadInputError("Weighted accuracy needs a scheme.")
    return divide((sums.confusion * sums.scheme.similarity_matrix()).sum(axis=(1, 2)), sums.total)


def _built(sums: Sums) -> npt.NDArray[np.bool_] | None:
    """Which classes are built; None where the scheme has no groups `built` and `natural`."""
    groups = [label.group for label in sums.scheme.classes] if sums.scheme else []
    return np.array([group == "built" for group in groups]) if set(groups) == {"built", "natural"} else None


def _overall_built(sums: Sums) -> FloatArray:
    """OAu: accuracy where truth and answer are both built (the built square of the matrix, as in WUDAPT's fact sheets).

    Built samples answered as natural are not in it; they lower `oa_built_vs_natural`.
    """
    built = _built(sums)
    if built is None:
        return np.full(len(sums.confusion), np.nan)
    square = sums.confusion[:, built][:, :, built]
    return divide(np.trace(square, axis1=1, axis2=2), square.sum(axis=(1, 2)))


def _built_versus_natural(sums: Sums) -> FloatArray:
    """OAbu: share of samples whose answer is on the right side of built and natural."""
    built = _built(sums)
    if built is None:
        return np.full(len(sums.confusion), np.nan)
    right = sums.confusion[:, built][:, :, built].sum(axis=(1, 2)) + sums.confusion[:, ~built][:, :, ~built].sum((1, 2))
    return divide(right, sums.total)


def _calibration_error(sums: Sums) -> FloatArray:
    """Expected calibration error: mean over samples of |accuracy - confidence| of their bin (Guo et al. 2017)."""
    return divide(abs(sums.bins[:, 2] - sums.bins[:, 1]).sum(axis=1), sums.total)


METRICS: Mapping[str, Callable[[Sums], FloatArray]] = MappingProxyType(
    {
        "oa": _overall,
        "aa": lambda sums: _mean_of_present(_recall(sums), sums),
        "kappa": _kappa,
        "weighted_accuracy": _weighted,
        "oa_built": _overall_built,
        "oa_built_vs_natural": _built_versus_natural,
        "macro_f1": lambda sums: _mean_of_present(_f1(sums), sums),
        "ece": _calibration_error,
        "negative_log_likelihood": lambda sums: sums.losses[:, 0] / sums.total,
        "brier": lambda sums: sums.losses[:, 1] / sums.total,
        "cross_entropy_votes": lambda sums: sums.losses[:, 2] / sums.total,
    }
)
NEED_SCHEME = frozenset({"weighted_accuracy", "oa_built", "oa_built_vs_natural"})


def _list_f1(sums: Sums, scheme: Scheme) -> dict[str, dict[str, Any]]:
    """Per code: F1 with interval, precision, recall, and the number of samples that truly are of the class."""
    f1, recall = _f1(sums), _recall(sums)[0]
    right = np.diagonal(sums.confusion[0])
    precision = divide(right, sums.confusion[0].sum(axis=0))
    count = sums.confusion[0].sum(axis=1).astype(int)
    return {
        code: {
            **find_interval(f1[:, index]),
            "n": int(count[index]),
            "precision": to_number(precision[index]),
            "recall": to_number(recall[index]),
        }
        for index, code in enumerate(scheme.codes)
    }


def _list_bins(sums: Sums) -> list[dict[str, Any]]:
    """The reliability diagram: per bin of confidence its edges, count, mean confidence, and accuracy with interval."""
    accuracy = divide(sums.bins[:, 2], sums.bins[:, 0])
    confidence = divide(sums.bins[0, 1], sums.bins[0, 0])
    rows = []
    for index in range(BINS):
        interval = find_interval(accuracy[:, index])
        rows.append(
            {
                "low": index / BINS,
                "high": (index + 1) / BINS,
                "n": int(sums.bins[0, 0, index]),
                "confidence": to_number(confidence[index]),
                "accuracy": interval["value"],
                "accuracy_low": interval["low"],
                "accuracy_high": interval["high"],
            }
        )
    return rows
