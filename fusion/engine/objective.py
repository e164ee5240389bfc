"""What an objective is: which target is learned, with which optimisers, and what one step does."""

import math
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from fusion import registry
from fusion.engine.dataset import Batch
from fusion.engine.head import Head, Inputs, TargetInfo, describe_target
from fusion.engine.network import FusionNetwork
from fusion.engine.option import Option
from fusion.engine.parallel import Processes
from fusion.engine.schedule import make_optimizer
from fusion.engine.symmetries import Rows
from fusion.engine.tally import ADVICE, DivergedError
from fusion.engine.targets import TargetReader
from fusion.pack import Pack
from fusion.run import RunSpec


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """What a run is to learn from, before its target is known: the pack's target `name`, the task's head and scheme.

    `options` are those of head and objective, `rows` the training samples.
    """

    pack: Pack
    name: str
    head: Head
    scheme: str | None
    inputs: Inputs
    options: Mapping[str, Any]
    rows: Rows


@dataclass(kw_only=True)
class Learner:
    """All that one step changes or needs: network, head, optimisers by name, options of the objective, precision.

    An objective calls `network` under `autocast`, hands each loss to `backward` and ends with `step`; micro-batches,
    other processes and clipping are behind these. A loss is the mean over the samples of its batch.
    `parts` are further modules of an objective, such as a critic: they are saved with the network, and not reported.
    `steps_done` counts the steps before this one; it goes on where an interrupted run was.
    """

    network: FusionNetwork
    head: Head
    optimizers: dict[str, Optimizer]
    options: Mapping[str, Any]
    device: torch.device
    parts: Mapping[str, nn.Module] = field(default_factory=dict)
    processes: Processes = field(default_factory=Processes)
    gradient_clip: float = 0.0
    steps_done: int = 0
    share: float = 1.0  # of the step's samples that this process holds in this micro-batch
    is_last: bool = True  # of the step's micro-batches

    def autocast(self) -> AbstractContextManager[None]:
        """bfloat16 where the run wants it: its range needs no loss scaling."""
        return self.processes.autocast()

    def backward(self, loss: Tensor, name: str = "main") -> None:
        """Add the loss's gradients to those of the optimiser's parameters; with one optimiser, to all."""
        weighted = loss if self.share == 1 else loss * self.share
        self.processes.backward(weighted, self.list_parameters(name) if len(self.optimizers) > 1 else None)

    def step(self, name: str = "main") -> None:
        """Step this optimiser and forget its gradients, after the last micro-batch; before it, do nothing."""
        if not self.is_last:
            return
        parameters = self.list_parameters(name)
        self.processes.sum_gradients(parameters)
        self._tame_gradients(parameters)
        self.optimizers[name].step()
        self.optimizers[name].zero_grad(set_to_none=True)

    def _tame_gradients(self, parameters: list[nn.Parameter]) -> None:
        """Shorten all gradients together to `gradient_clip`; DivergedError before a step that would spoil the weights.

        On a GPU the loop looks for that later, as looking here would wait for it.
        """
        is_cpu = self.device.type == "cpu"
        if not is_cpu and not self.gradient_clip:
            return
        norm = nn.utils.get_total_norm([part.grad for part in parameters if part.grad is not None])
        if is_cpu and not math.isfinite(float(norm)):
            raise DivergedError(f"The loss or its gradient is not finite after step {self.steps_done}. {ADVICE}")
        if self.gradient_clip:
            nn.utils.clip_grads_with_norm_(parameters, self.gradient_clip, norm)

    def list_parameters(self, name: str) -> list[nn.Parameter]:
        """What the optimiser called `name` changes."""
        return [part for group in self.optimizers[name].param_groups for part in group["params"]]


def validate_own(learner: Learner, network: FusionNetwork, batch: Batch) -> tuple[Tensor, Tensor]:
    """Loss and outputs of a batch, by the head."""
    with learner.autocast():
        outputs = learner.head.ask(network, batch.inputs)
    return learner.head.loss(outputs.float(), batch.target), outputs.float()


def make_one(
    network: FusionNetwork, parts: Mapping[str, nn.Module], spec: RunSpec, options: Mapping[str, Any]
) -> dict[str, Optimizer]:
    """One optimiser over all parameters of the network."""
    return {"main": make_optimizer(spec, network.parameters())}


@dataclass(frozen=True, kw_only=True)
class Objective:
    """A way of learning. `take_step` answers loss and outputs, detached; it asks the learner for backward and steps.

    So an objective with several optimisers needs no other training loop. The options in a spec's `objective` are its
    own and the head's.

    describe_target (lesson) -> TargetInfo: what is learned, or SpecError where the objective cannot learn it.
    open_target     (pack, head bound to the target, target, inputs) -> TargetReader.
    make_parts      (target, inputs, options) -> modules beside the network that learn too (a critic), by name: the
                    learner holds them, each checkpoint keeps them.
    make_optimizers (network, parts, spec, options) -> optimisers by name; `main` steps the network.
    validate        (learner, network, batch) -> loss and outputs without a step; the network may be an average. Most
                    leave it as it is: the head's loss over what `open_target` reads.
    """

    name: str
    title: str
    options: Mapping[str, Option] = field(default_factory=dict)
    describe_target: Callable[[Lesson], TargetInfo]
    open_target: Callable[[Pack, Head, TargetInfo, Inputs], TargetReader]
    make_parts: Callable[[TargetInfo, Inputs, Mapping[str, Any]], dict[str, nn.Module]] = lambda *_: {}
    make_optimizers: Callable[
        [FusionNetwork, Mapping[str, nn.Module], RunSpec, Mapping[str, Any]], dict[str, Optimizer]
    ] = make_one
    take_step: Callable[[Learner, Batch], tuple[Tensor, Tensor]]
    validate: Callable[[Learner, FusionNetwork, Batch], tuple[Tensor, Tensor]] = validate_own


def describe_own(lesson: Lesson) -> TargetInfo:
    """The target that the spec names, as the head sees it: what all but those do that learn from the inputs."""
    words = (lesson.pack, lesson.name, lesson.head, lesson.scheme, lesson.inputs, lesson.options, lesson.rows)
    return describe_target(*words)


def open_own(pack: Pack, head: Head, target: TargetInfo, inputs: Inputs) -> TargetReader:
    """The target's values as the head reads them."""
    return head.open_target(pack, target, inputs)


def find(name: str) -> Objective:
    """The objective called `name`."""
    return registry.find_kind("fusion.engine.objectives", name, "OBJECTIVE", Objective)
