"""A network from a checkpoint, after the checkpoint was compared with itself and with the data it is to read."""

from collections.abc import Sequence
from typing import Any

import torch

from fusion.engine import head as heads
from fusion.engine.checkpoint import Checkpoint, check_tensors, describe_tensors
from fusion.engine.head import TargetInfo
from fusion.engine.network import FusionNetwork
from fusion.engine.normalise import InputSpec
from fusion.errors import CheckpointError, GeoquorumError
from fusion.run import read_words

STORED = ("modality", "dims", "shape", "dtype", "bands", "nodata", "scale", "offset")  # what data must agree on
LEARNED = (*STORED, "stretch", "floor", "mean", "std")  # what a resumed run must agree on


def read_inputs(checkpoint: Checkpoint) -> tuple[InputSpec, ...]:
    """What the checkpoint's network reads, in order."""
    return tuple(_read_part(checkpoint, "inputs", InputSpec, item) for item in checkpoint.words.inputs)


def read_target(checkpoint: Checkpoint) -> TargetInfo:
    """What the checkpoint's network was taught."""
    return _read_part(checkpoint, "target", TargetInfo, checkpoint.words.target)


def restore_network(checkpoint: Checkpoint) -> FusionNetwork:
    """The network with its weights, on the CPU.

    Names, dtypes and shapes are compared with an empty network first, so that a file cannot ask for memory.
    """
    weights = checkpoint.part("network")
    inputs, target = read_inputs(checkpoint), read_target(checkpoint)
    try:
        outputs = heads.find(target.head).count_outputs(target)
        with torch.device("meta"):
            empty = FusionNetwork(checkpoint.spec.network, inputs, outputs)
    except GeoquorumError as error:
        raise CheckpointError(f"{checkpoint.path}: {error}") from error
    check_tensors(checkpoint.path, describe_tensors(empty.state_dict()), describe_tensors(weights))
    network = FusionNetwork(checkpoint.spec.network, inputs, outputs)
    for name, value in network.normalise.state_dict(prefix="normalise.").items():
        if not torch.equal(value, weights[name]):
            raise CheckpointError(f"{checkpoint.path}: inputs: the JSON and tensor {name!r} disagree. Train again.")
    network.load_state_dict(weights)
    return network


def check_inputs(checkpoint: Checkpoint, found: Sequence[InputSpec], fields: Sequence[str] = STORED) -> None:
    """Refuse data that is not stored as the network was taught; array and field are named."""
    wanted = read_inputs(checkpoint)
    if [spec.name for spec in wanted] != [spec.name for spec in found]:
        names = [spec.name for spec in wanted], [spec.name for spec in found]
        raise CheckpointError(f"{checkpoint.path}: modalities: it reads {names[0]}, the data holds {names[1]}.")
    for learned, given in zip(wanted, found, strict=True):
        for field in fields:
            own, other = getattr(learned, field), getattr(given, field)
            if own != other:
                raise CheckpointError(
                    f"{checkpoint.path}: {field} of {learned.name} is {own} in the checkpoint and {other} in the data. "
                    "Use data prepared as the training data was."
                )


def check_target(checkpoint: Checkpoint, found: TargetInfo) -> None:
    """Refuse a target with another head, scheme or classes; the field is named."""
    wanted = read_target(checkpoint)
    for field in ("head", "scheme", "codes", "dims", "bands", "unit"):
        if getattr(wanted, field) != getattr(found, field):
            raise CheckpointError(
                f"{checkpoint.path}: {field} is {getattr(wanted, field)} in the checkpoint and {getattr(found, field)} "
                "in the pack. Use a pack of the same scheme."
            )


def _read_part(checkpoint: Checkpoint, field: str, words: type[Any], values: Any) -> Any:
    try:
        return read_words(words, values)
    except (GeoquorumError, AttributeError, ValueError, TypeError) as error:
        raise CheckpointError(f"{checkpoint.path}: {field}: {error}") from error
