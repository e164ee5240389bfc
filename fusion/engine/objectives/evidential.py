"""Evidence for classes: the network's outputs are concentrations of a Dirichlet distribution, strong where it knows.

The concentration of a class is exp(logit), so that softmax gives the expected probabilities and every head's reading of
a prediction stays true (the prior networks of Malinin and Gales 2018). Learned is the expected cross-entropy to the
target's shares under that distribution, and, with a weight, that concentrations of classes which are not the target's
are those of the flat distribution (Sensoy, Kaplan and Kandemir 2018, arXiv 1806.01768). What is unlike everything
learned then keeps a weak and flat distribution: the out-of-domain score `dirichlet` measures that.

With a weight for `strangers` the network is also shown samples that cannot be, as prior networks need (Malinin and
Gales 2018; Gawlikowski et al. 2022): those of the batch with every band made brighter or darker by chance, to which
its answer must be the flat distribution. They pass through the network in evaluation, so that they do not move its
batch statistics. Measured on made-up cities (tests.benchmarks.unseen_city) this tells water and dense trees apart where
they were never shown, and most other zones worse than without: it is off unless asked for.
"""

import torch
from torch import Tensor

from fusion.engine.dataset import Batch
from fusion.engine.head import TargetInfo
from fusion.engine.objective import Learner, Lesson, Objective, describe_own, open_own
from fusion.engine.option import Option
from fusion.errors import SpecError

SPREAD = 1.0  # standard deviation of the logarithm of a stranger's brightness in a band
LOGIT_LIMIT = 12.0  # concentrations from 6e-6 to 160 000: beyond, the gamma functions lose their digits


def describe_target(lesson: Lesson) -> TargetInfo:
    """The pack's classes; SpecError for every other shape of target."""
    if lesson.head.name != "classes":
        name = lesson.head.name
        raise SpecError(f"objective evidential learns classes; the task's head is {name!r}. Name another one.")
    return describe_own(lesson)


def take_step(learner: Learner, batch: Batch) -> tuple[Tensor, Tensor]:
    """Forward, backward, step; answers loss and outputs."""
    with learner.autocast():
        outputs = learner.head.ask(learner.network, batch.inputs)
    loss = measure_evidence(outputs.float(), batch.target, float(learner.options["flatness"]))
    if learner.options["strangers"]:
        loss = loss + float(learner.options["strangers"]) * measure_strangers(learner, batch)
    learner.backward(loss)
    learner.step("main")
    return loss.detach(), outputs.detach()


def measure_strangers(learner: Learner, batch: Batch) -> Tensor:
    """How far from flat the answers to impossible samples are, in nats."""
    strange = {name: spoil(values) for name, values in batch.inputs.items()}
    learner.network.eval()
    with learner.autocast():
        outputs = learner.head.ask(learner.network, strange)
    learner.network.train()
    return measure_flatness(outputs.float().clamp(-LOGIT_LIMIT, LOGIT_LIMIT).exp()).mean()


def spoil(values: Tensor) -> Tensor:
    """Stored values [n, ..., band, y, x] with a factor of its own on every band of every sample, in their dtype."""
    shape = (len(values), *[1] * (values.ndim - 4), values.shape[-3], 1, 1)
    gains = torch.exp(SPREAD * torch.randn(shape, device=values.device))
    changed = values.float() * gains
    if values.is_floating_point():
        return changed.to(values.dtype)
    limits = torch.iinfo(values.dtype)
    return changed.round().clamp(limits.min, limits.max).to(values.dtype)


def measure_evidence(logits: Tensor, shares: Tensor, flatness: float) -> Tensor:
    """Mean expected cross-entropy [n, k] to the shares in nats, and `flatness` times the divergence of the rest."""
    concentration = logits.clamp(-LOGIT_LIMIT, LOGIT_LIMIT).exp()
    strength = concentration.sum(dim=1, keepdim=True)
    entropy = (shares * (torch.digamma(strength) - torch.digamma(concentration))).sum(dim=1)
    rest = shares + (1 - shares) * concentration
    return (entropy + flatness * measure_flatness(rest)).mean()


def measure_flatness(concentration: Tensor) -> Tensor:
    """Kullback-Leibler divergence [n] of Dirichlet distributions [n, k] from the flat one, in nats."""
    strength = concentration.sum(dim=1, keepdim=True)
    classes = torch.tensor(float(concentration.shape[1]), device=concentration.device)
    normal = torch.lgamma(strength[:, 0]) - torch.lgamma(concentration).sum(dim=1) - torch.lgamma(classes)
    gap = (concentration - 1) * (torch.digamma(concentration) - torch.digamma(strength))
    return normal + gap.sum(dim=1)


OBJECTIVE = Objective(
    name="evidential",
    title="Evidential",
    options={
        "flatness": Option(default=0.1, low=0.0, high=10.0),
        "strangers": Option(default=0.0, low=0.0, high=10.0),
    },
    describe_target=describe_target,
    open_target=open_own,
    take_step=take_step,
)
