"""Vehicles on the motorways of a made-up city: where each is at any second, and how it stands.

Each motorway has two lanes, one each way, and all drive on the right (assumptions). A lane has one speed along the
motorway's axis, so that over ground vehicles are up to a tenth faster in bends than on the straight. Lengths, widths
and colours are drawn per vehicle. Where the motorway crosses water it runs in a tunnel, and its vehicles are not seen.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fusion.world.ground import Way, find_ways
from fusion.world.materials import INDEX
from fusion.world.noise import FloatArray
from fusion.world.world import PIXEL_M, City

_WATER = 16
_LANE_M = 4.0  # from the middle of the way to that of a lane (assumption: 3.75 m lanes beside a narrow strip)
_GAP_M = (35.0, 160.0)  # from one vehicle to the next in its lane (assumption: flowing traffic)
_SPEED = (19.0, 31.0)  # metres per second, 70 to 110 km/h (assumption)
# Length and width in metres and share of all: cars, vans, lorries (Directive 96/53/EC: at most 2.55 m wide).
_SIZES = ((4.4, 1.8, 0.75), (6.0, 2.1, 0.12), (14.0, 2.5, 0.13))
_PAINTS = ((235, 235, 232), (28, 28, 32), (150, 154, 158), (170, 30, 30), (40, 70, 140), (205, 180, 120))


@dataclass(frozen=True, kw_only=True)
class Vehicle:
    """One vehicle: its way, where it is at second 0 (metres along), its signed speed and how it looks."""

    number: int
    way: Way
    lane_m: float
    start_m: float
    speed: float
    length_m: float
    width_m: float
    colour: tuple[int, int, int]


@dataclass(frozen=True, kw_only=True, eq=False)
class Places:
    """Where vehicles are [vehicle, moment]: UTM metres, heading in degrees clockwise from north, and whether seen."""

    x: npt.NDArray[np.float64]
    y: npt.NDArray[np.float64]
    heading_deg: npt.NDArray[np.float64]
    is_seen: npt.NDArray[np.bool_]


def draw_vehicles(city: City, *, seed: int = 0) -> list[Vehicle]:
    """All vehicles of a city; the same city and seed give the same."""
    reach = city.size_px * PIXEL_M * 0.75
    found: list[Vehicle] = []
    for place, way in enumerate(way for way in find_ways(city) if way.material != INDEX["rail_ballast"]):
        for lane, side in enumerate((-1, 1)):
            rng = np.random.default_rng([city.seed, 16, seed, place, lane])
            starts = np.cumsum(rng.uniform(*_GAP_M, int(2 * reach / _GAP_M[0]))) - reach
            # One speed per lane, so that nobody drives through anybody.
            speed = float(side * rng.uniform(*_SPEED))
            for start in starts[starts < reach]:
                found.append(
                    _draw_vehicle(rng, len(found), way, lane_m=-side * _LANE_M, start=float(start), speed=speed)
                )
    return found


def find_places(city: City, vehicles: list[Vehicle], seconds: npt.NDArray[np.float64]) -> Places:
    """Where each vehicle is at each of the seconds."""
    shape = len(vehicles), len(seconds)
    x, y, heading = (np.zeros(shape) for _ in range(3))
    for row, vehicle in enumerate(vehicles):
        along = vehicle.start_m + _stretch(vehicle) * vehicle.speed * seconds
        x[row], y[row], heading[row] = _find_on_way(vehicle, along)
    half = city.size_px * PIXEL_M / 2
    columns, rows = np.floor((x + half) / PIXEL_M).astype(int), np.floor((y + half) / PIXEL_M).astype(int)
    last = city.size_px - 1
    is_inside = (columns >= 0) & (rows >= 0) & (columns <= last) & (rows <= last)
    is_wet = city.truth[np.clip(rows, 0, last), np.clip(columns, 0, last)] == _WATER
    return Places(
        x=city.origin[0] + half + x,
        y=city.origin[1] - half - y,
        heading_deg=heading,
        is_seen=is_inside & ~is_wet,
    )


def find_corners(vehicle: Vehicle, x: FloatArray, y: FloatArray, heading_deg: FloatArray) -> FloatArray:
    """The four corners [..., 4, (x, y)] of a vehicle's outline in UTM metres, from front left clockwise."""
    turn = np.deg2rad(np.asarray(heading_deg))
    ahead, aside = np.stack([np.sin(turn), np.cos(turn)], -1), np.stack([np.cos(turn), -np.sin(turn)], -1)
    middle = np.stack([np.asarray(x), np.asarray(y)], -1)
    ends = ((1, -1), (1, 1), (-1, 1), (-1, -1))
    corners = [
        middle + ahead * (forward * vehicle.length_m / 2) + aside * (right * vehicle.width_m / 2)
        for forward, right in ends
    ]
    return np.stack(corners, axis=-2)


def _draw_vehicle(
    rng: np.random.Generator, number: int, way: Way, *, lane_m: float, start: float, speed: float
) -> Vehicle:
    length, width, _ = _SIZES[int(rng.choice(len(_SIZES), p=[share for *_, share in _SIZES]))]
    colour = _PAINTS[int(rng.integers(len(_PAINTS)))]
    return Vehicle(
        number=number, way=way, lane_m=lane_m, start_m=start, speed=speed,
        length_m=length, width_m=width, colour=colour,
    )  # fmt: skip


def _stretch(vehicle: Vehicle) -> float:
    """Metres along the way's axis per metre driven: a little less than 1, as the way bends (its mean slope)."""
    slope = vehicle.way.bend_m / vehicle.way.wave_m
    return float(1 / np.sqrt(1 + slope**2 / 2))


def _find_on_way(
    vehicle: Vehicle, along: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Metres east and south of the city's centre, and heading, of points along a way (see ground._lay_ways)."""
    way = vehicle.way
    slope = -way.bend_m / way.wave_m * np.cos(along / way.wave_m)
    # The lane lies beside the middle of the way, square to it.
    norm = np.sqrt(1 + slope**2)
    across = way.distance_m - way.bend_m * np.sin(along / way.wave_m) + vehicle.lane_m / norm
    along_lane = along - vehicle.lane_m * slope / norm
    cosine, sine = np.cos(way.azimuth), np.sin(way.azimuth)
    x, y = across * cosine - along_lane * sine, across * sine + along_lane * cosine
    sign = np.sign(vehicle.speed)
    east, south = sign * (slope * cosine - sine), sign * (slope * sine + cosine)
    return x, y, np.rad2deg(np.arctan2(east, -south)) % 360
