"""Optimisers, and the learning rate as a function of the share of the run that is done."""

import math
from collections.abc import Iterable

from torch import nn
from torch.optim import AdamW, NAdam, Optimizer

from fusion.run import RunSpec

FLOOR = 0.01  # the last step's share of the peak rate
ONE_CYCLE_RISE = 0.3  # Smith and Topin 2019: a third up, two thirds down
STEPS = (0.5, 0.75)  # He et al. 2016: a tenth of the rate after half and after three quarters of the run


def make_optimizer(spec: RunSpec, parameters: Iterable[nn.Parameter]) -> Optimizer:
    """The spec's optimiser; weight decay is decoupled in both."""
    if spec.optimizer == "adamw":
        return AdamW(parameters, lr=spec.learning_rate, weight_decay=spec.weight_decay)
    return NAdam(parameters, lr=spec.learning_rate, weight_decay=spec.weight_decay, decoupled_weight_decay=True)


def learning_rate_at(spec: RunSpec, share: float) -> float:
    """The rate when `share` (0 to 1) of the run is done: no state, so a resumed run goes on where it was."""
    share = min(max(share, 0.0), 1.0)
    rise = max(spec.warm_up, ONE_CYCLE_RISE) if spec.schedule == "one_cycle" else spec.warm_up
    if share < rise:
        return spec.learning_rate * (FLOOR + (1 - FLOOR) * share / rise)
    if spec.schedule == "constant":
        return spec.learning_rate
    if spec.schedule == "step":
        return spec.learning_rate * 0.1 ** sum(share >= step for step in STEPS)
    fall = (share - rise) / (1 - rise)
    return spec.learning_rate * (FLOOR + (1 - FLOOR) * (1 + math.cos(math.pi * fall)) / 2)


def set_learning_rate(optimizers: Iterable[Optimizer], rate: float) -> None:
    """The same rate for every group of every optimiser."""
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            group["lr"] = rate
