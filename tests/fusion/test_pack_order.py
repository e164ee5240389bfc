"""An order that a disk likes reads every row once, in neighbours, and is mixed all the same."""

import numpy as np
import pytest

from fusion.pack_order import shuffle_blocks

ROWS = np.random.default_rng(0).permutation(np.arange(0, 20_000, 2))


def test_every_row_comes_once_and_only_the_seed_and_epoch_decide() -> None:
    order = shuffle_blocks(ROWS, seed=3, epoch=1)
    assert np.array_equal(np.sort(order), np.sort(ROWS))
    assert np.array_equal(order, shuffle_blocks(np.sort(ROWS), seed=3, epoch=1))
    assert not np.array_equal(order, shuffle_blocks(ROWS, seed=3, epoch=2))
    assert not np.array_equal(order, shuffle_blocks(ROWS, seed=4, epoch=1))


def test_a_window_of_batches_touches_few_blocks_and_is_mixed() -> None:
    order = shuffle_blocks(ROWS, seed=0, epoch=0, block=64, window=8)
    part = order[: 8 * 64]
    runs = np.count_nonzero(np.diff(np.sort(part)) > 2) + 1
    assert runs <= 8, "the rows of a window are at most as many runs of neighbours as it has blocks"
    assert np.mean(np.abs(np.diff(part)) > 2) > 0.95, "within a window neighbours do not follow one another"


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65])
def test_few_rows_are_ordered_too(count: int) -> None:
    assert sorted(shuffle_blocks(ROWS[:count], seed=1, epoch=1).tolist()) == sorted(ROWS[:count].tolist())


def test_a_block_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        shuffle_blocks(ROWS, seed=0, epoch=0, block=0)
