"""The forest sees nine numbers per band, learns what they tell, and gives the same answer twice."""

import time

import numpy as np
import pyarrow as pa
import pytest

from fusion.baselines import random_forest
from fusion.errors import PackError
from fusion.pack import ArraySource, Pack, TargetSpec, write_pack


def write(folder, values, splits, labels):
    source = ArraySource(
        modality="sentinel2",
        dims=("band", "y", "x"),
        dtype="uint16",
        bands=("B3", "B8"),
        shape=values.shape[1:],
        chunks=[values],
    )
    shares = [[1.0, 0.0] if label == "water" else [0.0, 1.0] for label in labels]
    write_pack(
        folder,
        name="toy",
        number=1,
        samples=pa.table(
            {"id": list(map(str, range(len(splits)))), "split": splits, "label": labels, "distribution": shares}
        ),
        arrays={"spring": source},
        targets={"wet": TargetSpec(head="classes", scheme="water")},
        provenance={},
        seed=0,
    )
    return Pack.open(folder)


@pytest.fixture
def pack(tmp_path):
    """Water and dry differ in the spread of B8 alone, not in its mean."""
    rng = np.random.default_rng(0)
    wet = np.arange(120) % 2 == 0
    noise = rng.normal(size=(120, 2, 8, 8))
    values = 3000 + 100 * noise
    values[wet, 1] = 3000 + 20 * noise[wet, 1]
    splits = ["train"] * 80 + ["test"] * 30 + ["validation"] * 10
    return write(tmp_path / "p", values.astype(np.uint16), splits, np.where(wet, "water", "dry").tolist())


def test_the_forest_learns_what_the_spread_tells(pack):
    shares = random_forest.fit_predict(pack, ["sentinel2"], trees=30)
    assert shares.shape == (30, 2)
    assert np.allclose(shares.sum(axis=1), 1)
    assert (shares.argmax(axis=1) == pack.labels()[pack.indices("test")]).mean() > 0.95
    assert random_forest.fit_predict(pack, ["spring"], split="validation", trees=5).shape == (10, 2)


def test_the_same_seed_gives_the_same_bytes_and_another_seed_others(pack):
    first = random_forest.fit_predict(pack, ["spring"], 4, trees=25)
    assert random_forest.fit_predict(pack, ["spring"], 4, trees=25).tobytes() == first.tobytes()
    assert random_forest.fit_predict(pack, ["spring"], 5, trees=25).tobytes() != first.tobytes()


def test_features_are_those_of_numpy():
    values = np.random.default_rng(1).normal(size=(3, 4, 101)).astype(np.float32)
    features = random_forest.summarise(values).reshape(4, 3, 9)
    one = values[2, 1]
    expected = [one.mean(), one.std(), one.min(), one.max(), *np.quantile(one, random_forest.QUANTILES)]
    assert features[1, 2] == pytest.approx(expected, rel=1e-5)


def test_missing_pixels_are_left_out_of_the_features():
    values = np.array([[[5, 1, np.nan, 3], [np.nan, np.nan, np.nan, np.nan]]], dtype=np.float32)
    features = random_forest.summarise(values)
    assert features[0] == pytest.approx([3, np.std([1, 3, 5]), 1, 5, 1.4, 2, 3, 4, 4.6])
    assert np.isnan(features[1]).all()


def test_nodata_does_not_reach_the_forest_as_a_value(tmp_path):
    values = np.full((2, 2, 4, 4), 2000, dtype=np.uint16)
    values[0, :, :2] = 0
    pack = write(tmp_path / "p", values, ["train", "test"], ["water", "dry"])
    features = random_forest.collect_features(pack, ["spring"], np.array([0, 1]))
    assert np.array_equal(features[0], features[1])


def test_a_class_that_training_lacks_gets_no_probability(tmp_path):
    values = np.random.default_rng(0).integers(1, 9, (6, 2, 4, 4)).astype(np.uint16)
    pack = write(tmp_path / "p", values, ["train"] * 4 + ["test"] * 2, ["dry"] * 4 + ["water", "dry"])
    assert random_forest.fit_predict(pack, ["spring"], trees=3).tolist() == [[0, 1], [0, 1]]


def test_an_unknown_array_is_answered_with_the_known_ones(pack):
    with pytest.raises(PackError, match=r"no array of 'sentinel1'\. It has spring"):
        random_forest.fit_predict(pack, ["sentinel1"])


def test_features_of_2000_patches_of_18_bands_take_seconds_of_cpu():
    values = np.random.default_rng(0).normal(size=(18, 200, 1024)).astype(np.float32)
    start = time.process_time()
    for _ in range(10):
        random_forest.summarise(values)
    assert time.process_time() - start < 6  # 1 to 2 s on one quiet core
