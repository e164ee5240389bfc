"""Sentinel-2 as it would see the made-up ground: spectra, shadow, haze, blur, noise, and digital numbers."""

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt

from fusion.modalities.sentinel2 import MODALITY
from fusion.world.ground import Ground
from fusion.world.light import SEASONS, cast_shadows, find_sun, scene_date
from fusion.world.noise import FloatArray, draw_slow_field
from fusion.world.nulls import NO_NULLS, Nulls
from fusion.world.season import day_spectra, find_season, season_spectra
from fusion.world.world import City

WAVELENGTH_NM = np.array([band.wavelength_nm for band in MODALITY.bands], dtype=np.float32)
_COARSE = (3, 4, 5, 7, 8, 9)  # the 20 m bands
# Share of full light that the sky still gives in shadow: Rayleigh-like, falling with wavelength (assumption).
SKYLIGHT = np.clip(0.38 * (492.4 / WAVELENGTH_NM) ** 1.4, 0.06, 1.0).astype(np.float32)
# Noise at the reference radiance in reflectance units: SNR 100-170 at rho 0.13-0.25 (Drusch et al. 2012, table 1).
_NOISE = np.float32(0.0018)
# From processing baseline 04.00, in force on this day, digital numbers are raised by 1000 (ESA, S2 MPC, 2022).
_BASELINE_4 = date(2022, 1, 25)


@dataclass(frozen=True, kw_only=True, eq=False)
class OpticalScene:
    """Digital numbers [band, y, x]; reflectance = (numbers + offset) / 10000."""

    season: str
    day: date
    numbers: npt.NDArray[np.uint16]
    offset: int
    baseline: str


def render_sentinel2(city: City, ground: Ground, season: str, nulls: Nulls = NO_NULLS) -> OpticalScene:
    """One season of a city. Where seasons are null, every one shows what summer shows, air and noise too."""
    day = scene_date(city, season)
    seen = "summer" if nulls.seasons else season
    rng = np.random.default_rng([city.seed, 3, SEASONS.index(seen)])
    reflectance = find_reflectance(city, ground, season_spectra(seen, city.deciduous), scene_date(city, seen))
    return _expose(rng, reflectance, season, day)


def render_sentinel2_on(city: City, ground: Ground, day: date, nulls: Nulls = NO_NULLS) -> OpticalScene:
    """A city on any day: plants between the seasons before and after it, the sun of the day."""
    seen = scene_date(city, "summer") if nulls.seasons else day
    rng = np.random.default_rng([city.seed, 9, 0 if nulls.seasons else day.toordinal()])
    reflectance = find_reflectance(city, ground, day_spectra(city, seen), seen)
    return _expose(rng, reflectance, find_season(city, day), day)


def find_reflectance(city: City, ground: Ground, spectra: FloatArray, day: date) -> FloatArray:
    """Reflectance [band, y, x] of the lit ground, before coarse bands, air and noise."""
    reflectance = _light_ground(ground, spectra * draw_city_spread(city), city, day)
    tints = draw_tints(city)
    for band in range(len(reflectance)):
        reflectance[band] *= tints[:, band][city.patches]
    return reflectance


def _expose(rng: np.random.Generator, reflectance: FloatArray, season: str, day: date) -> OpticalScene:
    """What the sensor and its correction make of the lit ground; `reflectance` is worked on in place."""
    _blur_coarse_bands(reflectance)
    _add_air(rng, reflectance)
    reflectance += rng.standard_normal(reflectance.shape, dtype=np.float32) * _NOISE
    offset = -1000 if day >= _BASELINE_4 else 0
    numbers = to_numbers(reflectance, offset)
    return OpticalScene(season=season, day=day, numbers=numbers, offset=offset, baseline="04.00" if offset else "03.01")


def to_numbers(reflectance: FloatArray, offset: int) -> npt.NDArray[np.uint16]:
    """Digital numbers of a reflectance; 0 is kept for no data."""
    return np.clip(np.rint(reflectance * 10000) - offset, 1, 65535).astype(np.uint16)


def draw_city_spread(city: City) -> FloatArray:
    """A factor per material and band: no two cities have the same clay, paint and grass (assumption: about 10 %)."""
    rng = np.random.default_rng([city.seed, 4])
    materials = len(season_spectra("summer", 0.0))
    level = rng.normal(0, 0.08, (materials, 1))
    tilt = rng.normal(0, 0.04, (materials, 1)) * np.linspace(-1, 1, len(WAVELENGTH_NM))
    return np.exp(level + tilt).astype(np.float32)


def _light_ground(ground: Ground, spectra: FloatArray, city: City, day: date) -> FloatArray:
    """Reflectance [band, y, x]: mixed by area, darkened by shadow."""
    rows, columns, kinds = ground.cover.shape
    mixed = (spectra.T @ ground.cover.reshape(-1, kinds).T).reshape(-1, rows, columns)
    shade = cast_shadows(ground.height_m, 5.0, find_sun(day, city.lat))
    shaded = shade.reshape(rows, 2, columns, 2).mean(axis=(1, 3), dtype=np.float32)
    for band, sky in enumerate(SKYLIGHT):
        mixed[band] *= ground.tone * (1 - shaded * (1 - sky))
    return mixed


def draw_tints(city: City) -> FloatArray:
    """A factor [quarter, band] for its hue: soils, paints and species differ in a city too (assumption: about 12 %)."""
    rng = np.random.default_rng([city.seed, 6])
    quarters = len(city.neighbourhoods)
    place = np.linspace(-1, 1, len(WAVELENGTH_NM))
    tilt, bend = rng.normal(0, 0.12, (quarters, 1)), rng.normal(0, 0.08, (quarters, 1))
    return np.exp(tilt * place + bend * (place**2 - 0.4)).astype(np.float32)


def _blur_coarse_bands(reflectance: FloatArray) -> None:
    """Bands of 20 m: the mean of 2 x 2 pixels, repeated (nearest neighbour, as in So2Sat's composites)."""
    count, rows, columns = reflectance[list(_COARSE)].shape
    coarse = reflectance[list(_COARSE)].reshape(count, rows // 2, 2, columns // 2, 2)
    means = coarse.mean(axis=(2, 4), keepdims=True, dtype=np.float32)
    reflectance[list(_COARSE)] = np.broadcast_to(means, coarse.shape).reshape(count, rows, columns)


def _add_air(rng: np.random.Generator, reflectance: FloatArray) -> None:
    """What atmospheric correction leaves: haze that brightens blue and dims contrast, and a gain per band."""
    veil = rng.gamma(6.0, 0.015) * np.exp(0.6 * draw_slow_field(rng, reflectance.shape[1], 160))
    exponent = rng.uniform(0.8, 1.8)
    gains = np.exp(rng.normal(0, 0.04) + rng.normal(0, 0.02, len(WAVELENGTH_NM)))
    for band, (wavelength, gain) in enumerate(zip(WAVELENGTH_NM, gains, strict=True)):
        thickness = veil * np.float32((550 / wavelength) ** exponent)
        # First order of scattering: path reflectance is about 0.15 of the thickness (assumption).
        reflectance[band] = reflectance[band] * (np.float32(gain) * np.exp(-thickness)) + np.float32(0.15) * thickness
