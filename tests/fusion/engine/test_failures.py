"""A run that cannot go on says why in one sentence and keeps what it had (row F14)."""

import json
import resource
import subprocess
import sys

import pytest
import torch

from fusion.engine.checkpoint import list_steps, read_checkpoint
from fusion.engine.session import describe_cause, open_session
from fusion.engine.train import Training, train
from fusion.run import RunSpec


def run(folder, words):
    with open_session(folder) as session:
        return train(RunSpec.from_json(words), session)


def read_last_event(folder):
    return json.loads((folder / "events.jsonl").read_text().splitlines()[-1])


def fail_at(monkeypatch, step, error):
    """As if the allocator refused while this step was taken."""
    original = Training._take_step

    def take_step(self, batches):
        if self.progress.step == step:
            raise error
        return original(self, batches)

    monkeypatch.setattr(Training, "_take_step", take_step)


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB. GPU 0 has"), "20.00 GiB more were"),
        (
            RuntimeError("[enforce fail] . DefaultCPUAllocator: you tried to allocate 288 bytes. Error"),
            "288 bytes more",
        ),
        (MemoryError("8 GB"), "8 GB"),
    ],
    ids=["cuda", "cpu", "python"],
)
def test_out_of_memory_fails_with_the_next_step_and_the_next_run_starts(tmp_path, make_spec, monkeypatch, error, cause):
    words = make_spec(epochs=2, checkpoint_every=4)
    with monkeypatch.context() as patch:
        fail_at(patch, 7, error)
        with pytest.raises(type(error)):
            run(tmp_path, words)
    last = read_last_event(tmp_path)
    assert (last["event"], cause in last["cause"]) == ("failed", True)
    assert last["cause"].startswith("Out of memory: ")
    assert "Lower batch_size, raise accumulate or lower network.width" in last["cause"]
    assert "\n" not in last["cause"]
    assert list_steps(tmp_path / "checkpoints")[0] == 6  # the end of the epoch
    assert run(tmp_path, words).steps == 12


GREEDY = """
import resource, sys
import torch, fusion.engine.train
room = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize() + 600_000_000
resource.setrlimit(resource.RLIMIT_AS, (room, room))
from fusion.__main__ import main
sys.exit(main(["train", sys.argv[1]]))
"""


@pytest.mark.slow
def test_an_absurd_network_runs_out_of_real_memory_and_says_so(tmp_path, make_spec):
    """The allocator refuses for real: 600 MB of room, a batch that needs gigabytes."""
    network = {"name": "sen2lcz", "width": 512, "depth": 5}
    (tmp_path / "spec.json").write_text(json.dumps(make_spec(network=network, batch_size=96)))
    child = subprocess.run(
        [sys.executable, "-c", GREEDY, str(tmp_path / "spec.json")], capture_output=True, text=True, timeout=120
    )
    assert child.returncode == 1, child.stderr
    assert read_last_event(tmp_path)["cause"].startswith("Out of memory: "), child.stderr
    assert resource.getrlimit(resource.RLIMIT_AS)[0] == resource.RLIM_INFINITY


def test_a_device_that_is_not_here_is_named_with_what_to_do(tmp_path, make_spec):
    with pytest.raises(Exception, match="not on this machine"):
        run(tmp_path, make_spec(device="cuda:97"))
    last = read_last_event(tmp_path)
    assert last["event"] == "failed"
    assert last["cause"] == "device 'cuda:97' is not on this machine. Say auto or cpu, or run where it is."


def test_weights_that_would_be_spoilt_are_kept_as_they_were(tmp_path, make_spec, monkeypatch):
    """An infinite gradient is seen before the optimiser takes it."""
    words = make_spec(epochs=2, checkpoint_every=100, select_by="last")
    original = Training._take_step
    before = {}

    def take_step(self, batches):
        weight = next(self.learner.network.architecture.parameters())
        if self.progress.step == 4:
            before.update({key: value.clone() for key, value in self.learner.network.named_parameters()})
            weight.register_hook(lambda gradient: gradient * float("inf"))
        return original(self, batches)

    monkeypatch.setattr(Training, "_take_step", take_step)
    with pytest.raises(Exception, match="The loss or its gradient is not finite after step 4"):
        run(tmp_path, words)
    assert list_steps(tmp_path / "checkpoints") == [4]
    kept = read_checkpoint(tmp_path / "checkpoints" / "step-4.json").part("network")
    assert before
    assert all(torch.equal(kept[key], value) for key, value in before.items())


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        (OSError(28, "No space left on device"), "The disk is full: .* Make room"),
        (ValueError("first line\nsecond line"), "ValueError: first line. The last checkpoint is kept"),
    ],
)
def test_every_cause_is_one_sentence_with_a_next_step(error, cause):
    import re

    assert re.match(cause, describe_cause(error))
    assert "\n" not in describe_cause(error)
