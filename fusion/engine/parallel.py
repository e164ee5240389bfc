"""The processes that train one network together: who this one is, sums over all of them, and one way out for all.

torchrun starts them and says so in the environment; accelerate joins them and brings bfloat16. One process in float32
needs neither, and does without the import (0.6 s). Gradients are summed where an optimiser steps, not by a wrapper
around the network: so an objective may have several optimisers, penalties on gradients and branches without gradient,
and the network that is called is the one that is saved.
"""

import os
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from fusion.engine.session import PeerLostError
from fusion.errors import SpecError

if TYPE_CHECKING:
    from accelerate import Accelerator

BACKENDS = {"cpu": "gloo", "cuda": "cpu:gloo,cuda:nccl"}  # what processes agree on lies on the CPU: no wait for a GPU


@dataclass(frozen=True, kw_only=True)
class Processes:
    """This process (`rank`) among `count`; with one, every sum is what it was."""

    rank: int = 0
    count: int = 1
    accelerator: "Accelerator | None" = None

    @property
    def is_first(self) -> bool:
        """True for the one process that writes events, checkpoints and the report."""
        return self.rank == 0

    def autocast(self) -> AbstractContextManager[Any]:
        """bfloat16 where the run wants it: its range needs no loss scaling."""
        return self.accelerator.autocast() if self.accelerator else nullcontext()

    def backward(self, loss: Tensor, inputs: Sequence[nn.Parameter] | None = None) -> None:
        """Gradients of a loss, those of `inputs` alone where given."""
        if self.accelerator:
            self.accelerator.backward(loss, inputs=inputs)
        else:
            loss.backward(inputs=inputs)

    def sum(self, values: Tensor) -> Tensor:
        """The sum over all processes, in place."""
        if self.count > 1:
            run_together(torch.distributed.all_reduce, values)
        return values

    def find_highest(self, values: Iterable[float]) -> list[float]:
        """Of each value the highest over all processes: so all see the same wish to stop and the same time."""
        if self.count == 1:
            return list(values)
        agreed = torch.tensor(list(values), dtype=torch.float64)
        run_together(torch.distributed.all_reduce, agreed, torch.distributed.ReduceOp.MAX)
        return [float(value) for value in agreed]

    def sum_gradients(self, parameters: Sequence[nn.Parameter]) -> None:
        """The sum of every gradient over all processes, sent as one piece."""
        if self.count == 1:
            return
        gradients = [part.grad for part in parameters if part.grad is not None]
        whole = self.sum(torch.cat([gradient.reshape(-1) for gradient in gradients]))
        for gradient, summed in zip(gradients, whole.split([part.numel() for part in gradients]), strict=True):
            gradient.copy_(summed.view_as(gradient))

    def share(self, rows: Any) -> Any:
        """This process's rows: a run of neighbours, as even as may be."""
        return split(rows, self.count)[self.rank]

    def leave(self) -> None:
        """Part from the others, once all are here; what is done from then on, each does alone."""
        if self.count > 1:
            run_together(torch.distributed.barrier)
            torch.distributed.destroy_process_group()


def split(rows: Any, parts: int, unit: int = 1) -> list[Any]:
    """Neighbouring rows in `parts` runs of whole pieces of `unit` rows, as even as may be; the last may be cut."""
    pieces = -(-len(rows) // unit)
    cuts = [*(unit * (pieces * part // parts) for part in range(parts)), len(rows)]
    return [rows[first:last] for first, last in pairwise(cuts)]


def join_processes(device: torch.device, *, is_half: bool) -> Processes:
    """The processes that torchrun started, joined; this one alone where nobody did."""
    asked = int(os.environ.get("WORLD_SIZE", "1"))
    if asked == 1 and not is_half:
        return Processes()
    from accelerate import Accelerator
    from accelerate.state import AcceleratorState

    if asked > 1 and not torch.distributed.is_initialized():
        torch.distributed.init_process_group(BACKENDS[device.type])
    AcceleratorState._reset_state(reset_partial_state=True)  # it keeps the precision of an earlier run of this process
    accelerator = Accelerator(cpu=device.type == "cpu", mixed_precision="bf16" if is_half else "no")
    if accelerator.num_processes != asked:
        raise SpecError(f"torchrun asked for {asked} processes; {accelerator.num_processes} came together.")
    return Processes(rank=accelerator.process_index, count=asked, accelerator=accelerator)


def run_together(work: Any, *given: Any) -> None:
    """A step that all processes take at once; PeerLostError where one is gone."""
    try:
        work(*given)
    except RuntimeError as error:
        raise PeerLostError(
            "Another process of this run went away without a word. Look at its machine's log; the last checkpoint is "
            "kept, and the same command goes on from it."
        ) from error
