"""How materials change with the season: leaves fall, crops ripen and are cut, grass dries or greens."""

import numpy as np

from fusion.world.materials import INDEX, reflectance_table
from fusion.world.noise import FloatArray

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
