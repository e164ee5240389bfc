"""What was written into a pack is read back: the same numbers, from the file, without a copy."""

import hashlib
import json
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from safetensors.numpy import load_file

from fusion.errors import PackError
from fusion.pack import Pack
from tests.fusion.small_packs import CODES, POINT, N, make_radar, make_samples, make_values, write


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


def test_an_unknown_array_target_or_split_is_answered_with_the_known_ones(tmp_path):
    write(tmp_path / "toy-1")
    pack = Pack.open(tmp_path / "toy-1")
    with pytest.raises(PackError, match="It has s2"):
        pack.array("s3")
    with pytest.raises(PackError, match="It has wet"):
        pack.labels("dry")
    with pytest.raises(PackError, match="Known: train"):
        pack.indices("tset")


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
