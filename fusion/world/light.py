"""Sun, shadow and season: where the sun stands on a date, what lies in shadow, how green plants are."""

from dataclasses import dataclass
from datetime import date

import numpy as np

from fusion.world.noise import FloatArray
from fusion.world.world import City

SEASONS = ("spring", "summer", "autumn", "winter")
# Month and day of each season's scene north of the equator (assumption: mid-season, clear sky).
_DATES = {"spring": (4, 20), "summer": (7, 12), "autumn": (10, 8), "winter": (1, 24)}


@dataclass(frozen=True, kw_only=True)
class Sun:
    """Elevation above the horizon, and azimuth clockwise from north, in radians."""

    elevation: float
    azimuth: float


def scene_date(city: City, season: str) -> date:
    """The day on which a season of the city was seen; seasons are the local ones, so summer is January in the south."""
    month, day = _DATES[season]
    if city.lat < 0:
        month = (month + 5) % 12 + 1
    return date(city.first_year + (season == "winter" if city.lat >= 0 else season in ("summer", "spring")), month, day)


def find_sun(day: date, lat: float) -> Sun:
    """The sun at 10:30 local solar time, Sentinel-2's overpass (Drusch et al. 2012); declination after Cooper 1969."""
    declination = np.deg2rad(23.45) * np.sin(2 * np.pi * (284 + day.timetuple().tm_yday) / 365)
    hour, phi = np.deg2rad(-22.5), np.deg2rad(lat)
    sine = np.sin(phi) * np.sin(declination) + np.cos(phi) * np.cos(declination) * np.cos(hour)
    east = -np.cos(declination) * np.sin(hour)
    north = np.cos(phi) * np.sin(declination) - np.sin(phi) * np.cos(declination) * np.cos(hour)
    return Sun(elevation=float(np.arcsin(sine)), azimuth=float(np.arctan2(east, north)))


def cast_shadows(height_m: FloatArray, square_m: float, sun: Sun) -> FloatArray:
    """Which squares of a height map [y, x] (north up) lie in shadow: 0 or 1.

    The shadow's ceiling is the highest of all heights towards the sun, each lowered by distance * tan(elevation).
    Taking the maximum over twice the distance at each step reaches the longest shadow in a few steps.
    """
    east, north = np.sin(sun.azimuth), np.cos(sun.azimuth)
    drop = square_m * np.tan(max(sun.elevation, np.deg2rad(8.0)))
    reach = int(np.ceil(height_m.max() / drop))
    ceiling = _shifted(height_m, east, north, 1) - np.float32(drop)
    distance = 1
    while distance < reach:
        np.maximum(ceiling, _shifted(ceiling, east, north, distance) - np.float32(distance * drop), out=ceiling)
        distance *= 2
    return (ceiling > height_m + np.float32(0.5)).astype(np.float32)


def _shifted(plane: FloatArray, east: float, north: float, distance: int) -> FloatArray:
    """The plane as seen `distance` squares towards the sun; beyond the edge lies flat ground."""
    columns, rows = round(east * distance), round(-north * distance)
    shifted = np.zeros_like(plane)
    height, width = plane.shape
    if abs(rows) < height and abs(columns) < width:
        target = (_span(-rows, height), _span(-columns, width))
        source = (_span(rows, height), _span(columns, width))
        shifted[target] = plane[source]
    return shifted


def _span(shift: int, length: int) -> slice:
    return slice(max(0, shift), length + min(0, shift))
