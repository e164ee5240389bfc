"""The running posterior of a sample: Dirichlet parameters over the scheme's classes; a vote changes two.

Prior: one vote's weight spread evenly (Perks 1947). The share of a class is its parameter over their sum.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

PRIOR_VOTES = 1.0


def move_vote(
    parameters: Sequence[float] | None, classes: int, *, before: int | None, after: int | None
) -> list[float]:
    """Parameters when one vote moves from class index `before` (None: no vote yet) to `after` (None: no vote now)."""
    moved = [PRIOR_VOTES / classes] * classes if parameters is None else list(parameters)
    if before is not None:
        moved[before] -= 1.0
    if after is not None:
        moved[after] += 1.0
    return moved


def add_counts(counts: npt.NDArray[np.integer]) -> npt.NDArray[np.float64]:
    """Parameters [n, k] of samples with these counts [n, k] and no vote before."""
    return counts + PRIOR_VOTES / counts.shape[1]
