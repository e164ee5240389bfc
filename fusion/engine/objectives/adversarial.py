"""Learning maps against a critic: conditional Wasserstein GAN with gradient penalty, plus L1 to the truth.

The network makes maps from the inputs; the critic (fusion.engine.critic) sees inputs and map, and learns to tell true
maps from made ones (Arjovsky et al. 2017; penalty: Gulrajani et al. 2017; conditional, patches, L1: Isola et al. 2017).
Every step is one of the critic; every `critic_steps`-th is one of the network too. Both see a map as the head paints
it: a field standardised, a mask as probabilities; pixels without truth are 0 in both. The loss that is told and that
validation measures is the head's own, as the critic's number means nothing outside of its step.
"""

from collections.abc import Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from fusion.engine.critic import PatchCritic, measure_penalty
from fusion.engine.dataset import Batch
from fusion.engine.head import Inputs, TargetInfo, find_output, open_head
from fusion.engine.input_rows import stack_inputs
from fusion.engine.network import FusionNetwork
from fusion.engine.objective import Learner, Lesson, Objective, describe_own, open_own
from fusion.engine.option import Option
from fusion.engine.schedule import make_optimizer
from fusion.errors import SpecError
from fusion.run import RunSpec


def describe_target(lesson: Lesson) -> TargetInfo:
    """The target that the spec names, where its head can paint it as maps."""
    target = describe_own(lesson)
    if lesson.head.paint is None or find_output(lesson.head, target) != "map":
        raise SpecError(f"objective 'adversarial' learns maps of head mask or field; {target.name!r} is none.")
    smallest = min(lesson.inputs[0].shape[-2:])
    if smallest < 2 ** lesson.options["critic_layers"]:
        raise SpecError(
            f"objective.critic_layers is {lesson.options['critic_layers']}: that many halvings need "
            f"{2 ** lesson.options['critic_layers']} pixels, the inputs have {smallest}. Take fewer."
        )
    return target


def make_parts(target: TargetInfo, inputs: Inputs, options: Mapping[str, Any]) -> dict[str, nn.Module]:
    """The critic, of as many channels as inputs and map have together."""
    maps = len(target.bands) if target.head == "field" else open_head(target).count_outputs(target)
    channels = sum(part.channels for part in inputs) + maps
    return {"critic": PatchCritic(channels, width=options["critic_width"], layers=options["critic_layers"])}


def make_optimizers(
    network: FusionNetwork, parts: Mapping[str, nn.Module], spec: RunSpec, options: Mapping[str, Any]
) -> dict[str, Optimizer]:
    """One for the network and one for the critic, both with the momentum `momentum`."""
    optimizers = {
        "main": make_optimizer(spec, network.parameters()),
        "critic": make_optimizer(spec, parts["critic"].parameters()),
    }
    for optimizer in optimizers.values():
        for group in optimizer.param_groups:
            group["betas"] = (options["momentum"], 0.9)
    return optimizers


def take_step(learner: Learner, batch: Batch) -> tuple[Tensor, Tensor]:
    """A step of the critic, and where it is due one of the network; answers the head's loss and outputs."""
    is_due = (learner.steps_done + 1) % learner.options["critic_steps"] == 0
    with torch.set_grad_enabled(is_due), learner.autocast():
        outputs = learner.network(batch.inputs)
    made, true = _paint(learner, outputs.float(), batch.target)
    with torch.no_grad():
        image = stack_inputs(learner.network.normalise, learner.network.inputs, batch.inputs)
    judge = partial(_judge, learner.parts["critic"], image)
    _teach_critic(learner, judge, true, made.detach())
    if is_due:
        cost = learner.options["l1_weight"] * (made - true).abs().mean() - judge(made).mean()
        learner.backward(cost, "main")
        learner.step("main")
    with torch.no_grad():
        loss = learner.head.loss(outputs.float(), batch.target)
    return loss.detach(), outputs.detach()


def _teach_critic(learner: Learner, judge: partial[Tensor], true: Tensor, made: Tensor) -> None:
    penalty = measure_penalty(judge, true, made)
    cost = judge(made).mean() - judge(true).mean() + learner.options["penalty"] * penalty
    learner.backward(cost, "critic")
    learner.step("critic")


def _judge(critic: nn.Module, image: Tensor, maps: Tensor) -> Tensor:
    """The critic's number [n] for maps of these inputs."""
    return critic(torch.cat([image, maps], dim=1))


def _paint(learner: Learner, outputs: Tensor, target: Tensor) -> tuple[Tensor, Tensor]:
    assert learner.head.paint is not None  # describe_target saw to it
    return learner.head.paint(outputs, target)


OBJECTIVE = Objective(
    name="adversarial",
    title="Adversarial",
    options={
        "critic_steps": Option(default=5, low=1, high=100),
        "penalty": Option(default=10.0, low=0.0, high=1000.0),
        "l1_weight": Option(default=100.0, low=0.0, high=1e6),
        "critic_width": Option(default=32, low=1, high=512),
        "critic_layers": Option(default=3, low=1, high=6),
        "momentum": Option(default=0.5, low=0.0, high=0.999),
    },
    describe_target=describe_target,
    open_target=open_own,
    make_parts=make_parts,
    make_optimizers=make_optimizers,
    take_step=take_step,
)
