"""95 % intervals by resampling samples, fast at any number of them.

A figure here is a function of sums over samples, so a draw needs only sums. Up to MOST_BLOCKS samples are drawn one by
one; more are first dealt at random into that many blocks of nearly equal size, and whole blocks are drawn. Dealt at
random, blocks vary as much as their samples do, so the interval is that of the plain bootstrap (Efron 1979), at the
cost of MOST_BLOCKS rows whatever the number of samples.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import sparse

Table = npt.NDArray[np.float64]
Figure = Callable[[Table], Table]
Contribute = Callable[[slice], Table]

MOST_BLOCKS = 1_000
CHUNK = 65_536  # samples whose columns are in memory at a time
RESAMPLES = 400


@dataclass(frozen=True, kw_only=True)
class Measured:
    """A figure with its 95 % bootstrap interval over samples, and the number of samples with two votes or more."""

    value: float
    low: float
    high: float
    samples: int


def sum_blocks(contribute: Contribute, samples: int, seed: int) -> Table:
    """Sums of per-sample columns in each block, [blocks, d]; `contribute` gives the columns of a slice of samples."""
    blocks = min(samples, MOST_BLOCKS)
    place = np.arange(samples) if blocks == samples else np.random.default_rng(seed).permutation(samples) % blocks
    sums: Table = np.zeros((blocks, 0))
    for start in range(0, samples, CHUNK):
        part = slice(start, min(start + CHUNK, samples))
        columns, size = contribute(part), part.stop - part.start
        into = sparse.csr_array((np.ones(size), (place[part], np.arange(size))), shape=(blocks, size))
        sums = np.asarray(into @ columns) + (sums if sums.size else 0)
    return sums


def draw_sums(blocks: Table, seed: int, resamples: int) -> Table:
    """Sums over all blocks, then over the blocks of each draw, [1 + resamples, d]."""
    count = len(blocks)
    times = np.random.default_rng((seed, 1)).multinomial(count, np.full(count, 1 / count), size=resamples)
    return np.concatenate([blocks.sum(0)[None], times.astype(np.float64) @ blocks])


def measure(values: Table, samples: int) -> Measured:
    """The figure of all samples (`values[0]`) and the middle 95 % of the draws that define it; NaN where none does."""
    drawn = values[1:][np.isfinite(values[1:])]
    low, high = np.percentile(drawn, [2.5, 97.5]) if len(drawn) else (np.nan, np.nan)
    return Measured(value=float(values[0]), low=float(low), high=float(high), samples=samples)


def divide(above: Table, below: Table) -> Table:
    """Quotient, NaN where nothing is divided by nothing."""
    return np.divide(above, below, out=np.full(np.broadcast(above, below).shape, np.nan), where=below > 0)
