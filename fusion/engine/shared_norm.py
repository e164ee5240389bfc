"""Batch normalisation whose statistics are those of all processes together: two processes learn what one would."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from fusion.engine.parallel import run_together


class SumOfAll(torch.autograd.Function):
    """The sum of a tensor over all processes, and of its gradient: every process's loss depends on every summand."""

    @staticmethod
    def forward(context: Any, values: Tensor) -> Tensor:
        summed = values.clone()
        run_together(torch.distributed.all_reduce, summed)
        return summed

    @staticmethod
    def backward(context: Any, *gradients: Tensor) -> Tensor:
        summed = gradients[0].clone()
        run_together(torch.distributed.all_reduce, summed)
        return summed


class SharedBatchNorm(_BatchNorm):
    """As torch.nn.SyncBatchNorm, which knows no CPU: mean and variance over the samples of all processes.

    The mean is found before the squares, so that nothing is lost where it is large beside the deviation.
    """

    @classmethod
    def take_over(cls, layer: _BatchNorm) -> "SharedBatchNorm":
        """The same parameters and statistics, shared."""
        own = cls(layer.num_features, layer.eps, layer.momentum, layer.affine, layer.track_running_stats)
        for name, part in [*layer._parameters.items(), *layer._buffers.items()]:
            setattr(own, name, part)
        return own.train(layer.training)

    def _check_input_dim(self, given: Tensor) -> None:
        """Any number of dimensions."""

    def forward(self, given: Tensor) -> Tensor:
        if not self.training:
            return super().forward(given)
        axes = [axis for axis in range(given.ndim) if axis != 1]
        shape = (1, -1, *(1,) * (given.ndim - 2))
        values = given.float()
        count = values.new_tensor([values.numel() / values.shape[1]])
        sums: Tensor = SumOfAll.apply(torch.cat([values.sum(axes), count]))
        mean, count = sums[:-1] / sums[-1], sums[-1].detach()
        centred = values - mean.reshape(shape)
        variance = SumOfAll.apply(centred.square().sum(axes)) / count
        self._remember(mean.detach(), variance.detach(), count)
        out = centred * torch.rsqrt(variance + self.eps).reshape(shape)
        if self.affine:
            out = out * self.weight.reshape(shape) + self.bias.reshape(shape)
        return out.to(given.dtype)

    @torch.no_grad()
    def _remember(self, mean: Tensor, variance: Tensor, count: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        factor = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, factor)
        self.running_var.lerp_(variance * count / (count - 1).clamp_min(1), factor)


def share_statistics(network: nn.Module, device: torch.device) -> None:
    """Replace every batch normalisation below `network` by one over all processes, in place."""
    for name, child in network.named_children():
        if isinstance(child, _BatchNorm) and not isinstance(child, nn.SyncBatchNorm):
            is_cuda = device.type == "cuda"
            shared = nn.SyncBatchNorm.convert_sync_batchnorm(child) if is_cuda else SharedBatchNorm.take_over(child)
            setattr(network, name, shared)
        else:
            share_statistics(child, device)
