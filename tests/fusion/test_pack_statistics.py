"""A pack states mean and deviation of its train split, after each band's stretch and without nodata."""

import numpy as np
import pytest

from fusion import modality
from fusion.pack import ArraySource, Pack
from tests.fusion.small_packs import N, make_samples, make_source, make_values, write


def test_statistics_are_those_of_the_stretched_train_split_without_nodata(tmp_path):
    values = make_values()
    values[0, 0, :2] = 0
    write(tmp_path / "toy-1", arrays={"s2": make_source(values)})
    pack = Pack.open(tmp_path / "toy-1")
    train = (values[pack.indices("train")].astype(np.float64) - 1000) * 1e-4
    kept = values[pack.indices("train")] != 0
    statistics = pack.array("s2").statistics
    for band in range(2):
        exact = train[:, band][kept[:, band]]
        assert statistics["pixels"][band] == exact.size
        assert statistics["mean"][band] == pytest.approx(exact.mean(), rel=1e-5)
        assert statistics["std"][band] == pytest.approx(exact.std(), rel=1e-5)


def test_statistics_follow_the_stretch_of_each_band(tmp_path):
    kind = modality.find("sentinel1")
    values = np.random.default_rng(2).exponential(0.1, (N, 8, 4, 4)).astype(np.float32)
    source = ArraySource(
        modality="sentinel1",
        dims=("band", "y", "x"),
        dtype="float32",
        bands=kind.band_names,
        shape=(8, 4, 4),
        chunks=[values],
    )
    write(tmp_path / "toy-1", arrays={"s1": source})
    pack = Pack.open(tmp_path / "toy-1")
    lee = kind.band_names.index("vh_lee")
    decibel = 10 * np.log10(np.maximum(values[pack.indices("train")][:, lee], kind.bands[lee].floor))
    assert pack.array("s1").statistics["mean"][lee] == pytest.approx(decibel.mean(), rel=1e-4)


def test_a_pack_without_train_samples_states_no_statistics(tmp_path):
    write(tmp_path / "toy-1", samples=make_samples(split=["test"] * N))
    assert Pack.open(tmp_path / "toy-1").array("s2").statistics is None
