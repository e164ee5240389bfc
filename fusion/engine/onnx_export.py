"""A checkpoint as one ONNX file: stored values in, what the head decodes out, compared with torch before it is kept."""

import hashlib
import importlib
import json
import os
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from fusion.engine.head import Head
from fusion.engine.network import FusionNetwork
from fusion.engine.normalise import InputSpec
from fusion.engine.predictor import Predictor, find_checkpoints, open_predictor
from fusion.engine.session import Session
from fusion.engine.symmetries import Array
from fusion.errors import SpecError
from fusion.export_spec import ExportSpec
from fusion.pack import Pack
from fusion.run import check_pack, write_json

OPSET = 18
NEEDED = ("onnx", "onnxruntime", "onnxscript")
BATCH = "batch"
RAW = ("boxes", "embedding")


class Whole(nn.Module):
    """Network and head as one function of stored arrays, in the order of the network's inputs.

    What a head of RAW decodes has no fixed shape, or takes several passes: its network's outputs are given as they are.
    """

    def __init__(self, network: FusionNetwork, head: Head, temperature: float) -> None:
        super().__init__()
        self.network, self.head, self.temperature = network, head, temperature

    def forward(self, *stored: Tensor) -> tuple[Tensor, ...]:
        given = {spec.name: values for spec, values in zip(self.network.inputs, stored, strict=True)}
        return tuple(answer(self.network, self.head, self.temperature, given).values())


def answer(network: FusionNetwork, head: Head, temperature: float, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """What the file answers, by the names of its outputs."""
    if head.name in RAW:
        return {"outputs": network(given).float()}
    return head.decode(head.ask(network, given).float(), temperature)


def export(spec: ExportSpec, session: Session) -> Path:
    """Write the ONNX file and, beside it, how far it is from torch; SpecError where it is further than allowed."""
    session.events.write("start", checkpoint=spec.checkpoint)
    found = find_checkpoints(Path(spec.checkpoint))
    temperature = found.temperature if spec.temperature is None else spec.temperature
    predictor = open_predictor(found.checkpoints[0], device="cpu", threads=spec.threads, temperature=temperature)
    data = encode(predictor, spec.facts)
    samples = make_samples(predictor, spec)
    difference = compare(predictor, data, samples, spec.tolerance)
    path = session.folder / spec.output
    _write_whole(path, data)
    words = {
        "sha256": hashlib.sha256(data).hexdigest(),
        "weights_sha256": predictor.checkpoint.words.weights_sha256,
        "difference": difference,
        "tolerance": spec.tolerance,
        "samples": {name: len(next(iter(arrays.values()))) for name, arrays in samples.items()},
    }
    write_json(path.with_name(path.name + ".json"), words)
    session.events.write("done", file=spec.output, difference=difference)
    return path


def encode(predictor: Predictor, facts: Mapping[str, Any] | None = None) -> bytes:
    """The ONNX file's bytes, the same for the same checkpoint and facts; SpecError where there is no such form."""
    onnx = _import("onnx")
    predictor.network.place(torch.device("cpu"), channels_last=False).eval()
    whole = Whole(predictor.network, predictor.head, predictor.temperature).eval()
    example = tuple(torch.from_numpy(values) for values in make_random(predictor.inputs, 2, 0).values())
    with torch.no_grad():
        decoded = answer(predictor.network, predictor.head, 1.0, _name(predictor, example))
    try:
        program = _trace(whole, example, [spec.name for spec in predictor.inputs], list(decoded))
    except Exception as error:  # whatever the exporter has met in somebody's network
        cause = str(error).strip().split("\n")[0][:300]
        kind = predictor.checkpoint.spec.network.get("name")
        raise SpecError(f"Network {kind!r} cannot be written as ONNX: {cause or type(error).__name__}.") from error
    model = program.model_proto
    _strip(model)
    del model.metadata_props[:]
    for key, value in sorted(describe(predictor, facts or {}).items()):
        entry = model.metadata_props.add()
        entry.key, entry.value = key, value
    onnx.checker.check_model(model, full_check=True)
    return model.SerializeToString(deterministic=True)


def describe(predictor: Predictor, facts: Mapping[str, Any]) -> dict[str, str]:
    """What an ONNX file says of itself, as text: classes, bands, normalisation, where it came from."""
    words, target = predictor.checkpoint.words, predictor.target
    inputs = {spec.name: asdict(spec) for spec in predictor.inputs}
    plain: dict[str, Any] = {
        "task": predictor.checkpoint.spec.task,
        "head": target.head,
        "outputs": "before decoding" if target.head in RAW else "decoded",
        "network": predictor.checkpoint.spec.network,
        "classes": list(target.codes),
        "scheme": target.scheme,
        "bands": {name: list(spec["bands"]) for name, spec in inputs.items()},
        "normalisation": inputs,
        "temperature": predictor.temperature,
        "pack_sha256": words.pack_sha256,
        "weights_sha256": words.weights_sha256,
        "git_revision": words.code_revision,
        **facts,
    }
    return {key: value if isinstance(value, str) else json.dumps(value, sort_keys=True) for key, value in plain.items()}


def make_samples(predictor: Predictor, spec: ExportSpec) -> dict[str, dict[str, Array]]:
    """What both are asked: wild numbers, numbers as the training data had, and samples of a pack where one is named."""
    samples = {
        "random": make_random(predictor.inputs, spec.samples, spec.seed),
        "alike": make_alike(predictor.inputs, spec.samples, spec.seed),
    }
    if spec.pack:
        pack = Pack.open(spec.pack)
        check_pack(spec.pack_sha256, pack.sha256, spec.pack)
        names = [one.name for one in predictor.inputs]
        known = np.flatnonzero(pack.has_all(names))
        rows = known[np.linspace(0, len(known) - 1, min(spec.samples, len(known))).astype(np.int64)]
        samples["pack"] = {name: pack.array(name).gather(rows) for name in names}
    return samples


def make_random(inputs: Sequence[InputSpec], count: int, seed: int) -> dict[str, Array]:
    """Stored arrays of any plausible size, some of their pixels without data."""
    rng = np.random.default_rng(seed)
    found: dict[str, Array] = {}
    for spec in inputs:
        dtype, shape = np.dtype(spec.dtype), (count, *spec.shape)
        if dtype.kind in "iu":
            values = rng.integers(0, min(10_000, np.iinfo(dtype).max), shape).astype(dtype)
        else:
            values = rng.lognormal(-2.0, 2.0, shape).astype(dtype) * rng.choice([-1, 1], shape).astype(dtype)
            values[rng.random(shape) < 0.01] = np.nan
        if spec.nodata is not None:
            values[rng.random(shape) < 0.01] = spec.nodata
        found[spec.name] = values
    return found


def make_alike(inputs: Sequence[InputSpec], count: int, seed: int) -> dict[str, Array]:
    """Stored arrays with the mean and spread of the training data in each band: normalisation gone backwards."""
    rng = np.random.default_rng([seed, 1])
    found: dict[str, Array] = {}
    for spec in inputs:
        axis = spec.dims.index("band")
        tail = (-1, *(1,) * (len(spec.dims) - axis - 1))
        mean, std, floor = (np.reshape(part, tail) for part in (spec.mean, spec.std, spec.floor))
        stretched = mean + std * rng.standard_normal((count, *spec.shape))
        kinds = np.reshape(spec.stretch, tail)
        physical = np.where(kinds == "decibel", 10 ** (np.clip(stretched, -300, 300) / 10), stretched)
        physical = np.where(kinds == "asinh", np.sinh(np.clip(stretched, -50, 50)) * floor, physical)
        stored = physical / spec.scale - spec.offset
        dtype = np.dtype(spec.dtype)
        if dtype.kind in "iu":
            limits = np.iinfo(dtype)
            stored = np.clip(np.rint(stored), limits.min, limits.max)
        found[spec.name] = stored.astype(dtype)
    return found


def compare(
    predictor: Predictor, data: bytes, samples: Mapping[str, Mapping[str, Array]], tolerance: float
) -> dict[str, float]:
    """The largest difference from torch over each kind of sample, by 1 or by the value where that is larger.

    SpecError names a difference above the tolerance.
    """
    runtime = _import("onnxruntime")
    options = runtime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    session = runtime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    names = [one.name for one in session.get_outputs()]
    predictor.network.eval()
    found: dict[str, float] = {}
    for kind, arrays in samples.items():
        given = {name: np.ascontiguousarray(values) for name, values in arrays.items()}
        theirs = dict(zip(names, session.run(None, given), strict=True))
        with torch.inference_mode():
            inputs = {name: torch.from_numpy(values) for name, values in given.items()}
            ours = answer(predictor.network, predictor.head, predictor.temperature, inputs)
        found[kind] = max(_measure(ours[name].numpy(), theirs[name]) for name in names)
    worst = max(found, key=lambda kind: found[kind])
    if not found[worst] <= tolerance:
        raise SpecError(
            f"The ONNX file differs from the network by {found[worst]:.3g} on {worst} samples; {tolerance:g} is "
            "allowed. It was not kept."
        )
    return found


def _measure(ours: Array, theirs: Array) -> float:
    if ours.shape != theirs.shape or not (np.isfinite(ours) == np.isfinite(theirs)).all():
        return float("inf")
    apart = np.abs(ours - theirs) / np.maximum(1.0, np.abs(ours))
    return float(np.nanmax(apart)) if apart.size else 0.0


def _trace(whole: Whole, example: tuple[Tensor, ...], inputs: Sequence[str], outputs: Sequence[str]) -> Any:
    batch = torch.export.Dim(BATCH, min=1)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.onnx.export(
            whole,
            example,
            dynamo=True,
            input_names=list(inputs),
            output_names=list(outputs),
            dynamic_shapes=(tuple({0: batch} for _ in example),),
            opset_version=OPSET,
            external_data=False,
            verbose=False,
            custom_translation_table={torch.ops.prims.signbit.default: _is_negative},
        )


def _is_negative(value: Any) -> Any:
    """The sign of asinh, which the exporter does not know; of -0 it is another, and that makes no difference there."""
    op = _import("onnxscript").opset18
    return op.Less(value, op.Constant(value_float=0.0))


def _strip(model: Any) -> None:
    """Take out what the exporter notes beside the graph: stack traces with paths of this machine, above all."""
    model.doc_string = ""
    graphs = [model.graph]
    while graphs:
        graph = graphs.pop()
        graph.doc_string = ""
        del graph.metadata_props[:]
        for node in graph.node:
            node.doc_string = ""
            del node.metadata_props[:]
            graphs.extend(entry.g for entry in node.attribute if entry.HasField("g"))
        for value in [*graph.input, *graph.output, *graph.value_info, *graph.initializer]:
            value.doc_string = ""
            del value.metadata_props[:]
    for function in model.functions:
        function.doc_string = ""
        del function.metadata_props[:]
        for node in function.node:
            node.doc_string = ""
            del node.metadata_props[:]


def _name(predictor: Predictor, stored: Sequence[Tensor]) -> dict[str, Tensor]:
    return {spec.name: values for spec, values in zip(predictor.inputs, stored, strict=True)}


def _import(name: str) -> Any:
    try:
        for needed in NEEDED:
            importlib.import_module(needed)
        return importlib.import_module(name)
    except ImportError as error:
        raise SpecError(
            f"Writing ONNX needs {', '.join(NEEDED)} ({error}). Install geoquorum[onnx], then try again."
        ) from error


def _write_whole(path: Path, data: bytes) -> None:
    part = path.with_name(path.name + ".part")
    with open(part, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    part.replace(path)
