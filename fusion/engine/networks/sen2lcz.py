"""Sen2LCZ-Net (Qiu, Tong, Schmitt, Bechtel, Zhu 2020, IEEE JSTARS 13): a plain network for local climate zones."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from fusion.engine.network import Network, NetworkShape
from fusion.engine.option import Option
from fusion.errors import SpecError

STAGES = 4


class Stage(nn.Sequential):
    """Convolutions of 3 x 3, each with batch normalisation and ReLU, at one resolution."""

    def __init__(self, channels: int, width: int, layers: int) -> None:
        steps: list[nn.Module] = []
        for layer in range(layers):
            steps.append(nn.Conv2d(channels if layer == 0 else width, width, 3, padding=1, bias=False))
            steps.append(nn.BatchNorm2d(width))
            steps.append(nn.ReLU(inplace=True))
        super().__init__(*steps)


class Sen2LCZ(nn.Module):
    """Float [n, channels, y, x] to logits [n, outputs]; four stages of width w, 2w, 4w, 8w.

    Between stages the maximum and the mean over 2 x 2 pixels are concatenated, so no stage narrows its input.
    With `multi_level` every stage has a head and the four probabilities are averaged; their logarithm is returned.
    """

    def __init__(
        self, channels: int, outputs: int, *, width: int, depth: int, dropout: float, multi_level: bool
    ) -> None:
        super().__init__()
        widths = [width * 2**stage for stage in range(STAGES)]
        entries = [channels, *(2 * below for below in widths[:-1])]
        layers = (depth - 1) // STAGES
        self.stages = nn.ModuleList(Stage(*ends, layers) for ends in zip(entries, widths, strict=True))
        self.dropout = nn.Dropout(dropout)
        self.multi_level = multi_level
        self.heads = nn.ModuleList(nn.Linear(wide, outputs) for wide in (widths if multi_level else widths[-1:]))

    def forward(self, image: Tensor) -> Tensor:
        features = []
        for number, stage in enumerate(self.stages):
            image = stage(image)
            features.append(image)
            if number < STAGES - 1:
                image = torch.cat([functional.max_pool2d(image, 2), functional.avg_pool2d(image, 2)], dim=1)
            if number in (1, 2):
                image = self.dropout(image)
        logits = [
            head(level.mean(dim=(2, 3))) for head, level in zip(self.heads, features[-len(self.heads) :], strict=True)
        ]
        return _average_probabilities(logits) if self.multi_level else logits[0]


def _average_probabilities(logits: list[Tensor]) -> Tensor:
    """Logarithm of the mean probability: softmax gives that mean back, so heads need not know of levels."""
    return torch.stack([level.log_softmax(dim=1) for level in logits]).logsumexp(dim=0) - math.log(len(logits))


def build(shape: NetworkShape, options: Mapping[str, Any]) -> nn.Module:
    """Sen2LCZ for this shape; three halvings need at least 8 x 8 pixels."""
    if min(shape.height, shape.width) < 2 ** (STAGES - 1):
        raise SpecError(f"network sen2lcz needs at least 8 x 8 pixels; the pack has {shape.height} x {shape.width}.")
    if (options["depth"] - 1) % STAGES:
        raise SpecError(f"network.depth of sen2lcz must be 1 more than a multiple of 4; it is {options['depth']}.")
    return Sen2LCZ(shape.channels, shape.outputs, **options)


NETWORK = Network(
    name="sen2lcz",
    title="Sen2LCZ-Net",
    output="vector",
    options={
        "width": Option(default=16, low=1, high=512),
        "depth": Option(default=17, low=5, high=101),
        "dropout": Option(default=0.2, low=0.0, high=0.9),
        "multi_level": Option(default=False),
    },
    build=build,
    source="Qiu et al. 2020, doi 10.1109/JSTARS.2020.2995711; depth 17, widths 16 to 128, dropout 0.2",
)
