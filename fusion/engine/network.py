"""What an architecture is, and the whole network around one: stored arrays of every modality in, outputs out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn
from torch.nn.utils import convert_conv2d_weight_memory_format

from fusion import registry
from fusion.engine.normalise import InputSpec, Normalise
from fusion.engine.option import Option, read_options
from fusion.errors import SpecError


@dataclass(frozen=True, kw_only=True)
class NetworkShape:
    """What goes in and comes out: `outputs` values per sample or per pixel.

    An image network is given float [n, channels, height, width], every date's bands among the channels and `times` 1;
    a series network float [n, times, channels, height, width], where `channels` are those of one date.
    """

    channels: int
    height: int
    width: int
    outputs: int
    times: int = 1


@dataclass(frozen=True, kw_only=True)
class Network:
    """An architecture. `output` says whether it gives one vector per sample or a map per pixel (what a head needs).

    `input` says whether it reads one image, into which all dates are laid, or the series of dates in their order.
    """

    name: str
    title: str
    output: Literal["vector", "map"]
    input: Literal["image", "series"] = "image"
    options: Mapping[str, Option] = field(default_factory=dict)
    build: Callable[[NetworkShape, Mapping[str, Any]], nn.Module]
    source: str = ""


def find(name: str) -> Network:
    """The network called `name`."""
    return registry.find_kind("fusion.engine.networks", name, "NETWORK", Network)


def build_network(given: Mapping[str, Any], shape: NetworkShape) -> nn.Module:
    """The module that a spec's `network` object names."""
    network = find(str(given.get("name")))
    return network.build(shape, read_options("network", network.options, given))


class FusionNetwork(nn.Module):
    """Normalises every modality, stacks their bands, runs the architecture: what is stored in, logits out.

    Input is one tensor [n, *shape] per modality in its stored dtype; they meet only after normalisation.
    """

    def __init__(self, given: Mapping[str, Any], inputs: Sequence[InputSpec], outputs: int) -> None:
        super().__init__()
        self.inputs = tuple(inputs)
        self.normalise = nn.ModuleList(Normalise(spec) for spec in self.inputs)
        self.times = find_times(self.inputs) if find(str(given.get("name"))).input == "series" else None
        self.architecture = build_network(given, find_shape(self.inputs, outputs, self.times))
        self.channels_last = False

    def forward(self, stored: Mapping[str, Tensor]) -> Tensor:
        image = self.prepare(stored)
        if self.times is None and self.channels_last:
            image = image.contiguous(memory_format=torch.channels_last)
        return self.architecture(image)

    def prepare(self, stored: Mapping[str, Tensor]) -> Tensor:
        """What the architecture is given, of any height and width: pixel by pixel, so windows may be cut after it."""
        parts = [step(stored[spec.name]) for spec, step in zip(self.inputs, self.normalise, strict=True)]
        return torch.cat(parts, dim=1) if self.times is None else self._stack_dates(parts, self.times)

    def _stack_dates(self, parts: Sequence[Tensor], times: int) -> Tensor:
        """[n, times, channels, y, x] of arrays [n, own times * bands, y, x]; an array without dates stands at each."""
        dated = [part.unflatten(1, (spec.times, -1)) for spec, part in zip(self.inputs, parts, strict=True)]
        return torch.cat([part.expand(-1, times, -1, -1, -1) for part in dated], dim=2)

    def place(self, device: torch.device, *, channels_last: bool) -> "FusionNetwork":
        """Move to a device; channels last is about 1.3 times faster on CPU at these widths (measured, depth 17)."""
        self.channels_last = channels_last
        self.to(device)
        if channels_last:
            convert_conv2d_weight_memory_format(self.architecture, torch.channels_last)
        return self


def find_shape(inputs: Sequence[InputSpec], outputs: int, times: int | None = None) -> NetworkShape:
    """Channels of all modalities together, or of one date where `times` is given.

    SpecError where their pixels do not lie on each other.
    """
    if not inputs:
        raise SpecError("modalities is empty, and so is the pack: there is nothing to learn from.")
    first = inputs[0]
    for other in inputs[1:]:
        if other.shape[-2:] != first.shape[-2:]:
            raise SpecError(
                f"modalities: {first.name} has {first.shape[-2]} x {first.shape[-1]} pixels, {other.name} has "
                f"{other.shape[-2]} x {other.shape[-1]}. Cut them on one grid, or name one of them."
            )
    channels = sum(spec.channels if times is None else spec.channels // spec.times for spec in inputs)
    height, width = first.shape[-2:]
    return NetworkShape(channels=channels, height=height, width=width, outputs=outputs, times=times or 1)


def find_times(inputs: Sequence[InputSpec]) -> int:
    """The number of dates of a series; an array without dates stands at each of them (heights, for example)."""
    dated = {spec.times: spec.name for spec in inputs if spec.times > 1}
    if len(dated) > 1:
        said = ", ".join(f"{name} has {times}" for times, name in sorted(dated.items()))
        raise SpecError(f"modalities: dates differ: {said}. Name arrays of the same dates.")
    for spec in inputs:
        if spec.times > 1 and spec.dims[0] != "time":
            raise SpecError(f"modalities: dims of {spec.name} are {', '.join(spec.dims)}; a series begins with time.")
    return next(iter(dated), 1)
