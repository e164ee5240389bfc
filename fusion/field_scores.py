"""How good continuous values are, with 95 % intervals from a bootstrap over blocks of samples (fusion.bootstrap).

Each sample gives sums over its known values, blocks of samples are drawn, and every metric is computed on the sums.
Values without truth (NaN) are nowhere in them. With a predicted variance come the share of truths inside the 90 %
interval of the normal distribution, the negative log-likelihood, and the standard deviation of errors in units of the
predicted one (1 where the predicted variance is right; Kendall and Gal 2017, Levi et al. 2022).
"""

from collections.abc import Callable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

from fusion.bootstrap import FloatArray, Interval, divide, find_interval, number_blocks, sum_draws
from fusion.errors import BadInputError

Z_90 = 1.6448536269514722  # the normal distribution's 95th percentile: 90 % lie within it on both sides
LOG_2_PI = float(np.log(2 * np.pi))
SUMS = ("count", "error", "absolute", "square", "truth", "truth_square", "inside", "likelihood", "standard_square")
N_PLAIN = 6  # of them need no variance
Metric = Callable[[FloatArray], FloatArray]


def sum_errors(
    truth: npt.ArrayLike, mean: npt.ArrayLike, variance: npt.ArrayLike | None = None, *, reference: npt.ArrayLike = 0.0
) -> FloatArray:
    """Sums [n, bands, SUMS] over each sample of values [n, bands, ...]; truth is NaN where nothing is known.

    `reference` (one number, or one per band) is taken from the truth, so that its variance keeps its digits.
    """
    true, found = (np.asarray(values, dtype=np.float64) for values in (truth, mean))
    if true.shape != found.shape or true.ndim < 2:
        raise BadInputError(f"Fields must be [n, bands, ...]; truth is {list(true.shape)}, mean {list(found.shape)}.")
    flat = true.reshape(*true.shape[:2], -1)
    known = np.isfinite(flat)
    error = np.where(known, found.reshape(flat.shape) - flat, 0.0)
    if not np.isfinite(error).all():
        raise BadInputError("The predicted field holds values that are not finite.")
    level = np.where(known, flat - np.asarray(reference, dtype=np.float64).reshape(1, -1, 1), 0.0)
    parts = [known.astype(np.float64), error, abs(error), error**2, level, level**2]
    parts += _sum_variance(error, known, flat.shape, variance)
    return np.stack([part.sum(axis=2) for part in parts], axis=2)


def _sum_variance(
    error: FloatArray, known: npt.NDArray[np.bool_], shape: tuple[int, ...], variance: npt.ArrayLike | None
) -> list[FloatArray]:
    """Inside the 90 % interval or not, negative log-likelihood in nats, squared error in units of the variance."""
    if variance is None:
        return []
    spread = np.asarray(variance, dtype=np.float64).reshape(shape)
    if (spread[known] <= 0).any() or not np.isfinite(spread[known]).all():
        raise BadInputError("A predicted variance must be finite and above 0.")
    safe = np.where(known, spread, 1.0)
    square = error**2 / safe
    likelihood = np.where(known, (LOG_2_PI + np.log(safe) + square) / 2, 0.0)
    return [((square <= Z_90**2) & known).astype(np.float64), likelihood, square]


def evaluate(
    sums: npt.ArrayLike,
    *,
    bands: Sequence[str],
    unit: str = "",
    blocks: Sequence[Any] | npt.ArrayLike,
    seed: int = 0,
    resamples: int = 500,
) -> dict[str, Any]:
    """Every score of sums [n, bands, SUMS] (sum_errors), of all bands together and of each, ready for JSON."""
    given = _check(sums)
    drawn = _draw(given, blocks, seed, resamples)
    return {
        "n": len(given),
        "values": int(given[..., 0].sum()),
        "blocks": int(number_blocks(blocks, len(given)).max()) + 1,
        "resamples": resamples,
        "seed": seed,
        "unit": unit,
        **_score(drawn.sum(axis=1)),
        "bands": {band: _score(drawn[:, place]) for place, band in enumerate(bands)},
    }


def paired_difference(
    one: npt.ArrayLike,
    other: npt.ArrayLike,
    blocks: Sequence[Any] | npt.ArrayLike,
    metric: str = "rmse",
    *,
    seed: int = 0,
    resamples: int = 500,
) -> Interval:
    """Metric of one minus metric of the other over the same samples and draws, all bands together."""
    parts = [_check(sums) for sums in (one, other)]
    known = _list_metrics(min(part.shape[2] for part in parts))
    if metric not in known:
        raise BadInputError(f"Unknown metric {metric!r}. Known: {', '.join(sorted(known))}.")
    a, b = (known[metric](_draw(part, blocks, seed, resamples).sum(axis=1)) for part in parts)
    return find_interval(a - b)


def fit_scale(sums: npt.ArrayLike) -> float:
    """What the predicted standard deviation must be multiplied by so that errors have the predicted variance.

    The maximum of the likelihood over one factor; 1 where nothing is known.
    """
    given = _check(sums)
    if given.shape[2] == N_PLAIN:
        raise BadInputError("The sums hold no predicted variance.")
    count, square = given[..., 0].sum(), given[..., SUMS.index("standard_square")].sum()
    return float(np.sqrt(square / count)) if count and square else 1.0


def _check(sums: npt.ArrayLike) -> FloatArray:
    given = np.asarray(sums, dtype=np.float64)
    if given.ndim != 3 or not len(given) or given.shape[2] not in (N_PLAIN, len(SUMS)):
        raise BadInputError(f"Sums of a field must be [n, bands, {N_PLAIN} or {len(SUMS)}], not {list(given.shape)}.")
    return given


def _draw(sums: FloatArray, blocks: Sequence[Any] | npt.ArrayLike, seed: int, resamples: int) -> FloatArray:
    flat = sums.reshape(len(sums), -1)
    return sum_draws(flat, blocks, seed=seed, resamples=resamples).reshape(-1, *sums.shape[1:])


def _score(drawn: FloatArray) -> dict[str, Any]:
    return {name: find_interval(metric(drawn)) for name, metric in _list_metrics(drawn.shape[1]).items()}


def _mean(name: str) -> Metric:
    place = SUMS.index(name)
    return lambda sums: divide(sums[:, place], sums[:, 0])


def _root_mean(name: str) -> Metric:
    mean = _mean(name)
    return lambda sums: np.sqrt(mean(sums))


def _explained(sums: FloatArray) -> FloatArray:
    """R2: 1 less the share of the truth's variance that is left; not defined where the truth is one value."""
    total = sums[:, 5] - divide(sums[:, 4] ** 2, sums[:, 0])
    is_spread = total > 1e-12 * np.maximum(sums[:, 5], 1e-300)
    return 1 - divide(sums[:, 3], np.where(is_spread, total, 0.0))


METRICS: Mapping[str, Metric] = MappingProxyType(
    {"rmse": _root_mean("square"), "mae": _mean("absolute"), "bias": _mean("error"), "r2": _explained}
)
OF_VARIANCE: Mapping[str, Metric] = MappingProxyType(
    {
        "coverage_90": _mean("inside"),
        "negative_log_likelihood": _mean("likelihood"),
        "standard_error": _root_mean("standard_square"),
    }
)


def _list_metrics(columns: int) -> Mapping[str, Metric]:
    return METRICS if columns == N_PLAIN else {**METRICS, **OF_VARIANCE}
