"""The network's first step does to stored values what the modality declares, and knows what it cannot read."""

import numpy as np
import pytest
import torch

from fusion import modality as modalities
from fusion.engine.normalise import InputSpec, Normalise, describe_inputs, find_array
from fusion.errors import SpecError

RASTERS = [name for name, kind in modalities.load_all().items() if kind.kind == "raster" and kind.bands]


def describe(name, **words):
    kind = modalities.find(name)
    count = len(kind.bands)
    given = {
        "name": name,
        "modality": name,
        "dims": ("band", "y", "x"),
        "shape": (count, 6, 6),
        "dtype": kind.dtype,
        "bands": kind.band_names,
        "offset": kind.offset,
        "scale": kind.scale,
        "nodata": kind.nodata,
        "stretch": tuple(band.stretch for band in kind.bands),
        "floor": tuple(band.floor for band in kind.bands),
        "mean": tuple(0.1 * place for place in range(count)),
        "std": tuple(1 + 0.2 * place for place in range(count)),
    }
    return InputSpec(**{**given, **words})


def draw(kind, rng, shape):
    if kind.dtype == "uint16":
        return rng.integers(1, 12000, shape).astype(np.uint16)
    return np.concatenate([rng.normal(0, 10.0**power, shape) for power in range(-4, 3)]).astype(np.float32)


@pytest.mark.parametrize("name", RASTERS)
def test_torch_and_numpy_normalise_alike(name):
    kind, spec = modalities.find(name), describe(name)
    stored = draw(kind, np.random.default_rng(0), (3, len(kind.bands), 6, 6))
    wanted = modalities.stretch(kind, modalities.physical(kind, np.moveaxis(stored, 1, 0)))
    mean, std = (np.asarray(part, np.float32)[:, None, None, None] for part in (spec.mean, spec.std))
    found = Normalise(spec)(torch.from_numpy(stored)).numpy()
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, np.moveaxis((wanted - mean) / std, 0, 1), rtol=2e-6, atol=2e-6)


def test_an_offset_of_the_pack_is_added_before_the_scale():
    stored = torch.full((1, 10, 6, 6), 3000, dtype=torch.uint16)
    plain = describe("sentinel2", mean=(0.0,) * 10, std=(1.0,) * 10, offset=-1000.0)
    assert Normalise(plain)(stored).unique().tolist() == pytest.approx([0.2])


def test_pixels_without_data_become_the_mean_and_the_input_is_left_alone():
    optical = torch.full((1, 10, 6, 6), 3000, dtype=torch.uint16)
    optical[0, :, 0, 0] = 0
    found = Normalise(describe("sentinel2"))(optical)
    assert (found[0, :, 0, 0] == 0).all()
    assert (found[0, 1:, 1, 1] != 0).all()
    radar = torch.full((1, 8, 6, 6), float("nan"))
    assert (Normalise(describe("sentinel1"))(radar) == 0).all()
    assert radar.isnan().all()


def test_a_constant_band_stays_at_its_mean():
    stored = torch.full((1, 10, 6, 6), 3000, dtype=torch.uint16)
    found = Normalise(describe("sentinel2", mean=(0.3,) * 10, std=(0.0,) * 10))(stored)
    assert found.abs().max() < 1e-6


def test_times_are_laid_onto_the_channel_axis():
    spec = describe("sentinel2", dims=("time", "band", "y", "x"), shape=(4, 10, 6, 6))
    assert spec.channels == 40
    stored = torch.arange(1, 4 * 10 * 36 + 1, dtype=torch.int32).reshape(1, 4, 10, 6, 6)
    found = Normalise(spec)(stored)
    one = Normalise(describe("sentinel2"))(stored[:, 2])
    torch.testing.assert_close(found[:, 20:30], one)


def test_all_numbers_are_buffers_that_a_checkpoint_keeps():
    assert set(Normalise(describe("sentinel1")).state_dict()) == {"offset", "scale", "floor", "mean", "std", "stretch"}


@pytest.mark.parametrize(
    "words", [{"mean": (0.0,)}, {"shape": (9, 6, 6)}, {"dims": ("y", "x", "band")}, {"stretch": ("cubic",) * 10}]
)
def test_a_description_that_contradicts_itself_is_refused(words):
    with pytest.raises(SpecError, match="contradicts itself"):
        describe("sentinel2", **words)


def test_a_modality_that_the_pack_lacks_is_answered_with_what_it_has(toy_pack):
    assert find_array(toy_pack, "sentinel2") == "sentinel2"
    with pytest.raises(SpecError, match=r"'hyperspectral' is not in the pack.*sentinel1 \(sentinel1\)"):
        describe_inputs(toy_pack, ["hyperspectral"])


def test_a_pack_says_all_that_is_needed(toy_pack):
    one, two = describe_inputs(toy_pack, [])
    assert (one.name, two.name, two.dtype, two.shape) == ("sentinel1", "sentinel2", "uint16", (10, 16, 16))
    stored = torch.from_numpy(toy_pack.array("sentinel2").gather(toy_pack.indices("train")))
    values = Normalise(two)(stored)
    assert values.mean(dim=(0, 2, 3)).abs().max() < 1e-3
    assert (values.std(dim=(0, 2, 3)) - 1).abs().max() < 1e-2
