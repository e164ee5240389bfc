"""The order of an epoch that a disk likes: blocks of neighbours, drawn at random, mixed within a window of blocks."""

import numpy as np
import numpy.typing as npt

Rows = npt.NDArray[np.int64]
BLOCK, WINDOW = 64, 32  # 64 patches of 53 kB are read as one piece of 3.4 MB; a window of 32 of them mixes 2,048


def shuffle_blocks(rows: Rows, *, seed: int, epoch: int, block: int = BLOCK, window: int = WINDOW) -> Rows:
    """Every row once, in an order that reads `block` neighbouring rows together; a pure function of seed and epoch.

    Blocks are cut at another place and drawn in another order each epoch, and the rows of `window` successive blocks
    are mixed. For packs larger than memory; what fits in memory is better shuffled whole.
    """
    if block < 1 or window < 1:
        raise ValueError(f"block and window must be at least 1, not {block} and {window}")
    rng = np.random.default_rng([seed, 2, epoch])
    cuts = np.arange(int(rng.integers(block)) or block, len(rows), block)
    blocks = np.split(np.sort(rows), cuts)
    order = rng.permutation(len(blocks))
    mixed = [
        rng.permutation(np.concatenate([blocks[place] for place in order[first : first + window]]))
        for first in range(0, len(order), window)
    ]
    return np.concatenate(mixed).astype(np.int64) if mixed else np.asarray(rows, dtype=np.int64)
