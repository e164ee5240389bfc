"""Numbers to colours: limits, ramps, shaded relief, class colours and small plots. Arrays in, RGB out; no modality."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]
Picture = npt.NDArray[np.uint8]

SUN_AZIMUTH_DEG, SUN_HEIGHT_DEG = 315.0, 45.0  # the custom of printed maps: light from the upper left
STEEP = 1.0  # slopes are scaled so that the 95th percentile shows as 45 degrees, whatever the unit of the heights
INK, PAPER, GRID = (31, 78, 121), (255, 255, 255), (225, 229, 234)


def scale_levels(plane: FloatArray, low: float, high: float) -> Picture:
    """`low` to `high` as 0 to 255, cut at both ends; what is not finite is 0."""
    with np.errstate(over="ignore"):  # beyond the largest number is beyond the upper end
        level = (plane - np.float32(low)) * np.float32(255.0 / (high - low))
    return np.clip(np.nan_to_num(level), 0, 255).astype(np.uint8)


def find_limits(plane: FloatArray, valid: Mask, low: float, high: float) -> tuple[float, float]:
    """The `low` and `high` percentiles of the valid values; never equal, and 0 to 1 where nothing is valid."""
    values = plane[valid & np.isfinite(plane)]
    if not values.size:
        return 0.0, 1.0
    first, last = (float(value) for value in np.percentile(values, (low, high)))
    return (first, last) if last > first else (first - 0.5, first + 0.5)


def paint_ramp(levels: Picture, colours: Sequence[str]) -> Picture:
    """Levels 0 to 255 [y, x] as RGB [y, x, 3] along equally spaced colours."""
    stops = np.array([read_colour(colour) for colour in colours], dtype=np.float64)
    places = np.linspace(0, 255, len(stops))
    table = np.stack([np.interp(np.arange(256), places, stops[:, part]) for part in range(3)], axis=1)
    return table.round().astype(np.uint8)[levels]


def paint_classes(values: npt.NDArray[np.generic], colours: Mapping[int, str]) -> Picture:
    """Codes [y, x] as RGB [y, x, 3]; a code without a colour is black."""
    picture = np.zeros((*values.shape, 3), dtype=np.uint8)
    for value, colour in colours.items():
        picture[values == value] = read_colour(colour)
    return picture


def shade_relief(heights: FloatArray) -> FloatArray:
    """Light on a surface [y, x], 0 to 1, from the north-west; slopes are exaggerated alike in any unit."""
    if min(heights.shape) < 2:
        return np.ones(heights.shape, dtype=np.float32)
    down, right = np.gradient(np.nan_to_num(heights.astype(np.float64)))
    slope = float(np.percentile(np.hypot(down, right), 95))
    if slope <= 0:
        return np.full(heights.shape, np.sin(np.radians(SUN_HEIGHT_DEG)), dtype=np.float32)
    down, right = down * (STEEP / slope), right * (STEEP / slope)
    east, north = (function(np.radians(SUN_AZIMUTH_DEG)) for function in (np.sin, np.cos))
    flat, up = (function(np.radians(SUN_HEIGHT_DEG)) for function in (np.cos, np.sin))
    light = (up - flat * (right * east - down * north)) / np.sqrt(1 + down**2 + right**2)
    return np.clip(light, 0, 1).astype(np.float32)


def plot_line(values: FloatArray, low: float, high: float, shape: tuple[int, int]) -> Picture:
    """A series as a line on paper, RGB [y, x, 3]; gaps stay gaps where values are not finite."""
    height, width = shape
    picture = np.full((height, width, 3), PAPER, dtype=np.uint8)
    picture[np.linspace(0, height - 1, 5).round().astype(int)] = GRID
    if not values.size:
        return picture
    place = np.linspace(0, len(values) - 1, width)
    before = np.floor(place).astype(int)
    after = np.minimum(before + 1, len(values) - 1)
    share = (place - before).astype(np.float32)
    line = np.where(share > 0, values[before] * (1 - share) + values[after] * share, values[before])
    rows = (height - 1) * (1 - (line - low) / (high - low))
    known = np.isfinite(rows)
    rows = np.clip(np.where(known, rows, 0), 0, height - 1).round().astype(int)
    for column in np.flatnonzero(known):
        previous = rows[column - 1] if column and known[column - 1] else rows[column]
        first, last = sorted((int(previous), int(rows[column])))
        picture[first : last + 1, column] = INK
    return picture


def read_colour(text: str) -> tuple[int, int, int]:
    """`#rrggbb` as three numbers of 0 to 255."""
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)
