"""Sentinel-1 as it would see the made-up ground, in So2Sat's eight channels."""

from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from fusion.world.ground import Ground
from fusion.world.light import scene_date
from fusion.world.materials import INDEX, backscatter_table
from fusion.world.noise import FloatArray
from fusion.world.nulls import NO_NULLS, Nulls
from fusion.world.site import LOOK_AZIMUTH
from fusion.world.speckle import draw_speckle, lee_filter, lee_weight
from fusion.world.world import City

_WINDOW = 7
# Double bounce of a wall that looks squarely at the radar, per metre of height in a 5 m square (assumption: puts dense
# mid-rise near -2 dB and towers near +8 dB in VV, inside the range of Sentinel-1 over cities).
_BOUNCE_PER_M = np.float32(0.16)
_CROSS_SHARE = np.float32(0.09)
_ROOFS = tuple(index for name, index in INDEX.items() if name.startswith("roof_"))


@dataclass(frozen=True, kw_only=True, eq=False)
class RadarScene:
    """Channels [8, y, x] float32: vh_re vh_im vv_re vv_im vh_lee vv_lee cov_re cov_im, linear units."""

    day: date
    channels: npt.NDArray[np.float32]


@dataclass(frozen=True, kw_only=True, eq=False)
class Backscatter:
    """Mean intensities of a pass [y, x], linear: `vv` with the walls' `bounce` in it, `vh`, and their correlation."""

    vv: FloatArray
    vh: FloatArray
    coherence: FloatArray
    bounce: FloatArray


def render_sentinel1(city: City, ground: Ground, nulls: Nulls = NO_NULLS) -> RadarScene:
    """One summer pass over a city. Where radar is null, speckle lies over the city's mean."""
    _, vh, vv = draw_pass(city, ground, nulls)
    return RadarScene(day=pass_date(city), channels=stack_channels(vh, vv))


def pass_date(city: City) -> date:
    """The day of the summer pass."""
    return scene_date(city, "summer") + timedelta(days=3)


def draw_pass(
    city: City, ground: Ground, nulls: Nulls = NO_NULLS
) -> tuple[Backscatter, npt.NDArray[np.complex64], npt.NDArray[np.complex64]]:
    """Mean backscatter of the summer pass, and single-look complex VH and VV [y, x]."""
    rng = np.random.default_rng([city.seed, 5])
    mean = _find_backscatter(ground, rng)
    if nulls.radar:
        mean = Backscatter(
            vv=_flatten(mean.vv), vh=_flatten(mean.vh), coherence=_flatten(mean.coherence), bounce=_flatten(mean.bounce)
        )
    vh, vv = draw_speckle(rng, mean.vh, mean.vv, mean.coherence)
    return mean, vh, vv


def _flatten(plane: FloatArray) -> FloatArray:
    return np.full_like(plane, plane.mean(dtype=np.float64))


def stack_channels(vh: npt.NDArray[np.complex64], vv: npt.NDArray[np.complex64]) -> npt.NDArray[np.float32]:
    """So2Sat's eight channels from single-look complex VH and VV [y, x]; the covariance takes the span's Lee weight."""
    intensity_vh, intensity_vv = (np.abs(wave) ** 2 for wave in (vh, vv))
    covariance = vh * vv.conj()
    _, weight = lee_weight(intensity_vh + intensity_vv, _WINDOW)
    filtered = [
        (mean := ndimage.uniform_filter(part, _WINDOW, mode="reflect")) + weight * (part - mean)
        for part in (covariance.real, covariance.imag)
    ]
    lee = [lee_filter(intensity, _WINDOW) for intensity in (intensity_vh, intensity_vv)]
    return np.stack([vh.real, vh.imag, vv.real, vv.imag, *lee, *filtered]).astype(np.float32, copy=False)


def _find_backscatter(ground: Ground, rng: np.random.Generator) -> Backscatter:
    """Mean VV and VH intensity and their correlation."""
    rows, columns, kinds = ground.cover.shape
    # Soil moisture and wind shift all surfaces of a scene together, by about 0.8 dB (assumption).
    surfaces = backscatter_table() * (10 ** (rng.normal(0, 0.06, (kinds, 1)) + rng.normal(0, 0.05))).astype(np.float32)
    vv, vh = (surfaces.T @ ground.cover.reshape(-1, kinds).T).reshape(2, rows, columns)
    bounce = _BOUNCE_PER_M * _find_walls(ground) * ground.facing
    coherence = 0.15 + 0.35 * bounce / (bounce + vv)
    return Backscatter(
        vv=vv + bounce, vh=vh + _CROSS_SHARE * bounce, coherence=coherence.astype(np.float32), bounce=bounce
    )


def _find_walls(ground: Ground) -> FloatArray:
    """Height of building walls that look at the radar, in metres per 5 m square, averaged to pixels [y, x]."""
    rows, columns, _ = ground.cover.shape
    roofs = ground.cover[..., list(_ROOFS)].sum(axis=-1)
    height = ground.height_m * (roofs > 0.1).repeat(2, axis=0).repeat(2, axis=1)
    rise_x = np.zeros_like(height)
    rise_x[:, :-1] = np.maximum(height[:, 1:] - height[:, :-1], 0)
    rise_y = np.zeros_like(height)
    rise_y[1:] = np.maximum(height[:-1] - height[1:], 0)
    walls = rise_x * np.float32(np.cos(LOOK_AZIMUTH)) + rise_y * np.float32(np.sin(LOOK_AZIMUTH))
    return walls.reshape(rows, 2, columns, 2).mean(axis=(1, 3), dtype=np.float32)
