"""U-Net (Ronneberger, Fischer and Brox 2015, MICCAI): down to the whole, up to the pixel, with bridges at each size."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from fusion.engine.network import Network, NetworkShape
from fusion.engine.option import Option
from fusion.errors import SpecError


class Pair(nn.Sequential):
    """Two convolutions of 3 x 3, each with batch normalisation and ReLU."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__(
            nn.Conv2d(channels, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
            nn.Conv2d(width, width, 3, padding=1, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(inplace=True),
        )


class UNet(nn.Module):
    """Float [n, channels, y, x] to [n, outputs, y, x] through `depth` halvings; width doubles at each.

    Unlike the paper's, convolutions are padded, so that the map has the size of the image; an image whose sides are no
    multiples of 2**depth is continued by its edge, and the map is cut to it again.
    """

    def __init__(self, channels: int, outputs: int, *, width: int, depth: int, dropout: float) -> None:
        super().__init__()
        widths = [width * 2**level for level in range(depth + 1)]
        entries = [channels, *widths[:-1]]
        self.multiple = 2**depth
        self.down = nn.ModuleList(Pair(*ends) for ends in zip(entries, widths, strict=True))
        self.dropout = nn.Dropout2d(dropout)
        pairs = list(zip(widths[:0:-1], widths[-2::-1], strict=True))
        self.rise = nn.ModuleList(nn.ConvTranspose2d(below, above, 2, stride=2) for below, above in pairs)
        self.up = nn.ModuleList(Pair(2 * above, above) for _, above in pairs)
        self.head = nn.Conv2d(width, outputs, 1)

    def forward(self, image: Tensor) -> Tensor:
        height, width = image.shape[-2:]
        padding = (0, -width % self.multiple, 0, -height % self.multiple)
        image = functional.pad(image, padding, mode="replicate") if any(padding) else image
        bridges: list[Tensor] = []
        for level, pair in enumerate(self.down):
            image = pair(image if level == 0 else functional.max_pool2d(image, 2))
            bridges.append(image)
        image = self.dropout(bridges.pop())
        for rise, pair in zip(self.rise, self.up, strict=True):
            image = pair(torch.cat([bridges.pop(), rise(image)], dim=1))
        return self.head(image)[..., :height, :width]


def build(shape: NetworkShape, options: Mapping[str, Any]) -> nn.Module:
    """U-Net for this shape; each halving needs something to halve."""
    if 2 ** options["depth"] > min(shape.height, shape.width):
        raise SpecError(
            f"network.depth of unet is {options['depth']}: {2 ** options['depth']} pixels are needed at least, the "
            f"pack has {shape.height} x {shape.width}. Take a smaller depth."
        )
    return UNet(shape.channels, shape.outputs, **options)


NETWORK = Network(
    name="unet",
    title="U-Net",
    output="map",
    options={
        "width": Option(default=16, low=1, high=512),
        "depth": Option(default=3, low=1, high=6),
        "dropout": Option(default=0.0, low=0.0, high=0.9),
    },
    build=build,
    source="Ronneberger et al. 2015, doi 10.1007/978-3-319-24574-4_28; here width 16, 3 halvings, batch normalisation",
)
