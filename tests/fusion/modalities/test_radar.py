"""Complex radar: Pauli colours mean what they say, the two matrices agree with the vector, the phase survives."""

import numpy as np
import pytest

from fusion import modality, quicklook

POLSAR, C3, T3, SLC = (
    modality.find(name) for name in ("polsar", "polsar_covariance", "polsar_coherency", "sentinel1_slc")
)
VALID = np.ones((1, 1), dtype=bool)


def scatter(hh: complex, hv: complex, vv: complex) -> np.ndarray:
    return np.array([hh, hv, hv, vv], dtype=np.complex64)[:, None, None]


def test_each_pauli_colour_is_its_way_of_scattering() -> None:
    for place, pixel in enumerate([scatter(0.3, 0, -0.3), scatter(0, 0.3, 0), scatter(0.3, 0, 0.3)]):
        picture = modality.quicklook(POLSAR, "pauli", pixel, VALID)
        assert int(picture[0, 0, :3].argmax()) == place
        assert np.sort(picture[0, 0, :3])[1] == 0


def test_covariance_and_coherency_of_one_pixel_give_the_picture_of_its_scattering() -> None:
    rng = np.random.default_rng(1)
    hh, hv, vv = (rng.normal(0, 0.3, (2, 5, 5)) + 1j * rng.normal(0, 0.3, (2, 5, 5)) for _ in range(3))
    hh, hv, vv = hh[0], hv[0], vv[0]
    lexicographic = (hh, np.sqrt(2) * hv, vv)
    pauli = ((hh + vv) / np.sqrt(2), (hh - vv) / np.sqrt(2), np.sqrt(2) * hv)
    stored = np.stack([hh, hv, hv, vv]).astype(np.complex64)
    valid = np.ones((5, 5), dtype=bool)
    wanted = modality.quicklook(POLSAR, "pauli", stored, valid).astype(int)
    for kind, vector in ((C3, lexicographic), (T3, pauli)):
        matrix = np.stack([vector[row] * vector[column].conj() for row in range(3) for column in range(row, 3)])
        picture = modality.quicklook(kind, "pauli", matrix.astype(np.complex64), valid).astype(int)
        assert np.abs(picture - wanted).max() <= 1


def test_the_stretch_compresses_the_magnitude_and_keeps_the_phase() -> None:
    values = np.array([0.01 + 0.02j, -3 + 4j, 0.5j, -100], dtype=np.complex64)
    stored = np.stack([values, values])[:, None, :]
    ready = modality.normalise(SLC, stored)
    assert np.angle(ready[0, 0]) == pytest.approx(np.angle(values), abs=1e-5)
    assert np.abs(ready[0, 0]) == pytest.approx(np.arcsinh(np.abs(values) / 0.05), rel=1e-5)


def test_amplitude_of_slc_is_shown_as_grd_in_decibel() -> None:
    stored = np.array([0.1 * np.exp(1j), 0.05 * np.exp(2j)], dtype=np.complex64)[:, None, None]
    decibel = (20 * np.log10(np.abs(stored))).astype(np.float32)
    grd = modality.quicklook(modality.find("sentinel1_grd"), "radar", decibel, VALID).astype(int)
    assert np.abs(modality.quicklook(SLC, "radar", stored, VALID).astype(int) - grd).max() <= 1


def test_a_pixel_outside_the_burst_is_transparent() -> None:
    stored = np.ones((2, 3, 3), dtype=np.complex64)
    stored[:, 0, 0] = 0
    picture = quicklook.draw(SLC, stored)
    assert picture is not None
    assert picture[..., 3].sum() == 8 * 255
