"""Which samples train, validate and test, and the check that nothing leaks from one to another."""

from fusion.sample import SPLITS
from fusion.splits.designs import (
    SHARES,
    UNUSED,
    BlockSplit,
    block_in_cities,
    by_block,
    by_city,
    by_culture_zone,
    by_share,
    hold_one_per_zone,
    random_in_cities,
)
from fusion.splits.leaks import LIMITS, LeakReport, check_leaks, locate_cells

__all__ = [
    "LIMITS",
    "SHARES",
    "SPLITS",
    "UNUSED",
    "BlockSplit",
    "LeakReport",
    "block_in_cities",
    "by_block",
    "by_city",
    "by_culture_zone",
    "by_share",
    "check_leaks",
    "hold_one_per_zone",
    "locate_cells",
    "random_in_cities",
]
