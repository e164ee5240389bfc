"""What an objective is: which target is learned, with which optimisers, and what one step does."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from fusion import registry
from fusion.engine.dataset import Batch
from fusion.engine.head import FloatArray, Head, TargetInfo
from fusion.engine.network import FusionNetwork
from fusion.engine.option import Option
from fusion.pack import Pack
from fusion.run import RunSpec


@dataclass(frozen=True, kw_only=True)
class Learner:
    """All that one step changes or needs: network, head, optimisers by name, options of the objective, precision."""

    network: FusionNetwork
    head: Head
    optimizers: dict[str, Optimizer]
    options: Mapping[str, Any]
    device: torch.device
    is_half: bool

    def autocast(self) -> AbstractContextManager[None]:
        """bfloat16 where the run wants it: its range needs no loss scaling."""
        return torch.autocast(self.device.type, torch.bfloat16, enabled=self.is_half)


@dataclass(frozen=True, kw_only=True)
class Objective:
    """A way of learning. `take_step` answers loss and outputs, detached; it steps the optimisers itself.

    So an objective with several optimisers needs no other training loop.
    """

    name: str
    title: str
    options: Mapping[str, Option] = field(default_factory=dict)
    read_target: Callable[[Pack, Head, TargetInfo, Mapping[str, Any]], FloatArray]
    make_optimizers: Callable[[FusionNetwork, RunSpec], dict[str, Optimizer]]
    take_step: Callable[[Learner, Batch], tuple[Tensor, Tensor]]


def find(name: str) -> Objective:
    """The objective called `name`."""
    return registry.find_kind("fusion.engine.objectives", name, "OBJECTIVE", Objective)
