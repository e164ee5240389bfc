"""Chunk files: the same bytes from any worker in any order, resumed where work stopped, never half there."""

import hashlib
import multiprocessing
import resource
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from fusion.cutting.files import find_finished, gather, open_chunk, write_chunk
from fusion.cutting.planning import plan
from fusion.cutting.scene import Chunk, CloudBand, Scene
from fusion.errors import BadInputError, BadRasterError
from tests.fusion.cutting.scenes import list_cells, make_noise, read_windows

MakeScene = Callable[..., Scene]


def make_chunks(make_scene: MakeScene) -> tuple[Scene, tuple[Chunk, ...]]:
    """Four chunks over borders of blocks, with a hole and an edge."""
    array = make_noise(800, bands=2)
    array[:, 100:150, 300:400] = 0
    scene = make_scene(array, east_px=5, south_px=3, blockxsize=64, blockysize=64)
    chunks = plan([(scene, list_cells(26))], chunk_bytes=100 * 4096)
    assert len(chunks) > 1
    return scene, chunks


def list_sums(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def write_entry(work: tuple[dict, str]) -> str:
    return str(write_chunk(Chunk.from_json(work[0]), Path(work[1])))


def write_by_workers(chunks: Sequence[Chunk], folder: Path, workers: int) -> None:
    with multiprocessing.get_context("fork").Pool(workers) as pool:
        pool.map(write_entry, [(chunk.to_json(), str(folder)) for chunk in chunks], chunksize=1)


def test_any_order_and_any_number_of_workers_give_the_same_bytes(make_scene: MakeScene, tmp_path: Path) -> None:
    scene, chunks = make_chunks(make_scene)
    for chunk in chunks:
        write_chunk(chunk, tmp_path / "one")
    for chunk in reversed(chunks):
        write_chunk(chunk, tmp_path / "back")
    write_by_workers(chunks, tmp_path / "three", 3)
    sums = list_sums(tmp_path / "one")
    assert len(sums) == len(chunks)
    assert list_sums(tmp_path / "back") == list_sums(tmp_path / "three") == sums
    expected = read_windows(scene.files[0].path, list_cells(26))
    for order in (chunks, chunks[::-1]):
        found = [patches.values for _, patches in gather(order, tmp_path / "one", rows=50)]
        np.testing.assert_array_equal(np.concatenate(found), expected)


def test_finished_chunks_are_not_cut_again(make_scene: MakeScene, tmp_path: Path) -> None:
    scene, chunks = make_chunks(make_scene)
    path = write_chunk(chunks[0], tmp_path / "out")
    before = path.stat().st_mtime_ns
    scene.files[0].path.unlink()
    assert write_chunk(chunks[0], tmp_path / "out") == path
    assert path.stat().st_mtime_ns == before
    with pytest.raises(BadRasterError, match="no such file"):
        write_chunk(chunks[1], tmp_path / "out")
    assert list_sums(tmp_path / "out").keys() == {path.name}


def test_what_is_cut_short_or_altered_is_found(make_scene: MakeScene, tmp_path: Path) -> None:
    _, chunks = make_chunks(make_scene)
    path = write_chunk(chunks[0], tmp_path / "out")
    whole = path.read_bytes()
    path.write_bytes(whole[:-1])
    assert find_finished(chunks[0], tmp_path / "out") is None
    path.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    assert find_finished(chunks[0], tmp_path / "out") == path
    assert find_finished(chunks[0], tmp_path / "out", verify=True) is None
    with pytest.raises(BadInputError, match="is not finished"):
        open_chunk(chunks[1], tmp_path / "out")


def test_the_library_of_the_format_reads_it_too(make_scene: MakeScene, tmp_path: Path) -> None:
    scene, chunks = make_chunks(make_scene)
    path = write_chunk(chunks[0], tmp_path)
    tensors, patches = load_file(path), open_chunk(chunks[0], tmp_path)
    assert sorted(tensors) == ["missing", "quality", "valid", "values"]
    np.testing.assert_array_equal(tensors["values"], patches.values)
    expected = read_windows(scene.files[0].path, chunks[0].cells)
    np.testing.assert_array_equal(patches.values, expected)
    np.testing.assert_array_equal(patches.find_valid(slice(None)), (expected > 0).all(axis=1))
    np.testing.assert_allclose(patches.missing, 1 - (expected > 0).all(axis=1).mean(axis=(1, 2)), atol=1e-6)


def test_clouds_are_kept_with_the_patches(make_scene: MakeScene, tmp_path: Path) -> None:
    classes = np.full((1, 64, 64), 9, "uint8")
    clouds = make_scene(classes, name="scl", bands=("SCL",))
    scene = replace(make_scene(make_noise(64)), cloud=CloudBand(file=clouds.files[0], band="SCL"))
    chunk = plan([(scene, list_cells(2))])[0]
    write_chunk(chunk, tmp_path)
    patches = open_chunk(chunk, tmp_path)
    assert patches.cloud is not None
    assert patches.cloud.tolist() == [1, 1, 1, 1]


def test_a_full_disk_leaves_nothing_behind(make_scene: MakeScene, tmp_path: Path) -> None:
    chunk = plan([(make_scene(make_noise(256)), list_cells(8))])[0]
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, limits[1]))
    try:
        with pytest.raises(BadInputError, match="See to the disk"):
            write_chunk(chunk, tmp_path / "out")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list((tmp_path / "out").iterdir()) == []
    assert find_finished(chunk, tmp_path / "out") is None
