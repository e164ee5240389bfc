"""Predictions of a checkpoint, with their doubts, for samples of a pack or for arrays in a file or in memory."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, cast
from zipfile import BadZipFile

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load_file

from fusion.engine.array_file import write_arrays
from fusion.engine.checkpoint import Checkpoint
from fusion.engine.dataset import Gathers, MemoryArray
from fusion.engine.head import FloatArray, find_output
from fusion.engine.normalise import InputSpec, Normalise, describe_inputs
from fusion.engine.predictor import Predictor, Watch, find_checkpoint, find_checkpoints, open_predictor
from fusion.engine.restore import check_inputs
from fusion.engine.safeguards import Safeguards, read_safeguards
from fusion.engine.session import Session
from fusion.engine.strangeness import open_gauge
from fusion.engine.symmetries import Array, Rows
from fusion.engine.uncertainty import Ensemble, describe_members, open_ensemble
from fusion.errors import BadInputError, CheckpointError, SpecError
from fusion.pack import Pack
from fusion.run import PredictSpec, check_pack, write_json

__all__ = ["Predictor", "find_checkpoint", "open_predictor", "predict", "predict_arrays"]


def predict_arrays(predictor: Predictor, arrays: Mapping[str, Array], batch_size: int = 256) -> FloatArray:
    """What the head stores of a prediction (probabilities [n, k]) for stored arrays [n, *shape] by name, of one n."""
    count = check_arrays(predictor.checkpoint, predictor.inputs, arrays)
    stored = {spec.name: MemoryArray(values=arrays[spec.name]) for spec in predictor.inputs}
    outputs = predictor.run(stored, np.arange(count, dtype=np.int64), batch_size)
    return predictor.decode(outputs)[predictor.head.stored]


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
    """Write what is predicted into `spec.output`, and what it is as .json beside it; answers the path.

    A .npy file holds what the head stores (for classes probabilities, float32 [n, k]). An .npz file holds all that the
    head decodes, and per sample [n] `entropy`, `expected_entropy` and `mutual_information` in nats (or variances of
    fields), where asked for `set` (bool [n, k], the classes of the conformal set), `out_of_domain` (strangeness) and
    `is_outlier` (above the threshold), and `id` for samples of a pack.
    """
    _check_output(spec)
    session.events.write("start", checkpoint=spec.checkpoint)
    found = find_checkpoints(Path(spec.checkpoint))
    ensemble = open_ensemble(
        found,
        spec.checkpoints,
        draws=spec.dropout_draws or None,
        seed=spec.seed,
        temperature=spec.temperature,
        device=spec.device,
        threads=spec.threads,
    )
    guards = read_safeguards(spec, found.report, ensemble.count)
    ensemble = replace(ensemble, gauge=open_gauge(guards.method, ensemble.networks, Path(spec.checkpoint)))
    arrays, rows, origin = _open_data(spec, ensemble.first)
    _replace_offsets(spec, ensemble)

    def watch(done: int, total: int) -> None:
        if session.events.is_step_due():
            session.events.write("step", step=done, steps=total, share=round(done / total, 4))
        session.stop.check()

    found_arrays = run_ensemble(ensemble, arrays, rows, guards, spec.batch_size, watch)
    path = session.folder / spec.output
    _write_result(path, found_arrays, ensemble.head.stored, origin.pop("ids", None))
    shapes = {name: list(values.shape) for name, values in found_arrays.items()}
    kept = shapes if path.suffix == ".npz" else {ensemble.head.stored: shapes[ensemble.head.stored]}
    write_json(
        path.with_suffix(".json"), {**origin, **_describe(ensemble, guards), "samples": len(rows), "shapes": kept}
    )
    session.events.write("done", file=spec.output, samples=len(rows))
    return path


def _check_output(spec: PredictSpec) -> None:
    if Path(spec.output).suffix not in (".npy", ".npz"):
        raise SpecError(f"output must be a .npy or .npz file; it is {spec.output!r}.")


def run_ensemble(
    ensemble: Ensemble,
    arrays: Mapping[str, Gathers],
    rows: Rows,
    guards: Safeguards,
    batch_size: int,
    watch: Watch | None = None,
) -> dict[str, Array]:
    """All that is predicted of these rows, by name [n, ...]: the head's arrays, doubts, sets and flags."""
    parts = []
    for first in range(0, max(len(rows), 1), batch_size):  # once without rows: shapes and names are known then too
        parts.append(_answer(ensemble, arrays, rows[first : first + batch_size], guards))
        if watch is not None and len(rows):
            watch(min(first + batch_size, len(rows)), len(rows))
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _answer(ensemble: Ensemble, arrays: Mapping[str, Gathers], rows: Rows, guards: Safeguards) -> dict[str, Array]:
    outputs, strangeness = ensemble.ask_and_gauge(arrays, rows)
    decoded, doubts = ensemble.decode(outputs)
    flags: dict[str, Array] = {}
    if guards.sets is not None or guards.threshold is not None:
        flags = guards.apply(decoded["probability"], strangeness)
    return {**decoded, **doubts, **flags}


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
    origin = {"pack": spec.pack, "pack_sha256": pack.sha256, "ids": pack.samples.column("id").take(rows).to_pylist()}
    return {name: pack.array(name) for name in names}, rows, origin


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


def _replace_offsets(spec: PredictSpec, ensemble: Ensemble) -> None:
    for predictor in ensemble.networks:
        known = {part.name: step for part, step in zip(predictor.inputs, predictor.network.normalise, strict=True)}
        for name, value in spec.offset.items():
            if name not in known or type(value) not in (int, float):
                raise SpecError(f"offset: {name!r}: {value!r} must be a number for one of {', '.join(known)}.")
            cast(Normalise, known[name]).offset.fill_(float(value))


def _describe(ensemble: Ensemble, guards: Safeguards) -> dict[str, Any]:
    """What the file of predictions is of; `checkpoint` and `weights_sha256` are the first member's."""
    sets = guards.sets
    return {
        "checkpoint": str(ensemble.first.checkpoint.path),
        "weights_sha256": ensemble.first.checkpoint.words.weights_sha256,
        **describe_members(ensemble, [str(one.checkpoint.path) for one in ensemble.networks]),
        "head": ensemble.target.head,
        "output": find_output(ensemble.head, ensemble.target),
        "scheme": ensemble.target.scheme,
        "codes": list(ensemble.target.codes),
        "temperature": ensemble.temperature,
        "conformal": {} if sets is None else {"coverage": sets.coverage, "method": sets.method},
        "out_of_domain": {} if guards.threshold is None else {"method": guards.method, "threshold": guards.threshold},
    }


def _write_result(path: Path, arrays: Mapping[str, Array], stored: str, ids: list[str] | None) -> None:
    """The stored array alone as .npy, all of them as .npz; whole or not at all."""
    if path.suffix == ".npz":
        own = {} if ids is None else {"id": np.array(ids, dtype=np.str_)}
        return write_arrays(path, {**own, **{name: _shorten(values) for name, values in arrays.items()}})
    part = path.with_name(path.name + ".part")
    with open(part, "wb") as file:
        np.save(file, _shorten(arrays[stored]))
    part.replace(path)


def _shorten(values: Array) -> Array:
    """float32 for what was float64: doubts need no more digits."""
    return values.astype(np.float32) if values.dtype == np.float64 else values
