"""How materials change with the season: leaves fall, crops ripen and are cut, grass dries or greens."""

from datetime import date

import numpy as np

from fusion.world.light import SEASONS, scene_date
from fusion.world.materials import INDEX, reflectance_table
from fusion.world.noise import FloatArray
from fusion.world.world import City

# Share of its summer self that a plant keeps, and what the rest looks like, per season. Assumptions.
_CHANGES: dict[str, tuple[tuple[str, str, float], ...]] = {
    "spring": (
        ("tree_leafy", "tree_bare", 0.75),
        ("crop_green", "soil_dark", 0.35),
        ("crop_ripe", "crop_green", 0.05),
        ("stubble", "crop_green", 0.30),
        ("grass_dry", "grass_green", 0.45),
    ),
    "summer": (),
    "autumn": (
        ("tree_leafy", "tree_bare", 0.60),
        ("crop_green", "stubble", 0.25),
        ("crop_ripe", "soil_dark", 0.30),
        ("grass_dry", "grass_green", 0.75),
        ("bush", "tree_bare", 0.75),
    ),
    "winter": (
        ("tree_leafy", "tree_bare", 0.05),
        ("crop_green", "soil_dark", 0.10),
        ("crop_ripe", "crop_green", 0.45),
        ("stubble", "soil_dark", 0.40),
        ("grass_green", "grass_dry", 0.65),
        ("bush", "tree_bare", 0.45),
    ),
}


def season_spectra(season: str, deciduous: float) -> FloatArray:
    """Reflectance [material, band] in a season; `deciduous` 0..1 is how strongly trees and bushes lose their leaves."""
    summer = reflectance_table()
    spectra = summer.copy()
    for plant, other, kept in _CHANGES[season]:
        keeps = 1 - (1 - kept) * deciduous if other == "tree_bare" else kept
        spectra[INDEX[plant]] = keeps * summer[INDEX[plant]] + (1 - keeps) * summer[INDEX[other]]
    return spectra.astype(np.float32)


def day_spectra(city: City, day: date) -> FloatArray:
    """Reflectance [material, band] on a day: between the two nearest seasons in proportion to the days."""
    earlier, later, share = _place_in_year(city, day)
    first, second = (season_spectra(season, city.deciduous) for season in (earlier, later))
    return ((1 - share) * first + share * second).astype(np.float32)


def find_season(city: City, day: date) -> str:
    """The season whose scene lies nearest to a day in the round of the year."""
    earlier, later, share = _place_in_year(city, day)
    return earlier if share < 0.5 else later


def _place_in_year(city: City, day: date) -> tuple[str, str, float]:
    """The seasons before and after a day, and how far the day lies between them (0..1)."""
    days = {season: scene_date(city, season).timetuple().tm_yday for season in SEASONS}
    number = day.timetuple().tm_yday
    earlier = min(SEASONS, key=lambda season: (number - days[season]) % 365)
    later = min(SEASONS, key=lambda season: (days[season] - number - 1) % 365)
    length = (days[later] - days[earlier]) % 365
    return earlier, later, min(1.0, (number - days[earlier]) % 365 / length)
