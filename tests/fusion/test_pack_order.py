"""An order that a disk likes reads every row once, in neighbours, and is mixed all the same."""

import numpy as np
import pytest
from scipy.stats import chisquare

from fusion.pack_order import shuffle_blocks

ROWS = np.random.default_rng(0).permutation(np.arange(0, 20_000, 2))
LEAST_CHANCE = 1e-4  # of a shuffle that is fair, below which it is taken for one that is not


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


def test_a_batch_takes_evenly_from_every_block_of_its_window() -> None:
    """Of each window of 32 blocks, the first batch of 256 holds about 8 rows of each: not the rows of four blocks."""
    rows, batch = np.arange(100 * 2_048), 256
    counts = np.zeros(32)
    for epoch in range(4):
        order = shuffle_blocks(rows, seed=5, epoch=epoch)
        for first in range(0, len(order) - 2_048, 2_048):
            window, taken = order[first : first + 2_048], order[first : first + batch]
            starts = np.sort(window)[np.flatnonzero(np.diff(np.sort(window), prepend=-2) > 1)]
            of_each = np.bincount(np.searchsorted(starts, taken, side="right") - 1, minlength=len(starts))
            if len(starts) == 32:  # neither cut short at an end of the pack nor two neighbours in one window
                assert of_each.max() <= 24, "8 on average, with a deviation of 2.6"
                counts += of_each
    assert chisquare(counts).pvalue > LEAST_CHANCE


@pytest.mark.slow
def test_a_row_comes_early_and_late_alike() -> None:
    """Over many epochs its place in the order is even, for rows at both ends of the pack and of a block."""
    rows, epochs, parts = np.arange(3_000), 600, 10
    for row in (0, 1, 63, 64, 1_500, 2_999):
        places = [int(np.flatnonzero(shuffle_blocks(rows, seed=1, epoch=e, block=16, window=4) == row)[0])
                  for e in range(epochs)]  # fmt: skip
        found = np.bincount(np.array(places) * parts // len(rows), minlength=parts)
        assert chisquare(found).pvalue > LEAST_CHANCE, (row, found)


def test_two_neighbours_are_not_always_in_one_batch() -> None:
    """Blocks are cut elsewhere in each epoch, and 256 of a window of 2,048 are a batch: most times they are parted."""
    rows, together = np.arange(20_000), 0
    for epoch in range(60):
        place = np.empty(len(rows), dtype=np.int64)
        place[shuffle_blocks(rows, seed=2, epoch=epoch)] = np.arange(len(rows)) // 256
        together += int(place[5_000] == place[5_001])
    assert together < 20, "1 in 8 on average"


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65])
def test_few_rows_are_ordered_too(count: int) -> None:
    assert sorted(shuffle_blocks(ROWS[:count], seed=1, epoch=1).tolist()) == sorted(ROWS[:count].tolist())


def test_a_block_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        shuffle_blocks(ROWS, seed=0, epoch=0, block=0)
