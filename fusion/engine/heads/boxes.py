"""Boxes, upright or turned, and the instances that they part: found as peaks of maps (fusion.engine.box_maps).

With `instances` one more map says what is foreground: the union of the boxes, or every code but 0 of the pack's mask
target that `foreground` names. Foreground pixels go to the box in whose own axes they lie nearest to the middle, by the
same rule for truth and answer (fusion.boxes.cut_instances); where the mask has no data nothing is learned or scored.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from fusion import box_scores
from fusion.bootstrap import Interval
from fusion.boxes import cut_instances, paint_boxes, stand_upright
from fusion.engine import box_maps
from fusion.engine.box_maps import BoxForm
from fusion.engine.head import Decoded, Evidence, Head, Inputs, TargetInfo, find_grid
from fusion.engine.option import Option
from fusion.engine.symmetries import Array, Rows
from fusion.engine.targets import TargetArray, check_grid, open_values
from fusion.errors import BadInputError, SpecError
from fusion.pack import Pack, RaggedArray

FOREGROUND_WEIGHT = 10.0  # of the mean over pixels, beside which the heat is a sum
LEAST_SPREAD = 0.1  # of the logarithm of a size, for things that are all of one size


def read_form(target: TargetInfo) -> BoxForm:
    """How the target's boxes are laid out as maps."""
    return BoxForm(
        classes=max(1, len(target.codes)),
        oriented=bool(target.options.get("oriented", True)),
        mean=target.mean or (0.0, 0.0),
        std=target.std or (1.0, 1.0),
    )


def has_instances(target: TargetInfo) -> bool:
    """Whether instances are cut out beside the boxes."""
    return bool(target.options.get("instances"))


@dataclass(frozen=True, kw_only=True)
class BoxRows:
    """Boxes of a pack as maps [n, channels, y, x] of box_maps.encode, NaN where a sample was never looked at.

    With instances one map more: 1 foreground, 0 none, NaN unknown.
    """

    target: TargetInfo
    values: TargetArray
    size: tuple[int, int]
    foreground: TargetArray | None

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        return self.values.present if self.foreground is None else self.values.present & self.foreground.present

    def read(
        self, rows: Rows, inputs: Mapping[str, Tensor], device: torch.device, symmetries: Rows | None = None
    ) -> Tensor:
        samples = self._read_samples(rows, symmetries)
        form = read_form(self.target)
        maps = np.stack([self._encode(sample, int(row), form) for sample, row in zip(samples, rows, strict=True)])
        if has_instances(self.target):
            maps = np.concatenate([maps, self._read_foreground(rows, samples, symmetries)[:, None]], axis=1)
        maps[~self.present[rows]] = np.nan
        return torch.from_numpy(maps).to(device, non_blocking=True)

    def read_truth(self, rows: Rows) -> dict[str, Array]:
        samples = self._read_samples(rows, None)
        truth = {
            "boxes": np.concatenate([np.zeros((0, 6)), *samples]),
            "offsets": np.cumsum([0, *map(len, samples)]),
        }
        if has_instances(self.target):
            ground = self._read_foreground(rows, samples, None)
            cut = [cut_instances(boxes, area == 1) for boxes, area in zip(samples, ground, strict=True)]
            truth["instances"] = np.where(np.isnan(ground), -1, np.stack(cut))
        return truth

    def _read_samples(self, rows: Rows, symmetries: Rows | None) -> list[Array]:
        found = self.values.read(rows, torch.device("cpu"), symmetries)
        assert found.offsets is not None
        boxes = found.values.numpy().astype(np.float64)
        boxes = boxes if read_form(self.target).oriented else stand_upright(boxes)
        return np.split(boxes, found.offsets.numpy()[1:-1])

    def _encode(self, boxes: Array, row: int, form: BoxForm) -> npt.NDArray[np.float32]:
        try:
            return box_maps.encode(boxes, self.size, form)
        except BadInputError as error:
            raise SpecError(f"target: {self.target.name!r}, sample {row} of the pack: {error}.") from error

    def _read_foreground(self, rows: Rows, samples: list[Array], symmetries: Rows | None) -> npt.NDArray[np.float32]:
        if self.foreground is None:
            return np.stack([paint_boxes(boxes, self.size) for boxes in samples]).astype(np.float32)
        codes = self.foreground.read(rows, torch.device("cpu"), symmetries).values.numpy()
        nodata = self.foreground.array.entry["nodata"]
        ground = (codes > 0).astype(np.float32)
        ground[np.zeros_like(codes, dtype=bool) if nodata is None else codes == nodata] = np.nan
        return ground


def complete(pack: Pack, target: TargetInfo, inputs: Inputs, rows: Rows) -> TargetInfo:
    """Dims of the boxes; mean and spread of the logarithms of their sizes over train rows, all of which are checked."""
    values = open_values(pack, target.name)
    if not isinstance(values.array, RaggedArray) or values.array.entry.get("columns", [])[:1] != ["cx"]:
        raise SpecError(f"target: {target.name!r} of {pack.folder} holds no boxes (cx, cy, width ...). Choose another.")
    check_grid(pack, target.name, values.size, find_grid(inputs))
    if name := target.options.get("foreground"):
        entry = open_values(pack, name).array.entry
        if not has_instances(target) or tuple(entry["dims"]) != ("y", "x"):
            raise SpecError(f"objective.foreground: {name!r} must be a mask by y, x, with objective.instances true.")
        check_grid(pack, name, tuple(entry["shape"]), find_grid(inputs))
    found = replace(target, dims=tuple(values.array.entry["dims"]))
    return _measure(pack, found, values, rows[values.present[rows]]) if len(rows) else found


def _measure(pack: Pack, target: TargetInfo, values: TargetArray, rows: Rows) -> TargetInfo:
    """The target with mean and spread of the logarithms of sizes over these rows, none of which may lie outside."""
    assert isinstance(values.array, RaggedArray)
    found = values.array.gather(rows)
    if not len(found.values):
        raise SpecError(f"target: {target.name!r} of {pack.folder} has no box in the train split to learn from.")
    for place, row in enumerate(rows.tolist()):
        try:
            box_maps.check_boxes(found[place], values.size)
        except BadInputError as error:
            named = pack.samples.column("id")[row].as_py()
            raise SpecError(f"target: {target.name!r}, sample {named} of {pack.folder}: {error}.") from error
    boxes = found.values if read_form(target).oriented else stand_upright(found.values)
    sizes = np.log(boxes[:, 2:4].astype(np.float64))
    std = np.maximum(sizes.std(axis=0), LEAST_SPREAD)
    return replace(target, mean=tuple(sizes.mean(axis=0).tolist()), std=tuple(std.tolist()))


def count_outputs(target: TargetInfo) -> int:
    """Heat of each class, offset, size, angle, foreground."""
    return read_form(target).channels + int(has_instances(target))


def open_target(pack: Pack, target: TargetInfo, inputs: Inputs) -> BoxRows:
    """The boxes of the pack, as maps."""
    name = target.options.get("foreground")
    values = open_values(pack, target.name)
    foreground = open_values(pack, name) if name else None
    return BoxRows(target=target, values=values, size=values.size, foreground=foreground)


def measure_loss(outputs: Tensor, maps: Tensor, *, target: TargetInfo) -> Tensor:
    """Mean over samples of the cost of their boxes, and of the foreground's mean cross-entropy."""
    form = read_form(target)
    is_known = torch.isfinite(maps[:, 0, 0, 0])
    clean = maps.nan_to_num(0.0)
    costs = box_maps.measure_maps(outputs, clean, form)
    if has_instances(target):
        known = torch.isfinite(maps[:, -1])
        ground = functional.binary_cross_entropy_with_logits(outputs[:, -1], clean[:, -1], reduction="none")
        count = known.flatten(1).sum(dim=1).clamp_min(1)
        costs = costs + FOREGROUND_WEIGHT * torch.where(known, ground, 0.0).flatten(1).sum(dim=1) / count
    return torch.where(is_known, costs, 0.0).mean()


def measure_centres(outputs: Tensor, maps: Tensor, *, target: TargetInfo) -> Tensor:
    """F1 of centres: peaks from box_scores.SURE on, right where a true centre of the class is in the 3 x 3 pixels."""
    form = read_form(target)
    heat = outputs[:, : form.classes].float() + box_maps.PRIOR
    found = box_maps.find_peaks(heat) & (heat.sigmoid() >= box_scores.SURE)
    true = maps[:, : form.classes] == 1
    near = [functional.max_pool2d(part.float(), 3, stride=1, padding=1) > 0 for part in (found, true)]
    right = (found & near[1]).sum() + (true & near[0]).sum()
    return right / (found.sum() + true.sum())


def measure_precision(outputs: Tensor, maps: Tensor, *, target: TargetInfo) -> Tensor:
    """Average precision at overlap 0.5 over the batch; costs a search for overlaps on the CPU."""
    form = read_form(target)
    boxes, offsets = (part.numpy() for part in box_maps.decode_target(maps.nan_to_num(0.0), form))
    evidence = collect({"boxes": boxes, "offsets": offsets}, decode_plain(outputs, 1.0, target), target=target)
    value = box_scores.evaluate([evidence], codes=name_classes(target), blocks=[0] * len(outputs))["ap50"]["value"]
    return torch.tensor(torch.nan if value is None else value, device=outputs.device)


def name_classes(target: TargetInfo) -> tuple[str, ...]:
    """The scheme's codes; one name where there is no scheme."""
    return target.codes or ("object",)


def decode(outputs: Tensor, temperature: float, *, target: TargetInfo) -> dict[str, Tensor]:
    """`boxes` [m, 7] (cx, cy, width, height, angle_deg, class, score), best first in each sample, `offsets` [n + 1].

    With instances also `instances` int32 [n, y, x]: the number of the box in its sample from 1, 0 for none.
    """
    exact, options = outputs.detach().float(), target.options
    boxes, offsets = box_maps.decode(
        exact,
        read_form(target),
        temperature=temperature,
        least=options.get("least_score", 0.05),
        overlap=options.get("overlap", 0.5),
    )
    found = {"boxes": boxes, "offsets": offsets}
    if has_instances(target):
        ground = (exact[:, -1] > 0).cpu().numpy()
        sure = [part[part[:, 6] >= box_scores.SURE].numpy() for part in boxes.tensor_split(offsets[1:-1])]
        cut = [cut_instances(part, area) for part, area in zip(sure, ground, strict=True)]
        found["instances"] = torch.from_numpy(np.stack(cut))
    return found


def decode_plain(outputs: Tensor, temperature: float, target: TargetInfo) -> dict[str, Array]:
    """The same as plain arrays."""
    return {name: value.numpy() for name, value in decode(outputs, temperature, target=target).items()}


def collect(truth: Mapping[str, Array], decoded: Decoded, *, target: TargetInfo) -> Evidence:
    """Which found boxes are right, and how many true ones there are (fusion.box_scores)."""
    pair = decoded["boxes"], decoded["offsets"], truth["boxes"], truth["offsets"]
    evidence = box_scores.collect(*pair, max(1, len(target.codes)))
    if "instances" in decoded and "instances" in truth:
        evidence["instances"] = box_scores.match_instances(truth["instances"], decoded["instances"])
    return evidence


def score(
    evidence: Sequence[Evidence], blocks: Sequence[Any], seed: int, resamples: int, *, target: TargetInfo
) -> dict[str, Any]:
    """Every score of fusion.box_scores."""
    words: dict[str, Any] = {"blocks": blocks, "seed": seed, "resamples": resamples}
    return box_scores.evaluate(evidence, codes=name_classes(target), **words)


def compare(
    one: Sequence[Evidence],
    other: Sequence[Evidence],
    metric: str,
    blocks: Sequence[Any],
    seed: int,
    resamples: int,
) -> Interval:
    """Metric of one minus metric of the other, paired (fusion.box_scores)."""
    return box_scores.paired_difference(one, other, blocks, metric, seed=seed, resamples=resamples)


def bind(target: TargetInfo) -> Head:
    """The head over the target's classes and options."""
    return Head(
        name="boxes",
        title="Boxes",
        output="map",
        options={
            "oriented": Option(default=True),
            "instances": Option(default=False),
            "foreground": Option(default=""),
            "least_score": Option(default=0.05, low=0.001, high=0.9),
            "overlap": Option(default=0.5, low=0.05, high=1.0),
        },
        stored="boxes",
        bind=bind,
        complete=complete,
        count_outputs=count_outputs,
        open_target=open_target,
        loss=partial(measure_loss, target=target),
        metrics={
            "centre_f1": partial(measure_centres, target=target),
            "ap50": partial(measure_precision, target=target),
        },
        decode=partial(decode, target=target),
        collect=partial(collect, target=target),
        score=partial(score, target=target),
        compare=compare,
    )


HEAD = bind(TargetInfo(name="", head="boxes"))
