"""Every modality: bands, dtype, finite numbers after the stretch, pictures for eyes, and a description in JSON."""

import json
from dataclasses import replace

import numpy as np
import pytest

from fusion import modality as modalities
from fusion import quicklook
from fusion.errors import UnknownKindError
from fusion.modality import Modality
from tests.fusion.modalities.samples import EVERY, make_stored

KINDS = list(EVERY.values())
VIEWS = [(kind, view.name) for kind in KINDS for view in kind.views]
DIMS = {
    "raster": {"time", "z", "band", "y", "x"},
    "complex": {"time", "z", "band", "y", "x"},
    "image": {"y", "x", "band"},
    "points": {"point", "band"},
    "series": {"time", "band"},
    "text": {"byte"},
}
DTYPES = {"complex": "c", "text": "u", "points": "f", "series": "f", "image": "u", "raster": "uif"}
each_kind = pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)


@each_kind
def test_dims_dtype_and_bands_fit_the_kind(kind: Modality) -> None:
    assert len(set(kind.dims)) == len(kind.dims)
    assert set(kind.dims) <= DIMS[kind.kind]
    assert np.dtype(kind.dtype).kind in DTYPES[kind.kind]
    assert len(set(kind.band_names)) == len(kind.bands) > 0
    assert all(band.title and band.unit and band.floor > 0 for band in kind.bands)
    assert all(100 < band.wavelength_nm < 20_000 for band in kind.bands if band.wavelength_nm is not None)
    assert kind.valid_range[0] < kind.valid_range[1]
    assert kind.source
    if kind.nodata is not None:
        assert np.array(kind.nodata).astype(kind.dtype) == kind.nodata, "nodata must fit the dtype"


@each_kind
def test_every_view_uses_declared_bands_and_has_limits(kind: Modality) -> None:
    assert {name for view in kind.views for name in modalities.list_bands(view)} <= set(kind.band_names)
    assert all(low < high for view in kind.views for low, high in zip(view.low, view.high, strict=True))
    assert all(view.title and view.help for view in kind.views)
    assert len({view.name for view in kind.views}) == len(kind.views)
    assert bool(kind.views) != bool(kind.no_picture), "views, or a sentence saying why there are none"
    assert all(kind.classes for view in kind.views if view.shown == "classes")


@each_kind
def test_values_are_finite_after_normalising_and_nothing_is_where_no_data_are(kind: Modality) -> None:
    stored = make_stored(kind)
    ready = modalities.normalise(kind, stored)
    assert ready.shape == stored.shape
    assert np.isfinite(ready).all()
    assert ready.dtype == {"complex": np.complex64, "text": np.uint8}.get(kind.kind, np.float32)
    if kind.nodata is not None:
        assert (ready[stored == kind.nodata] == 0).all()
    if kind.kind not in ("text", "points"):
        assert ready.std() > 0


@each_kind
def test_a_not_finite_value_never_gets_through(kind: Modality) -> None:
    stored = make_stored(kind)
    if stored.dtype.kind in "ui":
        return
    stored[..., -1] = np.nan
    stored[..., -2] = np.inf
    assert np.isfinite(modalities.normalise(kind, stored)).all()


@each_kind
def test_more_axes_may_come_first(kind: Modality) -> None:
    stored = make_stored(kind)
    batch = np.stack([stored, stored])
    assert np.array_equal(modalities.normalise(kind, batch)[1], modalities.normalise(kind, stored))


@pytest.mark.parametrize(("kind", "view"), VIEWS, ids=lambda value: getattr(value, "name", value))
def test_a_picture_is_rgba_and_shows_something(kind: Modality, view: str) -> None:
    stored = make_stored(kind)
    picture = quicklook.draw(kind, stored, view=view, size=(20, 30))
    assert picture is not None
    assert picture.dtype == np.uint8
    sized = kind.kind in ("points", "series")
    assert picture.shape == ((20, 30, 4) if sized else (*(stored.shape[kind.dims.index(name)] for name in "yx"), 4))
    assert set(np.unique(picture[..., 3])) <= {0, 255}
    assert (picture[picture[..., 3] == 0] == 0).all()
    assert picture[..., 3].any()
    assert picture[picture[..., 3] == 255][:, :3].std() > 0


@each_kind
def test_the_first_view_is_drawn_where_none_is_named_and_words_have_no_picture(kind: Modality) -> None:
    picture = quicklook.draw(kind, make_stored(kind))
    assert (picture is None) == bool(kind.no_picture)


@each_kind
def test_pixels_without_data_are_transparent(kind: Modality) -> None:
    if kind.nodata is None or "y" not in kind.dims:
        return
    picture = quicklook.draw(kind, make_stored(kind))
    assert picture is not None
    assert (picture[:, 0] == 0).all()
    assert (picture[:, 1:, 3] == 255).all()


@each_kind
def test_a_sample_of_nothing_is_a_transparent_picture(kind: Modality) -> None:
    if kind.nodata is None or "y" not in kind.dims:
        return
    stored = np.full_like(make_stored(kind), kind.nodata)
    for view in kind.views:
        picture = quicklook.draw(kind, stored, view=view.name)
        assert picture is not None
        assert not picture.any()
    assert not modalities.normalise(kind, stored).any()


@each_kind
def test_it_describes_itself_in_json(kind: Modality) -> None:
    told = json.loads(json.dumps(kind.describe(), allow_nan=False))
    assert told["name"] == kind.name
    assert [band["name"] for band in told["bands"]] == list(kind.band_names)
    assert {"dims", "dtype", "scale", "offset", "nodata", "times", "kind"} <= set(told)


@pytest.mark.parametrize(("kind", "view"), [pair for pair in VIEWS if pair[0].kind == "raster"])
def test_a_picture_is_clear_where_nothing_is_valid(kind: Modality, view: str) -> None:
    stored = make_stored(replace(kind, dims=("band", "y", "x")))
    valid = np.ones(stored.shape[1:], dtype=bool)
    valid[3, 4] = False
    picture = modalities.quicklook(kind, view, stored, valid)
    assert (picture[3, 4] == 0).all()
    assert (picture[valid][:, 3] == 255).all()


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
    stored = np.random.default_rng(0).integers(1, 12000, (10, 12, 12)).astype(np.uint16)
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
