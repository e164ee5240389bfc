"""The command line: trains without the web, survives kill -9, stops when asked, says why it failed."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from fusion.__main__ import main
from fusion.engine.checkpoint import list_steps
from fusion.run import CANCELLED, DONE, FAILED

BLOCKED = ("rasterio", "rio_cogeo", "geopandas", "pyogrio", "django", "celery")


def write_spec(folder, words):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "spec.json").write_text(json.dumps(words))
    return folder / "spec.json"


def start(spec, code):
    return subprocess.Popen(
        [sys.executable, "-c", code, "train", str(spec)],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        stderr=subprocess.PIPE,
        text=True,
    )


def read_events(folder, kind=None):
    path = folder / "events.jsonl"
    lines = map(json.loads, path.read_text().splitlines()) if path.exists() else []
    return [line for line in lines if kind in (None, line["event"])]


def wait_for_checkpoint(folder, after=0):
    deadline = time.monotonic() + 60
    while not any(event["step"] > after for event in read_events(folder, "checkpoint")):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_run_that_was_killed_goes_on_and_ends_with_the_same_weights(tmp_path, make_spec):
    words = make_spec(epochs=15, checkpoint_every=7, select_by="last")
    whole, killed = write_spec(tmp_path / "whole", words), write_spec(tmp_path / "killed", words)
    child = start_fork(killed)
    wait_for_checkpoint(killed.parent, after=8)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert not (killed.parent / "report.json").exists()
    assert 8 < list_steps(killed.parent / "checkpoints")[0] < 90
    assert main(["train", str(killed)]) == main(["train", str(whole)]) == DONE
    reports = [json.loads((spec.parent / "report.json").read_text()) for spec in (whole, killed)]
    assert reports[0]["weights_sha256"] == reports[1]["weights_sha256"]
    assert reports[0]["test"] == reports[1]["test"]
    assert [event["resumed"] for event in read_events(killed.parent, "start")] == [False, True]


def start_fork(spec):
    """The command in a fork of this process: as real as a new one, without seconds of imports."""
    child = os.fork()
    if child == 0:
        os._exit(main(["train", str(spec)]))
    return child


def test_a_run_asked_to_stop_saves_first_and_a_second_one_is_kept_out(tmp_path, make_spec):
    spec = write_spec(tmp_path, make_spec(epochs=10_000, checkpoint_every=100_000))
    child = start_fork(spec)
    wait_for_checkpoint(tmp_path)
    assert main(["train", str(spec)]) == FAILED
    assert all(event["event"] != "failed" for event in read_events(tmp_path))
    asked = time.monotonic()
    os.kill(child, signal.SIGTERM)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert time.monotonic() - asked < 10
    assert code == CANCELLED
    *_, saved, last = read_events(tmp_path)
    assert (saved["event"], last["event"]) == ("checkpoint", "cancelled")
    assert list_steps(tmp_path / "checkpoints")[0] == saved["step"]


def test_a_run_ends_with_the_process_that_launched_it(tmp_path, make_spec, monkeypatch):
    spec = write_spec(tmp_path, make_spec(epochs=10_000))
    launcher = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    monkeypatch.setenv("GEOQUORUM_PARENT_PID", str(launcher.pid))
    child = start_fork(spec)
    wait_for_checkpoint(tmp_path)
    launcher.kill()
    launcher.communicate()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == FAILED
    assert read_events(tmp_path)[-1]["event"] not in ("failed", "cancelled")


@pytest.mark.slow
def test_a_training_step_runs_without_raster_libraries_or_the_web(tmp_path, make_spec):
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({BLOCKED!r}));"
        "from fusion.__main__ import main; sys.exit(main(sys.argv[1:]))"
    )
    process = start(write_spec(tmp_path, make_spec(epochs=1, baselines=["random_forest"])), code)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == DONE, errors
    assert json.loads((tmp_path / "report.json").read_text())["steps"] == 6


def test_train_evaluate_and_predict_are_one_command_each(tmp_path, make_spec, toy_pack):
    assert (
        main(["train", str(write_spec(tmp_path / "spec", make_spec(epochs=1))), "--folder", str(tmp_path / "run")])
        == DONE
    )
    assert json.loads((tmp_path / "run" / "spec.json").read_text())["network"]["dropout"] == 0.2
    words = {"checkpoint": str(tmp_path / "run"), "pack": str(toy_pack.folder)}
    assert main(["evaluate", str(write_spec(tmp_path / "again", {**words, "baselines": [], "resamples": 20}))]) == DONE
    assert (tmp_path / "again" / "report.json").exists()
    assert main(["predict", str(write_spec(tmp_path / "map", {**words, "split": "test"}))]) == DONE
    assert (tmp_path / "map" / "probabilities.npy").exists()
    assert read_events(tmp_path / "map")[-1] == {**read_events(tmp_path / "map")[-1], "event": "done", "samples": 30}


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        ({"task": "lzc"}, "Unknown task 'lzc'"),
        ({"colour": "red"}, "'colour' is not a field"),
        ({"pack_sha256": "0" * 64}, "pack_sha256: the spec names 0000"),
    ],
)
def test_a_failure_is_told_in_one_sentence_and_as_the_last_event(tmp_path, make_spec, capsys, words, cause):
    assert main(["train", str(write_spec(tmp_path, make_spec(**words)))]) == FAILED
    assert cause in capsys.readouterr().err
    assert cause in read_events(tmp_path)[-1]["cause"]
    assert read_events(tmp_path)[-1]["event"] == "failed"


def test_a_fault_of_ours_is_the_last_event_too(tmp_path, make_spec, capsys, monkeypatch):
    monkeypatch.setattr("fusion.engine.train.prepare_run", lambda spec: 1 / 0)
    assert main(["train", str(write_spec(tmp_path, make_spec()))]) == FAILED
    assert "Traceback" in capsys.readouterr().err
    said = "ZeroDivisionError: division by zero. The last checkpoint is kept, and the same command goes on from it."
    assert read_events(tmp_path)[-1]["cause"] == said
