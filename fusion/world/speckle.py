"""Radar statistics: correlated complex Gaussian speckle and Lee's filter."""

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from fusion.world.noise import FloatArray

ComplexArray = npt.NDArray[np.complex64]


def draw_speckle(
    rng: np.random.Generator, vh: FloatArray, vv: FloatArray, coherence: FloatArray
) -> tuple[ComplexArray, ComplexArray]:
    """Single-look complex VH and VV with mean intensities `vh`, `vv` [y, x] and the given correlation (0..1).

    Fully developed speckle (Goodman 1976): circular complex Gaussian, so intensity is exponential and phase uniform.
    """
    own = draw_circular(rng, vh.shape)
    shared = draw_circular(rng, vh.shape)
    cross = coherence * shared + np.sqrt(1 - coherence**2) * own
    return (np.sqrt(vh) * cross).astype(np.complex64), (np.sqrt(vv) * shared).astype(np.complex64)


def draw_circular(rng: np.random.Generator, shape: tuple[int, ...]) -> ComplexArray:
    """Circular complex Gaussian numbers of mean power 1."""
    parts = rng.standard_normal((*shape, 2), dtype=np.float32) * np.float32(np.sqrt(0.5))
    return parts.view(np.complex64)[..., 0]


def lee_weight(intensity: FloatArray, window: int = 7, looks: float = 1.0) -> tuple[FloatArray, FloatArray]:
    """Local mean of an intensity image and Lee's weight (0: take the mean, 1: keep the pixel).

    Lee 1980, Digital image enhancement and noise filtering by use of local statistics, IEEE TPAMI 2(2),
    doi 10.1109/TPAMI.1980.4766994, with multiplicative noise of variance 1 / looks.
    """
    mean = ndimage.uniform_filter(intensity, window, mode="reflect")
    square = ndimage.uniform_filter(intensity * intensity, window, mode="reflect")
    noise = 1.0 / looks
    variance = np.maximum(square - mean * mean, 0)
    signal = np.maximum((variance - noise * mean * mean) / (1 + noise), 0)
    weight = signal / np.maximum(signal + noise * (mean * mean + signal), np.float32(1e-20))
    return mean, weight.astype(np.float32)


def lee_filter(intensity: FloatArray, window: int = 7, looks: float = 1.0) -> FloatArray:
    """An intensity image [y, x] with speckle reduced where the window is even and edges kept."""
    mean, weight = lee_weight(intensity, window, looks)
    return mean + weight * (intensity - mean)
