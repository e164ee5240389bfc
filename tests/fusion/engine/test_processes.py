"""Several processes under torchrun are one run: one curve, one folder, one end. Started for real, with gloo."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from fusion.engine.checkpoint import list_steps, read_checkpoint
from fusion.engine.session import open_session
from fusion.engine.train import train
from fusion.run import RunSpec

pytestmark = pytest.mark.slow

TORCHRUN = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
# Sums are taken in another order, and what differs in the last bits grows slowly: measured over 6 epochs, with both
# optimisers, no loss differs by more than 4e-7 of itself.
TOLERANCE = 1e-5


def start(folder, words, *program):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spec.json").write_text(json.dumps(words))
    return subprocess.Popen(
        [*TORCHRUN, *(program or ("-m", "fusion")), "train", str(folder / "spec.json")],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def read_events(folder, kind=None):
    path = folder / "events.jsonl"
    lines = map(json.loads, path.read_text().splitlines()) if path.exists() else []
    return [line for line in lines if kind in (None, line["event"])]


def run_alone(folder, words):
    with open_session(folder) as session:
        return train(RunSpec.from_json(words), session)


@pytest.mark.parametrize(
    "words",
    [{}, {"accumulate": 2, "mixup": 0.3, "cutout": 5, "ema": 0.9, "balance": "classes", "gradient_clip": 1.0}],
    ids=["plain", "everything"],
)
def test_two_processes_learn_what_one_does(tmp_path, make_spec, words):
    """The same global batch (18 samples, so 10 and 8 where mixup keeps pairs) in a network with batch
    normalisation and without dropout, whose draws differ by process. Every loss agrees within 1e-5 of itself."""
    network = {"name": "sen2lcz", "width": 4, "depth": 5, "dropout": 0.0}
    words = make_spec(epochs=3, batch_size=18, optimizer="adamw", network=network, select_by="last", **words)
    child = start(tmp_path / "two", words)
    one = run_alone(tmp_path / "one", words)
    output, _ = child.communicate(timeout=120)
    assert child.returncode == 0, output
    assert [event["processes"] for event in read_events(tmp_path / "two", "start")] == [2]
    curves = [
        [(event["loss"], event["validation_loss"]) for event in read_events(tmp_path / name, "epoch")]
        for name in ("one", "two")
    ]
    assert len(curves[0]) == len(curves[1]) == 3
    for mine, other in zip(*curves, strict=True):
        assert mine == pytest.approx(other, rel=TOLERANCE)
    report = json.loads((tmp_path / "two" / "report.json").read_text())
    assert report["steps"] == one.steps
    state = [read_checkpoint(tmp_path / name / report["checkpoint"]).words.state for name in ("one", "two")]
    assert state[0]["images"] == state[1]["images"] == 3 * 5 * 18
    assert len(read_events(tmp_path / "two", "done")) == 1


def test_all_processes_stop_together_and_one_goes_on_from_there(tmp_path, make_spec):
    words = make_spec(epochs=400, checkpoint_every=100_000, select_by="last")
    child = start(tmp_path, words)
    deadline = time.monotonic() + 60
    while not read_events(tmp_path, "checkpoint") and not any(e["step"] > 20 for e in read_events(tmp_path, "step")):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(child.pid, signal.SIGTERM)
    output, _ = child.communicate(timeout=30)
    assert read_events(tmp_path)[-1]["event"] == "cancelled", output
    newest = list_steps(tmp_path / "checkpoints")[0]
    assert read_checkpoint(tmp_path / "checkpoints" / f"step-{newest}.json").words.state["step"] == newest
    assert "process went away" not in output
    with open_session(tmp_path) as session:
        session.stop.is_requested = True
        with pytest.raises(Exception, match="Stopped on request"):
            train(RunSpec.from_json(words), session)
    assert read_events(tmp_path, "start")[-1]["resumed"]


FAILS = """
import os, sys
import fusion.engine.train as train
original = train.Training._after_step
def after_step(self):
    original(self)
    if self.processes.rank == 1 and self.progress.step == 3:
        raise MemoryError("no room for process 1")
train.Training._after_step = after_step
from fusion.__main__ import main
sys.exit(main(sys.argv[1:]))
"""


def test_the_cause_of_another_process_is_the_last_event(tmp_path, make_spec):
    """Row F14, where the process that fails is not the one that writes."""
    (tmp_path / "program.py").write_text(FAILS)
    child = start(tmp_path, make_spec(epochs=50, checkpoint_every=2), str(tmp_path / "program.py"))
    output, _ = child.communicate(timeout=90)
    assert child.returncode != 0
    last = read_events(tmp_path)[-1]
    assert last["event"] == "failed", output
    assert last["cause"].startswith("Process 1: Out of memory: no room for process 1. Lower batch_size"), output
    assert list_steps(tmp_path / "checkpoints")[0] == 2


def test_a_loss_that_is_no_number_ends_all_processes_with_one_word(tmp_path, make_spec):
    child = start(tmp_path, make_spec(epochs=50, learning_rate=100.0, optimizer="adamw", weight_decay=10.0))
    output, _ = child.communicate(timeout=90)
    assert child.returncode != 0
    last = read_events(tmp_path)[-1]
    assert last["event"] == "failed", output
    assert "not finite" in last["cause"]
    assert sum(event["event"] == "failed" for event in read_events(tmp_path)) == 1


def test_too_few_samples_for_the_processes_are_refused(tmp_path, make_spec):
    child = start(tmp_path, make_spec(batch_size=1))
    output, _ = child.communicate(timeout=90)
    assert child.returncode != 0
    assert "batch_size: a step of 1 samples is too small for accumulate 1 and 2 processes" in output
