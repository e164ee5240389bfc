"""Nothing in the engine can be talked into running code that came with weights, and nothing calls anybody."""

import ast
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import torch

import fusion
import geoquorum
from fusion.__main__ import main
from fusion.engine.checkpoint import list_steps, read_checkpoint
from fusion.engine.predictor import open_predictor
from fusion.engine.session import open_session
from fusion.engine.train import train
from fusion.run import RunSpec

ROOTS = [Path(fusion.__file__).parent, Path(geoquorum.__file__).parent, Path(fusion.__file__).parents[1] / "annotation"]
FORBIDDEN_MODULES = ("pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "marshal", "shelve")
FORBIDDEN_CALLS = (
    "torch.load", "torch.jit.load", "torch.export.load", "torch.hub.load", "torch.package.PackageImporter",
    "torch.compiler.load_cache_artifacts",
)  # fmt: skip
KEYWORDS = {"trust_remote_code": False, "allow_pickle": False, "weights_only": True}  # and the one value of each


def list_sources():
    for root in ROOTS:
        yield from sorted(root.rglob("*.py"))


def find_faults(path, tree):
    """Imports and calls by which a file of weights could run code."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.split(".")[0] in FORBIDDEN_MODULES)
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in FORBIDDEN_MODULES:
            yield node.module
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "torch":
            yield from (f"from torch import {name.name}" for name in node.names if name.name in ("load", "hub"))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in FORBIDDEN_CALLS:
            yield ast.unparse(node)
        if isinstance(node, ast.keyword) and node.arg in KEYWORDS:
            is_safe = isinstance(node.value, ast.Constant) and node.value.value is KEYWORDS[node.arg]
            yield from () if is_safe else (f"{node.arg}={ast.unparse(node.value)}",)


def test_no_source_can_unpickle_or_fetch_code():
    """Row E2: an AST search for bare torch.load, pickle, trust_remote_code and torch.export.load has 0 findings."""
    found = [
        f"{path}: {fault}"
        for path in list_sources()
        for fault in find_faults(path, ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert found == []
    assert len(list(list_sources())) > 200


@pytest.mark.parametrize(
    "line",
    [
        "import torch\ntorch.load('a.pt')",
        "import pickle",
        "from pickle import loads",
        "from torch import load",
        "m = f(trust_remote_code=True)",
        "import torch\ntorch.export.load('a.pt2')",
        "import numpy as np\nnp.load('a.npy', allow_pickle=True)",
        "import torch\nf(weights_only=False)",
    ],
)
def test_the_search_finds_what_it_looks_for(line):
    assert list(find_faults(Path("made.py"), ast.parse(line)))


@pytest.mark.parametrize("name", ["TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "HF_HUB_TRUST_REMOTE_CODE"])
@pytest.mark.parametrize("value", ["1", "true", "Yes"])
def test_surroundings_that_turn_a_guard_off_are_refused(monkeypatch, name, value):
    """Row E2: start refused."""
    from fusion.engine import refuse_unsafe_environment
    from fusion.errors import UnsafeEnvironmentError

    monkeypatch.setenv(name, value)
    with pytest.raises(UnsafeEnvironmentError, match=f"{name}={value}.*Unset it"):
        refuse_unsafe_environment()
    monkeypatch.setenv(name, "0")
    refuse_unsafe_environment()


@pytest.mark.slow
def test_the_command_does_not_start_in_such_surroundings(tmp_path):
    """Row E2: start refused, whatever the command."""
    (tmp_path / "spec.json").write_text("{}")
    for command in ("train", "evaluate", "predict", "map", "export"):
        done = subprocess.run(
            [sys.executable, "-m", "fusion", command, str(tmp_path / "spec.json")],
            env={**os.environ, "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}, capture_output=True, text=True,
        )  # fmt: skip
        assert done.returncode == 1
        assert "Not started: TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD=1" in done.stderr
    assert not (tmp_path / "events.jsonl").exists()


class Watch:
    """Counts every attempt of this process to reach anybody, as the interpreter itself tells of it."""

    def __init__(self):
        self.calls, self.is_on = [], False
        sys.addaudithook(self.hear)

    def hear(self, event, arguments):
        if self.is_on and event in ("socket.connect", "socket.getaddrinfo", "socket.sendto", "urllib.Request"):
            self.calls.append((event, arguments))


WATCH = Watch()


@pytest.fixture
def watch():
    WATCH.calls.clear()
    WATCH.is_on = True
    yield WATCH
    WATCH.is_on = False


def test_training_and_loading_call_nobody(tmp_path, make_spec, watch):
    """Row E2: network blocked, 0 outbound connects."""
    with open_session(tmp_path) as session:
        train(RunSpec.from_json(make_spec(epochs=1, device="cpu")), session)
    step = list_steps(tmp_path / "checkpoints")[0]
    open_predictor(read_checkpoint(tmp_path / "checkpoints" / f"step-{step}.json"), device="cpu")
    assert watch.calls == []


def test_the_watch_hears_a_call(watch):
    with socket.socket() as plain, pytest.raises(ConnectionRefusedError):
        plain.connect(("127.0.0.1", 1))
    assert watch.calls


def test_a_network_s_options_never_name_code(make_spec, tmp_path):
    """A spec names kinds by their file in this project; a path or a module of elsewhere is no name."""
    import json

    for name in ("os.system", "../evil", "fusion.engine.networks.sen2lcz", "http://x/y.py"):
        spec = tmp_path / "spec.json"
        spec.write_text(json.dumps(make_spec(network={"name": name})))
        assert main(["train", str(spec)]) == 1
    assert torch is not None
