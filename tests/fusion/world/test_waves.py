"""Complex radar: the statistics of speckle, and powers that agree with the Sentinel-1 scene."""

import numpy as np
import pytest
from scipy import stats

from fusion import modality as modalities
from fusion.world.ground import Ground, draw_ground
from fusion.world.plan import plan_world
from fusion.world.radar import draw_pass, render_sentinel1
from fusion.world.waves import Polarimetry, average_covariance, find_copolar, render_polsar, render_slc
from fusion.world.world import City


@pytest.fixture(scope="module")
def city() -> City:
    return plan_world(3, cities=1, cells=5).cities[0]


@pytest.fixture(scope="module")
def ground(city: City) -> Ground:
    return draw_ground(city)


@pytest.fixture(scope="module")
def polsar(city: City, ground: Ground) -> Polarimetry:
    return render_polsar(city, ground)


def blocks(plane: np.ndarray, side: int = 16) -> np.ndarray:
    rows, columns = (length // side for length in plane.shape)
    return plane.reshape(rows, side, columns, side).mean(axis=(1, 3))


def test_averaged_power_agrees_with_the_sentinel_1_scene(city: City, ground: Ground) -> None:
    vv, vh = render_slc(city, ground)
    channels = render_sentinel1(city, ground).channels
    assert modalities.find("sentinel1_slc").band_names == ("VV", "VH")
    assert (channels[2] + 1j * channels[3] == vv).all()
    for wave, lee in ((vh, channels[4]), (vv, channels[5])):
        power = np.abs(wave) ** 2
        assert power.mean() == pytest.approx(lee.mean(), rel=0.05)
        assert np.corrcoef(np.log(blocks(power).ravel()), np.log(blocks(lee).ravel()))[0, 1] > 0.95


def test_intensity_is_exponential_and_amplitude_is_rayleigh(city: City, ground: Ground) -> None:
    mean, vh, vv = draw_pass(city, ground)
    for wave, level in ((vv, mean.vv), (vh, mean.vh)):
        intensity = (np.abs(wave) ** 2 / level).ravel()
        assert stats.kstest(intensity, "expon").statistic < 0.012
        assert stats.kstest(np.sqrt(intensity), "rayleigh", args=(0, np.sqrt(0.5))).statistic < 0.012
        assert stats.kstest(np.angle(wave).ravel(), "uniform", args=(-np.pi, 2 * np.pi)).statistic < 0.012


def test_the_polarimetric_pass_shares_its_waves_and_is_reciprocal(
    city: City, ground: Ground, polsar: Polarimetry
) -> None:
    vv, vh = render_slc(city, ground)
    assert modalities.find("polsar").band_names == ("HH", "HV", "VH", "VV")
    assert (polsar.scattering[3] == vv).all()
    assert (polsar.scattering[1] == vh).all()
    assert (polsar.scattering[1] == polsar.scattering[2]).all()
    assert polsar.scattering.dtype == polsar.covariance.dtype == np.complex64


def test_hh_has_the_power_and_correlation_of_its_mechanisms(city: City, ground: Ground, polsar: Polarimetry) -> None:
    mean, _, vv = draw_pass(city, ground)
    power, correlation = find_copolar(mean)
    assert np.abs(correlation).max() <= 1
    hh = polsar.scattering[0]
    assert (np.abs(hh) ** 2 / power).mean() == pytest.approx(1, abs=0.03)
    found = (hh * vv.conj()).real / np.sqrt(power * mean.vv)
    walls = mean.bounce > 0.7 * mean.vv
    assert walls.sum() > 100
    assert found[walls].mean() == pytest.approx(correlation[walls].mean(), abs=0.1)
    assert found[walls].mean() < -0.3
    assert found[city.truth == 16].mean() > 0.3


def test_the_covariance_is_that_of_the_waves_and_never_negative(polsar: Polarimetry) -> None:
    c11, c12, c13, c22, c23, c33 = polsar.covariance
    assert c11.real.mean() == pytest.approx((np.abs(polsar.scattering[0]) ** 2).mean(), rel=0.02)
    assert c22.real.mean() == pytest.approx(2 * (np.abs(polsar.scattering[1]) ** 2).mean(), rel=0.02)
    assert np.abs(c11.imag).max() == np.abs(c33.imag).max() == 0
    rows = [[c11, c12, c13], [c12.conj(), c22, c23], [c13.conj(), c23.conj(), c33]]
    matrix = np.array(rows).transpose(2, 3, 0, 1)[::5, ::5].astype(np.complex128)
    assert np.linalg.eigvalsh(matrix).min() > -1e-5


def test_one_look_has_a_covariance_of_rank_one(polsar: Polarimetry) -> None:
    c11, c12, _, c22, _, _ = average_covariance(polsar.scattering[:, :20, :20], 1)
    assert (c11 * c22).real == pytest.approx(np.abs(c12) ** 2, rel=1e-3)
