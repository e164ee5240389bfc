"""Learning from the pack's target, of whatever shape: one network, one optimiser, the head's loss."""

from torch import Tensor

from fusion.engine.dataset import Batch
from fusion.engine.objective import Learner, Objective, describe_own, open_own


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
    take_step=take_step,
)
