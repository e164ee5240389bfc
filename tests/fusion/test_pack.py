"""A pack is whole or not there, the same bytes for the same input, and never read when it is not what it claims."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

from fusion import modality
from fusion.errors import PackError
from fusion.pack import ArraySource, Pack, TargetSpec, write_pack

N = 30
POINT = b"\x01\x01\x00\x00\x00" + np.array([11.5, 48.1]).tobytes()
CODES = ("water", "dry")


def make_samples(n=N, **columns):
    labels = [CODES[i % 2] for i in range(n)]
    table = {
        "id": [f"s{i:03d}" for i in range(n)],
        "geometry": [POINT if i % 3 else None for i in range(n)],
        "city": ["here"] * n,
        "split": ["train", "train", "validation", "test", ""][:5] * (n // 5),
        "label": labels,
        "distribution": [[0.75, 0.25] if label == "water" else [0.1, 0.9] for label in labels],
        "votes": [[3, 1]] * n,
        "captured_from": ["2020-05-01T10:00:00Z"] * n,
        "flags": [["haze"] if i == 4 else [] for i in range(n)],
        "block": [f"b{i // 5}" for i in range(n)],
    }
    return pa.table({**table, **columns})


def make_values(n=N, seed=0):
    return np.random.default_rng(seed).integers(1, 9000, (n, 2, 4, 4)).astype(np.uint16)


def make_source(values=None, chunk=7, **changes):
    values = make_values() if values is None else values
    chunks = [values[start : start + chunk] for start in range(0, len(values), chunk)]
    source = ArraySource(
        modality="sentinel2",
        dims=("band", "y", "x"),
        dtype="uint16",
        bands=("B4", "B8"),
        shape=(2, 4, 4),
        chunks=chunks,
        offset=-1000,
    )
    return replace(source, **changes)


def make_radar(values):
    return ArraySource(
        modality="sentinel1_grd",
        dims=("band", "y", "x"),
        dtype="float32",
        bands=("VV", "VH"),
        shape=(2, 4, 4),
        chunks=[values],
    )


def write(folder, *, samples=None, arrays=None, **changes):
    return write_pack(
        folder,
        name="toy",
        number=1,
        samples=make_samples() if samples is None else samples,
        arrays={"s2": make_source()} if arrays is None else arrays,
        targets={"wet": TargetSpec(head="classes", scheme="water")},
        provenance={"simulated": True, "seed": 3},
        seed=3,
        **changes,
    )


def test_what_was_written_is_read_back(tmp_path):
    digest = write(tmp_path / "toy-1")
    pack = Pack.open(tmp_path / "toy-1", sha256=digest, verify=True)
    assert pack.sha256 == digest == hashlib.sha256((tmp_path / "toy-1" / "pack.json").read_bytes()).hexdigest()
    assert len(pack) == N
    assert pack.array_names == ("s2",)
    assert pack.scheme_codes == CODES
    assert pack.indices("test").tolist() == list(range(3, N, 5))
    assert pack.labels().tolist() == [i % 2 for i in range(N)]
    assert pack.distribution()[1].tolist() == pytest.approx([0.1, 0.9])
    array = pack.array("s2")
    assert array.dtype == np.uint16
    assert array.shape == (N, 2, 4, 4)
    assert np.array_equal(array.gather([5, 2, 5]), make_values()[[5, 2, 5]])
    assert array.modality.band_names == ("B4", "B8")
    assert array.modality.offset == -1000
    assert pack.manifest["splits"] == {"train": 12, "validation": 6, "test": 6, "": 6}
    assert pack.manifest["counts"]["test"] == {"dry": 3, "water": 3}
    assert pack.manifest["provenance"] == {"simulated": True, "seed": 3}


def test_gather_across_shards_equals_a_plain_take(tmp_path):
    write(tmp_path / "toy-1", shard_bytes=4 * 64)
    array = Pack.open(tmp_path / "toy-1").array("s2")
    assert len(array.shards) == 8
    rows = np.random.default_rng(1).integers(0, N, 200)
    assert np.array_equal(array.gather(rows), make_values()[rows])
    assert np.array_equal(array[29], make_values()[29])
    assert np.array_equal(np.concatenate([view for _, view in array.blocks(3)]), make_values())
    with pytest.raises(IndexError, match="samples 0 to 29"):
        array.gather([30])
    with pytest.raises(IndexError):
        array.gather([-1])


def test_a_sample_is_a_read_only_view_of_the_file(tmp_path):
    write(tmp_path / "toy-1")
    view = Pack.open(tmp_path / "toy-1").array("s2")[3]
    assert not view.flags.owndata
    assert not view.flags.writeable


def test_shards_are_safetensors_that_the_library_reads(tmp_path):
    write(tmp_path / "toy-1")
    tensors = load_file(tmp_path / "toy-1" / "arrays" / "s2-00000.safetensors")
    assert np.array_equal(tensors["data"], make_values())


@pytest.mark.parametrize("chunk", [1, 7, 30])
def test_the_same_input_gives_the_same_bytes_however_it_is_cut(tmp_path, chunk):
    expected = write(tmp_path / "a", arrays={"s2": make_source(chunk=4)})
    digest = write(tmp_path / "b", arrays={"s2": make_source(chunk=chunk)})
    assert digest == expected
    for name in Pack.open(tmp_path / "a").manifest["files"]:
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_other_values_give_another_checksum(tmp_path):
    values = make_values()
    values[29, 1, 3, 3] += 1
    assert write(tmp_path / "a") != write(tmp_path / "b", arrays={"s2": make_source(values)})


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


def test_nan_is_refused_with_the_name_of_the_sample(tmp_path):
    values = np.ones((N, 2, 4, 4), dtype=np.float32)
    values[17, 1, 2, 3] = np.nan
    with pytest.raises(PackError, match="sample s017 holds NaN"):
        write(tmp_path / "toy-1", arrays={"s1": make_radar(values)})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"chunks": [make_values()[:20]]}, "ended after 20 of 30"),
        ({"chunks": [make_values(), make_values()[:1]]}, "more than the 30"),
        ({"chunks": [make_values().astype(np.int16)]}, "int16"),
        ({"chunks": [make_values()[:, :1]]}, "was promised"),
        ({"bands": ("B4", "B99")}, "no band B99"),
        ({"dtype": "float128"}, "cannot be stored"),
        ({"bands": ("B4",)}, "1 labels of band for 2 places"),
        ({"dims": ("band", "y")}, "do not name the 3 axes"),
        ({"dims": ("band", "y", "y")}, "do not name the 3 axes"),
        ({"dims": ("band", "y", "width")}, "do not name the 3 axes"),
        ({"times": ("spring",)}, "1 labels of time for None places"),
        ({"scale": float("nan")}, "no finite number"),
        ({"present": np.ones(7, dtype=bool)}, "presence needs 30"),
        ({"present": np.zeros(N, dtype=bool)}, "no sample has it"),
    ],
)
def test_a_wrong_array_is_refused_and_leaves_nothing(tmp_path, changes, reason):
    with pytest.raises(PackError, match=reason):
        write(tmp_path / "toy-1", arrays={"s2": make_source(**changes)})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"id": ["twice", "twice", *map(str, range(N - 2))]}, "twice"),
        ({"split": ["trian"] * N}, "trian"),
        ({"label": ["lava"] * N}, "'lava' is not among the codes water, dry"),
        ({"label": [None] * N}, "without a label"),
        ({"distribution": [[0.5, 0.1]] * N}, "sum to 1"),
        ({"distribution": [None] * N}, "sum to 1"),
        ({"distribution": [[1.5, -0.5]] * N}, "sum to 1"),
        ({"geometry": [b"here"] * N}, "WKB"),
        ({"captured_from": ["yesterday"] * N}, "captured_from"),
    ],
)
def test_wrong_samples_are_refused_and_leave_nothing(tmp_path, changes, reason):
    columns = {key: pa.array(value) for key, value in changes.items()}
    samples = make_samples()
    for key, column in columns.items():
        samples = samples.set_column(samples.column_names.index(key), key, column)
    with pytest.raises(PackError, match=reason):
        write(tmp_path / "toy-1", samples=samples)
    assert list(tmp_path.iterdir()) == []


def test_an_unused_sample_needs_no_label(tmp_path):
    samples = make_samples(
        split=["train"] * (N - 1) + [""],
        label=["water"] * (N - 1) + [None],
        distribution=[[1.0, 0.0]] * (N - 1) + [None],
    )
    write(tmp_path / "toy-1", samples=samples)
    pack = Pack.open(tmp_path / "toy-1")
    assert pack.labels()[-1] == -1
    assert pack.distribution()[-1].tolist() == [0, 0]


def test_a_version_is_never_written_over(tmp_path):
    write(tmp_path / "toy-1")
    with pytest.raises(PackError, match="next number"):
        write(tmp_path / "toy-1")
    Pack.open(tmp_path / "toy-1", verify=True)


def test_a_writer_that_fails_leaves_nothing_beside(tmp_path):
    def break_off():
        yield make_values()[:10]
        raise OSError(28, "No space left on device")

    with pytest.raises(PackError, match="No space left"):
        write(tmp_path / "toy-1", arrays={"s2": make_source(chunks=break_off())})
    assert list(tmp_path.iterdir()) == []


def test_samples_are_geoparquet_with_null_for_no_place(tmp_path):
    write(tmp_path / "toy-1")
    file = pq.ParquetFile(tmp_path / "toy-1" / "samples.parquet")
    geo = json.loads(file.schema_arrow.metadata[b"geo"])
    assert geo == {
        "version": "1.1.0",
        "primary_column": "geometry",
        "columns": {"geometry": {"encoding": "WKB", "geometry_types": ["Point"]}},
    }
    geometry = file.read().column("geometry").to_pylist()
    assert geometry[0] is None
    assert geometry[1] == POINT


def test_own_columns_of_the_samples_are_kept(tmp_path):
    write(tmp_path / "toy-1", samples=make_samples(season=["spring"] * N))
    assert Pack.open(tmp_path / "toy-1").samples.column("season")[0].as_py() == "spring"


def test_another_checksum_is_refused(tmp_path):
    write(tmp_path / "toy-1")
    with pytest.raises(PackError, match="as asked"):
        Pack.open(tmp_path / "toy-1", sha256="0" * 64)


def test_a_newer_schema_is_refused_in_one_sentence(tmp_path):
    write(tmp_path / "toy-1")
    path = tmp_path / "toy-1" / "pack.json"
    manifest = json.loads(path.read_text())
    path.write_text(json.dumps({**manifest, "schema_version": 3}))
    with pytest.raises(PackError, match=r"schema version 3; this Geoquorum reads up to 2\. Update"):
        Pack.open(tmp_path / "toy-1")


@pytest.mark.parametrize("text", ["", "{", "[]", '{"schema_version": "one"}', '{"schema_version": 1}'])
def test_a_manifest_that_is_none_is_refused(tmp_path, text):
    write(tmp_path / "toy-1")
    (tmp_path / "toy-1" / "pack.json").write_text(text)
    with pytest.raises(PackError, match=r"pack\.json"):
        Pack.open(tmp_path / "toy-1")


def test_a_folder_that_is_no_pack_is_refused(tmp_path):
    with pytest.raises(PackError, match=r"no pack\.json"):
        Pack.open(tmp_path)


def damage(path, how):
    if how == "missing":
        path.unlink()
    elif how == "truncated":
        os.truncate(path, path.stat().st_size - 1)
    else:
        data = bytearray(path.read_bytes())
        data[-1] ^= 1
        path.write_bytes(data)


@pytest.mark.parametrize(
    "name", ["arrays/s2-00000.safetensors", "arrays/wet.label-00000.safetensors", "samples.parquet"]
)
@pytest.mark.parametrize("how", ["missing", "truncated", "flipped"])
def test_a_damaged_file_is_named_by_verify(tmp_path, name, how):
    write(tmp_path / "toy-1")
    damage(tmp_path / "toy-1" / name, how)
    with pytest.raises(PackError, match=rf"{Path(name).name}.*Copy the pack again"):
        Pack.open(tmp_path / "toy-1", verify=True)


@pytest.mark.parametrize("how", ["missing", "truncated"])
def test_a_short_or_missing_shard_is_noticed_without_verify(tmp_path, how):
    write(tmp_path / "toy-1")
    damage(tmp_path / "toy-1" / "arrays/s2-00000.safetensors", how)
    with pytest.raises(PackError, match="s2-00000"):
        Pack.open(tmp_path / "toy-1").array("s2")


def test_a_shard_of_another_shape_is_refused(tmp_path):
    write(tmp_path / "toy-1")
    path = tmp_path / "toy-1" / "arrays/s2-00000.safetensors"
    path.write_bytes(path.read_bytes().replace(b"[30,2,4,4]", b"[30,4,2,4]"))
    with pytest.raises(PackError, match="does not hold what the manifest says"):
        Pack.open(tmp_path / "toy-1").array("s2")


def test_a_manifest_that_points_outside_the_pack_is_refused(tmp_path):
    write(tmp_path / "toy-1")
    (tmp_path / "secret").write_bytes(b"x")
    path = tmp_path / "toy-1" / "pack.json"
    manifest = json.loads(path.read_text())
    manifest["files"]["../secret"] = {"sha256": "0", "bytes": 1}
    manifest["samples"]["path"] = "../secret"
    path.write_text(json.dumps(manifest))
    with pytest.raises(PackError, match="not a file of the pack"):
        _ = Pack.open(tmp_path / "toy-1").samples


def test_an_unknown_array_target_or_split_is_answered_with_the_known_ones(tmp_path):
    write(tmp_path / "toy-1")
    pack = Pack.open(tmp_path / "toy-1")
    with pytest.raises(PackError, match="It has s2"):
        pack.array("s3")
    with pytest.raises(PackError, match="It has wet"):
        pack.labels("dry")
    with pytest.raises(PackError, match="Known: train"):
        pack.indices("tset")


def test_a_layout_of_another_time_is_refused_by_name(tmp_path):
    write(tmp_path / "toy-1")
    path = tmp_path / "toy-1" / "pack.json"
    manifest = json.loads(path.read_text())
    manifest["arrays"]["s2"]["layout"] = "sparse"
    path.write_text(json.dumps(manifest))
    with pytest.raises(PackError, match="'s2' is sparse; this Geoquorum reads dense and ragged"):
        Pack.open(tmp_path / "toy-1").array("s2")


def test_a_dense_array_is_not_read_as_ragged(tmp_path):
    write(tmp_path / "toy-1")
    with pytest.raises(PackError, match="'s2' is dense, not ragged"):
        Pack.open(tmp_path / "toy-1").ragged("s2")


def test_a_pack_of_schema_1_is_read(tmp_path):
    with zipfile.ZipFile(Path(__file__).with_name("pack_of_schema_1.zip")) as archive:
        archive.extractall(tmp_path / "old-1")
    digest = "a984245cbfeb89af9537164397e2ce4bd08e605f5b94d5c53c0d8268b96ef6cb"
    pack = Pack.open(tmp_path / "old-1", sha256=digest, verify=True)
    assert pack.manifest["schema_version"] == 1
    assert pack.labels().tolist() == [0, 1, 1, -1]
    assert pack.distribution()[0].tolist() == [0.75, 0.25]
    array = pack.array("s2")
    assert array.gather([2, 0]).ravel()[[0, 8]].tolist() == [1700, 100]
    assert (array.modality.offset, array.modality.band_names, array.times) == (-1000, ("B4", "B8"), ())
    assert pack.present("s2").all()
    assert pack.ragged_names == ()


def test_complex_values_come_back_as_such(tmp_path):
    values = (np.arange(N * 2 * 4 * 4).reshape(N, 2, 4, 4) * (1 - 2j)).astype(np.complex64)
    source = replace(make_radar(values), modality="sentinel1_slc", dtype="complex64")
    write(tmp_path / "toy-1", arrays={"slc": source})
    array = Pack.open(tmp_path / "toy-1").array("slc")
    assert array.dtype == np.complex64
    assert np.array_equal(array.gather([29, 0]), values[[29, 0]])


def test_reading_imports_no_torch_rasterio_or_geometry_library():
    code = "import sys, fusion.pack; print(sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    for name in ("torch", "rasterio", "shapely", "pandas", "django", "scipy", "sklearn"):
        assert f"'{name}'" not in loaded
