"""What a training is made of, put together from its spec: pack, inputs, head, objective, network, batches."""

from dataclasses import dataclass, replace

import torch

from fusion import task as tasks
from fusion.engine import head as heads
from fusion.engine import network as networks
from fusion.engine import objective as objectives
from fusion.engine.dataset import Reader, count_batches, is_read_by_blocks
from fusion.engine.head import Head, TargetInfo
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
    names = [part.name for part in inputs]
    rows = pack.indices("train", having=names)
    kind, objective = heads.find(task.head), objectives.find(str(spec.objective["name"]))
    options = read_options("objective", {**kind.options, **objective.options}, spec.objective)
    target = objective.describe_target(pack, spec, kind, task.scheme, inputs, options, rows)
    head = heads.open_head(target)
    _check_output(spec, head, target)
    torch.manual_seed(spec.seed)
    network = FusionNetwork(spec.network, inputs, head.count_outputs(target))
    network.place(device, channels_last=spec.channels_last)
    parts = {name: part.to(device) for name, part in objective.make_parts(target, inputs, options).items()}
    learned = objective.open_target(pack, head, target, inputs)
    reader = Reader(
        arrays={name: pack.array(name) for name in names},
        target=learned,
        truth=head.open_truth(pack, target, inputs) if head.open_truth else learned,
        device=device,
    )
    learner = Learner(
        network=network,
        head=head,
        optimizers=objective.make_optimizers(network, parts, spec, options),
        options=options,
        device=device,
        parts=parts,
        processes=processes,
        gradient_clip=spec.gradient_clip,
    )
    rows, validation = (_choose_rows(pack, split, names, head, reader) for split in ("train", "validation"))
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
        validation=validation,
        batches=count_batches(len(rows), spec.batch_size),
        by_blocks=is_read_by_blocks(spec.order, (pack.array(name) for name in names)),
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


def _check_output(spec: RunSpec, head: Head, target: TargetInfo) -> None:
    network, wanted = networks.find(str(spec.network["name"])), heads.find_output(head, target)
    if network.output != wanted:
        raise SpecError(f"network {network.name!r} gives a {network.output}; head {head.name!r} needs a {wanted}.")


def _choose_rows(pack: Pack, split: str, names: list[str], head: Head, reader: Reader) -> Rows:
    """Samples of a split that have all inputs, and the target too where the head leaves others out."""
    rows = pack.indices(split, having=names)
    return rows[reader.target.present[rows]] if head.is_partial else rows


def _check_rows(rows: Rows, reader: Reader, pack: Pack) -> None:
    if not len(rows):
        raise SpecError(
            f"{pack.folder} has no train samples that have {' and '.join(reader.arrays)} and the target. Build a "
            "version with a train split, or name fewer modalities."
        )
    bad = ~reader.target.present[rows]
    if bad.any():
        raise SpecError(
            f"objective.target: {int(bad.sum())} of {len(rows)} train samples of {pack.folder} have no such target. "
            "Learn from the other kind of target, or build a version in which each has one."
        )
