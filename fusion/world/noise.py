"""Smooth random fields: periodic tiles of uniform noise at one scale, and slow fields over a whole city."""

import numpy as np
import numpy.typing as npt
from scipy import fft, ndimage, special

FloatArray = npt.NDArray[np.float32]


def draw_tile(rng: np.random.Generator, size: int, sigma: float) -> FloatArray:
    """A periodic tile [size, size] of noise smoothed over `sigma` pixels, uniform on 0..1 (a share below t is t)."""
    white = rng.standard_normal((size, size), dtype=np.float32)
    if sigma > 0:
        rows = np.exp(-2 * (np.pi * sigma * np.fft.fftfreq(size)) ** 2).astype(np.float32)
        columns = np.exp(-2 * (np.pi * sigma * np.fft.rfftfreq(size)) ** 2).astype(np.float32)
        white = fft.irfft2(fft.rfft2(white) * np.outer(rows, columns), s=white.shape)
        white = (white - white.mean()) / white.std()
    return special.ndtr(white).astype(np.float32)


def draw_slow_field(rng: np.random.Generator, size: int, wavelength: float) -> FloatArray:
    """A smooth field [size, size], about -1..1, that changes over `wavelength` pixels."""
    knots = max(4, int(np.ceil(size / wavelength)) + 3)
    coarse = rng.standard_normal((knots, knots)).astype(np.float32)
    field = ndimage.zoom(coarse, size / (knots - 3) * 1.001, order=3)
    start = (field.shape[0] - size) // 2
    return np.clip(field[start : start + size, start : start + size] / 2, -1.5, 1.5).astype(np.float32)


def hash_uniform(i: npt.NDArray[np.int32], j: npt.NDArray[np.int32], salt: int) -> FloatArray:
    """A number in 0..1 for each pair of integers, the same for the same pair and salt (a mixing hash, not an RNG)."""
    h = i.astype(np.uint32) * np.uint32(0x9E3779B1) ^ j.astype(np.uint32) * np.uint32(0x85EBCA77)
    h ^= np.uint32(salt * 0x27D4EB2F & 0xFFFFFFFF)
    h ^= h >> np.uint32(15)
    h *= np.uint32(0x2C1B3C6D)
    h ^= h >> np.uint32(12)
    h *= np.uint32(0x297A2D39)
    h ^= h >> np.uint32(15)
    return (h >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)
