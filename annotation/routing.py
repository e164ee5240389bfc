"""Who is asked what next: every expert has an own random order, and the least voted samples come first."""

import hashlib

import numpy as np
import numpy.typing as npt

from annotation.votes import BoolArray

Places = npt.NDArray[np.int64]


def order_samples(seed: int, expert: str, n: int) -> Places:
    """Places 0..n-1 in the random order of one expert of one campaign; the same whenever it is asked for."""
    digest = hashlib.sha256(f"{seed}/{expert}".encode()).digest()
    return np.random.default_rng(int.from_bytes(digest[:16])).permutation(n)


def choose(
    order: npt.ArrayLike, taken: npt.ArrayLike, wanted: int, count: int, seen: BoolArray | None = None
) -> Places:
    """Up to `count` samples for an expert: fewest votes and leases (`taken`, [n]) first, then the expert's order.

    Full samples (`taken` at `wanted` or above) and those the expert has `seen` [n] are left out. Blind: nothing but
    numbers of votes goes in, so no answer of anybody can shape what is shown.
    """
    places = np.asarray(order)
    load = np.asarray(taken)[places]
    is_open = load < wanted
    if seen is not None:
        is_open &= ~seen[places]
    return places[is_open][np.argsort(load[is_open], kind="stable")][:count]
