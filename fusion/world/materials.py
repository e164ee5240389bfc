"""What the ground is made of: reflectance in the ten Sentinel-2 bands and radar backscatter, per material.

Optical figures are rounded by hand to the level and shape of the named group of published spectra. They are not
resampled from library files. A spread around them is drawn per city, quarter and building. Sources:

[E] Meerdink, Hook, Roberts, Abbott 2019, The ECOSTRESS spectral library 1.0, doi 10.1016/j.rse.2019.05.015
    (groups: manmade, soil, rock, vegetation, non-photosynthetic vegetation, water).
[U] Kokaly et al. 2017, USGS Spectral Library Version 7, doi 10.3133/ds1035.
[H] Herold, Roberts, Gardner, Dennison 2004, Spectrometry for urban area remote sensing, doi 10.1016/j.rse.2004.02.013.
[A] assumption of this project.

Radar figures are means at about 38 degrees in C band, rounded by hand near those of Ulaby and Dobson 1989, Handbook of
Radar Scattering Statistics for Terrain (soil, grass, shrubs, trees, roads). Roofs and water are assumptions.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True, kw_only=True)
class Material:
    """Reflectance per band (0..1, order of the sentinel2 modality) and backscatter of the bare surface in dB."""

    name: str
    reflectance: tuple[float, ...]
    vv_db: float
    vh_db: float
    source: str


def _material(name: str, source: str, vv_db: float, vh_db: float, *permille: int) -> Material:
    return Material(
        name=name, reflectance=tuple(value / 1000 for value in permille), vv_db=vv_db, vh_db=vh_db, source=source
    )


# Columns: name, source, VV dB, VH dB, then B2 B3 B4 B5 B6 B7 B8 B8A B11 B12 in thousandths.
MATERIALS = (
    _material("asphalt_fresh", "[E][H]", -17, -25, 50, 55, 60, 62, 65, 68, 70, 72, 90, 95),
    _material("asphalt_worn", "[E][H]", -16, -24, 105, 120, 132, 137, 142, 147, 150, 153, 182, 180),
    _material("concrete", "[E][H]", -16, -24, 195, 228, 250, 258, 265, 270, 275, 280, 320, 300),
    _material("gravel", "[H]", -13, -20, 150, 170, 188, 195, 200, 205, 210, 215, 250, 240),
    _material("rail_ballast", "[H][A]", -10, -18, 80, 88, 95, 100, 105, 110, 115, 118, 160, 160),
    _material("roof_tile", "[E][H]", -9, -17, 80, 110, 205, 235, 255, 268, 278, 285, 360, 335),
    _material("roof_tar", "[E][H]", -10, -18, 58, 65, 71, 74, 77, 80, 82, 84, 102, 106),
    _material("roof_gravel", "[H]", -9, -17, 150, 168, 185, 192, 198, 203, 208, 212, 250, 245),
    _material("roof_slate", "[E]", -10, -18, 78, 85, 91, 94, 97, 99, 101, 103, 120, 125),
    _material("roof_white", "[E][A]", -10, -18, 480, 530, 550, 552, 553, 550, 545, 540, 400, 330),
    _material("roof_metal", "[E][H]", -8, -17, 300, 315, 325, 330, 335, 338, 340, 342, 360, 350),
    _material("roof_rust", "[H][A]", -8, -16, 70, 90, 148, 172, 192, 205, 216, 225, 320, 330),
    _material("roof_blue", "[H][A]", -8, -17, 205, 172, 120, 118, 140, 182, 222, 242, 250, 215),
    _material("soil_dark", "[E][U]", -13, -21, 58, 80, 103, 115, 128, 139, 150, 158, 230, 205),
    _material("soil_light", "[E][U]", -14, -22, 115, 158, 208, 226, 244, 260, 274, 285, 385, 350),
    _material("sand", "[E][U]", -18, -26, 215, 285, 345, 362, 382, 398, 408, 415, 480, 450),
    _material("rock", "[E][U]", -12, -19, 145, 172, 196, 204, 212, 218, 224, 228, 270, 248),
    _material("grass_green", "[E][U]", -13, -20, 32, 66, 42, 102, 295, 375, 405, 418, 232, 120),
    _material("grass_dry", "[E][U]", -14, -21, 78, 108, 146, 178, 216, 238, 258, 272, 362, 270),
    _material("crop_green", "[E][U]", -11, -18, 28, 66, 34, 104, 345, 435, 468, 478, 222, 108),
    _material("crop_ripe", "[E][U]", -12, -19, 85, 125, 170, 200, 255, 285, 310, 325, 400, 290),
    _material("stubble", "[E]", -12, -20, 98, 128, 168, 188, 216, 238, 258, 272, 380, 308),
    _material("tree_leafy", "[E][U]", -9, -14, 20, 40, 25, 76, 258, 330, 358, 368, 165, 72),
    _material("tree_conifer", "[E][U]", -9, -14.5, 15, 29, 21, 50, 158, 198, 218, 226, 92, 42),
    _material("tree_bare", "[E][A]", -11, -16.5, 48, 62, 78, 98, 130, 150, 166, 176, 220, 168),
    _material("bush", "[E][U]", -11, -17, 34, 58, 48, 94, 208, 258, 284, 295, 208, 120),
    _material("water_clear", "[E][A]", -21, -29, 40, 32, 15, 11, 8, 7, 6, 5, 3, 2),
    _material("water_turbid", "[E][A]", -20, -28, 70, 94, 82, 70, 40, 35, 28, 22, 8, 5),
)

INDEX = {material.name: index for index, material in enumerate(MATERIALS)}


def reflectance_table() -> npt.NDArray[np.float32]:
    """Reflectance [material, band]."""
    return np.array([material.reflectance for material in MATERIALS], dtype=np.float32)


def backscatter_table() -> npt.NDArray[np.float32]:
    """Backscatter coefficient [material, (VV, VH)], linear."""
    decibel = np.array([(material.vv_db, material.vh_db) for material in MATERIALS])
    return (10.0 ** (decibel / 10.0)).astype(np.float32)
