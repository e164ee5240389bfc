"""A finished run that nobody trained: its row, its report and the words of its checkpoint, for what is told of it."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from fusion import modality as modalities
from fusion import scheme as schemes
from geoquorum.releases.models import DatasetVersion
from geoquorum.training.models import Run, RunState

CODES = schemes.find("lcz17").codes


def describe_input(name: str) -> dict[str, Any]:
    """An array as a checkpoint's JSON describes it."""
    bands = modalities.find(name).bands
    return {
        "name": name, "modality": name, "dims": ["band", "y", "x"], "shape": [len(bands), 32, 32],
        "dtype": "float32" if name == "sentinel1" else "uint16", "bands": [band.name for band in bands],
        "offset": 0.0, "scale": 1.0, "nodata": None, "stretch": ["linear"] * len(bands), "floor": [1.0] * len(bands),
        "mean": [0.0] * len(bands), "std": [1.0] * len(bands),
    }  # fmt: skip


def make_scores(n: int = 170, blocks: int = 12) -> dict[str, Any]:
    """Scores in which every class was asked ten times and taken for its neighbour three times."""
    k = len(CODES)
    confusion = [[7 if a == b else 3 if a == (b + 1) % k else 0 for a in range(k)] for b in range(k)]
    interval = {"value": 0.7, "low": 0.6, "high": 0.8}
    return {
        "n": n, "blocks": blocks, "scheme": "lcz17", "codes": list(CODES), "confusion": confusion,
        "oa": interval, "kappa": {"value": 0.66, "low": None, "high": None},
        "ece": {"value": 0.05, "low": 0.03, "high": 0.08, "n": n, "bins": 20},
        "f1": {code: {"n": 10 if code != "G" else 0, **interval, "precision": 0.7, "recall": 0.7} for code in CODES},
        "reliability": [],
    }  # fmt: skip


def make_run(version: DatasetVersion, folder: Path, **words: Any) -> Run:
    """The run; `words` replace fields of its report."""
    (folder / "checkpoints").mkdir(parents=True)
    spec = {
        "task": "lcz", "pack": version.uri, "network": {"name": "sen2lcz", "width": 8, "depth": 17}, "seed": 3,
        "epochs": 40, "learning_rate": 0.002, "device": "auto", "threads": 1, "objective": {"name": "supervised"},
        "pack_sha256": version.sha256,
    }  # fmt: skip
    report = {
        "task": "lcz", "metric": "oa", "test": make_scores(), "validation": None,
        "baselines": {"random_forest": make_scores()},
        "difference": {}, "calibration": {"method": "temperature", "temperature": 1.25}, "seconds": {"train": 60.0},
        "epochs": 40, "steps": 1200, "images_per_second": 900.0, "parameters": 340_001,
        "checkpoint": "checkpoints/step-1200.safetensors", "weights_sha256": "ab" * 32, "pack_sha256": version.sha256,
        "is_simulated": version.is_simulated, "code_revision": "0" * 40,
        "environment": {"python": "3.11.2", "torch": "2.13.0+cpu"}, "device": "CPU, 1 threads", "seed": 3, "spec": spec,
    } | words  # fmt: skip
    target = {"name": "lcz17", "head": "classes", "scheme": "lcz17", "codes": list(CODES)}
    inputs = [describe_input(name) for name in ("sentinel1", "sentinel2")]
    path = folder / report["checkpoint"]
    path.write_bytes(b"weights")
    path.with_suffix(".json").write_text(json.dumps({"inputs": inputs, "target": target}))
    return Run.objects.create(
        project=version.project, version=version, name="Local climate zones on zones 1", task="lcz", spec=spec,
        state=RunState.DONE, report=report, folder=str(folder), device=report["device"],
        finished_at=datetime(2026, 11, 23, 12, tzinfo=UTC),
    )  # fmt: skip
