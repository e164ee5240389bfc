"""A pack is never read when it is not what it claims."""

import json
import os
from pathlib import Path

import pytest

from fusion.errors import PackError
from fusion.pack import Pack
from tests.fusion.small_packs import write


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


def test_a_layout_of_another_time_is_refused_by_name(tmp_path):
    write(tmp_path / "toy-1")
    path = tmp_path / "toy-1" / "pack.json"
    manifest = json.loads(path.read_text())
    manifest["arrays"]["s2"]["layout"] = "sparse"
    path.write_text(json.dumps(manifest))
    with pytest.raises(PackError, match="'s2' is sparse; this Geoquorum reads dense and ragged"):
        Pack.open(tmp_path / "toy-1").array("s2")
