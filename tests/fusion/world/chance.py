"""How far a score tells two groups apart, and how far it would by chance."""

import numpy as np


def area_under_curve(positive: np.ndarray, negative: np.ndarray) -> float:
    """Chance that one of the first scores higher than one of the second; ties count half (Mann and Whitney 1947)."""
    values = np.concatenate([positive, negative]).ravel()
    _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[place]
    rank_sum = ranks[: positive.size].sum() - positive.size * (positive.size + 1) / 2
    return float(rank_sum / (positive.size * negative.size))


def chance_interval(positive: int, negative: int, sigmas: float = 3.0) -> tuple[float, float]:
    """Where that area lies, 997 times in 1000, if the score tells nothing and the values are independent."""
    half = sigmas * np.sqrt((positive + negative + 1) / (12 * positive * negative))
    return 0.5 - half, 0.5 + half


def hit_interval(chance: float, count: int, sigmas: float = 3.0) -> tuple[float, float]:
    """Where the share of hits of `count` guesses lies, about 997 times in 1000, if each hits by chance."""
    half = sigmas * np.sqrt(chance * (1 - chance) / count)
    return chance - half, chance + half
