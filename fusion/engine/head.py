"""What a head is: for one shape of target, how it is read, what a network's output costs, and what it means."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor

from fusion import registry
from fusion.errors import SpecError
from fusion.pack import Pack

FloatArray = npt.NDArray[np.float32]
TargetKind = Literal["label", "distribution"]


@dataclass(frozen=True, kw_only=True)
class TargetInfo:
    """A pack's target: its name, its head's name, and for classes the scheme with its codes in order."""

    name: str
    head: str
    scheme: str = ""
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Head:
    """One shape of target.

    `output` is what the network must give. `read_target` gives one row per sample of the pack, NaN where a sample has
    none. `loss` (differentiable mean) and each of `metrics` take outputs and target rows. `decode` turns outputs
    (divided by a temperature) into what is stored of a prediction.
    """

    name: str
    title: str
    output: Literal["vector", "map"]
    count_outputs: Callable[[TargetInfo], int]
    read_target: Callable[[Pack, TargetInfo, TargetKind], FloatArray]
    loss: Callable[[Tensor, Tensor], Tensor]
    metrics: Mapping[str, Callable[[Tensor, Tensor], Tensor]]
    decode: Callable[[Tensor, float], Tensor]


def find(name: str) -> Head:
    """The head called `name`."""
    return registry.find_kind("fusion.engine.heads", name, "HEAD", Head)


def read_target_info(pack: Pack, name: str, head: str, scheme: str | None) -> TargetInfo:
    """The pack's target called `name` (its only one where empty); SpecError where it is not what the task learns."""
    targets: dict[str, Any] = pack.manifest["targets"]
    if not name and len(targets) == 1:
        name = next(iter(targets))
    if name not in targets:
        raise SpecError(f"target: {pack.folder} has no target {name!r}. It has: {', '.join(targets) or 'none'}.")
    entry = targets[name]
    for field, wanted in (("head", head), ("scheme", scheme)):
        if wanted is not None and entry.get(field) != wanted:
            raise SpecError(
                f"{field}: the task learns {wanted!r}, target {name!r} of {pack.folder} holds {entry.get(field)!r}. "
                "Choose another task or pack."
            )
    codes = tuple(map(str, entry.get("codes") or ()))
    return TargetInfo(name=name, head=str(entry["head"]), scheme=str(entry.get("scheme") or ""), codes=codes)
