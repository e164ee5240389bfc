"""Running sums of loss and metric that cost no wait for the device, and the check that they are numbers."""

import math
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from fusion.engine.parallel import Processes
from fusion.errors import GeoquorumError

ADVICE = "Lower learning_rate, raise warm_up or set gradient_clip; the last good checkpoint is kept."


class DivergedError(GeoquorumError):
    """The loss or a weight is no longer a number."""


class Tally:
    """Sums of loss and metric since the epoch and since the last event began, over all processes once asked for.

    They are kept on the device until then. A metric that is no number says nothing and is left out.
    """

    def __init__(self, device: torch.device, processes: Processes | None = None) -> None:
        self._processes = processes or Processes()
        self._epoch = torch.zeros(4, dtype=torch.float64, device=device)
        self._told = torch.zeros(4, dtype=torch.float64, device=device)  # of the epoch's sums, by the last event
        self._one = torch.ones((), device=device)
        self._since = time.monotonic()
        self._waited_s = 0.0

    def add(self, loss: Tensor, value: Tensor, count: int) -> None:
        """One batch's means."""
        known = torch.isfinite(value)
        part = torch.stack([loss, torch.nan_to_num(value, 0.0, 0.0, 0.0), self._one, known])
        self._epoch.add_(part, alpha=count)

    @contextmanager
    def wait(self) -> Iterator[None]:
        """Time in which nothing is learned because a batch is not there yet."""
        started = time.monotonic()
        yield
        self._waited_s += time.monotonic() - started

    def check(self, step: int) -> None:
        """DivergedError once any loss of the epoch was not finite: a sum forgets no NaN."""
        if not math.isfinite(float(self._processes.sum(self._epoch.clone())[0])):
            raise DivergedError(f"The loss is not finite at step {step}. {ADVICE}")

    def mean_epoch(self) -> tuple[float, float]:
        """Mean loss and metric of the epoch so far; NaN before the first batch."""
        return _divide(self._processes.sum(self._epoch.clone()))

    def close_window(self) -> dict[str, float]:
        """Mean loss and metric, images per second and share of time spent waiting since the last call."""
        sums, now = self._processes.sum(self._epoch - self._told), time.monotonic()
        loss, value = _divide(sums)
        passed_s = max(now - self._since, 1e-9)
        waited, self._waited_s, self._since = self._waited_s, 0.0, now
        self._told.copy_(self._epoch)
        return {
            "loss": loss,
            "accuracy": value,
            "images_per_second": round(float(sums[2]) / passed_s, 1),
            "waiting_share": round(min(waited / passed_s, 1.0), 4),
        }

    def close_epoch(self) -> None:
        """Begin the next epoch's sums; what no event told yet is told by the next one."""
        self._told -= self._epoch
        self._epoch.zero_()


def measure_memory(device: torch.device) -> float:
    """The most memory that was in use at once, in MB: the GPU's, or this process's own."""
    if device.type == "cuda":
        return round(torch.cuda.max_memory_allocated(device) / 2**20, 1)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return round(peak / (2**20 if sys.platform == "darwin" else 2**10), 1)


def _divide(sums: Tensor) -> tuple[float, float]:
    loss, value, count, known = sums.tolist()
    return (loss / count if count else math.nan, value / known if known else math.nan)
