"""The batches of an epoch, in order, on the device where they are learned from."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

import torch

from fusion.engine.course import Course, Portion
from fusion.engine.dataset import Batch, Reader
from fusion.engine.read_ahead import pin, read_ahead, send

Batches = Iterator[tuple[Portion, Batch]]


@contextmanager
def open_batches(
    reader: Reader, course: Course, epoch: int, steps: Sequence[int], *, is_ahead: bool | None = None
) -> Iterator[Batches]:
    """What this process reads in these steps of an epoch, portion by portion.

    They are read in a thread ahead of the learning where the device works by itself (a GPU), unless `is_ahead` says
    otherwise; a CPU has nothing to gain from it. The order is the same.
    """
    order = course.order(epoch)
    portions = (portion for step in steps for portion in course.list_portions(order, epoch, step))
    is_cuda = reader.device.type == "cuda"
    if not (is_cuda if is_ahead is None else is_ahead):
        yield ((portion, reader.read(portion.rows, portion.symmetries)) for portion in portions)
        return
    with read_ahead(_read(replace(reader, device=torch.device("cpu")), portions, is_pinned=is_cuda)) as ready:
        yield ((portion, send(batch, reader.device)) for portion, batch in ready)


def _read(reader: Reader, portions: Iterator[Portion], *, is_pinned: bool) -> Batches:
    for portion in portions:
        batch = reader.read(portion.rows, portion.symmetries)
        yield portion, pin(batch) if is_pinned else batch
