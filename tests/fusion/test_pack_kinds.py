"""Every kind of array goes into a pack and comes back: rasters in five axes, complex, points, images, text, series."""

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from fusion import modality
from fusion.errors import PackError
from fusion.pack import ArraySource, Pack, TargetSpec, write_pack
from tests.fusion.modalities.samples import EVERY, make_stored
from tests.fusion.pack_parts import N, make_source, make_table

WORDS = ["", "Straße ☂", "a", "zwei Wörter", "b", "ok", "é", "", "long " * 40, "x", "y", "z"]


def write(folder: Path, arrays: dict[str, ArraySource], **words: Any) -> str:
    return write_pack(
        folder,
        name="kinds",
        number=1,
        samples=make_table(),
        arrays=arrays,
        targets={"wet": TargetSpec(head="classes", scheme="water")},
        provenance={"simulated": True},
        seed=1,
        **words,
    )


def make_clouds(seed: int = 0) -> list[np.ndarray]:
    rng = np.random.default_rng(seed)
    return [rng.uniform(0, 320, (count, 6)).astype(np.float32) for count in (4, 0, 9, 1, 3, 200, 7, 7, 0, 2, 5, 1)]


def make_texts() -> list[np.ndarray]:
    return [np.frombuffer(words.encode(), dtype=np.uint8) for words in WORDS]


def make_images() -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (3 + row % 4, 2 + row % 3, 3)).astype(np.uint8) for row in range(N)]


RAGGED = {"lidar": make_clouds, "post_text": make_texts, "street_view": make_images}


@pytest.mark.parametrize("name", [name for name, kind in EVERY.items() if kind.kind != "text"])
def test_samples_of_one_size_of_every_modality_come_back(tmp_path: Path, name: str) -> None:
    samples = [make_stored(EVERY[name], seed=row) for row in range(N)]
    write(tmp_path / "p", {"a": make_source(name, samples)})
    array = Pack.open(tmp_path / "p", verify=True).array("a")
    assert array.dtype == samples[0].dtype
    assert np.array_equal(array.gather([7, 0, 7]), np.stack([samples[7], samples[0], samples[7]]))
    assert array.modality.bands == EVERY[name].bands
    assert array.modality.views == EVERY[name].views
    assert array.entry["units"] == [band.unit for band in EVERY[name].bands]
    assert np.isfinite(modality.normalise(array.modality, array.gather(np.arange(N)))).all()


@pytest.mark.parametrize("name", RAGGED)
@pytest.mark.parametrize("shard_bytes", [2**29, 100])
def test_samples_of_different_sizes_come_back(tmp_path: Path, name: str, shard_bytes: int) -> None:
    samples = RAGGED[name]()
    write(tmp_path / "p", {"a": make_source(name, samples)}, shard_bytes=shard_bytes)
    pack = Pack.open(tmp_path / "p", verify=True)
    assert pack.ragged_names == ("a",)
    assert pack.array_names == ()
    array = pack.ragged("a")
    assert (len(array.shards) > 1) == (shard_bytes == 100)
    for row, sample in enumerate(samples):
        assert array[row].shape == sample.shape
        assert np.array_equal(array[row], sample)
        assert not array[row].flags.writeable or not sample.size
    rows = [8, 1, 8, 0, 11]
    batch = array.gather(rows)
    assert len(batch) == len(rows)
    assert all(np.array_equal(batch[place], samples[row]) for place, row in enumerate(rows))
    assert len(array.gather([])) == 0
    assert array.lengths.sum() == sum(sample.size for sample in samples) // int(np.prod(array.entry["shape"][-1] or 1))
    with pytest.raises(IndexError, match="samples 0 to 11"):
        _ = array[12]


def test_words_are_read_as_they_were_written(tmp_path: Path) -> None:
    write(tmp_path / "p", {"a": make_source("post_text", make_texts())})
    array = Pack.open(tmp_path / "p").ragged("a")
    assert [array.read_text(row) for row in range(N)] == WORDS


def test_a_ragged_shard_is_a_safetensors_file_that_the_library_reads(tmp_path: Path) -> None:
    images = make_images()
    write(tmp_path / "p", {"a": make_source("street_view", images)})
    tensors = load_file(tmp_path / "p" / "arrays" / "a-00000.safetensors")
    assert set(tensors) == {"offsets", "shapes", "values"}
    assert tensors["shapes"].tolist() == [list(image.shape[:2]) for image in images]
    assert np.array_equal(tensors["values"], np.concatenate([image.reshape(-1, 3) for image in images]))


@pytest.mark.parametrize("name", RAGGED)
def test_the_same_samples_give_the_same_bytes_however_they_are_cut(tmp_path: Path, name: str) -> None:
    samples = RAGGED[name]()
    digests = {write(tmp_path / str(chunk), {"a": make_source(name, samples, chunk)}) for chunk in (1, 5, 12)}
    assert len(digests) == 1


def test_seasons_and_heights_make_five_axes_with_named_times(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(1, 9000, (N, 4, 2, 10, 3, 3)).astype(np.uint16)
    seasons = ("spring", "summer", "autumn", "winter")
    source = ArraySource(
        modality="sentinel2",
        dims=("time", "z", "band", "y", "x"),
        dtype="uint16",
        bands=EVERY["sentinel2"].band_names,
        shape=values.shape[1:],
        chunks=[values],
        times=seasons,
    )
    write(tmp_path / "p", {"a": source})
    array = Pack.open(tmp_path / "p").array("a")
    assert array.times == seasons
    assert array.entry["dims"] == ["time", "z", "band", "y", "x"]
    assert np.array_equal(array[5], values[5])
    train = values[[row for row in range(N) if row % 3 != 2]].astype(np.float64) * 1e-4
    assert array.statistics is not None
    assert array.statistics["mean"] == pytest.approx(train.mean(axis=(0, 1, 2, 4, 5)), rel=1e-5)


def test_what_is_missing_is_flagged_left_empty_and_not_counted(tmp_path: Path) -> None:
    present = np.arange(N) % 4 != 0
    values = np.full((N, 10, 2, 2), 5000, dtype=np.uint16)
    values[present] = 1000
    arrays = {
        "s2": make_source("sentinel2", list(values), present=present),
        "text": make_source("post_text", make_texts(), present=~present),
        "heights": make_source("elevation", [np.full((1, 2, 2), 7, np.float32)] * N, present=present),
    }
    write(tmp_path / "p", arrays)
    pack = Pack.open(tmp_path / "p", verify=True)
    assert np.array_equal(pack.present("s2"), present)
    assert np.array_equal(pack.present("text"), ~present)
    assert pack.array("s2").statistics is not None
    assert pack.array("s2").statistics["mean"] == pytest.approx([0.1] * 10)
    assert not pack.array("s2").gather(np.flatnonzero(~present)).any()
    assert set(np.unique(pack.array("heights").gather(np.arange(N)))) == {7.0, -32768.0}
    assert (pack.ragged("text").lengths[present] == 0).all()
    assert pack.ragged("text").read_text(8) == WORDS[8]
    assert "s2.present" not in pack.array_names


def test_what_stands_at_missing_samples_does_not_change_the_bytes(tmp_path: Path) -> None:
    present = np.arange(N) % 4 != 0
    first = np.full((N, 10, 2, 2), 1000, dtype=np.uint16)
    second = first.copy()
    second[~present] = 7
    digests = {
        write(tmp_path / str(place), {"s2": make_source("sentinel2", list(values), present=present)})
        for place, values in enumerate((first, second))
    }
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"chunks": [make_clouds()[:8]]}, "ended after 8 of 12"),
        ({"chunks": [make_clouds(), make_clouds()[:1]]}, "more than the 12"),
        ({"chunks": [[cloud.astype(np.float64) for cloud in make_clouds()]]}, "sample s00: float64"),
        ({"chunks": [[cloud[:, :5] for cloud in make_clouds()]]}, "float32 \\[any, 6\\] was promised"),
        ({"chunks": [[*make_clouds()[:5], np.full((2, 6), np.nan, np.float32)]]}, "sample s05 holds NaN"),
        ({"shape": (6, None)}, "only leading axes"),
    ],
)
def test_wrong_points_are_refused_and_leave_nothing(tmp_path: Path, changes: dict[str, Any], reason: str) -> None:
    with pytest.raises(PackError, match=reason):
        write(tmp_path / "p", {"a": make_source("lidar", make_clouds(), **changes)})
    assert list(tmp_path.iterdir()) == []


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    texts = make_texts()
    texts[3] = np.array([0xFF, 0xFE], dtype=np.uint8)
    with pytest.raises(PackError, match="sample s03 is no UTF-8 text"):
        write(tmp_path / "p", {"a": make_source("post_text", texts)})
    assert list(tmp_path.iterdir()) == []


def test_wavelengths_are_kept_for_bands_of_the_file_alone(tmp_path: Path) -> None:
    samples = [make_stored(EVERY["hyperspectral"], seed=row) for row in range(N)]
    with pytest.raises(PackError, match="3 wavelengths for 60 bands"):
        write(tmp_path / "p", {"a": make_source("hyperspectral", samples, wavelengths_nm=(500.0, 600.0, 700.0))})


@pytest.mark.parametrize("how", ["missing", "truncated", "flipped"])
def test_a_damaged_ragged_shard_is_named(tmp_path: Path, how: str) -> None:
    write(tmp_path / "p", {"a": make_source("lidar", make_clouds())})
    path = tmp_path / "p" / "arrays" / "a-00000.safetensors"
    if how == "missing":
        path.unlink()
    elif how == "truncated":
        os.truncate(path, path.stat().st_size - 4)
    else:
        data = bytearray(path.read_bytes())
        data[-2] ^= 1
        path.write_bytes(data)
    with pytest.raises(PackError, match=r"a-00000\.safetensors.*Copy the pack again"):
        Pack.open(tmp_path / "p", verify=True)
    if how != "flipped":
        with pytest.raises(PackError, match=r"a-00000\.safetensors"):
            Pack.open(tmp_path / "p").ragged("a")


def test_offsets_that_fall_are_noticed_without_a_checksum(tmp_path: Path) -> None:
    write(tmp_path / "p", {"a": make_source("lidar", make_clouds())})
    path = tmp_path / "p" / "arrays" / "a-00000.safetensors"
    data = bytearray(path.read_bytes())
    start = 8 + int.from_bytes(data[:8], "little")
    data[start + 8 : start + 16] = (10**6).to_bytes(8, "little")
    path.write_bytes(data)
    with pytest.raises(PackError, match="does not hold what the manifest says of its lengths"):
        Pack.open(tmp_path / "p").ragged("a")


@pytest.mark.parametrize("name", ["lidar", "elevation"])
def test_a_short_shard_is_noticed_though_the_manifest_was_changed_to_match(tmp_path: Path, name: str) -> None:
    samples = make_clouds() if name == "lidar" else [make_stored(EVERY[name], seed=row) for row in range(N)]
    write(tmp_path / "p", {"a": make_source(name, samples)})
    path, manifest = tmp_path / "p" / "arrays" / "a-00000.safetensors", tmp_path / "p" / "pack.json"
    size = path.stat().st_size
    os.truncate(path, size - 4)
    manifest.write_text(manifest.read_text().replace(f'"bytes": {size}', f'"bytes": {size - 4}'))
    pack = Pack.open(tmp_path / "p")
    with pytest.raises(PackError, match=r"a-00000\.safetensors does not hold what the manifest says"):
        pack.ragged("a") if name == "lidar" else pack.array("a")


def test_gathering_into_a_given_array_needs_no_other(tmp_path: Path) -> None:
    values = np.arange(N * 40).reshape(N, 10, 2, 2).astype(np.uint16)
    write(tmp_path / "p", {"a": make_source("sentinel2", list(values))}, shard_bytes=3 * 80)
    array = Pack.open(tmp_path / "p").array("a")
    assert len(array.shards) == 4
    out = np.zeros((5, 10, 2, 2), dtype=np.uint16)
    assert array.gather([3, 11, 0, 3, 7], out=out) is out
    assert np.array_equal(out, values[[3, 11, 0, 3, 7]])
    assert array.gather([]).shape == (0, 10, 2, 2)
    fresh = array.gather([5, 1])
    fresh[:] = 0
    assert np.array_equal(array.gather([5, 1]), values[[5, 1]]), "a batch is the caller's own"
