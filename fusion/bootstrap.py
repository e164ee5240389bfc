"""95 % intervals from a bootstrap over blocks: neighbouring samples are not independent, so whole blocks are drawn.

Blocks are drawn with replacement, a value is computed on each draw, and the 2.5th and 97.5th percentile are given
(Efron and Tibshirani 1993). Where a value is not defined (nothing to divide by, one block only) it is None, never NaN.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fusion.errors import BadInputError

WEIGHTS_AT_ONCE = 2_000_000  # numbers; keeps memory flat for many blocks

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]
Interval = dict[str, float | None]


@dataclass(frozen=True, kw_only=True)
class Draws:
    """Which draws of blocks are made; the same three numbers give the same draws."""

    n_blocks: int
    resamples: int
    seed: int

    def weights(self) -> Iterator[FloatArray]:
        """How often each block is in each draw, in portions [draws, blocks]; the first row is the sample itself."""
        rng = np.random.default_rng(self.seed)
        yield np.ones((1, self.n_blocks))
        wanted = self.resamples if self.n_blocks > 1 else 0
        step = max(1, WEIGHTS_AT_ONCE // self.n_blocks)
        for start in range(0, wanted, step):
            shape = (min(step, wanted - start), self.n_blocks)
            chosen = rng.integers(0, self.n_blocks, shape) + np.arange(shape[0])[:, None] * self.n_blocks
            yield np.bincount(chosen.ravel(), minlength=shape[0] * shape[1]).reshape(shape).astype(np.float64)


def number_blocks(blocks: Sequence[Any] | npt.ArrayLike, n: int) -> IntArray:
    """Blocks of any kind as numbers from 0, in the order of their texts; one for each of `n` samples."""
    texts = np.asarray([str(block) for block in np.asarray(blocks, dtype=object).ravel()])
    if len(texts) != n:
        raise BadInputError(f"There are {len(texts)} blocks for {n} samples; give one for each.")
    return np.unique(texts, return_inverse=True)[1].reshape(-1).astype(np.int64)


def find_interval(values: FloatArray) -> Interval:
    """Value on the sample (the first) and 95 % percentile interval over the draws that define it; None if undefined."""
    draws = values[1:][np.isfinite(values[1:])]
    low, high = np.percentile(draws, [2.5, 97.5]) if len(draws) else (None, None)
    return {"value": to_number(values[0]), "low": to_number(low), "high": to_number(high)}


def to_number(value: float | None) -> float | None:
    """A number for JSON; None where there is none."""
    return None if value is None or not np.isfinite(value) else float(value)


def divide(above: FloatArray, below: FloatArray) -> FloatArray:
    """Quotient, NaN where nothing is divided by nothing."""
    return np.divide(above, below, out=np.full(np.broadcast(above, below).shape, np.nan), where=below > 0)


def estimate_ratios(
    above: npt.ArrayLike,
    below: npt.ArrayLike | None,
    blocks: Sequence[Any] | npt.ArrayLike,
    *,
    seed: int = 0,
    resamples: int = 500,
) -> list[Interval]:
    """Sum of `above` over sum of `below` with its interval, for each of m columns [n, m]; means without `below`."""
    upper = np.asarray(above, dtype=np.float64)
    lower = np.ones_like(upper) if below is None else np.asarray(below, dtype=np.float64)
    block = number_blocks(blocks, len(upper))
    draws = Draws(n_blocks=int(block.max()) + 1, resamples=resamples, seed=seed)
    sums = np.concatenate(list(_sum_blocks(np.hstack([upper, lower]), block, draws)))
    return [find_interval(column) for column in divide(*np.split(sums, 2, axis=1)).T]


def sum_draws(
    values: npt.ArrayLike, blocks: Sequence[Any] | npt.ArrayLike, *, seed: int = 0, resamples: int = 500
) -> FloatArray:
    """Sums [draws, m] of per-sample values [n, m] over each draw of blocks; row 0 is the sample itself."""
    given = np.asarray(values, dtype=np.float64)
    block = number_blocks(blocks, len(given))
    draws = Draws(n_blocks=int(block.max()) + 1, resamples=resamples, seed=seed)
    return np.concatenate(list(_sum_blocks(given, block, draws)))


def _sum_blocks(values: FloatArray, block: IntArray, draws: Draws) -> Iterator[FloatArray]:
    per_block = np.zeros((draws.n_blocks, values.shape[1]))
    np.add.at(per_block, block, values)
    for portion in draws.weights():
        yield portion @ per_block
