"""Complex radar: the single-look complex pass behind the Sentinel-1 scene, and a fully polarimetric one.

The single-look pass is the very one whose squared amplitudes are filtered in the Sentinel-1 rendering. The polarimetric
pass shares its VV and VH; HH is added after the three mechanisms of Freeman and Durden 1998, IEEE TGRS 36(3), doi
10.1109/36.673687: rough ground (HH a little weaker than VV and in phase with it), double bounce at walls (HH stronger,
turned by half a cycle) and volume of thin dipoles (HH as strong as VV, correlated by a third, one third of it as HV).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from fusion.world.ground import Ground
from fusion.world.noise import FloatArray
from fusion.world.nulls import NO_NULLS, Nulls
from fusion.world.radar import Backscatter, draw_pass
from fusion.world.speckle import ComplexArray, draw_circular
from fusion.world.world import City

# Power of HH beside VV, and their correlation, per mechanism: ground (Bragg-like), walls (dielectric dihedral, weaker
# in VV) and volume. Figures for ground and walls are assumptions inside the range of the paper.
_GROUND, _WALLS, _VOLUME = (0.8, 0.8), (1.8, -0.85), (1.0, 1 / 3)


@dataclass(frozen=True, kw_only=True, eq=False)
class Polarimetry:
    """`scattering` [HH HV VH VV, y, x] as the modality polsar, `covariance` [6, y, x] as polsar_covariance."""

    scattering: ComplexArray
    covariance: ComplexArray


def render_slc(city: City, ground: Ground, nulls: Nulls = NO_NULLS) -> ComplexArray:
    """Single-look complex [VV VH, y, x] of the summer pass, as the modality sentinel1_slc."""
    _, vh, vv = draw_pass(city, ground, nulls)
    return np.stack([vv, vh])


def render_polsar(city: City, ground: Ground, *, window: int = 5, nulls: Nulls = NO_NULLS) -> Polarimetry:
    """The polarimetric pass, single-look, and its covariance averaged over `window` x `window` pixels."""
    mean, vh, vv = draw_pass(city, ground, nulls)
    power, correlation = find_copolar(mean)
    rng = np.random.default_rng([city.seed, 15])
    # HH in two parts: what follows VV, and a wave of its own.
    own = draw_circular(rng, vv.shape) * np.sqrt(power * (1 - correlation**2))
    hh = (vv * (correlation * np.sqrt(power / mean.vv)) + own).astype(np.complex64)
    scattering = np.stack([hh, vh, vh, vv])
    return Polarimetry(scattering=scattering, covariance=average_covariance(scattering, window))


def find_copolar(mean: Backscatter) -> tuple[FloatArray, FloatArray]:
    """Mean power of HH and its correlation with VV (-1..1) [y, x], from the three mechanisms' shares of VV."""
    volume = np.minimum(3 * mean.vh, np.float32(0.8) * (mean.vv - mean.bounce))
    volume = np.maximum(volume, np.float32(0))
    ground = np.maximum(mean.vv - mean.bounce - volume, np.float32(0))
    power, shared = np.zeros_like(mean.vv), np.zeros_like(mean.vv)
    for part, (ratio, correlation) in ((ground, _GROUND), (mean.bounce, _WALLS), (volume, _VOLUME)):
        power += np.float32(ratio) * part
        shared += np.float32(correlation * np.sqrt(ratio)) * part
    return power, shared / np.sqrt(power * mean.vv)


def average_covariance(scattering: ComplexArray, window: int) -> ComplexArray:
    """Upper triangle C11 C12 C13 C22 C23 C33 of the covariance of (HH, sqrt(2) HV, VV), a moving mean."""
    target = (scattering[0], scattering[1] * np.float32(np.sqrt(2)), scattering[3])
    pairs = [(row, column) for row in range(3) for column in range(row, 3)]
    products = (
        np.abs(target[row]) ** 2 + 0j if row == column else target[row] * target[column].conj() for row, column in pairs
    )
    return np.stack([_average(product.astype(np.complex64), window) for product in products])


def _average(product: npt.NDArray[np.complex64], window: int) -> ComplexArray:
    real, imaginary = (ndimage.uniform_filter(part, window, mode="reflect") for part in (product.real, product.imag))
    return (real + 1j * imaginary).astype(np.complex64)
