"""Square holes in stored arrays: the network's first step sees no data there and takes the mean."""

from collections.abc import Mapping

import torch
from torch import Tensor
from torch.nn import functional


def draw_holes(
    count: int, size: tuple[int, ...], share: float, pixels: int, generator: torch.Generator | None = None
) -> Tensor:
    """Holes bool [n, y, x]: of the squares of `pixels` that a sample is laid out in, this share, one at least.

    Drawn by torch's own generator, which a checkpoint keeps, or by `generator`.
    """
    high, wide = (-(-side // pixels) for side in size)
    chosen = max(1, min(high * wide - 1, round(share * high * wide)))
    order = torch.rand(count, high * wide, generator=generator).argsort(dim=1)
    squares = (order < chosen).reshape(count, 1, high, wide).float()
    whole = functional.interpolate(squares, scale_factor=float(pixels), mode="nearest")
    return whole[:, 0, : size[0], : size[1]] > 0


def cut_holes(inputs: Mapping[str, Tensor], holes: Tensor) -> dict[str, Tensor]:
    """Arrays [n, ..., y, x] as float32 with NaN in the holes [n, y, x], at the same places in all."""
    cut = {}
    for name, values in inputs.items():
        shape = (len(holes), *[1] * (values.ndim - 3), *holes.shape[1:])
        cut[name] = values.float().masked_fill(holes.reshape(shape), torch.nan)
    return cut
