"""What a training is made of, put together from its spec: pack, inputs, head, objective, network, batches."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch

from fusion import task as tasks
from fusion.engine import head as heads
from fusion.engine import network as networks
from fusion.engine import objective as objectives
from fusion.engine.dataset import Reader, count_batches, is_read_by_blocks
from fusion.engine.head import TargetInfo
from fusion.engine.network import FusionNetwork
from fusion.engine.normalise import InputSpec, describe_inputs
from fusion.engine.objective import Learner, Objective
from fusion.engine.option import read_options
from fusion.engine.parallel import join_processes
from fusion.engine.symmetries import Rows
from fusion.errors import SpecError
from fusion.pack import Pack
from fusion.run import RunSpec, check_pack
from fusion.task import Task


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A training before its first step; `rows` are the train split's, `batches` those of one epoch."""

    spec: RunSpec
    task: Task
    pack: Pack
    inputs: tuple[InputSpec, ...]
    target: TargetInfo
    objective: Objective
    learner: Learner
    reader: Reader
    rows: Rows
    validation: Rows
    batches: int
    by_blocks: bool

    @property
    def is_square(self) -> bool:
        height, width = self.inputs[0].shape[-2:]
        return height == width


def prepare_run(spec: RunSpec) -> Setup:
    """Everything that the first step needs; SpecError or PackError names what does not fit together."""
    device = find_device(spec.device)
    torch.set_num_threads(spec.threads)
    is_half = spec.precision == "bfloat16" or (spec.precision == "auto" and device.type == "cuda")
    processes = join_processes(device, is_half=is_half)
    pack = Pack.open(spec.pack)
    check_pack(spec.pack_sha256, pack.sha256, spec.pack)
    spec = replace(spec, pack_sha256=pack.sha256)
    task = tasks.find(spec.task)
    inputs = describe_inputs(pack, spec.modalities)
    target = heads.read_target_info(pack, spec.target, task.head, task.scheme)
    head, objective = heads.find(task.head), objectives.find(str(spec.objective["name"]))
    _check_output(spec, head)
    options = read_options("objective", objective.options, spec.objective)
    torch.manual_seed(spec.seed)
    network = FusionNetwork(spec.network, inputs, head.count_outputs(target))
    network.place(device, channels_last=spec.channels_last)
    arrays = {part.name: pack.array(part.name) for part in inputs}
    reader = Reader(
        arrays=arrays,
        target=objective.read_target(pack, head, target, options),
        truth=head.read_target(pack, target, "label"),
        device=device,
    )
    learner = Learner(
        network=network,
        head=head,
        optimizers=objective.make_optimizers(network, spec),
        options=options,
        device=device,
        processes=processes,
        gradient_clip=spec.gradient_clip,
    )
    rows = pack.indices("train", having=list(arrays))
    _check_rows(rows, reader, pack)
    return Setup(
        spec=spec,
        task=task,
        pack=pack,
        inputs=inputs,
        target=target,
        objective=objective,
        learner=learner,
        reader=reader,
        rows=rows,
        validation=pack.indices("validation", having=list(arrays)),
        batches=count_batches(len(rows), spec.batch_size),
        by_blocks=is_read_by_blocks(spec.order, arrays.values()),
    )


def find_device(name: str) -> torch.device:
    """The device called `auto`, `cpu`, `cuda` or `cuda:N`; SpecError where it is not here."""
    has_cuda = torch.cuda.is_available()
    if name == "auto":
        return torch.device("cuda" if has_cuda else "cpu")
    kind, _, number = name.partition(":")
    if kind not in ("cpu", "cuda") or (number and not number.isdigit()):
        raise SpecError(f"device must be auto, cpu, cuda or cuda:N; it is {name!r}.")
    if kind == "cuda" and (not has_cuda or int(number or 0) >= torch.cuda.device_count()):
        raise SpecError(f"device {name!r} is not on this machine. Say auto or cpu, or run where it is.")
    return torch.device(name)


def _check_output(spec: RunSpec, head: heads.Head) -> None:
    network = networks.find(str(spec.network["name"]))
    if network.output != head.output:
        raise SpecError(f"network {network.name!r} gives a {network.output}; head {head.name!r} needs a {head.output}.")


def _check_rows(rows: Rows, reader: Reader, pack: Pack) -> None:
    if not len(rows):
        raise SpecError(
            f"{pack.folder} has no train samples that have {' and '.join(reader.arrays)}. Build a version with a train "
            "split, or name fewer modalities."
        )
    bad: Any = ~np.isfinite(reader.target[rows]).reshape(len(rows), -1).all(axis=1)
    if bad.any():
        raise SpecError(
            f"objective.target: {int(bad.sum())} of {len(rows)} train samples of {pack.folder} have no such target. "
            "Learn from the other kind of target, or build a version in which each has one."
        )
