"""The average of a network's weights over its training, which is scored instead of the last ones (EMA)."""

from collections.abc import Iterator
from copy import deepcopy

import torch
from torch import Tensor
from torch.optim.swa_utils import get_ema_multi_avg_fn

from fusion.engine.network import FusionNetwork


class Average:
    """Exponentially fading average of parameters and of running statistics; whole numbers are copied.

    The decay grows from 0.1 to its value as min(decay, (1 + t) / (10 + t)) after t steps (as TensorFlow's
    ExponentialMovingAverage does), so that the drawn weights of the start are soon forgotten.
    """

    def __init__(self, network: FusionNetwork, decay: float) -> None:
        self.decay = decay
        self.network = deepcopy(network).requires_grad_(False).eval()

    @torch.no_grad()
    def update(self, network: FusionNetwork, steps: int) -> None:
        """Take in the weights after step number `steps` (from 1)."""
        mine, given = list(_list_tensors(self.network)), list(_list_tensors(network))
        pairs = list(zip(mine, given, strict=True))
        fading = [pair for pair in pairs if pair[0].is_floating_point()]
        decay = min(self.decay, (1 + steps) / (10 + steps))
        get_ema_multi_avg_fn(decay)([one for one, _ in fading], [other for _, other in fading], None)
        for one, other in pairs:
            if not one.is_floating_point():
                one.copy_(other)


def _list_tensors(network: FusionNetwork) -> Iterator[Tensor]:
    yield from network.parameters()
    yield from network.buffers()
