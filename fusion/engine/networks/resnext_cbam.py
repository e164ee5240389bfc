"""ResNeXt (Xie et al. 2017) with CBAM attention (Woo et al. 2018): the strongest network of the So2Sat LCZ42 paper."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fusion.engine.network import Network, NetworkShape
from fusion.engine.option import Option
from fusion.errors import SpecError

STAGES = 3
EXPANSION = 2  # of a block's output over its grouped convolution
REDUCTION = 16  # of the channels inside the channel attention
FEWEST_HIDDEN = 4


def convolve(channels: int, width: int, side: int, *, stride: int = 1, groups: int = 1) -> list[nn.Module]:
    """A convolution that keeps the borders, and batch normalisation."""
    layer = nn.Conv2d(channels, width, side, stride, padding=side // 2, groups=groups, bias=False)
    return [layer, nn.BatchNorm2d(width)]


class ChannelAttention(nn.Module):
    """Weighs channels by what their mean and their maximum over the image say, through one small shared network."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        hidden = max(FEWEST_HIDDEN, channels // REDUCTION)
        self.weigh = nn.Sequential(nn.Linear(channels, hidden), nn.ReLU(), nn.Linear(hidden, channels))

    def forward(self, image: Tensor) -> Tensor:
        weights = self.weigh(image.mean(dim=(2, 3))) + self.weigh(image.amax(dim=(2, 3)))
        return image * weights.sigmoid()[:, :, None, None]


class SpatialAttention(nn.Module):
    """Weighs pixels by the mean and the maximum over channels in a window of 7 x 7."""

    def __init__(self) -> None:
        super().__init__()
        self.weigh = nn.Sequential(*convolve(2, 1, 7))

    def forward(self, image: Tensor) -> Tensor:
        planes = torch.cat([image.mean(dim=1, keepdim=True), image.amax(dim=1, keepdim=True)], dim=1)
        return image * self.weigh(planes).sigmoid()


class Block(nn.Module):
    """A bottleneck with a grouped convolution, attention to channels then pixels, and a way round it."""

    def __init__(self, channels: int, width: int, cardinality: int, *, stride: int, attention: bool) -> None:
        super().__init__()
        out = EXPANSION * width
        steps = [*convolve(channels, width, 1), nn.ReLU(inplace=True)]
        steps += [*convolve(width, width, 3, stride=stride, groups=cardinality), nn.ReLU(inplace=True)]
        steps += convolve(width, out, 1)
        if attention:
            steps += [ChannelAttention(out), SpatialAttention()]
        self.steps = nn.Sequential(*steps)
        is_same = stride == 1 and channels == out
        self.past = nn.Identity() if is_same else nn.Sequential(*convolve(channels, out, 1, stride=stride))

    def forward(self, image: Tensor) -> Tensor:
        return (self.steps(image) + self.past(image)).relu()


class ResNeXt(nn.Module):
    """Float [n, channels, y, x] to logits [n, outputs]; three stages of blocks, each wider and at half the pixels."""

    def __init__(
        self, channels: int, outputs: int, *, depth: int, cardinality: int, width: int, attention: bool
    ) -> None:
        super().__init__()
        inner = cardinality * width
        blocks: list[nn.Module] = [*convolve(channels, inner, 3), nn.ReLU(inplace=True)]
        last = inner
        for stage in range(STAGES):
            for place in range((depth - 2) // 9):
                stride = 2 if stage and not place else 1
                wide = inner * 2**stage
                blocks.append(Block(last, wide, cardinality, stride=stride, attention=attention))
                last = EXPANSION * wide
        self.blocks = nn.Sequential(*blocks)
        self.head = nn.Linear(last, outputs)

    def forward(self, image: Tensor) -> Tensor:
        return self.head(self.blocks(image).mean(dim=(2, 3)))


def build(shape: NetworkShape, options: Mapping[str, Any]) -> nn.Module:
    """ResNeXt for this shape; two halvings need at least 4 x 4 pixels."""
    if min(shape.height, shape.width) < 2 ** (STAGES - 1):
        raise SpecError(
            f"network resnext_cbam needs at least 4 x 4 pixels; the pack has {shape.height} x {shape.width}."
        )
    if (options["depth"] - 2) % 9:
        raise SpecError(f"network.depth of resnext_cbam must be 2 more than a multiple of 9; it is {options['depth']}.")
    return ResNeXt(shape.channels, shape.outputs, **options)


NETWORK = Network(
    name="resnext_cbam",
    title="ResNeXt-CBAM",
    output="vector",
    options={
        "depth": Option(default=29, low=11, high=200),
        "cardinality": Option(default=8, low=1, high=64),
        "width": Option(default=4, low=1, high=64),
        "attention": Option(default=True),
    },
    build=build,
    source="Xie et al. 2017, arXiv 1611.05431; Woo et al. 2018, arXiv 1807.06521; Zhu et al. 2020, So2Sat LCZ42",
)
