"""A checkpoint that answers: its network on a device, with its head, for stored arrays."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fusion.engine import head as heads
from fusion.engine.checkpoint import Checkpoint, list_steps, read_checkpoint
from fusion.engine.dataset import Gathers, read_inputs
from fusion.engine.head import FloatArray, Head, TargetInfo
from fusion.engine.network import FusionNetwork
from fusion.engine.normalise import InputSpec
from fusion.engine.restore import read_target, restore_network
from fusion.engine.setup import find_device
from fusion.engine.symmetries import Array, Rows
from fusion.errors import CheckpointError
from fusion.run import read_json

Watch = Callable[[int, int], None]
DROPOUT = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d, nn.AlphaDropout, nn.FeatureAlphaDropout)


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """A restored network that answers for stored arrays."""

    checkpoint: Checkpoint
    network: FusionNetwork
    head: Head
    target: TargetInfo
    device: torch.device
    temperature: float = 1.0

    @property
    def inputs(self) -> tuple[InputSpec, ...]:
        return self.network.inputs

    @torch.inference_mode()
    def ask(self, arrays: Mapping[str, Gathers], rows: Rows, dropout_seed: int | None = None) -> Tensor:
        """Network outputs before decoding (logits) of these rows, float32 on the CPU; with a seed, dropout is on."""
        is_half = self.device.type == "cuda" and self.checkpoint.spec.precision != "float32"
        batch = read_inputs(arrays, rows, self.device)
        self.network.eval()
        with (
            turn_dropout_on(self.network, dropout_seed),
            torch.autocast(self.device.type, torch.bfloat16, enabled=is_half),
        ):
            return self.head.ask(self.network, batch).float().cpu()

    def run(self, arrays: Mapping[str, Gathers], rows: Rows, batch_size: int, watch: Watch | None = None) -> FloatArray:
        """Outputs of all rows, batch by batch; `watch` is told how many of how many are done."""
        parts = []
        for first in range(0, len(rows), batch_size):
            parts.append(self.ask(arrays, rows[first : first + batch_size]).numpy())
            if watch is not None:
                watch(min(first + batch_size, len(rows)), len(rows))
        return np.concatenate(parts) if parts else np.zeros((0, self.head.count_outputs(self.target)), np.float32)

    def decode(self, outputs: FloatArray | Tensor) -> dict[str, Array]:
        """What outputs mean, as plain arrays by the head's names."""
        found = self.head.decode(torch.as_tensor(outputs), self.temperature)
        return {name: value.numpy() for name, value in found.items()}


@contextmanager
def turn_dropout_on(network: nn.Module, seed: int | None) -> Iterator[None]:
    """Only the dropout layers of a network in evaluation are on, drawn from `seed`; without one nothing changes."""
    if seed is None:
        yield
        return
    layers = find_dropout(network)
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        for layer in layers:
            layer.train()
        try:
            yield
        finally:
            for layer in layers:
                layer.eval()


def find_dropout(network: nn.Module) -> list[nn.Module]:
    """The layers that drop anything."""
    return [layer for layer in network.modules() if isinstance(layer, DROPOUT) and layer.p > 0]


def open_predictor(
    checkpoint: Checkpoint, *, device: str = "auto", threads: int = 1, temperature: float = 1.0
) -> Predictor:
    """A checkpoint's network, ready on a device."""
    torch.set_num_threads(threads)
    place = find_device(device)
    network = restore_network(checkpoint).place(place, channels_last=checkpoint.spec.channels_last)
    target = read_target(checkpoint)
    return Predictor(
        checkpoint=checkpoint,
        network=network,
        head=heads.open_head(target),
        target=target,
        device=place,
        temperature=temperature,
    )


@dataclass(frozen=True, kw_only=True)
class Found:
    """What a path names: checkpoints that answer together, and what their report says of them ({} without one)."""

    checkpoints: tuple[Checkpoint, ...]
    report: Mapping[str, Any]

    @property
    def temperature(self) -> float:
        return float(self.report.get("calibration", {}).get("temperature", 1.0))

    @property
    def dropout_draws(self) -> int:
        return int(self.report.get("uncertainty", {}).get("dropout_draws", 0))


def find_checkpoints(path: Path) -> Found:
    """The checkpoint in a file, or those that the report in a run's or evaluation's folder is of (else the newest)."""
    if not path.is_dir():
        return Found(checkpoints=(read_checkpoint(path),), report={})
    if (path / "report.json").is_file():
        report = read_json(path / "report.json")
        members = report.get("uncertainty", {}).get("members") or [{"checkpoint": report["checkpoint"]}]
        return Found(checkpoints=tuple(read_checkpoint(path / one["checkpoint"]) for one in members), report=report)
    steps = list_steps(path / "checkpoints")
    if not steps:
        raise CheckpointError(f"{path} holds no checkpoint. Train there first, or name a file.")
    return Found(checkpoints=(read_checkpoint(path / "checkpoints" / f"step-{steps[0]}.json"),), report={})


def find_checkpoint(path: Path) -> tuple[Checkpoint, float]:
    """The first of them, and the temperature that its report states (1 where none does)."""
    found = find_checkpoints(path)
    return found.checkpoints[0], found.temperature
