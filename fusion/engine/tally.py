"""Running sums of loss and metric that cost no wait for the device, and the check that they are numbers."""

import math
import time

import torch
from torch import Tensor

from fusion.errors import GeoquorumError


class DivergedError(GeoquorumError):
    """The loss or a weight is no longer a number."""


class Tally:
    """Sums of loss and metric since the epoch and since the last event began; kept on the device until asked for."""

    def __init__(self, device: torch.device) -> None:
        self._epoch = torch.zeros(3, dtype=torch.float64, device=device)
        self._window = torch.zeros(3, dtype=torch.float64, device=device)
        self._since = time.monotonic()

    def add(self, loss: Tensor, value: Tensor, count: int) -> None:
        """One batch's means."""
        part = torch.stack([loss.double() * count, value.double() * count, torch.full_like(loss, count).double()])
        self._epoch += part
        self._window += part

    def check(self, step: int) -> None:
        """DivergedError once any loss of the epoch was not finite: a sum forgets no NaN."""
        if not math.isfinite(float(self._epoch[0])):
            raise DivergedError(
                f"The loss is not finite at step {step}. Lower learning_rate or raise warm_up; "
                "the last good checkpoint is kept."
            )

    def mean_epoch(self) -> tuple[float, float]:
        """Mean loss and metric of the epoch so far; NaN before the first batch."""
        loss, value, count = self._epoch.tolist()
        return (loss / count, value / count) if count else (math.nan, math.nan)

    def mean_window(self) -> tuple[float, float, float]:
        """Mean loss, metric and images per second since the last call."""
        loss, value, count = self._window.tolist()
        now = time.monotonic()
        speed = count / max(now - self._since, 1e-9)
        self._window.zero_()
        self._since = now
        return loss / max(count, 1), value / max(count, 1), round(speed, 1)

    def close_epoch(self) -> None:
        """Begin the next epoch's sums."""
        self._epoch.zero_()
