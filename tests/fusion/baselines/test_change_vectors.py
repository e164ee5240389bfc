"""Change vectors answer by the length of a difference, with the threshold of the train split."""

import numpy as np
import pytest

from fusion.baselines import change_vectors
from fusion.baselines.change_vectors import fit_threshold
from fusion.errors import PackError
from fusion.pack import Pack
from tests.fusion.series_packs import write_pair


def test_the_threshold_makes_the_fewest_mistakes():
    lengths, labels = np.array([6.0, 1.0, 2.0, 5.0, 2.0]), np.array([1, 0, 0, 1, 0])
    assert fit_threshold(lengths, labels) == 3.5
    assert fit_threshold(lengths, 1 - labels) == 1.0  # change is above, even where that answers badly


def test_equal_lengths_are_not_parted():
    assert fit_threshold(np.array([1.0, 2.0, 2.0, 2.0, 3.0]), np.array([0, 0, 1, 1, 1])) == 1.5


def test_changed_pixels_have_longer_vectors(tmp_path):
    pack = write_pair(tmp_path / "pack")
    shares = change_vectors.fit_predict(pack, ["landsat_etm"])
    truth = pack.labels()[pack.indices("test")]
    assert shares.shape == (80, 2)
    np.testing.assert_allclose(shares.sum(axis=1), 1, atol=1e-6)
    assert (shares.argmax(axis=1) == truth).mean() > 0.9
    assert np.array_equal(shares, change_vectors.fit_predict(pack, ["landsat_etm"]))


def test_standardising_takes_off_what_all_pixels_share_and_half_of_the_change(tmp_path):
    pack = write_pair(tmp_path / "pack")  # haze of 15 lies over the later date, and half of the pixels rose by 20
    own = change_vectors.read_differences(pack, ["landsat_etm"], pack.indices("test"))
    np.testing.assert_allclose(own.mean(axis=0), [25, 25, 15, 15, 15, 15], atol=3)
    shares = change_vectors.fit_predict(pack, ["landsat_etm"], standardise=True)
    assert (shares.argmax(axis=1) == pack.labels()[pack.indices("test")]).mean() < 0.7


def test_one_date_or_more_than_two_classes_are_refused(tmp_path):
    with pytest.raises(PackError, match="no array of landsat_etm has two dates to compare"):
        change_vectors.fit_predict(write_pair(tmp_path / "one", times=1), ["landsat_etm"])
    with pytest.raises(PackError, match="tell two classes apart"):
        change_vectors.fit_predict(write_pair(tmp_path / "kinds", scheme="change_kinds"), ["landsat_etm"])
    with pytest.raises(PackError, match=r"no array of 'aerial'\. It has landsat_etm"):
        change_vectors.fit_predict(Pack.open(tmp_path / "one"), ["aerial"])
