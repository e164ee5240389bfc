"""ReCNN (Mou, Bruzzone, Zhu 2019, IEEE TGRS 57(2)): a recurrent convolutional network for change between dates."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from fusion.engine.network import Network, NetworkShape
from fusion.engine.option import Option
from fusion.errors import SpecError

RECURRENT: dict[str, Callable[..., nn.Module]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}
FEATURES = 32  # of one date, and of the dense layer


class Branch(nn.Sequential):
    """One date: float [n, channels, y, x] to a vector [n, 32], by 3 x 3 convolutions that see only whole windows.

    Where more than one pixel remains, their mean is taken.
    """

    def __init__(self, channels: int, layers: int) -> None:
        steps: list[nn.Module] = []
        for layer in range(layers):
            steps += [nn.Conv2d(FEATURES if layer else channels, FEATURES, 3), nn.ReLU(inplace=True)]
        super().__init__(*steps, nn.AdaptiveAvgPool2d(1), nn.Flatten())


class ReCNN(nn.Module):
    """Float [n, times, channels, y, x] to logits [n, outputs].

    A branch with weights of its own for each date, a recurrent layer over the dates in their order, a dense layer on
    what it holds after the last date, and the logits.
    """

    def __init__(self, shape: NetworkShape, *, recurrent: str, units: int, layers: int, dropout: float) -> None:
        super().__init__()
        self.branches = nn.ModuleList(Branch(shape.channels, layers) for _ in range(shape.times))
        self.recurrent = RECURRENT[recurrent](FEATURES, units, batch_first=True)
        self.dense = nn.Sequential(nn.Linear(units, FEATURES), nn.ReLU(inplace=True), nn.Dropout(dropout))
        self.head = nn.Linear(FEATURES, shape.outputs)

    def forward(self, series: Tensor) -> Tensor:
        dates = [branch(series[:, time]) for time, branch in enumerate(self.branches)]
        states, _ = self.recurrent(torch.stack(dates, dim=1))
        return self.head(self.dense(states[:, -1]))


def build(shape: NetworkShape, options: Mapping[str, Any]) -> nn.Module:
    """ReCNN for this shape; each convolution takes a pixel off every side."""
    least = 2 * options["layers"] + 1
    if min(shape.height, shape.width) < least:
        raise SpecError(
            f"network recnn with layers {options['layers']} needs at least {least} x {least} pixels; the pack has "
            f"{shape.height} x {shape.width}. Lower network.layers, or cut larger patches."
        )
    return ReCNN(shape, **options)


NETWORK = Network(
    name="recnn",
    title="ReCNN",
    output="vector",
    input="series",
    options={
        "recurrent": Option(default="lstm", choices=tuple(RECURRENT)),
        "units": Option(default=128, low=1, high=4096),
        "layers": Option(default=1, low=1, high=16),
        "dropout": Option(default=0.0, low=0.0, high=0.9),
    },
    build=build,
    source="Mou, Bruzzone & Zhu 2019, doi 10.1109/TGRS.2018.2863224; widths of the authors' published notebook",
)
