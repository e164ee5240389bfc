"""A hyperspectral cube of the same ground: narrow bands whose averages are what Sentinel-2 sees before its air.

Each ten-band spectrum is drawn out to the smoothest curve whose averages over the bands of Sentinel-2 (boxes of the
stated widths, an assumption) are its ten values. On it lie narrow absorptions that those ten bands cannot see (they
average to nothing there), at wavelengths of the literature and with assumed depths:

- bitumen and paint, C-H bonds near 1730 and 2310 nm: Herold et al. 2004, doi 10.1016/j.rse.2004.02.013
- clay, Al-OH near 2205 nm, and carbonate near 2340 nm: Clark et al. 1990, doi 10.1029/JB095iB08p12653
- dry plant matter, cellulose near 2100 nm: Nagler et al. 2003, doi 10.1016/j.rse.2003.06.005
- iron oxide near 870 nm: Clark et al. 1990 (rust, clay tiles)

Bands run from 420 to 2450 nm every 10 nm, without the two in which water vapour swallows all light. Noise follows
EnMAP's requirement of a ratio of 400 to 1 below and 170 to 1 above 1000 nm (Guanter et al. 2015, doi
10.3390/rs70708830). Pixels are the city's 10 m, finer than EnMAP's 30 m (assumption: flown).
"""

from dataclasses import dataclass
from datetime import date
from functools import cache

import numpy as np
import numpy.typing as npt

from fusion.modalities.sentinel2 import MODALITY as SENTINEL2
from fusion.world.ground import Ground
from fusion.world.light import scene_date
from fusion.world.materials import INDEX, MATERIALS
from fusion.world.noise import FloatArray
from fusion.world.nulls import NO_NULLS, Nulls
from fusion.world.optics import find_reflectance
from fusion.world.season import day_spectra
from fusion.world.world import City

WAVELENGTHS_NM = tuple(float(nm) for nm in range(420, 2451, 10) if not (1350 <= nm <= 1450 or 1800 <= nm <= 1960))
WAVELENGTHS = np.array(WAVELENGTHS_NM)
_FINE_NM = np.arange(420.0, 2451.0, 5.0)
# Names of materials: (centre nm, width nm, depth as a share of the reflectance).
_ABSORPTIONS: tuple[tuple[tuple[str, ...], float, float, float], ...] = (
    (("asphalt_fresh", "asphalt_worn", "roof_tar"), 1730.0, 18.0, 0.12),
    (("asphalt_fresh", "asphalt_worn", "roof_tar"), 2310.0, 22.0, 0.20),
    (("roof_white", "roof_blue"), 1730.0, 14.0, 0.18),
    (("soil_dark", "soil_light", "roof_tile", "rock"), 2205.0, 20.0, 0.20),
    (("concrete", "gravel", "roof_gravel"), 2340.0, 25.0, 0.22),
    (("grass_dry", "crop_ripe", "stubble", "tree_bare"), 2100.0, 35.0, 0.18),
    (("roof_rust", "roof_tile"), 870.0, 45.0, 0.10),
)


@dataclass(frozen=True, kw_only=True, eq=False)
class Cube:
    """Numbers [band, y, x], int16 as the modality hyperspectral has them: reflectance x 10,000, -32768 no data."""

    day: date
    wavelengths_nm: tuple[float, ...]
    numbers: npt.NDArray[np.int16]


def render_hyperspectral(
    city: City, ground: Ground, day: date | None = None, *, noise: bool = True, nulls: Nulls = NO_NULLS
) -> Cube:
    """The cube of a day (the summer scene's if not given).

    Where spectra are null the narrow absorptions are missing: every band follows from Sentinel-2's ten.
    """
    day = day or scene_date(city, "summer")
    seen = scene_date(city, "summer") if nulls.seasons else day
    spectra = day_spectra(city, seen)
    ten = find_reflectance(city, ground, spectra, seen)
    bands, rows, columns = ten.shape
    cube = (draw_out() @ ten.reshape(bands, -1)).reshape(-1, rows, columns)
    if not nulls.spectra:
        _absorb(cube, ten, ground, spectra)
    np.maximum(cube, np.float32(0.0005), out=cube)
    if noise:
        rng = np.random.default_rng([city.seed, 14, day.toordinal()])
        level = np.where(WAVELENGTHS < 1000, 1 / 400, 1 / 170).astype(np.float32)[:, None, None]
        # The ratio holds at a reflectance of 0.3; noise does not fall below a fifth of that (assumption).
        cube += rng.standard_normal(cube.shape, dtype=np.float32) * level * np.maximum(cube, np.float32(0.06))
    numbers = np.clip(np.rint(cube * 10000), -32767, 32767).astype(np.int16)
    return Cube(day=day, wavelengths_nm=WAVELENGTHS_NM, numbers=numbers)


def average_bands(cube: FloatArray) -> FloatArray:
    """A cube's reflectance averaged over the bands of Sentinel-2 [10, y, x]: means of the bands inside each."""
    weights = _weigh(WAVELENGTHS)
    return (weights.astype(np.float32) @ cube.reshape(len(cube), -1)).reshape(-1, *cube.shape[1:])


@cache
def draw_out() -> FloatArray:
    """The matrix [narrow band, ten] from a ten-band spectrum to its smoothest narrow-band one."""
    count = len(_FINE_NM)
    bends = np.diff(np.eye(count), n=2, axis=0)
    # Some of the first difference keeps the ends level and the curve from swinging below nothing between far bands.
    slopes = np.diff(np.eye(count), n=1, axis=0)
    rough = bends.T @ bends + 5e-2 * slopes.T @ slopes
    average = _weigh(WAVELENGTHS) @ _keep()
    zeros = np.zeros((len(average), len(average)))
    system = np.block([[rough, average.T], [average, zeros]])
    right = np.vstack([np.zeros((count, len(average))), np.eye(len(average))])
    return (_keep() @ np.linalg.solve(system, right)[:count]).astype(np.float32)


def _keep() -> npt.NDArray[np.float64]:
    """The matrix that picks the sensor's bands out of the fine grid."""
    return (WAVELENGTHS[:, None] == _FINE_NM[None, :]).astype(np.float64)


def _weigh(wavelengths: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """Weight of each narrow band in each band of Sentinel-2 [10, narrow]: the overlap of their boxes, summing to 1."""
    half = 5.0
    rows = []
    for band in SENTINEL2.bands:
        centre, width = band.wavelength_nm or 0.0, band.width_nm or 0.0
        upper = np.minimum(wavelengths + half, centre + width / 2)
        lower = np.maximum(wavelengths - half, centre - width / 2)
        overlap = np.maximum(upper - lower, 0)
        rows.append(overlap / overlap.sum())
    return np.stack(rows)


def _absorb(cube: FloatArray, ten: FloatArray, ground: Ground, spectra: FloatArray) -> None:
    """Cut narrow absorptions into the cube, in proportion to what their materials give of each pixel's light."""
    deep = _draw_absorptions(spectra)
    rows, columns, kinds = ground.cover.shape
    pattern = (deep.T @ ground.cover.reshape(-1, kinds).T).reshape(-1, rows, columns)
    # Tone, shadow and hue act on the pattern as they act on the pixel as a whole.
    plain = (spectra.T @ ground.cover.reshape(-1, kinds).T).reshape(-1, rows, columns)
    pattern *= (ten.mean(axis=0) / plain.mean(axis=0))[None]
    cube += pattern


def _draw_absorptions(spectra: FloatArray) -> FloatArray:
    """Absorption [material, narrow band] in reflectance, averaging to 0 over every band of Sentinel-2."""
    out = draw_out()
    smooth = spectra @ out.T
    deep = np.zeros((len(MATERIALS), len(WAVELENGTHS)), dtype=np.float64)
    for names, centre, width, depth in _ABSORPTIONS:
        shape = depth * np.exp(-0.5 * ((WAVELENGTHS - centre) / width) ** 2)
        for name in names:
            deep[INDEX[name]] -= shape * smooth[INDEX[name]]
    seen = deep @ _weigh(WAVELENGTHS).T
    return (deep - seen @ out.T).astype(np.float32)
