"""Probabilities of a checkpoint for samples of a pack, or for arrays that lie in a file or in memory."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast
from zipfile import BadZipFile

import numpy as np
import torch
from safetensors import SafetensorError
from safetensors.numpy import load_file

from fusion.engine import head as heads
from fusion.engine.checkpoint import Checkpoint, list_steps, read_checkpoint
from fusion.engine.dataset import Gathers, MemoryArray, read_inputs
from fusion.engine.head import FloatArray, Head, TargetInfo
from fusion.engine.network import FusionNetwork
from fusion.engine.normalise import InputSpec, Normalise, describe_inputs
from fusion.engine.restore import check_inputs, read_target, restore_network
from fusion.engine.session import Session
from fusion.engine.setup import find_device
from fusion.engine.symmetries import Array, Rows
from fusion.errors import BadInputError, CheckpointError, SpecError
from fusion.pack import Pack
from fusion.run import PredictSpec, check_pack, read_json, write_json

Watch = Callable[[int, int], None]


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

    def run(self, arrays: Mapping[str, Gathers], rows: Rows, batch_size: int, watch: Watch | None = None) -> FloatArray:
        """Network outputs before decoding (logits) of these rows, float32."""
        is_half = self.device.type == "cuda" and self.checkpoint.spec.precision != "float32"
        parts = []
        self.network.eval()
        with torch.inference_mode(), torch.autocast(self.device.type, torch.bfloat16, enabled=is_half):
            for first in range(0, len(rows), batch_size):
                batch = read_inputs(arrays, rows[first : first + batch_size], self.device)
                parts.append(self.head.ask(self.network, batch).float().cpu().numpy())
                if watch is not None:
                    watch(min(first + batch_size, len(rows)), len(rows))
        return np.concatenate(parts) if parts else np.zeros((0, self.head.count_outputs(self.target)), np.float32)

    def decode(self, outputs: FloatArray) -> FloatArray:
        """What outputs mean: for classes, probabilities [n, k]."""
        return self.head.decode(torch.from_numpy(outputs), self.temperature)[self.head.stored].numpy()


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


def predict_arrays(predictor: Predictor, arrays: Mapping[str, Array], batch_size: int = 256) -> FloatArray:
    """Probabilities [n, k] for stored arrays [n, *shape] by name, all of the same n."""
    count = check_arrays(predictor.checkpoint, predictor.inputs, arrays)
    stored = {spec.name: MemoryArray(values=arrays[spec.name]) for spec in predictor.inputs}
    return predictor.decode(predictor.run(stored, np.arange(count, dtype=np.int64), batch_size))


def check_arrays(checkpoint: Checkpoint, inputs: tuple[InputSpec, ...], arrays: Mapping[str, Array]) -> int:
    """How many samples the arrays hold; CheckpointError names an array that is missing or of another shape or dtype."""
    counts = set()
    for spec in inputs:
        if spec.name not in arrays:
            raise CheckpointError(f"{checkpoint.path}: modalities: it reads {spec.name}; there are {sorted(arrays)}.")
        values = arrays[spec.name]
        for field, own, other in (("dtype", spec.dtype, str(values.dtype)), ("shape", spec.shape, values.shape[1:])):
            if own != other:
                raise CheckpointError(f"{checkpoint.path}: {field} of {spec.name} is {own}; the array's is {other}.")
        counts.add(len(values))
    if len(counts) != 1:
        raise BadInputError(f"The arrays hold different numbers of samples: {sorted(counts)}.")
    return counts.pop()


def predict(spec: PredictSpec, session: Session) -> Path:
    """Write the probabilities as .npy (float32 [n, k]) and what they are as .json beside it; answers the path."""
    session.events.write("start", checkpoint=spec.checkpoint)
    checkpoint, temperature = find_checkpoint(Path(spec.checkpoint))
    predictor = open_predictor(
        checkpoint,
        device=spec.device,
        threads=spec.threads,
        temperature=temperature if spec.temperature is None else spec.temperature,
    )
    arrays, rows, origin = _open_data(spec, predictor)
    _replace_offsets(spec, predictor)

    def watch(done: int, total: int) -> None:
        if session.events.is_step_due():
            session.events.write("step", step=done, steps=total, share=round(done / total, 4))
        session.stop.check()

    probabilities = predictor.decode(predictor.run(arrays, rows, spec.batch_size, watch))
    path = session.folder / spec.output
    words = {**origin, **_describe(predictor), "samples": len(rows)}
    _write_result(path, probabilities, words)
    session.events.write("done", file=spec.output, samples=len(rows))
    return path


def find_checkpoint(path: Path) -> tuple[Checkpoint, float]:
    """The checkpoint in a file, or the one a run's folder reports (else its newest), and its temperature."""
    if not path.is_dir():
        return read_checkpoint(path), 1.0
    if (path / "report.json").is_file():
        report = read_json(path / "report.json")
        return read_checkpoint(path / report["checkpoint"]), float(report["calibration"].get("temperature", 1.0))
    steps = list_steps(path / "checkpoints")
    if not steps:
        raise CheckpointError(f"{path} holds no checkpoint. Train there first, or name a file.")
    return read_checkpoint(path / "checkpoints" / f"step-{steps[0]}.json"), 1.0


def _open_data(spec: PredictSpec, predictor: Predictor) -> tuple[Mapping[str, Gathers], Rows, dict[str, Any]]:
    if bool(spec.pack) == bool(spec.arrays):
        raise SpecError("Name either a pack or a file of arrays to predict for.")
    if spec.arrays:
        loaded = read_array_file(Path(spec.arrays))
        count = check_arrays(predictor.checkpoint, predictor.inputs, loaded)
        return (
            {key: MemoryArray(values=value) for key, value in loaded.items()},
            _choose(spec, count),
            {"arrays": spec.arrays},
        )
    pack = Pack.open(spec.pack)
    check_pack(spec.pack_sha256, pack.sha256, spec.pack)
    names = [part.name for part in predictor.inputs]
    offsets = {part.name: part.offset for part in predictor.inputs if part.name in spec.offset}
    found = [
        replace(part, offset=offsets.get(part.name, part.offset))
        for part in describe_inputs(pack, names, to_learn=False)
    ]
    check_inputs(predictor.checkpoint, found)
    rows = pack.indices(spec.split, having=names) if spec.split else _choose_complete(spec, pack, names)
    return {name: pack.array(name) for name in names}, rows, {"pack": spec.pack, "pack_sha256": pack.sha256}


def read_array_file(path: Path) -> dict[str, Array]:
    """Arrays by name from .npz (objects refused) or .safetensors."""
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                return {name: file[name] for name in file.files}
    except (OSError, ValueError, SafetensorError, BadZipFile) as error:
        raise BadInputError(f"{path} cannot be read as arrays: {error}.") from error
    raise BadInputError(f"{path}: arrays are read from .npz or .safetensors.")


def _choose_complete(spec: PredictSpec, pack: Pack, names: list[str]) -> Rows:
    """The rows that the spec names, which must have every input; without names all that have."""
    rows, is_whole = _choose(spec, len(pack)), pack.has_all(names)
    if spec.rows and not is_whole[rows].all():
        first = int(rows[~is_whole[rows]][0])
        raise SpecError(f"rows: sample {first} of {spec.pack} has not all of {', '.join(names)}. Leave it out.")
    return rows[is_whole[rows]]


def _choose(spec: PredictSpec, count: int) -> Rows:
    rows = np.asarray(spec.rows, dtype=np.int64) if spec.rows else np.arange(count, dtype=np.int64)
    if rows.size and not 0 <= rows.min() <= rows.max() < count:
        raise SpecError(f"rows must lie from 0 to {count - 1}; they reach from {rows.min()} to {rows.max()}.")
    return rows


def _replace_offsets(spec: PredictSpec, predictor: Predictor) -> None:
    known = {part.name: step for part, step in zip(predictor.inputs, predictor.network.normalise, strict=True)}
    for name, value in spec.offset.items():
        if name not in known or type(value) not in (int, float):
            raise SpecError(f"offset: {name!r}: {value!r} must be a number for one of {', '.join(known)}.")
        cast(Normalise, known[name]).offset.fill_(float(value))


def _describe(predictor: Predictor) -> dict[str, Any]:
    return {
        "checkpoint": str(predictor.checkpoint.path),
        "weights_sha256": predictor.checkpoint.words.weights_sha256,
        "scheme": predictor.target.scheme,
        "codes": list(predictor.target.codes),
        "temperature": predictor.temperature,
    }


def _write_result(path: Path, probabilities: FloatArray, words: Mapping[str, Any]) -> None:
    """Both files whole or not at all; the .json last."""
    with open(path.with_name(path.name + ".part"), "wb") as file:
        np.save(file, probabilities.astype(np.float32))
    path.with_name(path.name + ".part").replace(path)
    write_json(path.with_suffix(".json"), dict(words))
