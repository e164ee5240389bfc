"""What a training is made of, put together from its spec: pack, inputs, head, objective, network, batches."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch

from fusion import modality as modalities
from fusion import task as tasks
from fusion.engine import head as heads
from fusion.engine import objective as objectives
from fusion.engine.balancing import read_classes
from fusion.engine.course import Course
from fusion.engine.dataset import Reader, count_batches, is_read_by_blocks
from fusion.engine.fit import check_batch, check_mixing, check_output, check_patience, check_rows
from fusion.engine.head import Head, TargetInfo
from fusion.engine.network import FusionNetwork
from fusion.engine.normalise import InputSpec, describe_inputs
from fusion.engine.objective import Learner, Lesson, Objective
from fusion.engine.option import read_options
from fusion.engine.parallel import Processes, join_processes
from fusion.engine.shared_norm import share_statistics
from fusion.engine.symmetries import Rows, list_allowed
from fusion.errors import SpecError
from fusion.pack import Pack
from fusion.run import RunSpec, check_pack
from fusion.task import Task


@dataclass(frozen=True, kw_only=True)
class Setup:
    """A training before its first step; `batches` are the steps of one epoch."""

    spec: RunSpec
    task: Task
    pack: Pack
    inputs: tuple[InputSpec, ...]
    target: TargetInfo
    objective: Objective
    learner: Learner
    reader: Reader
    course: Course
    validation: Rows
    batches: int

    @property
    def rows(self) -> Rows:
        """Those of the train split that are learned from."""
        return self.course.rows


def prepare_run(spec: RunSpec) -> Setup:
    """Everything that the first step needs; SpecError or PackError names what does not fit together."""
    device = choose_device(spec.device)
    is_half = spec.precision == "bfloat16" or (spec.precision == "auto" and device.type == "cuda")
    processes = join_processes(device, is_half=is_half)
    torch.set_num_threads(spec.threads)
    pack = Pack.open(spec.pack)
    check_pack(spec.pack_sha256, pack.sha256, spec.pack)
    return _put_together(replace(spec, pack_sha256=pack.sha256), pack, device, processes)


def _put_together(spec: RunSpec, pack: Pack, device: torch.device, processes: Processes) -> Setup:
    task, inputs = tasks.find(spec.task), describe_inputs(pack, spec.modalities)
    kind, objective = heads.find(task.head), objectives.find(str(spec.objective["name"]))
    options = read_options("objective", {**kind.options, **objective.options}, spec.objective)
    train = pack.indices("train", having=[part.name for part in inputs])
    lesson = Lesson(
        pack=pack, name=spec.target, head=kind, scheme=task.scheme, inputs=inputs, options=options, rows=train
    )
    target = objective.describe_target(lesson)
    head = heads.open_head(target)
    check_output(spec, head, target)
    check_mixing(spec, head, inputs)
    learner = _make_learner(spec, objective, head, target, inputs, options, device, processes)
    reader = _open_reader(pack, objective, head, target, inputs, device)
    rows, validation = (_choose_rows(pack, split, head, reader) for split in ("train", "validation"))
    check_rows(rows, reader, pack)
    check_patience(spec, validation)
    course = _lay_course(spec, pack, target, inputs, rows, processes)
    check_batch(spec, course)
    return Setup(
        spec=spec,
        task=task,
        pack=pack,
        inputs=inputs,
        target=target,
        objective=objective,
        learner=learner,
        reader=reader,
        course=course,
        validation=validation,
        batches=count_batches(len(rows), spec.batch_size),
    )


def _make_learner(
    spec: RunSpec,
    objective: Objective,
    head: Head,
    target: TargetInfo,
    inputs: tuple[InputSpec, ...],
    options: Mapping[str, Any],
    device: torch.device,
    processes: Processes,
) -> Learner:
    """The network with drawn weights, what else learns, and their optimisers."""
    torch.manual_seed(spec.seed)
    network = FusionNetwork(spec.network, inputs, head.count_outputs(target))
    network.place(device, channels_last=spec.channels_last)
    parts = {name: part.to(device) for name, part in objective.make_parts(target, inputs, options).items()}
    if processes.count > 1:
        for module in (network, *parts.values()):
            share_statistics(module, device)
    return Learner(
        network=network,
        head=head,
        optimizers=objective.make_optimizers(network, parts, spec, options),
        options=options,
        device=device,
        parts=parts,
        processes=processes,
        gradient_clip=spec.gradient_clip,
    )


def _open_reader(
    pack: Pack,
    objective: Objective,
    head: Head,
    target: TargetInfo,
    inputs: tuple[InputSpec, ...],
    device: torch.device,
) -> Reader:
    learned = objective.open_target(pack, head, target, inputs)
    return Reader(
        arrays={part.name: pack.array(part.name) for part in inputs},
        target=learned,
        truth=head.open_truth(pack, target, inputs) if head.open_truth else learned,
        device=device,
    )


def _choose_rows(pack: Pack, split: str, head: Head, reader: Reader) -> Rows:
    """Samples of a split that have all inputs, and the target too where the head leaves others out."""
    rows = pack.indices(split, having=list(reader.arrays))
    return rows[reader.target.present[rows]] if head.is_partial else rows


def _lay_course(
    spec: RunSpec, pack: Pack, target: TargetInfo, inputs: tuple[InputSpec, ...], rows: Rows, processes: Processes
) -> Course:
    height, width = inputs[0].shape[-2:]
    kinds = (modalities.find(part.modality) for part in inputs)
    return Course(
        spec=spec,
        rows=rows,
        classes=read_classes(pack, target)[rows] if spec.balance == "classes" else None,
        symmetries=list_allowed(kinds, is_square=height == width),
        by_blocks=is_read_by_blocks(spec.order, (pack.array(part.name) for part in inputs)),
        rank=processes.rank,
        count=processes.count,
    )


def compile_architecture(network: FusionNetwork) -> None:
    """Let torch compile what is computed between normalisation and outputs; names of weights stay."""
    architecture = network.architecture
    architecture.forward = torch.compile(architecture.forward)


def choose_device(name: str) -> torch.device:
    """As `find_device`; of several processes on one machine each has its own GPU."""
    found, place = find_device(name), int(os.environ.get("LOCAL_RANK", "0"))
    if found.type != "cuda" or int(os.environ.get("WORLD_SIZE", "1")) == 1:
        return found
    if found.index is not None or place >= torch.cuda.device_count():
        raise SpecError(
            f"device {name!r}: process {place} of this machine has no GPU of its own; {torch.cuda.device_count()} are "
            "here. Say cuda, and start one process for each."
        )
    return torch.device("cuda", place)


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
