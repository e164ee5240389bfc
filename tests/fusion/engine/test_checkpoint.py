"""A checkpoint comes back bit for bit, or is refused before any of it is used; a kill leaves a whole one."""

import hashlib
import io
import json
import os
import pickle
import random
import signal
import tarfile
import time
import zipfile
from dataclasses import asdict

import pytest
import safetensors.torch
import torch

from fusion.engine import checkpoint as checkpoints
from fusion.engine.checkpoint import (
    hash_weights,
    list_steps,
    prune_checkpoints,
    read_checkpoint,
    save_checkpoint,
)
from fusion.errors import CheckpointError

TENSORS = {
    "network.a": torch.arange(6.0).reshape(2, 3),
    "network.n": torch.tensor(3),
    "random.cpu": torch.zeros(9).byte(),
}
WORDS = {
    "spec": {"task": "lcz", "pack": "p"},
    "pack_sha256": "0" * 64,
    "inputs": [],
    "target": {"name": "lcz17", "head": "classes"},
    "state": {"step": 1},
    "optimizers": {},
    "weights_sha256": "1" * 64,
    "code_revision": "c",
}


class Trap:
    """Unpickling this leaves a file behind."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return (os.mkdir, (str(self.path),))


def test_a_checkpoint_comes_back_bit_for_bit_by_either_name(tmp_path):
    path = save_checkpoint(tmp_path, 7, TENSORS, WORDS)
    for name in (path, path.with_suffix(".safetensors")):
        found = read_checkpoint(name)
        assert all(torch.equal(found.tensors[key], value) for key, value in TENSORS.items())
        assert found.words.state == {"step": 1}
        assert found.spec.task == "lcz"
    assert set(found.part("network")) == {"a", "n"}


def test_tensors_in_any_layout_are_saved_and_hashed_alike(tmp_path):
    plain = torch.randn(2, 3, 4, 4)
    last = plain.contiguous(memory_format=torch.channels_last)
    save_checkpoint(tmp_path, 1, {"network.a": last}, WORDS)
    assert torch.equal(read_checkpoint(tmp_path / "step-1.json").tensors["network.a"], plain)
    assert hash_weights({"a": plain}) == hash_weights({"a": last})
    assert hash_weights({"a": plain}) != hash_weights({"a": plain.transpose(2, 3)})
    assert hash_weights({"a": plain}) != hash_weights({"b": plain})


def evil_files(folder, trap):
    """Files that run code when a careless reader opens them: the six of row E1, and one of text alone."""
    pickled = pickle.dumps(Trap(trap))
    archive, tar, saved = io.BytesIO(), io.BytesIO(), io.BytesIO()
    torch.save({"network.a": torch.zeros(2), "trap": Trap(trap)}, saved)
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("archive/data.pkl", pickled)
        file.writestr("archive/code/__torch__.py", "import os")
        file.writestr("archive/version", "3\n")
    with tarfile.open(fileobj=tar, mode="w") as file:
        info = tarfile.TarInfo("pickle")
        info.size = len(pickled)
        file.addfile(info, io.BytesIO(pickled))
    weights = safetensors.torch.save({"network.a": torch.zeros(2)})
    return {
        "pickle": pickled,
        "torch save": saved.getvalue(),
        "torch save of old": pickle.dumps(0x1950A86A20F9469CFC6C) + pickled,
        "tar": tar.getvalue(),
        "torch script": archive.getvalue(),
        "torch export": archive.getvalue().replace(b"code/__torch__.py", b"models/model.json"),
        "polyglot": weights + archive.getvalue(),
        "text": b"cos\nmkdir\n(V" + str(trap).encode() + b"\ntR.",
    }


EVIL = ["pickle", "torch save", "torch save of old", "tar", "torch script", "torch export", "polyglot", "text"]


def test_the_evil_files_are_evil(tmp_path):
    """Opened as they ask to be, they do run code: the tests below refuse something."""
    files = evil_files(tmp_path, tmp_path / "executed")
    assert sorted(files) == sorted(EVIL)
    torch.load(io.BytesIO(files["torch save"]), weights_only=False)
    assert (tmp_path / "executed").exists()


@pytest.mark.parametrize("kind", EVIL)
@pytest.mark.parametrize("suffix", [".pt", ".pkl", ".tar", ".pt2", ".safetensors", ".json"])
def test_pickles_are_refused_unread_whatever_their_name(tmp_path, kind, suffix):
    """Row E1: .pt, .pkl, tar, .pt2, zip polyglot and TorchScript under any name, 0 executed."""
    path = save_checkpoint(tmp_path, 1, TENSORS, WORDS).with_suffix(suffix)
    path.write_bytes(evil_files(tmp_path, tmp_path / "executed")[kind])
    with pytest.raises(CheckpointError, match=path.name):
        read_checkpoint(path)
    assert not (tmp_path / "executed").exists()


def test_a_polyglot_with_words_that_fit_is_refused_too(tmp_path):
    """Row E1: whoever forges the hash as well still has no code run."""
    path = save_checkpoint(tmp_path, 1, TENSORS, WORDS)
    data = path.with_suffix(".safetensors")
    data.write_bytes(evil_files(tmp_path, tmp_path / "executed")["polyglot"])
    rewrite(path, tensors_sha256=hashlib.sha256(data.read_bytes()).hexdigest())
    with pytest.raises(CheckpointError, match="cannot be read as safetensors"):
        read_checkpoint(path)


def rewrite(path, **words):
    """What a forger does who knows the format: change a field and sign again."""
    values = {**json.loads(path.read_bytes()), **words}
    path.write_bytes(checkpoints._encode(values))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"format": "other"}, "format is 'other'"),
        ({"version": 2}, "version is 2"),
        ({"surprise": 1}, "'surprise' is not a field"),
        ({"inputs": "none"}, "inputs must be"),
        ({"tensors": {}}, "tensor 'network.a' is .*must be absent"),
        ({"tensors_sha256": "0" * 64}, "damaged or swapped"),
    ],
)
def test_a_forged_field_is_named(tmp_path, words, message):
    path = save_checkpoint(tmp_path, 1, TENSORS, WORDS)
    rewrite(path, **words)
    with pytest.raises(CheckpointError, match=message):
        read_checkpoint(path)


@pytest.mark.parametrize("part", ["dtype", "shape"])
def test_a_tensor_of_another_kind_is_named(tmp_path, part):
    """Row E3: dtype and shape of each tensor are those that the words name."""
    path = save_checkpoint(tmp_path, 1, TENSORS, WORDS)
    tensors = json.loads(path.read_bytes())["tensors"]
    tensors["network.a"][part] = {"dtype": "float16", "shape": [3, 2]}[part]
    rewrite(path, tensors=tensors)
    with pytest.raises(CheckpointError, match=r"tensor 'network\.a'"):
        read_checkpoint(path)


def craft_sparse():
    """A sparse tensor whose indices lie far outside: it loads, and the next product kills the process."""
    indices = torch.tensor([[0, 1], [2**40, 2**41]])
    return torch.sparse_coo_tensor(indices, torch.ones(2), (2, 2**42), check_invariants=False)


def craft_expanded():
    """A tensor of 17 billion elements that are all one: 1.5 KB on disk."""
    return torch.zeros(1).expand(2**34)


@pytest.mark.parametrize("make", [craft_sparse, craft_expanded])
@pytest.mark.parametrize("suffix", [".pt", ".safetensors", ".json"])
def test_tensors_that_pass_the_guard_of_torch_are_refused(tmp_path, make, suffix):
    """Row E3: the two files that torch.load takes with weights_only, and that break what comes after it."""
    saved = io.BytesIO()
    torch.save({"network.a": make()}, saved)
    assert len(saved.getvalue()) < 4096
    assert "network.a" in torch.load(io.BytesIO(saved.getvalue()), weights_only=True)
    path = save_checkpoint(tmp_path, 1, TENSORS, WORDS).with_suffix(suffix)
    path.write_bytes(saved.getvalue())
    if suffix == ".safetensors":
        rewrite(path.with_suffix(".json"), tensors_sha256=hashlib.sha256(saved.getvalue()).hexdigest())
    with pytest.raises(CheckpointError, match=path.name):
        read_checkpoint(path)


def test_what_is_not_dense_is_not_saved(tmp_path):
    """Row E3: layout."""
    with pytest.raises(CheckpointError, match=r"'network\.a' is sparse"):
        save_checkpoint(tmp_path, 1, {"network.a": torch.eye(3).to_sparse()}, WORDS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("view", [torch.arange(4.0).expand(3, 4), torch.arange(12.0).reshape(4, 3).T])
def test_a_view_is_saved_as_the_numbers_that_it_shows(tmp_path, view):
    """Row E3: strides."""
    found = read_checkpoint(save_checkpoint(tmp_path, 1, {"network.a": view}, WORDS)).tensors["network.a"]
    assert torch.equal(found, view)
    assert found.is_contiguous()
    assert found.layout == torch.strided


def write_raw(path, header, data):
    """A safetensors file of any header, with words that fit its hash."""
    text = json.dumps(header).encode()
    path.with_suffix(".safetensors").write_bytes(len(text).to_bytes(8, "little") + text + data)
    rewrite(path, tensors_sha256=hashlib.sha256(path.with_suffix(".safetensors").read_bytes()).hexdigest())


@pytest.mark.parametrize(
    "entry",
    [
        {"dtype": "F32", "shape": [2**40], "data_offsets": [0, 24]},
        {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 2**40]},
        {"dtype": "F32", "shape": [2, 3], "data_offsets": [8, 32]},
        {"dtype": "F64", "shape": [3], "data_offsets": [0, 24]},
        {"dtype": "F32", "shape": [-2, -3], "data_offsets": [0, 24]},
        {"dtype": "I32", "shape": [2, 3], "data_offsets": [0, 24]},
    ],
)
def test_a_header_that_claims_something_else_is_refused(tmp_path, entry):
    """Row E3: dtype, shape and bytes that do not fit each other or the words."""
    path = save_checkpoint(tmp_path, 1, {"network.a": torch.arange(6.0).reshape(2, 3)}, WORDS)
    write_raw(path, {"network.a": entry}, bytes(24))
    with pytest.raises(CheckpointError):
        read_checkpoint(path)


def test_two_hundred_mutants_are_all_refused(tmp_path, monkeypatch):
    """Row E3: 200 mutants are all refused before load_state_dict."""
    monkeypatch.setattr(torch.nn.Module, "load_state_dict", None)
    path = save_checkpoint(tmp_path, 1, TENSORS, WORDS)
    rng = random.Random(0)
    for number in range(200):
        victim = path if number % 2 else path.with_suffix(".safetensors")
        whole = victim.read_bytes()
        place, bit = rng.randrange(len(whole)), 1 << rng.randrange(8)
        cut = whole[:place] if number % 10 == 0 else whole[:place] + bytes([whole[place] ^ bit]) + whole[place + 1 :]
        victim.write_bytes(cut)
        with pytest.raises(CheckpointError):
            read_checkpoint(path)
        victim.write_bytes(whole)
    read_checkpoint(path)


def test_a_missing_half_is_named(tmp_path):
    path = save_checkpoint(tmp_path, 1, TENSORS, WORDS)
    path.with_suffix(".safetensors").unlink()
    with pytest.raises(CheckpointError, match=r"step-1\.safetensors is missing"):
        read_checkpoint(path)


def test_the_last_two_and_the_best_are_kept(tmp_path):
    for step in (1, 2, 3, 4, 5):
        save_checkpoint(tmp_path, step, TENSORS, WORDS)
    (tmp_path / "step-6.safetensors.part").write_bytes(b"half")
    (tmp_path / "step-6.safetensors").write_bytes(b"without words")
    prune_checkpoints(tmp_path, {2})
    assert list_steps(tmp_path) == [5, 4, 2]
    assert len(list(tmp_path.iterdir())) == 6


def test_a_kill_while_saving_leaves_a_whole_checkpoint(tmp_path):
    """Row E4: killed with -9 at 20 random moments of saving, the newest valid one loads 20 of 20 times."""
    big = {"network.a": torch.randn(200_000)}
    save_checkpoint(tmp_path, 1, big, WORDS)
    rng = random.Random(1)
    for _ in range(20):
        newest = list_steps(tmp_path)[0]
        child = os.fork()
        if child == 0:
            while True:
                newest += 1
                save_checkpoint(tmp_path, newest, big, WORDS)
                prune_checkpoints(tmp_path, set())
        time.sleep(rng.uniform(0.03, 0.12))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        steps = list_steps(tmp_path)
        assert steps[0] >= newest
        assert torch.equal(read_checkpoint(tmp_path / f"step-{steps[0]}.json").tensors["network.a"], big["network.a"])
    assert list_steps(tmp_path)[0] > 10  # the children did save


def test_the_words_are_plain_json(tmp_path):
    path = save_checkpoint(tmp_path, 1, TENSORS, WORDS)
    words = json.loads(path.read_text(encoding="utf-8"))
    assert {key: words[key] for key in WORDS} == WORDS
    assert asdict(read_checkpoint(path).words)["tensors"]["network.a"] == {"dtype": "float32", "shape": [2, 3]}
