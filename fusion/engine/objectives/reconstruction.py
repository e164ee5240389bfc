"""Learning to give the inputs back: no labels are needed, and what is learned of images may serve other tasks.

The target are the inputs as the network's first step normalises them, pixels without data excluded; the cost is the
mean square. With `masked` a share of square patches is cut out of every sample, at the same places in all modalities,
and only they are to be given back, as masked autoencoders learn (He et al. 2022); validation has its own fixed holes.
Needs head `field` and a network that gives maps. Reports are about whole inputs, without holes.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from fusion.engine.dataset import Batch
from fusion.engine.head import TargetInfo
from fusion.engine.holes import cut_holes, draw_holes
from fusion.engine.network import FusionNetwork
from fusion.engine.normalise import InputSpec
from fusion.engine.objective import Learner, Lesson, Objective, open_own
from fusion.engine.option import Option
from fusion.errors import SpecError

SEED = 0  # of the holes in validation, so that losses of epochs can be compared


def describe_target(lesson: Lesson) -> TargetInfo:
    """A field of all bands of the inputs, in units of their normalised values."""
    if lesson.head.name != "field":
        raise SpecError(f"objective 'reconstruction' gives back a field; the task's head is {lesson.head.name!r}.")
    if lesson.options.get("variance") or lesson.options.get("loss", "l2") != "l2":
        raise SpecError("objective: reconstruction is learned by squares alone; leave loss l2 and variance false.")
    bands = tuple(name for part in lesson.inputs for name in _name_bands(part))
    return TargetInfo(
        name="",
        head="field",
        dims=("band", "y", "x"),
        bands=bands,
        unit="standard deviations",
        mean=(0.0,) * len(bands),
        std=(1.0,) * len(bands),
        arrays=tuple(part.name for part in lesson.inputs),
        options={"loss": "l2", "variance": False},
    )


def _name_bands(part: InputSpec) -> Sequence[str]:
    """A name for each channel, in their order: of dates and heights their numbers stand before the band."""
    counts = {name: size for name, size in zip(part.dims[:-2], part.shape[:-2], strict=True)}
    names = [part.name]
    for dim, count in counts.items():
        own = part.bands if dim == "band" else [f"{dim} {place}" for place in range(count)]
        names = [f"{before} {after}" for before in names for after in own]
    return names


def measure(
    learner: Learner, network: FusionNetwork, batch: Batch, generator: torch.Generator | None = None
) -> tuple[Tensor, Tensor]:
    """Loss and outputs of a batch, with holes drawn by torch's own generator or by `generator`."""
    inputs, target = batch.inputs, batch.target
    if learner.options["masked"]:
        holes = draw_holes(
            len(target), target.shape[-2:], learner.options["masked"], learner.options["patch"], generator
        )
        holes = holes.to(target.device)
        inputs, target = cut_holes(inputs, holes), target.masked_fill(~holes[:, None], torch.nan)
    with learner.autocast():
        outputs = network(inputs)
    return learner.head.loss(outputs.float(), target), outputs


def take_step(learner: Learner, batch: Batch) -> tuple[Tensor, Tensor]:
    """Forward, backward, step; answers loss and outputs."""
    loss, outputs = measure(learner, learner.network, batch)
    learner.backward(loss)
    learner.step("main")
    return loss.detach(), outputs.detach()


def validate(learner: Learner, network: FusionNetwork, batch: Batch) -> tuple[Tensor, Tensor]:
    """The same without a step, with holes that are always the same."""
    loss, outputs = measure(learner, network, batch, torch.Generator().manual_seed(SEED))
    return loss, outputs.float()


OBJECTIVE = Objective(
    name="reconstruction",
    title="Reconstruction",
    options={
        "masked": Option(default=0.0, low=0.0, high=0.95),
        "patch": Option(default=4, low=1, high=256),
    },
    describe_target=describe_target,
    open_target=open_own,
    take_step=take_step,
    validate=validate,
)
