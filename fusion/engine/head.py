"""What a head is: for one shape of target, how it is read, what a network's output costs, what it means, its scores."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from torch import Tensor

from fusion import registry
from fusion.bootstrap import Interval
from fusion.engine.normalise import InputSpec
from fusion.engine.option import Option
from fusion.engine.symmetries import Array, Rows
from fusion.engine.targets import TargetReader
from fusion.errors import SpecError
from fusion.pack import Pack

FloatArray = npt.NDArray[np.float32]
Inputs = Sequence[InputSpec]
Ask = Callable[[Mapping[str, Tensor]], Tensor]  # a network: stored arrays of a batch in, outputs out
Decoded = Mapping[str, Array]  # a batch of predictions as plain arrays, by the names that `Head.decode` gives
Evidence = dict[str, Array]  # what scores need of a batch, small enough to be kept for a whole split


@dataclass(frozen=True, kw_only=True)
class TargetInfo:
    """What is learned, as a checkpoint remembers it: the pack's target and all that its head must know of it.

    `dims` are of one sample. `codes` are the scheme's in order. `bands` and `unit` say what a field measures, `mean`
    and `std` are its bands' over the train split; `weights` are of classes. `arrays` are the inputs that a target
    without values of its own is made of. `options` are the head's own, from the spec's `objective`.
    """

    name: str
    head: str
    scheme: str = ""
    codes: tuple[str, ...] = ()
    dims: tuple[str, ...] = ()
    bands: tuple[str, ...] = ()
    unit: str = ""
    mean: tuple[float, ...] = ()
    std: tuple[float, ...] = ()
    weights: tuple[float, ...] = ()
    arrays: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


def keep_info(pack: Pack, target: TargetInfo, inputs: Inputs, rows: Rows) -> TargetInfo:
    """A target of which nothing more must be known."""
    return target


def ask_once(network: Ask, inputs: Mapping[str, Tensor]) -> Tensor:
    """Outputs of one forward pass over the batch as it is."""
    return network(inputs)


@dataclass(frozen=True, kw_only=True)
class Head:
    """One shape of target. `find` gives the kind; `open_head` gives it bound to a target, as all but tests use it.

    `output` is what the network must give; of `either` the target's dims decide (`find_output`). `options` are fields
    that the head adds to the spec's `objective`. A head that is not `of_pack` has no values in the pack.

    complete      (pack, target, inputs, rows) -> TargetInfo: dims, bands and so on from the manifest; from the train
                  `rows`, where there are any, what is learned of the values (mean, std, weights). SpecError where the
                  target cannot be learned so. `is_partial`: samples without the target are left out, not refused.
                  `mixes`: the weighted mean of two samples' targets is a target too, as mixup needs it.
    count_outputs (target) -> values that the network gives per sample or pixel.
    open_target   (pack, target, inputs) -> TargetReader: one float or integer tensor [n, ...] per batch, marked (NaN,
                  -1) where nothing is known, and for scores the truth of any rows as plain arrays.
    open_truth    the same for what metrics are taken against, where that is not what is learned (votes, labels).
    ask           (network, inputs) -> outputs [n, ...] of one forward pass; `embedding` has it see each sample twice.
    loss          (outputs, target) -> differentiable mean over what is known; 0 where nothing is.
    metrics       each (outputs, target) -> Tensor, by the names that `score` uses; NaN where nothing is known.
    decode        (outputs, temperature) -> tensors by name, what is stored of a prediction; `stored` names the first.
    combine       (several decoded) -> one decoded: members of an ensemble, draws of dropout; None where none is.
    collect       (truth of TargetReader.read_truth, decoded) of the same rows -> Evidence.
    score         (evidence of all batches, blocks, seed, resamples) -> scores ready for JSON, each metric with its 95 %
                  interval as {"value", "low", "high"}; `blocks` has one entry for each sample in order.
    fit_temperature (evidence of validation, decoded with temperature 1) -> the temperature; None where logits fit it.
    paint         (outputs, target) -> predicted and true maps [n, c, y, x] in one space, 0 where nothing is known: what
                  a critic sees; None where a head has no maps.
    compare       (evidence a, evidence b, metric, blocks, seed, resamples) -> interval of the paired difference a - b.
    """

    name: str
    title: str
    output: Literal["vector", "map", "either"]
    options: Mapping[str, Option] = field(default_factory=dict)
    of_pack: bool = True
    is_partial: bool = True
    mixes: bool = False
    stored: str
    bind: "Callable[[TargetInfo], Head] | None" = None
    complete: Callable[[Pack, TargetInfo, Inputs, Rows], TargetInfo] = keep_info
    count_outputs: Callable[[TargetInfo], int]
    open_target: Callable[[Pack, TargetInfo, Inputs], TargetReader]
    open_truth: Callable[[Pack, TargetInfo, Inputs], TargetReader] | None = None
    ask: Callable[[Ask, Mapping[str, Tensor]], Tensor] = ask_once
    loss: Callable[[Tensor, Tensor], Tensor]
    metrics: Mapping[str, Callable[[Tensor, Tensor], Tensor]]
    decode: Callable[[Tensor, float], dict[str, Tensor]]
    combine: Callable[[Sequence[Decoded]], dict[str, Array]] | None = None
    collect: Callable[[Mapping[str, Array], Decoded], Evidence]
    score: Callable[[Sequence[Evidence], Sequence[Any], int, int], dict[str, Any]]
    compare: Callable[[Sequence[Evidence], Sequence[Evidence], str, Sequence[Any], int, int], Interval]
    fit_temperature: Callable[[Sequence[Evidence]], float] | None = None
    paint: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]] | None = None


def find(name: str) -> Head:
    """The kind of head called `name`, bound to no target."""
    return registry.find_kind("fusion.engine.heads", name, "HEAD", Head)


def open_head(target: TargetInfo) -> Head:
    """The head of a target: its functions know the target's codes, bands and options."""
    kind = find(target.head)
    return kind if kind.bind is None else kind.bind(target)


def find_output(head: Head, target: TargetInfo) -> str:
    """What a network must give for this target: `vector` or `map`."""
    if head.output != "either":
        return head.output
    return "map" if target.dims[-2:] == ("y", "x") else "vector"


def find_grid(inputs: Inputs) -> tuple[int, int]:
    """Rows and columns of the inputs' pixels, on which maps are learned."""
    if not inputs:
        raise SpecError("modalities is empty, and so is the pack: there is nothing to learn from.")
    height, width = inputs[0].shape[-2:]
    return height, width


def describe_target(
    pack: Pack,
    name: str,
    head: Head,
    scheme: str | None,
    inputs: Inputs,
    options: Mapping[str, Any],
    rows: Rows | None = None,
) -> TargetInfo:
    """The pack's target called `name` (its only one where empty) as the head sees it; with train `rows` to learn it.

    SpecError where it is not what the task learns.
    """
    found = read_target_info(pack, name, head.name, scheme) if head.of_pack else TargetInfo(name="", head=head.name)
    own = {key: options[key] for key in head.options if key in options}
    none = np.zeros(0, dtype=np.int64)
    return head.complete(pack, replace(found, options=own), inputs, none if rows is None else rows)


def read_target_info(pack: Pack, name: str, head: str, scheme: str | None) -> TargetInfo:
    """The pack's target called `name` (its only one where empty); SpecError where it is not what the task learns."""
    targets: dict[str, Any] = pack.manifest["targets"]
    if not name and len(targets) == 1:
        name = next(iter(targets))
    if name not in targets:
        raise SpecError(f"target: {pack.folder} has no target {name!r}. It has: {', '.join(targets) or 'none'}.")
    entry = targets[name]
    for field_name, wanted in (("head", head), ("scheme", scheme)):
        if wanted is not None and entry.get(field_name) != wanted:
            raise SpecError(
                f"{field_name}: the task learns {wanted!r}, target {name!r} of {pack.folder} holds "
                f"{entry.get(field_name)!r}. Choose another task or pack."
            )
    codes = tuple(map(str, entry.get("codes") or ()))
    return TargetInfo(name=name, head=str(entry["head"]), scheme=str(entry.get("scheme") or ""), codes=codes)


def describe_again(pack: Pack, target: TargetInfo, inputs: Inputs) -> TargetInfo:
    """The target of a checkpoint as another pack holds it, to be compared by fusion.engine.restore.check_target."""
    head = find(target.head)
    if not target.name:  # made of the inputs, which are compared by themselves
        return target
    return describe_target(pack, target.name, head, target.scheme or None, inputs, target.options)
