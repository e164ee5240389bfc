"""A point cloud of a window, as airborne laser scanning gives it, of the same surface as the heights.

Pulses fall at random places at a stated density; crowns let a share of each pulse through to the ground (two returns).
Water reflects away all but a few pulses. Classes are those of the LAS specification. Assumptions: 4 pulses per square
metre (USGS 2022, Lidar Base Specification, quality level 1 asks for 8, level 2 for 2), 45 % of pulses pass through a
crown, 5 % come back from water.
"""

from datetime import date

import numpy as np

from fusion.errors import BadInputError
from fusion.world.ground import Squares, Window, draw_squares
from fusion.world.heights import PLANTS, find_terrain
from fusion.world.light import scene_date
from fusion.world.materials import INDEX
from fusion.world.noise import FloatArray
from fusion.world.nulls import NO_NULLS, Nulls
from fusion.world.season import day_spectra
from fusion.world.world import City

_NEAR_INFRARED = 7  # B8A, 865 nm: the nearest of Sentinel-2's land bands to a laser of 1064 nm
_NOISE_M = np.float32(0.03)  # ranging noise of one pulse (assumption)
_PASS, _FROM_WATER = 0.45, 0.05
_FULL_INTENSITY = np.float32(20000)  # of a white target; intensity is not calibrated (assumption)
GROUND, LOW_PLANTS, HIGH_PLANTS, BUILDING, WATER, ROAD = 2, 3, 5, 6, 9, 11
_WATERS = (INDEX["water_clear"], INDEX["water_turbid"])
_ROADS = (INDEX["asphalt_worn"], INDEX["asphalt_fresh"])


def render_points(
    city: City,
    window: Window,
    *,
    density_m2: float = 4.0,
    detail: int = 2,
    moment: float = 1.0,
    seed: int = 0,
    nulls: Nulls = NO_NULLS,
) -> FloatArray:
    """Points [point, x y z intensity return_number classification], float32, as the modality lidar.

    x and y are metres from the window's south-west corner, z is above the sea. Where heights are null every pulse
    comes back once, from bare ground; only its strength still tells what it fell on.
    """
    if density_m2 <= 0:
        raise BadInputError(f"A point cloud has more than 0 pulses per square metre, not {density_m2}.")
    squares = draw_squares(city, window, detail=detail, moment=moment)
    rng = np.random.default_rng([city.seed, 18, seed, window.rows[0], window.columns[0]])
    rows, columns = squares.material.shape
    wide, high = columns * squares.square_m, rows * squares.square_m
    count = round(wide * high * density_m2)
    x, y = rng.uniform(0, wide, count), rng.uniform(0, high, count)
    place = _find_squares(squares, x, y)
    chances = rng.random((2, count), dtype=np.float32)
    errors = rng.standard_normal((2, count), dtype=np.float32) * _NOISE_M
    material, lot = squares.material[place], squares.lot[place]
    above = squares.height[place].astype(np.float32)
    terrain = find_terrain(city, window, rows // (window.rows[1] - window.rows[0]), nulls)[place]
    shine = _find_shine(city, squares, scene_date(city, "summer"))[place]
    if nulls.heights:
        bare = [x, y, terrain + errors[0], shine, np.ones(count), np.full(count, GROUND)]
        return np.column_stack(bare).astype(np.float32)
    is_plant = np.isin(material, PLANTS) & (above > 0)
    comes_back = ~np.isin(material, _WATERS) | (chances[0] < _FROM_WATER)
    first = np.column_stack(
        [x, y, terrain + above + errors[0], shine, np.ones(count), _classify(material, lot, above, is_plant)]
    )[comes_back]
    goes_on = is_plant & (chances[1] < _PASS)
    under = np.column_stack(
        [x, y, terrain + errors[1], shine * np.float32(0.3), np.full(count, 2), np.full(count, GROUND)]
    )[goes_on]
    return np.concatenate([first, under]).astype(np.float32)


def _find_squares(squares: Squares, x: FloatArray, y: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Row and column of the square under each point; y counts from the south."""
    rows, columns = squares.material.shape
    down = np.minimum((rows - y / squares.square_m).astype(int), rows - 1)
    return np.maximum(down, 0), np.minimum((x / squares.square_m).astype(int), columns - 1)


def _find_shine(city: City, squares: Squares, day: date) -> FloatArray:
    """Intensity of each square's echo: its near-infrared reflectance, without sun and shadow."""
    return _FULL_INTENSITY * day_spectra(city, day)[:, _NEAR_INFRARED][squares.material] * squares.tone


def _classify(material: FloatArray, lot: FloatArray, above: FloatArray, is_plant: FloatArray) -> FloatArray:
    low_or_high = np.where(above < 2.5, LOW_PLANTS, HIGH_PLANTS)
    classes = np.where(np.isin(material, _ROADS), ROAD, GROUND)
    classes = np.where(np.isin(material, _WATERS), WATER, classes)
    return np.where(lot > 0, BUILDING, np.where(is_plant, low_or_high, classes))
