"""A critic of patches (Isola et al. 2017) and the penalty that keeps its slope (Gulrajani et al. 2017)."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

SLOPE = 0.2  # of the leaky rectifier


class PatchCritic(nn.Module):
    """Float [n, channels, y, x] to one number [n]: the mean over patches of about 8 times 2**layers pixels.

    Each layer halves the size; samples are normalised by themselves, never over the batch, for the penalty is on the
    gradient of each sample alone.
    """

    def __init__(self, channels: int, *, width: int, layers: int) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(layers)]
        steps: list[nn.Module] = []
        for level, (before, after) in enumerate(zip([channels, *widths[:-1]], widths, strict=True)):
            steps.append(nn.Conv2d(before, after, 4, stride=2, padding=1))
            steps += [nn.GroupNorm(1, after)] if level else []
            steps.append(nn.LeakyReLU(SLOPE))
        steps.append(nn.Conv2d(widths[-1], 1, 3, padding=1, bias=False))  # true minus made: it would cancel
        self.steps = nn.Sequential(*steps)

    def forward(self, image: Tensor) -> Tensor:
        return self.steps(image).mean(dim=(1, 2, 3))


def measure_penalty(critic: Callable[[Tensor], Tensor], true: Tensor, false: Tensor) -> Tensor:
    """Mean of (slope - 1)^2 at a random place between each true and false map; differentiable by the critic's weights.

    The slope is the length of the gradient of one sample's number by its map.
    """
    share = torch.rand(len(true), *[1] * (true.ndim - 1)).to(true.device)
    between = (share * true + (1 - share) * false).detach().requires_grad_(True)
    (gradient,) = torch.autograd.grad(critic(between).sum(), between, create_graph=True)
    return ((gradient.flatten(1).norm(dim=1) - 1) ** 2).mean()
