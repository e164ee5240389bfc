"""Aerial orthophotos of a window at metre scale: red, green, blue and near infrared of the same ground.

Materials, hues, sun and shadow are those of Sentinel-2 on the same day; only the squares are smaller and no air is in
between (assumption: flown low, in clear weather). Numbers are what a camera's processing makes for the eye: reflectance
0 to 0.5 over 0 to 255 along the usual curve of 1 / 2.2 (assumption: 0.5 is white).
"""

from datetime import date

import numpy as np
import numpy.typing as npt

from fusion.world.ground import Squares, Window, draw_squares
from fusion.world.light import cast_shadows, find_sun
from fusion.world.noise import FloatArray
from fusion.world.optics import SKYLIGHT, draw_city_spread, draw_tints
from fusion.world.season import day_spectra
from fusion.world.world import City

BANDS = (2, 1, 0, 6)  # red, green, blue, near infrared among Sentinel-2's ten
WHITE = np.float32(0.5)
GAMMA = np.float32(2.2)
_NOISE = np.float32(1.0)  # digital numbers, one sigma (assumption)


def render_aerial(
    city: City, window: Window, day: date, *, detail: int = 2, moment: float = 1.0
) -> npt.NDArray[np.uint8]:
    """Numbers [red green blue nir, y, x] of a window in squares of 2.5 m / `detail`; `detail` 5 is half a metre.

    Near the window's edge shadows of what stands outside of it are missing.
    """
    squares = draw_squares(city, window, detail=detail, moment=moment)
    numbers = to_numbers(light_squares(city, squares, day))
    rng = np.random.default_rng([city.seed, 12, day.toordinal(), window.rows[0], window.columns[0], detail])
    noisy = numbers + rng.standard_normal(numbers.shape, dtype=np.float32) * _NOISE
    return np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


def light_squares(city: City, squares: Squares, day: date) -> FloatArray:
    """Reflectance [red green blue nir, y, x] of each square under the sun of the day."""
    spectra = (day_spectra(city, day) * draw_city_spread(city))[:, list(BANDS)]
    tints = draw_tints(city)[:, list(BANDS)]
    shade = cast_shadows(squares.height.astype(np.float32), squares.square_m, find_sun(day, city.lat))
    lit = [
        spectra[:, band][squares.material]
        * tints[:, band][squares.quarter]
        * squares.tone
        * (1 - shade * (1 - SKYLIGHT[source]))
        for band, source in enumerate(BANDS)
    ]
    return np.stack(lit).astype(np.float32)


def to_numbers(reflectance: FloatArray) -> FloatArray:
    """What the eye is shown of a reflectance, 0 to 255, not yet rounded."""
    return np.float32(255) * np.clip(reflectance / WHITE, 0, 1) ** (1 / GAMMA)


def to_reflectance(numbers: npt.NDArray[np.uint8]) -> FloatArray:
    """The way back: reflectance of shown numbers, up to 0.5."""
    return ((numbers.astype(np.float32) / np.float32(255)) ** GAMMA * WHITE).astype(np.float32)
