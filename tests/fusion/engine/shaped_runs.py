"""Runs on packs of every shape of target: a task made in the test, a spec of seconds, the report."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from fusion import task as tasks
from fusion.engine import head as heads
from fusion.engine.head import Head, TargetInfo
from fusion.engine.normalise import describe_inputs
from fusion.engine.option import read_options
from fusion.engine.session import open_session
from fusion.engine.setup import Setup, prepare_run
from fusion.engine.train import train
from fusion.pack import Pack
from fusion.run import RunReport, RunSpec
from fusion.task import Task

UNET = {"name": "unet", "width": 8, "depth": 2}


def use_task(monkeypatch: pytest.MonkeyPatch, head: str, target: str, metric: str, **words: Any) -> None:
    """Let every spec of this test be of a task that is in no file."""
    given: dict[str, Any] = {
        "name": "made",
        "title": "Made in a test",
        "modalities": (),
        "scheme": None,
        "network": "unet",
        "objective": "supervised",
        **words,
    }
    made = Task(head=head, target=target, metric=metric, **given)
    monkeypatch.setattr(tasks, "find", lambda name: made)


def make_spec(pack: Pack, **words: Any) -> RunSpec:
    return RunSpec.from_json(
        {
            "task": "made",
            "pack": str(pack.folder),
            "network": UNET,
            "epochs": 4,
            "batch_size": 10,
            "learning_rate": 0.01,
            "baselines": [],
            "resamples": 10,
            **words,
        }
    )


def prepare(pack: Pack, **words: Any) -> Setup:
    return prepare_run(make_spec(pack, **words))


def run(folder: Path, pack: Pack, **words: Any) -> RunReport:
    with open_session(folder) as session:
        report = train(make_spec(pack, **words), session)
    assert report is not None
    return report


def read_epochs(folder: Path) -> list[dict[str, Any]]:
    lines = map(json.loads, (folder / "events.jsonl").read_text().splitlines())
    return [line for line in lines if line["event"] == "epoch"]


def open_head(pack: Pack, name: str, target: str, **options: Any) -> tuple[Head, TargetInfo]:
    """The head of a target of a pack with these options, as a run opens it."""
    kind, inputs = heads.find(name), describe_inputs(pack, [])
    given = read_options("objective", kind.options, options)
    rows = pack.indices("train").astype(np.int64)
    found = heads.describe_target(pack, target, kind, None, inputs, given, rows)
    return heads.open_head(found), found
