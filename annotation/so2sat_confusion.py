"""How the human experts of So2Sat LCZ42 confuse Local Climate Zones: a published table, carried over.

Hechinger, Zhu and Kauermann, Journal of the Royal Statistical Society Series C, 2024: mixture model of 159,449 patches
with 11 votes each in nine European cities (code and output public). Rows are the latent true class, columns the vote,
rounded to three decimals as printed. The authors leave out LCZ 7, which has no votes in Europe.
"""

import numpy as np
import numpy.typing as npt

from fusion import scheme as schemes

PUBLISHED_CODES = ("1", "2", "3", "4", "5", "6", "8", "9", "10", "A", "B", "C", "D", "E", "F", "G")

# fmt: off
PUBLISHED = (
    (0.813, 0.069, 0.000, 0.118, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000),
    (0.000, 0.957, 0.007, 0.025, 0.008, 0.000, 0.000, 0.000, 0.000, 0.000, 0.002, 0.000, 0.000, 0.000, 0.000, 0.000),
    (0.000, 0.355, 0.514, 0.000, 0.031, 0.098, 0.002, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000),
    (0.026, 0.023, 0.000, 0.703, 0.246, 0.002, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000),
    (0.000, 0.096, 0.007, 0.012, 0.804, 0.079, 0.000, 0.001, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000),
    (0.000, 0.001, 0.082, 0.000, 0.007, 0.908, 0.000, 0.001, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000),
    (0.000, 0.002, 0.001, 0.000, 0.001, 0.000, 0.972, 0.000, 0.015, 0.000, 0.000, 0.000, 0.001, 0.009, 0.000, 0.000),
    (0.000, 0.000, 0.000, 0.000, 0.011, 0.359, 0.007, 0.622, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000),
    (0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.109, 0.000, 0.874, 0.000, 0.000, 0.000, 0.003, 0.013, 0.000, 0.000),
    (0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.988, 0.010, 0.001, 0.000, 0.000, 0.000, 0.000),
    (0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.001, 0.000, 0.028, 0.920, 0.046, 0.004, 0.000, 0.000, 0.000),
    (0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.001, 0.255, 0.490, 0.225, 0.010, 0.018, 0.000),
    (0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.007, 0.000, 0.000, 0.001, 0.003, 0.985, 0.000, 0.003, 0.000),
    (0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.034, 0.000, 0.000, 0.000, 0.000, 0.006, 0.000, 0.951, 0.008, 0.001),
    (0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.008, 0.000, 0.004, 0.000, 0.000, 0.031, 0.003, 0.152, 0.801, 0.000),
    (0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.000, 0.999),
)
# fmt: on

# Share of each latent class among those patches.
PUBLISHED_PRIOR = (
    0.002,
    0.055,
    0.004,
    0.01,
    0.065,
    0.098,
    0.053,
    0.011,
    0.018,
    0.138,
    0.068,
    0.012,
    0.279,
    0.007,
    0.005,
    0.174,
)

# Our assumption for LCZ 7 (lightweight low-rise): named as often as an average urban class of the table (mean of its
# nine urban diagonals), else taken for compact low-rise (two thirds), large low-rise or sparsely built (a sixth each).
# Nobody takes another class for LCZ 7, since the published rows leave no room for it.
ASSUMED_ERRORS_7 = {"3": 4 / 6, "8": 1 / 6, "9": 1 / 6}
URBAN = 9
# Cells printed as 0.000 are below 0.0005; they are taken as the middle of what rounds to it.
UNSEEN = 0.00025


def lcz_confusion() -> npt.NDArray[np.float64]:
    """P(vote = column | truth = row) over the 17 classes of scheme lcz17, rows summing to 1 (So2Sat, LCZ 7 assumed)."""
    scheme = schemes.find("lcz17")
    place = [scheme.index(code) for code in PUBLISHED_CODES]
    table = np.zeros((len(scheme), len(scheme)))
    table[np.ix_(place, place)] = PUBLISHED
    right = float(np.mean(np.diag(np.asarray(PUBLISHED))[:URBAN]))
    seven = scheme.index("7")
    table[seven, seven] = right
    for code, share in ASSUMED_ERRORS_7.items():
        table[seven, scheme.index(code)] = (1 - right) * share
    table = np.maximum(table, UNSEEN)
    return table / table.sum(1, keepdims=True)
