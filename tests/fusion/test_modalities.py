"""Every modality: bands, dtype, finite numbers after the stretch, and pictures for eyes."""

import numpy as np
import pytest

from fusion import modality as modalities
from fusion.errors import UnknownKindError
from fusion.modality import Modality

RASTERS = [kind for kind in modalities.load_all().values() if kind.kind == "raster"]
VIEWS = [(kind, view.name) for kind in RASTERS for view in kind.views]
each_raster = pytest.mark.parametrize("kind", RASTERS, ids=lambda kind: kind.name)


def make_stored(kind: Modality, side: int = 12) -> np.ndarray:
    rng = np.random.default_rng(0)
    shape = (len(kind.bands), side, side)
    values = rng.integers(1, 12000, shape) if kind.dtype == "uint16" else rng.normal(0, 1, shape)
    return values.astype(kind.dtype)


@each_raster
def test_band_names_are_unique_and_every_view_uses_them(kind: Modality) -> None:
    assert len(set(kind.band_names)) == len(kind.bands)
    assert {name for view in kind.views for name in modalities.list_bands(view)} <= set(kind.band_names)
    assert all(low < high for view in kind.views for low, high in zip(view.low, view.high, strict=True))


@each_raster
def test_the_stretch_is_finite_and_keeps_shape_and_float32(kind: Modality) -> None:
    stored = make_stored(kind)
    stored[:, 0, 0] = 0
    stretched = modalities.stretch(kind, modalities.physical(kind, stored))
    assert stretched.dtype == np.float32
    assert stretched.shape == stored.shape
    assert np.isfinite(stretched).all()


@pytest.mark.parametrize(("kind", "view"), VIEWS, ids=lambda value: getattr(value, "name", value))
def test_a_picture_is_rgba_with_clear_pixels_where_nothing_is_valid(kind: Modality, view: str) -> None:
    valid = np.ones((12, 12), dtype=bool)
    valid[3, 4] = False
    picture = modalities.quicklook(kind, view, make_stored(kind), valid)
    assert picture.dtype == np.uint8
    assert picture.shape == (12, 12, 4)
    assert (picture[3, 4] == 0).all()
    assert (picture[valid][:, 3] == 255).all()
    assert picture[valid][:, :3].std() > 0


def test_an_unknown_view_is_answered_with_the_known_ones() -> None:
    kind = modalities.find("sentinel2")
    with pytest.raises(UnknownKindError, match="true_colour, false_colour, swir"):
        modalities.find_view(kind, "infrared")


def test_sentinel2_has_the_ten_bands_of_so2sat_in_their_order() -> None:
    assert modalities.find("sentinel2").band_names == ("B2", "B3", "B4", "B5", "B6", "B7", "B8", "B8A", "B11", "B12")


def test_the_offset_of_a_scene_is_added_before_the_scale() -> None:
    kind = modalities.find("sentinel2")
    stored = np.full((10, 1, 1), 3000, dtype=np.uint16)
    assert modalities.physical(kind, stored).ravel() == pytest.approx(np.full(10, 0.3))
    assert modalities.physical(kind, stored, offset=-1000).ravel() == pytest.approx(np.full(10, 0.2))


def test_a_new_baseline_makes_the_same_picture_as_an_old_one() -> None:
    kind, valid = modalities.find("sentinel2"), np.ones((12, 12), dtype=bool)
    stored = make_stored(kind)
    old = modalities.quicklook(kind, "true_colour", stored, valid, offset=0)
    new = modalities.quicklook(kind, "true_colour", stored + np.uint16(1000), valid, offset=-1000)
    assert np.abs(old.astype(int) - new).max() <= 1


def test_true_colour_shows_red_first_and_saturates_at_its_limit() -> None:
    kind = modalities.find("sentinel2")
    stored = np.full((10, 1, 1), 1, dtype=np.uint16)
    stored[2] = 3100  # B4: reflectance 0.31, the view ends at 0.30
    red, green, blue, alpha = modalities.quicklook(kind, "true_colour", stored, np.ones((1, 1), dtype=bool))[0, 0]
    assert (red, alpha) == (255, 255)
    assert max(green, blue) < 5


def test_decibel_is_ten_log_of_intensity_and_stops_at_the_floor() -> None:
    kind = modalities.find("sentinel1")
    values = np.zeros((8, 1, 2), dtype=np.float32)
    values[4:6, 0, 0] = 0.01
    stretched = modalities.stretch(kind, values)
    assert stretched[4:6, 0] == pytest.approx(np.array([[-20.0, -35.0]] * 2), abs=1e-4)


def test_a_ratio_of_intensities_is_a_difference_of_decibels() -> None:
    kind = modalities.find("sentinel1")
    stored = np.zeros((8, 1, 1), dtype=np.float32)
    stored[4], stored[5] = 0.01, 0.1  # VH -20 dB, VV -10 dB: the ratio is 10 dB of 0 to 15
    blue = modalities.quicklook(kind, "radar", stored, np.ones((1, 1), dtype=bool))[0, 0, 2]
    assert blue == pytest.approx(255 * 10 / 15, abs=1)


def test_a_view_may_be_an_expression_of_bands() -> None:
    kind = modalities.find("sentinel2")
    index = modalities.View(
        name="plants", title="Plants", channels=("(B8-B4)/(B8+B4)",) * 3, low=(-1.0,) * 3, high=(1.0,) * 3
    )
    stored = np.full((10, 1, 1), 1000, dtype=np.uint16)
    stored[6] = 3000  # B8: (0.3 - 0.1) / (0.3 + 0.1) = 0.5, three quarters of the way from -1 to 1
    picture = modalities.quicklook(kind, index, stored, np.ones((1, 1), dtype=bool))
    assert picture[0, 0, :3].tolist() == [191, 191, 191]
    assert modalities.list_bands(index) == ["B8", "B4"]
