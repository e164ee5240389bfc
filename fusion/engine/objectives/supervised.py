"""Learning from the pack's target, of whatever shape: one network, one optimiser, the head's loss."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn
from torch.optim import Optimizer

from fusion.engine.dataset import Batch
from fusion.engine.network import FusionNetwork
from fusion.engine.objective import Learner, Objective, describe_own, open_own
from fusion.engine.schedule import make_optimizer
from fusion.run import RunSpec


def make_optimizers(
    network: FusionNetwork, parts: Mapping[str, nn.Module], spec: RunSpec, options: Mapping[str, Any]
) -> dict[str, Optimizer]:
    """One optimiser over all parameters."""
    return {"main": make_optimizer(spec, network.parameters())}


def take_step(learner: Learner, batch: Batch) -> tuple[Tensor, Tensor]:
    """Forward, backward, step; answers loss and outputs."""
    with learner.autocast():
        outputs = learner.head.ask(learner.network, batch.inputs)
    loss = learner.head.loss(outputs.float(), batch.target)
    learner.backward(loss)
    learner.step("main")
    return loss.detach(), outputs.detach()


OBJECTIVE = Objective(
    name="supervised",
    title="Supervised",
    describe_target=describe_own,
    open_target=open_own,
    make_optimizers=make_optimizers,
    take_step=take_step,
)
