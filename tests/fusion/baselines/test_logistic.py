"""Logistic regression looks at one pixel, all of its dates, and their differences."""

import numpy as np
import pytest

from fusion.baselines import logistic
from fusion.central_pixel import read_central_pixels
from fusion.errors import PackError
from fusion.pack import Pack
from tests.fusion.series_packs import write_pair
from tests.fusion.small_packs import N, make_samples, make_source, make_values, write


def test_features_are_both_dates_and_their_difference_at_the_central_pixel(tmp_path):
    pack = write_pair(tmp_path / "pack", side=5)
    rows = np.array([3, 200])
    stored = pack.array("landsat_etm").gather(rows).astype(np.float32)[:, :, :, 2, 2]
    found = logistic.collect_features(pack, ["landsat_etm"], rows)
    np.testing.assert_allclose(found, np.hstack([stored[:, 0], stored[:, 1], stored[:, 1] - stored[:, 0]]))


def test_an_array_without_dates_has_one_and_is_read_in_physical_units(toy_pack):
    array, rows = toy_pack.array("sentinel2"), np.arange(4)
    found = read_central_pixels(array, rows)
    assert found.shape == (4, 1, 10)
    np.testing.assert_allclose(found[:, 0], array.gather(rows)[:, :, 8, 8] * np.float32(1e-4), rtol=1e-5)


def test_a_pixel_without_data_is_no_number(tmp_path):
    values = make_values()
    values[1, 0, 2, 2] = 0
    write(tmp_path / "pack", arrays={"s2": make_source(values)})
    found = read_central_pixels(Pack.open(tmp_path / "pack").array("s2"), np.arange(2))
    assert np.isnan(found[:, 0]).tolist() == [[False, False], [True, False]]


@pytest.mark.parametrize("scheme", ["change", "change_kinds"])
def test_kinds_of_change_are_told_apart(tmp_path, scheme):
    pack = write_pair(tmp_path / "pack", scheme=scheme)
    shares = logistic.fit_predict(pack, ["landsat_etm"])
    assert shares.shape == (80, len(pack.scheme_codes))
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-5)
    assert (shares.argmax(axis=1) == pack.labels()[pack.indices("test")]).mean() > 0.9


def test_classes_that_were_never_seen_get_nothing(toy_pack):
    shares = logistic.fit_predict(toy_pack, ["sentinel1", "sentinel2"])
    assert shares.shape == (30, 17)
    assert not shares[:, 5:].any()
    assert (shares.argmax(axis=1) == toy_pack.labels()[toy_pack.indices("test")]).mean() > 0.4


def test_one_class_alone_is_refused(tmp_path):
    samples = make_samples(label=["dry"] * N, distribution=[[0.0, 1.0]] * N)
    write(tmp_path / "pack", samples=samples)
    with pytest.raises(PackError, match="not two classes to tell apart"):
        logistic.fit_predict(Pack.open(tmp_path / "pack"), ["s2"])
