"""How good classes per pixel are, with 95 % intervals from a bootstrap over blocks of samples (fusion.bootstrap).

Pixels of one patch are as little independent as patches of one block: each sample gives a table of counts, blocks of
samples are drawn, and every metric is computed on the summed table. Pixels without truth (-1) are nowhere in it.
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from fusion.bootstrap import FloatArray, IntArray, Interval, divide, find_interval, number_blocks, sum_draws, to_number
from fusion.errors import BadInputError
from fusion.scores import METRICS as OF_COUNTS
from fusion.scores import Sums

Metric = Callable[[FloatArray], FloatArray]


def count_pixels(truth: npt.ArrayLike, answers: npt.ArrayLike, k: int) -> IntArray:
    """Confusion counts [n, truth, answer] of each sample of codes [n, ...]; pixels whose truth is -1 are left out."""
    true, found = np.asarray(truth), np.asarray(answers)
    if true.shape != found.shape or not len(true):
        raise BadInputError(f"Masks must be of one shape; truth is {list(true.shape)}, answers {list(found.shape)}.")
    known = true >= 0
    for name, codes in (("truth", true[known]), ("answers", found[known])):
        if codes.size and not 0 <= codes.min() <= codes.max() < k:
            raise BadInputError(f"A mask's {name} holds codes {codes.min()} to {codes.max()}; known are 0 to {k - 1}.")
    rows = np.broadcast_to(np.arange(len(true)).reshape(-1, *[1] * (true.ndim - 1)), true.shape)[known]
    places = (rows * k + true[known].astype(np.int64)) * k + found[known].astype(np.int64)
    return np.bincount(places, minlength=len(true) * k * k).reshape(len(true), k, k)


def evaluate(
    counts: npt.ArrayLike,
    *,
    codes: Sequence[str],
    blocks: Sequence[Any] | npt.ArrayLike,
    seed: int = 0,
    resamples: int = 500,
) -> dict[str, Any]:
    """Every score of tables [n, truth, answer] (count_pixels), ready for JSON; `codes` name the classes in order."""
    tables = np.asarray(counts)
    sums = _draw(tables, blocks, seed, resamples)
    return {
        "n": len(tables),
        "pixels": int(tables.sum()),
        "blocks": int(number_blocks(blocks, len(tables)).max()) + 1,
        "resamples": resamples,
        "seed": seed,
        "codes": list(codes),
        **{name: find_interval(metric(sums)) for name, metric in METRICS.items()},
        "f1": _list_classes(sums, codes, _f1),
        "iou": _list_classes(sums, codes, _iou),
        "confusion": sums[0].astype(int).tolist(),
    }


def paired_difference(
    one: npt.ArrayLike,
    other: npt.ArrayLike,
    blocks: Sequence[Any] | npt.ArrayLike,
    metric: str = "mean_iou",
    *,
    seed: int = 0,
    resamples: int = 500,
) -> Interval:
    """Metric of one minus metric of the other over the same samples and draws, with its interval."""
    if metric not in METRICS:
        raise BadInputError(f"Unknown metric {metric!r}. Known: {', '.join(sorted(METRICS))}.")
    a, b = (METRICS[metric](_draw(np.asarray(counts), blocks, seed, resamples)) for counts in (one, other))
    return find_interval(a - b)


def _draw(counts: IntArray, blocks: Sequence[Any] | npt.ArrayLike, seed: int, resamples: int) -> FloatArray:
    k = counts.shape[-1]
    return sum_draws(counts.reshape(len(counts), k * k), blocks, seed=seed, resamples=resamples).reshape(-1, k, k)


def _of_counts(name: str) -> Metric:
    """A metric of fusion.scores that needs nothing but the table."""

    def measure(tables: FloatArray) -> FloatArray:
        none = np.zeros((len(tables), 0))
        return OF_COUNTS[name](Sums(confusion=tables, bins=none[:, None], losses=none, scheme=None))

    return measure


def _diagonal(tables: FloatArray) -> FloatArray:
    return np.diagonal(tables, axis1=1, axis2=2)


def _f1(tables: FloatArray) -> FloatArray:
    return divide(2 * _diagonal(tables), tables.sum(axis=1) + tables.sum(axis=2))


def _iou(tables: FloatArray) -> FloatArray:
    """Intersection over union of each class (Jaccard); NaN where it is neither true nor answered."""
    right = _diagonal(tables)
    return divide(right, tables.sum(axis=1) + tables.sum(axis=2) - right)


def _mean_iou(tables: FloatArray) -> FloatArray:
    """Mean over the classes that occur in the truth or the answers of the draw."""
    found = _iou(tables)
    known = np.isfinite(found)
    return divide(np.where(known, found, 0).sum(axis=1), known.sum(axis=1).astype(np.float64))


METRICS: Mapping[str, Metric] = MappingProxyType(
    {
        "oa": _of_counts("oa"),
        "aa": _of_counts("aa"),
        "mean_iou": _mean_iou,
        "macro_f1": _of_counts("macro_f1"),
        "kappa": _of_counts("kappa"),
    }
)


def _list_classes(sums: FloatArray, codes: Sequence[str], metric: Metric) -> dict[str, dict[str, Any]]:
    """Per code: the metric with its interval, precision, recall, and the number of pixels that truly are of it."""
    values, right = metric(sums), _diagonal(sums)[0]
    recall, precision = divide(right, sums[0].sum(axis=1)), divide(right, sums[0].sum(axis=0))
    return {
        code: {
            **find_interval(values[:, index]),
            "n": int(sums[0, index].sum()),
            "precision": to_number(precision[index]),
            "recall": to_number(recall[index]),
        }
        for index, code in enumerate(codes)
    }
