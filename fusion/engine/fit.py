"""What of a spec fits neither the pack nor itself: refused before the first step, the field named."""

from fusion.engine import head as heads
from fusion.engine import network as networks
from fusion.engine.course import Course
from fusion.engine.dataset import Reader
from fusion.engine.head import Head, TargetInfo
from fusion.engine.normalise import InputSpec
from fusion.engine.symmetries import Rows
from fusion.errors import SpecError
from fusion.pack import Pack
from fusion.run import RunSpec


def check_mixing(spec: RunSpec, head: Head, inputs: tuple[InputSpec, ...]) -> None:
    """Mixup and cutout: targets that have a mean, a square that leaves something to see."""
    side = min(inputs[0].shape[-2:])
    if spec.cutout >= 2 * side:
        raise SpecError(f"cutout is {spec.cutout} pixels, which may blank all of {side}. Take less than {2 * side}.")
    if spec.mixup and not head.mixes:
        raise SpecError(f"mixup: two targets of head {head.name!r} have no mean. Set it to 0.")


def check_patience(spec: RunSpec, validation: Rows) -> None:
    """An early end: something to tell the best epoch by."""
    if spec.patience and (spec.select_by == "last" or not len(validation)):
        raise SpecError(
            "patience: an early end needs validation samples, and select_by metric or loss, to tell which epoch is "
            "best. Set it to 0, or build a version with a validation split."
        )


def check_batch(spec: RunSpec, course: Course) -> None:
    """A step of at least a sample for each process in each micro-batch."""
    least, held = course.find_least(), min(spec.batch_size, len(course.rows))
    if held < least:
        raise SpecError(
            f"batch_size: a step of {held} samples is too small for accumulate {spec.accumulate} and {course.count} "
            f"processes{' with mixup, which takes pairs' if spec.mixup else ''}; take at least {least}."
        )


def check_output(spec: RunSpec, head: Head, target: TargetInfo) -> None:
    """A network that gives what the head needs."""
    network, wanted = networks.find(str(spec.network["name"])), heads.find_output(head, target)
    if network.output != wanted:
        raise SpecError(f"network {network.name!r} gives a {network.output}; head {head.name!r} needs a {wanted}.")


def check_rows(rows: Rows, reader: Reader, pack: Pack) -> None:
    """Samples to learn from, all with the target."""
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
