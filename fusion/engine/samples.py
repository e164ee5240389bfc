"""A handful of validation samples while a run learns: what is true of them and what the network says by now.

One small JSON file in the run's folder, rewritten whole every few epochs: {"target", "head", "scheme", "codes",
"stored" (which of `decoded` is the prediction), "rows", "ids", "truth" {name: one value per sample}, "entries"
[{"epoch", "step", "decoded" {name: one value per sample}}]}. Values of a sample are a number, a list of at most VECTOR
numbers, or a picture of at most SIDE x SIDE of them; anything larger is left out. Of pictures only the newest entry is
kept.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from fusion.engine.dataset import read_inputs
from fusion.engine.network import FusionNetwork
from fusion.engine.setup import Setup
from fusion.engine.symmetries import Array, Rows
from fusion.run import read_json, write_json

FILE = "samples.json"
MOST_SAMPLES = 8
VECTOR = 64
SIDE = 32
PARTS = 16  # at most about so many entries beside those after 1, 2, 4, 8 ... epochs
DIGITS = 4


class Samples:
    """The samples of one run, and what was said of them so far."""

    def __init__(self, setup: Setup, folder: Path) -> None:
        self.setup, self.path = setup, folder / FILE
        self.rows = choose_rows(setup.validation, _find_labels(setup))
        self.entries: list[dict[str, Any]] = []

    def take_over(self, step: int) -> None:
        """Go on with what an earlier attempt wrote up to this step."""
        if self.path.is_file():
            known = read_json(self.path).get("entries", [])
            self.entries = [entry for entry in known if entry["step"] <= step]

    def take(self, network: FusionNetwork, *, epoch: int, step: int, is_last: bool) -> None:
        """After an epoch (the first is 0), with the network in evaluation: write what it says, if it is time."""
        if not len(self.rows) or not (is_last or is_due(epoch + 1, self.setup.spec.epochs)):
            return
        decoded = self._ask(network)
        if any(isinstance(first, list) and first and isinstance(first[0], list) for first, *_ in decoded.values()):
            self.entries = []  # pictures: the newest alone
        self.entries.append({"epoch": epoch + 1, "step": step, "decoded": decoded})
        write_json(self.path, {**self._describe(), "entries": self.entries})

    @torch.inference_mode()
    def _ask(self, network: FusionNetwork) -> dict[str, list[Any]]:
        learner, reader = self.setup.learner, self.setup.reader
        inputs = read_inputs(reader.arrays, self.rows, learner.device)
        with learner.autocast():
            outputs = learner.head.ask(network, inputs).float()
        decoded = learner.head.decode(outputs, 1.0)
        return tell_arrays({name: value.detach().float().cpu().numpy() for name, value in decoded.items()})

    def _describe(self) -> dict[str, Any]:
        target, pack = self.setup.target, self.setup.pack
        return {
            "target": target.name,
            "head": target.head,
            "scheme": target.scheme,
            "codes": list(target.codes),
            "stored": self.setup.learner.head.stored,
            "rows": self.rows.tolist(),
            "ids": pack.samples.column("id").take(self.rows).to_pylist(),
            "truth": tell_arrays(self.setup.reader.truth.read_truth(self.rows)),
        }


def is_due(epoch: int, epochs: int) -> bool:
    """After 1, 2, 4, 8 ... epochs, and evenly over the run."""
    return epoch & (epoch - 1) == 0 or epoch % max(1, epochs // PARTS) == 0


def choose_rows(rows: Rows, labels: Array | None = None) -> Rows:
    """A handful of rows, of as many classes as there are; without labels evenly spread. The same ones each time."""
    if labels is None:
        return rows[np.unique(np.linspace(0, len(rows) - 1, MOST_SAMPLES).astype(np.int64))] if len(rows) else rows
    order = np.argsort(labels, kind="stable")
    rank = np.zeros(len(rows), np.int64)  # the first of each class, then the second of each ...
    starts = np.flatnonzero(np.diff(labels[order], prepend=labels[order][:1] - 1))
    rank[order] = np.arange(len(rows)) - np.repeat(starts, np.diff(np.append(starts, len(rows))))
    return np.sort(rows[np.lexsort((labels, rank))][:MOST_SAMPLES])


def tell_arrays(arrays: Mapping[str, Array]) -> dict[str, list[Any]]:
    """Arrays [n, ...] as JSON, those whose samples are small enough or can be thinned out."""
    told = {name: _tell(np.asarray(values)) for name, values in arrays.items()}
    return {name: values for name, values in told.items() if values is not None}


def _tell(values: Array) -> list[Any] | None:
    if values.dtype.kind not in "biuf":
        return None
    if values.ndim == 4:  # shares of classes at each pixel: the likeliest; a single band: itself
        values = values[:, 0] if values.shape[1] == 1 else values.argmax(axis=1)
    if values.ndim == 3:
        steps = [max(1, -(-side // SIDE)) for side in values.shape[1:]]
        values = values[:, :: steps[0], :: steps[1]]
    elif values.ndim > 3 or (values.ndim == 2 and values.shape[1] > VECTOR):
        return None
    clean = np.where(np.isfinite(values), np.round(values.astype(np.float64), DIGITS), np.nan)
    return list(json.loads(json.dumps(clean.tolist()).replace("NaN", "null")))


def _find_labels(setup: Setup) -> Array | None:
    truth = setup.reader.truth.read_truth(setup.validation) if len(setup.validation) else {}
    labels = truth.get("label")
    return labels if labels is not None and labels.ndim == 1 else None
