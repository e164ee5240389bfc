"""NumPy and MATLAB arrays: numbers alone; sizes that are claimed are there; nothing runs and nothing is unpacked."""

import io
import pickle
import struct
import time
import zipfile
import zlib

import h5py
import numpy as np
import pytest
import scipy.io

from fusion.errors import BadFileError
from fusion.sources.cubes import inspect_cube, read_cube
from fusion.sources.cubes.npy import CubeLimits, inspect_npy

CUBE = np.arange(2 * 3 * 4, dtype=np.int16).reshape(2, 3, 4)


def header(shape: str, kind: str = "<i2") -> bytes:
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}}}".ljust(117) + "\n"
    return b"\x93NUMPY\x01\x00" + struct.pack("<H", len(text)) + text.encode()


def refused(path) -> str:
    began = time.process_time()
    with pytest.raises(BadFileError) as caught:
        inspect_cube(path)
    assert time.process_time() - began < 1
    with pytest.raises(BadFileError):
        read_cube(path)
    assert str(caught.value).startswith(f"{path.name}: ")
    return str(caught.value)


@pytest.mark.parametrize("order", ["C", "F"])
def test_an_npy_is_mapped_as_it_lies(tmp_path, order):
    path = tmp_path / "cube.npy"
    np.save(path, np.asarray(CUBE, order=order))
    [info] = inspect_cube(path)
    assert (info.shape, info.dims, info.dtype) == ((2, 3, 4), ("y", "x", "band"), "int16")
    assert info.value_range == (0.0, 23.0)
    assert np.array_equal(read_cube(path), CUBE)


def test_members_of_an_npz_are_taken_by_name(tmp_path):
    path = tmp_path / "cube.npz"
    np.savez_compressed(path, cube=CUBE, truth=CUBE[..., 0])
    assert {info.variable: info.shape for info in inspect_cube(path)} == {"cube": (2, 3, 4), "truth": (2, 3)}
    assert np.array_equal(read_cube(path, "truth"), CUBE[..., 0])
    with pytest.raises(BadFileError, match="it holds several arrays; name one"):
        read_cube(path)


class Bomb:
    def __reduce__(self):
        return (open, ("executed", "w"))


def test_objects_are_refused_and_not_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    np.save(tmp_path / "objects.npy", np.array([Bomb()], dtype=object), allow_pickle=True)
    np.savez(tmp_path / "objects.npz", a=np.array([Bomb()], dtype=object))
    (tmp_path / "pickle.npy").write_bytes(pickle.dumps(Bomb()))
    assert "Python objects" in refused(tmp_path / "objects.npy")
    assert "Python objects" in refused(tmp_path / "objects.npz")
    assert "no NumPy array" in refused(tmp_path / "pickle.npy")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (header("(1000000, 1000000, 1000)"), "the limit is"),
        (header("(3,)") + b"12345", "it claims 6 bytes of values and has 5"),
        (header("(2,)") + b"123456", "it claims 4 bytes of values and has 6"),
        (header("(0, 5)"), "it is empty"),
        (header("(-1, 5)") + b"1234", "empty"),
        (header("(1,)", "<U4") + b"1" * 16, "no plain numbers"),
        (header("(1,)", "<M8[s]") + b"1" * 8, "no plain numbers"),
        (b"\x93NUMPY\x09\x00" + b"\0" * 200, "9.0"),
        (header("__import__('os').system('touch executed')"), "no NumPy array"),
        (b"", "no NumPy array"),
        (b"PK\x03\x04", "no NumPy array"),
    ],
)
def test_an_npy_that_claims_what_is_not_there_is_refused(tmp_path, content, words):
    (tmp_path / "bad.npy").write_bytes(content)
    assert words in refused(tmp_path / "bad.npy")


def make_npz(path, members):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members:
            archive.writestr(name, content)
    return path


def npy_bytes(array) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ([("../../evil.npy", npy_bytes(CUBE))], "nothing is unpacked"),
        ([("/abs.npy", npy_bytes(CUBE))], "nothing is unpacked"),
        ([("..\\evil.npy", npy_bytes(CUBE))], "nothing is unpacked"),
        ([("readme.txt", b"hello")], "no array of NumPy"),
        ([("inner.npz", b"PK")], "no array of NumPy"),
        ([(f"{n}.npy", npy_bytes(CUBE)) for n in range(65)], "more than 64 members"),
        ([("bomb.npy", header("(100000000,)", "|u1") + bytes(10**8))], None),
        ([("lie.npy", header("(100,)") + b"1234")], "claims 200 bytes"),
        ([("a.npy", b"not an array")], "no NumPy array"),
    ],
)
def test_an_archive_is_looked_at_before_it_is_unpacked(tmp_path, members, words):
    path = make_npz(tmp_path / "bad.npz", members)
    if words is None:  # 100 MB of zeros in 97 kB: within what deflate can do, and within the limit, unless that is less
        with pytest.raises(BadFileError, match="unpacks to 100,000,128 bytes, the limit is 50,000,000"):
            inspect_npy(path, CubeLimits(unpacked_bytes=50_000_000))
    else:
        assert words in refused(path)
    assert [one.name for one in tmp_path.iterdir()] == ["bad.npz"]


def test_a_cut_archive_and_a_flipped_one_are_refused(tmp_path):
    path = tmp_path / "cube.npz"
    np.savez_compressed(path, cube=np.random.default_rng(1).integers(0, 255, (40, 40), dtype=np.uint8))
    whole = path.read_bytes()
    for size in range(0, len(whole), len(whole) // 12):
        path.write_bytes(whole[:size])
        refused(path)
    for place in range(200, 1_400, 60):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0xFF]) + whole[place + 1 :])
        refused(path)


@pytest.mark.parametrize("packed", [False, True])
def test_a_matlab_file_of_version_5_gives_its_matrices_alone(tmp_path, packed):
    path = tmp_path / "cube.mat"
    held = {
        "cube": CUBE,
        "truth": CUBE[..., 0].astype(np.uint8),
        "names": ["a", "b"],
        "box": {"x": 1},
        "long_" * 5: CUBE,
    }
    scipy.io.savemat(path, held, do_compression=packed)
    infos = {info.variable: info for info in inspect_cube(path)}
    assert {name: info.shape for name, info in infos.items()} == {
        "cube": (2, 3, 4), "truth": (2, 3), "long_" * 5: (2, 3, 4)
    }  # fmt: skip
    assert "names, box" in infos["cube"].notes[-1]
    assert np.array_equal(read_cube(path, "cube"), CUBE)


def test_a_matlab_file_of_version_7_3_is_turned_as_matlab_has_it(tmp_path):
    path = tmp_path / "cube.mat"
    with h5py.File(path, "w", userblock_size=512) as file:
        file["cube"] = CUBE.transpose()
    assert inspect_cube(path)[0].shape == (2, 3, 4)
    assert np.array_equal(read_cube(path), CUBE)


def test_a_matlab_bomb_is_refused_before_it_is_held(tmp_path):
    """200 MB of zeros in 200 kB, of which no more than the limit is ever unpacked."""
    size = 2 * 10**8
    name = struct.pack("<HH", 1, 1) + b"a\0\0\0"
    inside = struct.pack("<4I", 6, 8, 9, 0) + struct.pack("<2I2i", 5, 8, 1, size) + name + struct.pack("<2I", 2, size)
    body = struct.pack("<2I", 14, len(inside) + size) + inside + bytes(size)
    packed = zlib.compress(body, 9)
    path = tmp_path / "bomb.mat"
    path.write_bytes(b"MATLAB 5.0".ljust(124) + b"\x00\x01IM" + struct.pack("<2I", 15, len(packed)) + packed)
    from fusion.sources.cubes.matlab import inspect_mat

    with pytest.raises(BadFileError, match="unpacks to more than 10,000,000 bytes"):
        inspect_mat(path, CubeLimits(unpacked_bytes=10_000_000))


def test_a_cut_or_flipped_matlab_file_is_refused_or_read_whole(tmp_path):
    path = tmp_path / "cube.mat"
    scipy.io.savemat(
        path, {"cube": np.random.default_rng(1).integers(0, 255, (40, 40), dtype=np.uint8)}, do_compression=True
    )
    whole = path.read_bytes()
    for size in range(0, len(whole), len(whole) // 12):
        path.write_bytes(whole[:size])
        refused(path)
    for place in range(124, len(whole), 41):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            [info] = inspect_cube(path)
        except BadFileError:
            continue
        assert info.shape == (40, 40)


def write_linked(path, outside):
    with h5py.File(outside, "w") as file:
        file["secret"] = np.full((4, 4), 4321)
    with h5py.File(path, "w") as file:
        file["cube"] = h5py.ExternalLink(str(outside), "/secret")


def write_soft(path, outside):
    with h5py.File(path, "w") as file:
        file["cube"] = h5py.SoftLink("/elsewhere")


def write_outer(path, outside):
    outside.write_bytes(b"secret" * 100)
    with h5py.File(path, "w") as file:
        file.create_dataset("cube", shape=(100,), dtype="u1", external=[(str(outside), 0, 100)])


def write_virtual(path, outside):
    write_linked(outside.with_suffix(".x"), outside)
    layout = h5py.VirtualLayout(shape=(4, 4), dtype="i8")
    layout[:] = h5py.VirtualSource(str(outside), "secret", shape=(4, 4))
    with h5py.File(path, "w") as file:
        file.create_virtual_dataset("cube", layout)


def write_huge_chunk(path, outside):
    with h5py.File(path, "w") as file:
        file.create_dataset("cube", shape=(40_000, 40_000), dtype="u1", chunks=(20_000, 20_000), compression="gzip")


def write_hollow(path, outside):
    with h5py.File(path, "w") as file:
        file.create_dataset("cube", shape=(40_000, 40_000), dtype="u1", chunks=(100, 100), compression="gzip")


@pytest.mark.parametrize(
    ("write", "words"),
    [
        (write_linked, "is a link"), (write_soft, "is a link"), (write_outer, "lies in other files"),
        (write_virtual, "lies in other files"), (write_huge_chunk, "a chunk of its cube"),
        (write_hollow, "nothing packs so well"),
    ],
)  # fmt: skip
def test_hdf5_that_leads_elsewhere_or_claims_too_much_is_refused(tmp_path, write, words):
    write(tmp_path / "cube.mat", tmp_path / "outside.h5")
    assert words in refused(tmp_path / "cube.mat")
