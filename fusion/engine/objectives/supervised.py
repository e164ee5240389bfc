"""Learning from labels or from the experts' distribution: one network, one optimiser, the head's loss."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor
from torch.optim import Optimizer

from fusion.engine.dataset import Batch
from fusion.engine.head import FloatArray, Head, TargetInfo
from fusion.engine.network import FusionNetwork
from fusion.engine.objective import Learner, Objective
from fusion.engine.option import Option
from fusion.engine.schedule import make_optimizer
from fusion.pack import Pack
from fusion.run import RunSpec


def read_target(pack: Pack, head: Head, target: TargetInfo, options: Mapping[str, Any]) -> FloatArray:
    """The head's target rows of the wanted kind, with a share of `label_smoothing` spread over all classes."""
    rows = head.read_target(pack, target, options["target"])
    share = options["label_smoothing"]
    return rows if not share else rows * (1 - share) + share / rows.shape[1]


def make_optimizers(network: FusionNetwork, spec: RunSpec) -> dict[str, Optimizer]:
    """One optimiser over all parameters."""
    return {"main": make_optimizer(spec, network.parameters())}


def take_step(learner: Learner, batch: Batch) -> tuple[Tensor, Tensor]:
    """Forward, backward, step; answers loss and outputs."""
    with learner.autocast():
        outputs = learner.network(batch.inputs)
    loss = learner.head.loss(outputs.float(), batch.target)
    learner.backward(loss)
    learner.step("main")
    return loss.detach(), outputs.detach()


OBJECTIVE = Objective(
    name="supervised",
    title="Supervised",
    options={
        "target": Option(default="label", choices=("label", "distribution")),
        "label_smoothing": Option(default=0.0, low=0.0, high=0.5),
    },
    read_target=read_target,
    make_optimizers=make_optimizers,
    take_step=take_step,
)
