"""Radar statistics: exponential intensity, uniform phase, stated coherence, and what Lee's filter may change."""

import numpy as np
import pytest
from scipy import stats

from fusion.world.radar import stack_channels
from fusion.world.speckle import draw_speckle, lee_filter

SIDE = 256
VH, VV, COHERENCE = 0.02, 0.1, 0.4


@pytest.fixture(scope="module")
def waves() -> tuple[np.ndarray, np.ndarray]:
    """Single-look VH and VV over an even field."""
    even = np.ones((SIDE, SIDE), dtype=np.float32)
    return draw_speckle(np.random.default_rng(0), VH * even, VV * even, COHERENCE * even)


def test_intensity_is_exponential_with_the_mean_of_the_field(waves: tuple[np.ndarray, np.ndarray]) -> None:
    for wave, mean in zip(waves, (VH, VV), strict=True):
        intensity = np.abs(wave) ** 2
        assert intensity.mean() == pytest.approx(mean, rel=0.02)
        assert intensity.std() / intensity.mean() == pytest.approx(1, abs=0.02)
        assert stats.kstest(intensity.ravel() / mean, "expon").statistic < 0.01


def test_phase_is_uniform_and_real_and_imaginary_parts_are_alike(waves: tuple[np.ndarray, np.ndarray]) -> None:
    for wave in waves:
        phase = np.angle(wave).ravel()
        assert stats.kstest(phase, "uniform", args=(-np.pi, 2 * np.pi)).statistic < 0.01
        assert wave.real.std() == pytest.approx(wave.imag.std(), rel=0.02)
        assert np.corrcoef(wave.real.ravel(), wave.imag.ravel())[0, 1] == pytest.approx(0, abs=0.02)


def test_channels_are_coherent_as_stated(waves: tuple[np.ndarray, np.ndarray]) -> None:
    vh, vv = waves
    coherence = np.abs((vh * vv.conj()).mean()) / np.sqrt((np.abs(vh) ** 2).mean() * (np.abs(vv) ** 2).mean())
    assert coherence == pytest.approx(COHERENCE, abs=0.02)


def test_lee_lowers_the_variance_of_an_even_field_and_keeps_its_mean(waves: tuple[np.ndarray, np.ndarray]) -> None:
    intensity = np.abs(waves[1]) ** 2
    filtered = lee_filter(intensity)
    assert filtered.mean() == pytest.approx(intensity.mean(), rel=0.05)
    # 49 looks would give 1 / 7; the local estimate of the variance keeps a little more.
    assert filtered.std() / filtered.mean() < 0.35


def test_lee_keeps_a_bright_point_that_a_mean_would_smear() -> None:
    field = np.full((33, 33), 0.1, dtype=np.float32)
    field[16, 16] = 50
    assert lee_filter(field)[16, 16] > 20
    assert lee_filter(field)[3, 3] == pytest.approx(0.1)


def test_the_eight_channels_are_those_of_so2sat(waves: tuple[np.ndarray, np.ndarray]) -> None:
    vh, vv = waves
    channels = stack_channels(vh, vv)
    assert channels.shape == (8, SIDE, SIDE)
    assert channels.dtype == np.float32
    assert (channels[:4] == np.stack([vh.real, vh.imag, vv.real, vv.imag])).all()
    assert channels[4].mean() == pytest.approx(VH, rel=0.05)
    assert channels[5].mean() == pytest.approx(VV, rel=0.05)
    assert channels[6].mean() == pytest.approx(COHERENCE * np.sqrt(VH * VV), rel=0.1)
    assert channels[7].mean() == pytest.approx(0, abs=0.002)
