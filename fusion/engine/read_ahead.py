"""Reading the next batches in a thread while a device that works by itself is busy with this one."""

import queue
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any, TypeVar

import torch
from torch import Tensor

DEPTH = 3  # batches that wait: one is being copied, one is ready, one is being read
POLL_S = 0.1

Item = TypeVar("Item")


@dataclass(frozen=True)
class _Fault:
    """An error of the reading thread on its way to whoever waits for the batch."""

    error: BaseException


@contextmanager
def read_ahead(items: Iterator[Item], depth: int = DEPTH) -> Iterator[Iterator[Item]]:
    """The same items in the same order, up to `depth` of them made before they are asked for.

    What raises while an item is made is raised where it is asked for. Leaving ends the thread within one item.
    """
    ready: queue.Queue[Any] = queue.Queue(maxsize=depth)
    stopped = threading.Event()
    thread = threading.Thread(target=_fill, args=(items, ready, stopped), name="read-ahead", daemon=True)
    thread.start()
    try:
        yield _take(ready)
    finally:
        stopped.set()
        thread.join()


def _fill(items: Iterator[Item], ready: "queue.Queue[Any]", stopped: threading.Event) -> None:
    try:
        for item in items:
            _put(ready, (item,), stopped)
            if stopped.is_set():
                return
        _put(ready, None, stopped)
    except BaseException as error:
        _put(ready, _Fault(error), stopped)


def _put(ready: "queue.Queue[Any]", item: Any, stopped: threading.Event) -> None:
    while not stopped.is_set():
        try:
            return ready.put(item, timeout=POLL_S)
        except queue.Full:
            continue


def _take(ready: "queue.Queue[Any]") -> Iterator[Any]:
    while (found := ready.get()) is not None:
        if isinstance(found, _Fault):
            raise found.error
        yield found[0]


def pin(values: Any) -> Any:
    """The same with every tensor in memory from which a GPU copies without help."""
    return change_tensors(values, Tensor.pin_memory)


def send(values: Any, device: torch.device) -> Any:
    """The same with every tensor on a device; from pinned memory nobody waits for the copy."""
    return change_tensors(values, lambda tensor: tensor.to(device, non_blocking=True))


def change_tensors(values: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """A copy of a dataclass, a dictionary or a tensor with each tensor in it changed; all else stays."""
    if isinstance(values, Tensor):
        return change(values)
    if isinstance(values, dict):
        return {key: change_tensors(value, change) for key, value in values.items()}
    if is_dataclass(values) and not isinstance(values, type):
        return replace(
            values, **{part.name: change_tensors(getattr(values, part.name), change) for part in fields(values)}
        )
    return values
