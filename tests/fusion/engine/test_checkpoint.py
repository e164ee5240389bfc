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
    """Six files that run code when a careless reader opens them."""
    pickled = pickle.dumps(Trap(trap))
    archive, tar = io.BytesIO(), io.BytesIO()
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
        "torch save": pickle.dumps(0x1950A86A20F9469CFC6C) + pickled,
        "tar": tar.getvalue(),
        "torch script": archive.getvalue(),
        "polyglot": weights + archive.getvalue(),
        "text": b"cos\nmkdir\n(V" + str(trap).encode() + b"\ntR.",
    }


@pytest.mark.parametrize("kind", ["pickle", "torch save", "tar", "torch script", "polyglot", "text"])
@pytest.mark.parametrize("suffix", [".pt", ".pkl", ".tar", ".pt2", ".safetensors", ".json"])
def test_pickles_are_refused_unread_whatever_their_name(tmp_path, kind, suffix):
    path = save_checkpoint(tmp_path, 1, TENSORS, WORDS).with_suffix(suffix)
    path.write_bytes(evil_files(tmp_path, tmp_path / "executed")[kind])
    with pytest.raises(CheckpointError, match=path.name):
        read_checkpoint(path)
    assert not (tmp_path / "executed").exists()


def test_a_polyglot_with_words_that_fit_is_refused_too(tmp_path):
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
    path = save_checkpoint(tmp_path, 1, TENSORS, WORDS)
    tensors = json.loads(path.read_bytes())["tensors"]
    tensors["network.a"][part] = {"dtype": "float16", "shape": [3, 2]}[part]
    rewrite(path, tensors=tensors)
    with pytest.raises(CheckpointError, match=r"tensor 'network\.a'"):
        read_checkpoint(path)


def test_two_hundred_mutants_are_all_refused(tmp_path):
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
