"""Optimisers as tensors and plain words, so that they can be kept without pickle."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from fusion.errors import CheckpointError


def pack_optimizers(optimizers: Mapping[str, Optimizer]) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """State tensors as optimizer.<name>.<parameter>.<key>, and the parameter groups by optimiser."""
    tensors: dict[str, Tensor] = {}
    groups: dict[str, Any] = {}
    for name, optimizer in optimizers.items():
        state = optimizer.state_dict()
        groups[name] = state["param_groups"]
        for parameter, values in state["state"].items():
            tensors.update({f"optimizer.{name}.{parameter}.{key}": value for key, value in values.items()})
    return tensors, groups


def unpack_optimizers(
    optimizers: Mapping[str, Optimizer], tensors: Mapping[str, Tensor], groups: Mapping[str, Any]
) -> None:
    """Put saved states back; CheckpointError where they are those of other optimisers or other parameters."""
    if sorted(groups) != sorted(optimizers):
        raise CheckpointError(f"optimizers are {sorted(groups)} in the checkpoint and {sorted(optimizers)} in the run.")
    states: dict[str, dict[int, dict[str, Tensor]]] = {name: {} for name in optimizers}
    for path, value in tensors.items():
        name, parameter, key = path.split(".")
        states[name].setdefault(int(parameter), {})[key] = value
    for name, optimizer in optimizers.items():
        try:
            optimizer.load_state_dict({"state": states[name], "param_groups": groups[name]})
        except (ValueError, KeyError) as error:
            raise CheckpointError(f"optimizers.{name} does not fit this network: {error}.") from error
