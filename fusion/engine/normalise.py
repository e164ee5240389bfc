"""The network's first step: stored values become physical, are stretched, and are standardised per band."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import torch
from torch import Tensor, nn

from fusion.errors import PackError, SpecError
from fusion.pack import Pack, PackArray

STRETCHES = ("linear", "decibel", "asinh")


@dataclass(frozen=True, kw_only=True)
class InputSpec:
    """One array as it is stored, and all that turns it into numbers a network can learn from.

    `dims` and `shape` are of one sample and end in y, x; `stretch`, `floor`, `mean` and `std` are per band.
    """

    name: str
    modality: str
    dims: tuple[str, ...]
    shape: tuple[int, ...]
    dtype: str
    bands: tuple[str, ...]
    offset: float
    scale: float
    nodata: float | None
    stretch: tuple[str, ...]
    floor: tuple[float, ...]
    mean: tuple[float, ...]
    std: tuple[float, ...]

    def __post_init__(self) -> None:
        counts = {len(part) for part in (self.bands, self.stretch, self.floor, self.mean, self.std)}
        is_raster = self.dims[-2:] == ("y", "x") and self.dims.count("band") == 1 and len(self.dims) == len(self.shape)
        if not is_raster or counts != {self.shape[self.dims.index("band")]} or set(self.stretch) - set(STRETCHES):
            raise SpecError(f"input {self.name!r} contradicts itself: dims, shape, bands and numbers per band differ.")

    @property
    def channels(self) -> int:
        """Channels after every dimension but y and x is laid onto one axis."""
        return prod(self.shape[:-2])

    @property
    def times(self) -> int:
        """Dates of a sample; 1 where there is no such axis."""
        return self.shape[self.dims.index("time")] if "time" in self.dims else 1


class Normalise(nn.Module):
    """Stored [n, *shape] to float32 [n, channels, y, x]: (stored + offset) * scale, stretch, (value - mean) / std.

    A pixel without data (nodata, NaN or infinity) becomes 0, which is the band's mean. The numbers are buffers, so a
    checkpoint carries them. Equal to `fusion.modality.physical` and `stretch` (a test holds that).
    """

    offset: Tensor
    scale: Tensor
    floor: Tensor
    mean: Tensor
    std: Tensor
    stretch: Tensor

    def __init__(self, spec: InputSpec) -> None:
        super().__init__()
        self.nodata = spec.nodata
        axis = spec.dims.index("band")
        tail = (1,) * (len(spec.dims) - axis - 1)
        self.band_axis = axis + 1
        for name, values in _list_buffers(spec).items():
            self.register_buffer(name, values.reshape(-1, *tail) if values.ndim else values)
        self.places = {kind: find_runs(spec.stretch, kind) for kind in ("decibel", "asinh")}

    @torch.no_grad()
    def forward(self, stored: Tensor) -> Tensor:
        value = stored.to(torch.float32, copy=True)  # the one copy: all that follows is done in place
        is_absent = None if self.nodata is None else value == self.nodata
        value.add_(self.offset).mul_(self.scale)
        for kind, places in self.places.items():
            for first, count in places:
                self._stretch(kind, value.narrow(self.band_axis, first, count), self.floor[first : first + count])
        value.sub_(self.mean).div_(self.std).nan_to_num_(0.0, 0.0, 0.0)
        return (value if is_absent is None else value.masked_fill_(is_absent, 0.0)).flatten(1, -3)

    def _stretch(self, kind: str, value: Tensor, floor: Tensor) -> None:
        if kind == "decibel":
            value.clamp_min_(floor).log10_().mul_(10.0)
        else:
            value.copy_(measure_asinh(value.div_(floor)))


def measure_asinh(value: Tensor) -> Tensor:
    """asinh by log1p, exact near 0 and three times faster on a CPU than torch.asinh, which is not vectorised."""
    size = value.abs().clamp_max(1e18)  # its square is still finite
    square = size * size
    exact = torch.log1p(size + square / (1 + torch.sqrt(1 + square)))
    return torch.copysign(exact, value)


def find_runs(kinds: Sequence[str], wanted: str) -> list[tuple[int, int]]:
    """(first, count) of each run of neighbouring bands with the wanted stretch: slices are cheaper than indices."""
    runs: list[tuple[int, int]] = []
    for place, kind in enumerate(kinds):
        if kind != wanted:
            continue
        if runs and sum(runs[-1]) == place:
            runs[-1] = (runs[-1][0], runs[-1][1] + 1)
        else:
            runs.append((place, 1))
    return runs


def describe_inputs(pack: Pack, names: Sequence[str], *, to_learn: bool = True) -> tuple[InputSpec, ...]:
    """How to read these arrays of a pack (all of them where no name is given).

    A name is an array's, or a modality's that exactly one array holds. Only learning needs the pack's statistics.
    """
    chosen = [pack.array(find_array(pack, name)) for name in (names or pack.array_names)]
    return tuple(_describe_input(array, to_learn=to_learn) for array in chosen)


def find_array(pack: Pack, name: str) -> str:
    """The array called `name`, or the only one of that modality; SpecError lists what the pack has."""
    held = {array: str(pack.manifest["arrays"][array]["modality"]) for array in pack.array_names}
    matches = [name] if name in held else [array for array, modality in held.items() if modality == name]
    if len(matches) == 1:
        return matches[0]
    known = ", ".join(f"{array} ({modality})" for array, modality in held.items()) or "none"
    problem = "is not in the pack" if not matches else "is in several arrays of the pack"
    raise SpecError(f"modalities: {name!r} {problem} {pack.folder}. It has: {known}. Name arrays in the spec.")


def _describe_input(array: PackArray, *, to_learn: bool) -> InputSpec:
    entry, statistics = array.entry, array.statistics
    if tuple(entry["dims"][-2:]) != ("y", "x") or "band" not in entry["dims"][:-2] or array.dtype.kind == "c":
        raise SpecError(
            f"modalities: array {array.name!r} has dims {entry['dims']} of {array.dtype}; the engine reads real "
            "rasters whose dims hold band and end in y, x. Leave it out of the spec's modalities."
        )
    if statistics is None and to_learn:
        raise PackError(f"Array {array.name!r} has no statistics: the pack has no train samples. Train on another.")
    bands = array.modality.bands
    return InputSpec(
        name=array.name,
        modality=str(entry["modality"]),
        dims=tuple(entry["dims"]),
        shape=tuple(entry["shape"]),
        dtype=str(entry["dtype"]),
        bands=array.bands,
        offset=float(entry["offset"]),
        scale=float(entry["scale"]),
        nodata=None if entry["nodata"] is None else float(entry["nodata"]),
        stretch=tuple(band.stretch for band in bands),
        floor=tuple(float(band.floor) for band in bands),
        mean=tuple(map(float, statistics["mean"])) if statistics else (0.0,) * len(bands),
        std=tuple(map(float, statistics["std"])) if statistics else (1.0,) * len(bands),
    )


def _list_buffers(spec: InputSpec) -> dict[str, Tensor]:
    spread = [value if value > 1e-12 else 1.0 for value in spec.std]  # a constant band stays at 0
    numbers: dict[str, Any] = {
        "offset": spec.offset,
        "scale": spec.scale,
        "floor": spec.floor,
        "mean": spec.mean,
        "std": spread,
    }
    buffers = {name: torch.tensor(value, dtype=torch.float32) for name, value in numbers.items()}
    return {**buffers, "stretch": torch.tensor([STRETCHES.index(kind) for kind in spec.stretch], dtype=torch.uint8)}
