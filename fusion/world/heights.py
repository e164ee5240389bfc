"""Heights as airborne laser scanning gives them: surface, terrain, height above ground, canopy.

Heights above ground are those that cast the shadows of the optical scenes and bounce the radar. The lie of the land is
an assumption of its own: hills of some ten metres over a kilometre, at a height drawn per city; bodies of water are
level. No other modality of the world feels the hills.
"""

import numpy as np

from fusion.world.ground import Squares, Window, draw_squares
from fusion.world.materials import INDEX
from fusion.world.noise import FloatArray, draw_slow_field
from fusion.world.nulls import NO_NULLS, Nulls
from fusion.world.world import PIXEL_M, City

PLANTS = tuple(INDEX[name] for name in ("tree_leafy", "tree_conifer", "bush"))
_WATER = 16
_HILL_M = 12.0  # half of the usual range of heights (assumption)
_HILL_LENGTH_M = 1200.0
_BASE_M = (40.0, 600.0)  # height of the city above the sea (assumption: inland, no mountains)
# Vertical accuracy of national laser surveys, one sigma: USGS 2022, Lidar Base Specification, quality level 2, 10 cm.
_NOISE_M = np.float32(0.1)


def render_heights(
    city: City,
    window: Window | None = None,
    *,
    detail: int = 1,
    moment: float = 1.0,
    noise_m: float = float(_NOISE_M),
    nulls: Nulls = NO_NULLS,
) -> FloatArray:
    """Heights [4, y, x] in metres, bands of the modality lidar_heights, in squares of 2.5 m / `detail`.

    Where heights are null, nothing stands above the ground and water is not levelled: the land tells nothing.
    """
    squares = draw_squares(city, window, detail=detail, moment=moment)
    return measure_heights(city, squares, window, noise_m=noise_m, nulls=nulls)


def measure_heights(
    city: City, squares: Squares, window: Window | None, *, noise_m: float = float(_NOISE_M), nulls: Nulls = NO_NULLS
) -> FloatArray:
    """The four heights of squares that are drawn already."""
    window = window or Window.whole(city)
    terrain = find_terrain(city, window, len(squares.material) // (window.rows[1] - window.rows[0]), nulls)
    above = np.zeros_like(terrain) if nulls.heights else squares.height.astype(np.float32)
    # Errors are those of the place, not of the call: drawn for the whole city at 2.5 m, and cut.
    surface = terrain + above
    if noise_m:
        surface += _draw_error(city, window, len(terrain)) * np.float32(noise_m)
    plants = np.isin(squares.material, PLANTS)
    above = surface - terrain
    return np.stack([surface, terrain, above, np.where(plants, above, np.float32(0))])


def find_terrain(city: City, window: Window, step: int, nulls: Nulls = NO_NULLS) -> FloatArray:
    """Height of the bare ground above the sea [y, x], `step` squares along each pixel of 10 m."""
    rng = np.random.default_rng([city.seed, 10])
    base = np.float32(rng.uniform(*_BASE_M))
    hills = base + np.float32(_HILL_M) * draw_slow_field(rng, city.size_px, _HILL_LENGTH_M / PIXEL_M)
    if not nulls.heights:
        for number in np.unique(city.patches[city.truth == _WATER]):
            body = city.patches == number
            hills[body] = hills[body].mean()
    return hills[window.slices].repeat(step, axis=0).repeat(step, axis=1)


def _draw_error(city: City, window: Window, rows: int) -> FloatArray:
    """Standard normal errors of a window's squares; the same window and detail give the same."""
    (top, bottom), (left, right) = window.rows, window.columns
    step = rows // (bottom - top)
    rng = np.random.default_rng([city.seed, 11, top, left, step])
    return rng.standard_normal((rows, (right - left) * step), dtype=np.float32)
