"""Weights on disk: a safetensors file and a JSON file that says what it must be. Never pickle.

Reading checks in this order, and refuses before any weight is used: the name, the size, the JSON's own hash, its format
and fields, the hash of the tensors' file, then dtype and shape of every tensor.
"""

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor

from fusion.errors import CheckpointError, GeoquorumError
from fusion.run import RunSpec, read_words

FORMAT = "geoquorum-checkpoint"
VERSION = 1
MAX_JSON_BYTES = 32 * 2**20
KEEP = 2
NAME = re.compile(r"step-(\d+)\.json")
ASK = "Take the file from where it was made, or train again."


@dataclass(frozen=True, kw_only=True)
class CheckpointWords:
    """The JSON beside the tensors. `inputs`, `target` and `spec` rebuild the network; `state` resumes the run.

    `tensors` holds dtype and shape by name; `optimizers` the parameter groups by optimiser.
    """

    format: str
    version: int
    spec: dict[str, Any]
    pack_sha256: str
    inputs: tuple[dict[str, Any], ...]
    target: dict[str, Any]
    state: dict[str, Any]
    optimizers: dict[str, Any]
    tensors: dict[str, Any]
    tensors_sha256: str
    weights_sha256: str
    code_revision: str


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A checkpoint that was read and found whole; its tensors are on the CPU."""

    path: Path
    words: CheckpointWords
    tensors: dict[str, Tensor]

    @property
    def spec(self) -> RunSpec:
        try:
            return read_words(RunSpec, self.words.spec)
        except GeoquorumError as error:
            raise CheckpointError(f"{self.path}: spec: {error}") from error

    def part(self, prefix: str) -> dict[str, Tensor]:
        """Tensors whose name starts with `prefix` and a dot, without it."""
        return {key[len(prefix) + 1 :]: value for key, value in self.tensors.items() if key.startswith(f"{prefix}.")}


def hash_weights(weights: Mapping[str, Tensor]) -> str:
    """sha256 over name, dtype, shape and bytes of each tensor in the order of names, wherever it lies in memory."""
    digest = hashlib.sha256()
    for name in sorted(weights):
        value = weights[name].detach().cpu().contiguous()
        digest.update(f"{name} {value.dtype} {list(value.shape)}\n".encode())
        digest.update(value.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def save_checkpoint(folder: Path, step: int, tensors: Mapping[str, Tensor], words: Mapping[str, Any]) -> Path:
    """Write step-N.safetensors, then step-N.json, which makes it valid; each appears whole or not at all."""
    for name, value in tensors.items():
        if value.layout != torch.strided:
            raise CheckpointError(f"Tensor {name!r} is sparse: only dense numbers are kept. Store its values instead.")
    folder.mkdir(parents=True, exist_ok=True)
    plain = {name: value.detach().cpu().contiguous() for name, value in tensors.items()}
    data = safetensors.torch.save(plain)
    _write_whole(folder / f"step-{step}.safetensors", data)
    full = CheckpointWords(
        **{**words, "inputs": tuple(words["inputs"])},
        format=FORMAT,
        version=VERSION,
        tensors={name: _describe(value) for name, value in plain.items()},
        tensors_sha256=hashlib.sha256(data).hexdigest(),
    )
    path = folder / f"step-{step}.json"
    _write_whole(path, _encode(asdict(full)))
    return path


def read_checkpoint(path: Path) -> Checkpoint:
    """A checkpoint by either of its files; CheckpointError names the file or field that is wrong."""
    path = Path(path)
    if path.suffix not in (".json", ".safetensors"):
        raise CheckpointError(
            f"{path} is refused by its name: weights are read from .safetensors with their .json only."
        )
    json_path, data_path = path.with_suffix(".json"), path.with_suffix(".safetensors")
    for wanted in (data_path, json_path):
        if not wanted.is_file():
            raise CheckpointError(f"{wanted} is missing: a checkpoint is a .safetensors file and its .json. {ASK}")
    words = _read_words(json_path)
    return Checkpoint(path=data_path, words=words, tensors=_read_tensors(data_path, words))


def list_steps(folder: Path) -> list[int]:
    """Steps with a JSON file, newest first; whether they are whole, reading tells."""
    names = (NAME.fullmatch(path.name) for path in folder.glob("step-*.json"))
    return sorted((int(match.group(1)) for match in names if match), reverse=True)


def prune_checkpoints(folder: Path, keep: set[int]) -> None:
    """Remove all but the last two steps and those in `keep`, the JSON first, and what an interrupted save left."""
    for step in list_steps(folder)[KEEP:]:
        if step not in keep:
            (folder / f"step-{step}.json").unlink()
    named = {f"step-{step}.safetensors" for step in list_steps(folder)}
    for path in [*folder.glob("step-*.safetensors"), *folder.glob("*.part")]:
        if path.name not in named:
            path.unlink()


def _describe(value: Tensor) -> dict[str, Any]:
    return {"dtype": str(value.dtype).removeprefix("torch."), "shape": list(value.shape)}


def _encode(words: Mapping[str, Any]) -> bytes:
    """The one spelling of these words, with the hash of everything else in `sha256`."""
    body = {key: value for key, value in words.items() if key != "sha256"}
    plain = json.dumps(body, sort_keys=True, allow_nan=False).encode()
    signed = {**body, "sha256": hashlib.sha256(plain).hexdigest()}
    return json.dumps(signed, sort_keys=True, indent=1, allow_nan=False).encode()


def _write_whole(path: Path, data: bytes) -> None:
    part = path.with_name(path.name + ".part")
    with open(part, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    os.replace(part, path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _read_words(path: Path) -> CheckpointWords:
    if path.stat().st_size > MAX_JSON_BYTES:
        raise CheckpointError(
            f"{path} has {path.stat().st_size} bytes; a checkpoint's JSON has at most {MAX_JSON_BYTES}."
        )
    data = path.read_bytes()
    try:
        values = json.loads(data)
        is_spelled_so = isinstance(values, dict) and _encode(values) == data
    except (ValueError, TypeError, RecursionError) as error:
        raise CheckpointError(f"{path} is not JSON: {error}. {ASK}") from error
    if not is_spelled_so:
        raise CheckpointError(f"{path}: sha256: the words are not those that were saved. {ASK}")
    del values["sha256"]
    for field, wanted in (("format", FORMAT), ("version", VERSION)):
        if values.get(field) != wanted:
            raise CheckpointError(f"{path}: {field} is {values.get(field)!r}; this Geoquorum reads {wanted!r}.")
    try:
        return read_words(CheckpointWords, values)
    except GeoquorumError as error:
        raise CheckpointError(f"{path}: {error}") from error


def _read_tensors(path: Path, words: CheckpointWords) -> dict[str, Tensor]:
    data = path.read_bytes()
    if data[8:9] != b"{" or int.from_bytes(data[:8], "little") > len(data) - 8:
        raise CheckpointError(f"{path} does not hold safetensors, whatever its name says. It was not opened. {ASK}")
    found = hashlib.sha256(data).hexdigest()
    if found != words.tensors_sha256:
        raise CheckpointError(
            f"{path}: sha256 is {found}, the JSON says {words.tensors_sha256}: damaged or swapped. {ASK}"
        )
    try:
        tensors = safetensors.torch.load(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise CheckpointError(f"{path} cannot be read as safetensors: {error}. {ASK}") from error
    check_tensors(path, words.tensors, {name: _describe(value) for name, value in tensors.items()})
    return tensors


def check_tensors(path: Path, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    """Refuse tensors whose names, dtypes or shapes are not the wanted ones; the first that differs is named."""
    for name in sorted(set(wanted) | set(found)):
        if wanted.get(name) != found.get(name):
            raise CheckpointError(
                f"{path}: tensor {name!r} is {found.get(name, 'missing')}, must be {wanted.get(name, 'absent')}. {ASK}"
            )


def describe_tensors(tensors: Mapping[str, Tensor]) -> dict[str, Any]:
    """dtype and shape by name."""
    return {name: _describe(value) for name, value in tensors.items()}
