"""The inputs themselves as what is learned: normalised as the network sees them, for reconstruction."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from fusion.engine.normalise import InputSpec, Normalise
from fusion.engine.symmetries import Array, Rows
from fusion.pack import Pack


def stack_inputs(steps: nn.ModuleList, inputs: Sequence[InputSpec], stored: Mapping[str, Tensor]) -> Tensor:
    """Normalised arrays laid onto one axis: float32 [n, channels, y, x]; 0 (the mean) where there is no data."""
    return torch.cat([step(stored[spec.name]) for spec, step in zip(inputs, steps, strict=True)], dim=1)


def find_known(inputs: Sequence[InputSpec], stored: Mapping[str, Tensor]) -> Tensor:
    """Where the inputs hold data: bool [n, channels, y, x]."""
    parts = []
    for spec in inputs:
        values = stored[spec.name].float()  # as Normalise compares them; whole numbers of 16 bits cannot be compared
        known = torch.isfinite(values)
        parts.append((known if spec.nodata is None else known & (values != spec.nodata)).flatten(1, -3))
    return torch.cat(parts, dim=1)


@dataclass(frozen=True, kw_only=True)
class InputRows:
    """Normalised inputs [n, channels, y, x], NaN where they hold no data."""

    pack: Pack
    inputs: tuple[InputSpec, ...]
    steps: dict[torch.device, nn.ModuleList] = field(default_factory=dict)

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        return self.pack.has_all([spec.name for spec in self.inputs])

    def read(
        self, rows: Rows, inputs: Mapping[str, Tensor], device: torch.device, symmetries: Rows | None = None
    ) -> Tensor:
        """Of the batch's own inputs, which are turned already."""
        values = stack_inputs(self._find_steps(device), self.inputs, inputs)
        return values.masked_fill_(~find_known(self.inputs, inputs), torch.nan)

    def read_truth(self, rows: Rows) -> dict[str, Array]:
        stored = {spec.name: torch.from_numpy(self.pack.array(spec.name).gather(rows)) for spec in self.inputs}
        return {"field": self.read(rows, stored, torch.device("cpu")).numpy()}

    def _find_steps(self, device: torch.device) -> nn.ModuleList:
        """Normalisation on this device; batches may be read by one thread and their truth by another."""
        if device not in self.steps:
            self.steps[device] = nn.ModuleList(Normalise(spec) for spec in self.inputs).to(device)
        return self.steps[device]
