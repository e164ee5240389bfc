"""Hyperspectral: bands and wavelengths are the file's, and views find their bands among them."""

from pathlib import Path

import numpy as np
import pytest

from fusion import modality, quicklook, spectrum
from fusion.errors import BadInputError

KIND = modality.find("hyperspectral")
ENMAP = Path("../shared/data/hyperspectral/enmap")


def test_a_view_takes_the_nearest_bands() -> None:
    declared = spectrum.declare_bands(KIND, spectrum.name_bands([470.0, 555.0, 640.0, 655.0, 840.0]))
    assert [view.name for view in declared.views] == ["true_colour", "false_colour"]
    assert declared.views[0].channels == ("b004", "b002", "b001")
    assert declared.views[1].channels[0] == "b005"


def test_without_wavelengths_three_bands_are_shown() -> None:
    declared = spectrum.declare_bands(KIND, spectrum.name_bands([None] * 200))
    assert [view.name for view in declared.views] == ["bands"]
    assert declared.views[0].channels == ("b150", "b100", "b050")
    stored = np.random.default_rng(0).integers(1, 9000, (200, 6, 6)).astype(np.int16)
    picture = quicklook.draw(declared, stored)
    assert picture is not None
    assert picture[..., :3].std() > 0


def test_bands_of_one_kind_of_modality_are_chosen_by_name_and_order() -> None:
    declared = spectrum.declare_bands(modality.find("sentinel2"), ["B8", "B2"])
    assert declared.band_names == ("B8", "B2")
    assert declared.bands[0].wavelength_nm == 832.8
    assert [view.name for view in declared.views] == ["bands"], "no view of its own has all its bands"
    with pytest.raises(BadInputError, match="no band B99"):
        spectrum.declare_bands(modality.find("sentinel2"), ["B99"])


def test_an_aerial_photo_without_infrared_has_no_false_colour() -> None:
    declared = spectrum.declare_bands(modality.find("aerial"), ["red", "green", "blue"])
    assert [view.name for view in declared.views] == ["true_colour"]
    picture = quicklook.draw(declared, np.arange(3 * 4 * 4, dtype=np.uint8).reshape(3, 4, 4))
    assert picture is not None
    assert picture[0, 0].tolist() == [0, 16, 32, 255]


@pytest.mark.parametrize(
    ("wavelengths", "reason"), [([], "at least one band"), ([0.45, 0.55], "micrometres"), ([500.0, -1.0], "-1.0 nm")]
)
def test_wrong_wavelengths_are_refused(wavelengths: list[float], reason: str) -> None:
    with pytest.raises(BadInputError, match=reason):
        spectrum.name_bands(wavelengths)


def test_a_band_twice_is_refused() -> None:
    with pytest.raises(BadInputError, match="'b001' is given twice"):
        spectrum.declare_bands(KIND, ["b001", "b001"])


def test_a_real_enmap_tile_shows_in_colour() -> None:
    files = sorted(ENMAP.glob("*SPECTRAL_IMAGE.TIF"))
    if not files:
        pytest.skip("../shared/data/hyperspectral is absent")
    import rasterio

    with rasterio.open(files[0]) as file:
        stored = file.read()
    wavelengths = [*np.linspace(418, 993, 91), *np.linspace(902, 2445, 133)]  # about those of its two cameras
    declared = spectrum.declare_bands(KIND, spectrum.name_bands(wavelengths))
    assert stored.shape == (224, 128, 128)
    picture = quicklook.draw(declared, stored)
    assert picture is not None
    assert picture[..., 3].mean() > 200
    assert picture[..., :3].std() > 20
    assert np.isfinite(modality.normalise(declared, stored)).all()
