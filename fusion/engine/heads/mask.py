"""A class for every pixel. Pixels without data cost nothing and are nowhere in the scores.

The loss is the mean over samples of the mean cross-entropy over a sample's known pixels, so that it does not depend on
how samples are put into batches. Masks of several dates have their logits date by date: [n, dates * classes, y, x].
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

from fusion import mask_scores
from fusion.bootstrap import Interval
from fusion.engine.head import Decoded, Evidence, Head, Inputs, TargetInfo, find_grid
from fusion.engine.option import Option
from fusion.engine.symmetries import Array, Rows
from fusion.engine.targets import TargetArray, check_grid, open_values, spread
from fusion.errors import SpecError
from fusion.pack import Pack

UNKNOWN = -1
LOOKED_AT = 2000  # samples that class weights are counted on
MOST_WEIGHT = 10.0  # of a class against the median one: rare classes would else drown all others in noise


@dataclass(frozen=True, kw_only=True)
class MaskRows:
    """Codes of a pack as int16 [n, (time,) y, x], -1 where nothing is known."""

    name: str
    values: TargetArray
    k: int

    @property
    def present(self) -> npt.NDArray[np.bool_]:
        return self.values.present

    def read(
        self, rows: Rows, inputs: Mapping[str, Tensor], device: torch.device, symmetries: Rows | None = None
    ) -> Tensor:
        stored = self.values.read(rows, torch.device("cpu"), symmetries).values.numpy()
        return torch.from_numpy(self._clean(stored, rows)).to(device, non_blocking=True)

    def read_truth(self, rows: Rows) -> dict[str, Array]:
        return {"mask": self._clean(np.asarray(self.values.array.gather(rows)), rows)}

    def _clean(self, stored: Array, rows: Rows) -> Array:
        nodata = self.values.array.entry["nodata"]
        is_known = self.values.present[rows].reshape(-1, *[1] * (stored.ndim - 1))
        if nodata is not None:
            is_known = is_known & (stored != nodata)
        codes = np.where(is_known, stored.astype(np.int64), UNKNOWN)
        if codes.size and not UNKNOWN <= codes.min() <= codes.max() < self.k:
            raise SpecError(
                f"target: {self.name!r} holds codes {codes.min()} to {codes.max()}; its scheme has 0 to {self.k - 1}. "
                "Correct the masks, or say in the pack which code is nodata."
            )
        return codes.astype(np.int16)


def complete(pack: Pack, target: TargetInfo, inputs: Inputs, rows: Rows) -> TargetInfo:
    """Dims of the mask, and weights of its classes where they are asked for."""
    if not target.codes:
        raise SpecError(f"target: {target.name!r} of {pack.folder} names no scheme, so its codes mean nothing.")
    values = open_values(pack, target.name)
    dims = tuple(values.array.entry["dims"])
    if dims not in (("y", "x"), ("time", "y", "x")) or values.array.dtype.kind not in "ui":
        raise SpecError(
            f"target: {target.name!r} of {pack.folder} has dims {', '.join(dims)} of {values.array.dtype}; a mask has "
            "whole numbers by y, x or time, y, x. Choose another target."
        )
    check_grid(pack, target.name, tuple(values.array.entry["shape"][-2:]), find_grid(inputs))
    times = values.array.entry["shape"][0] if len(dims) == 3 else 1
    found = replace(target, dims=dims, bands=tuple(f"date {time}" for time in range(times)) if times > 1 else ())
    if len(rows) and target.options.get("class_weights") == "median_frequency":
        return replace(found, weights=_weigh(pack, found, rows[values.present[rows]]))
    return found


def _weigh(pack: Pack, target: TargetInfo, rows: Rows) -> tuple[float, ...]:
    """Median frequency over frequency (Eigen and Fergus 2015), 1/10 to 10; 1 for a class that no train sample has."""
    reader, counts = open_target(pack, target, ()), np.zeros(len(target.codes))
    for row in spread(rows, LOOKED_AT):
        codes = reader.read_truth(np.array([row]))["mask"]
        counts += np.bincount(codes[codes >= 0], minlength=len(counts))
    if not counts.any():
        raise SpecError(f"target: {target.name!r} of {pack.folder} has no pixel with data in the train split.")
    typical = np.median(counts[counts > 0])
    weights = np.where(counts > 0, typical / np.maximum(counts, 1), 1.0)
    return tuple(np.clip(weights, 1 / MOST_WEIGHT, MOST_WEIGHT).tolist())


def count_outputs(target: TargetInfo) -> int:
    """One logit per class and date."""
    return len(target.codes) * _count_dates(target)


def _count_dates(target: TargetInfo) -> int:
    return max(1, len(target.bands))


def open_target(pack: Pack, target: TargetInfo, inputs: Inputs) -> MaskRows:
    """The masks of the pack."""
    return MaskRows(name=target.name, values=open_values(pack, target.name), k=len(target.codes))


def part_dates(outputs: Tensor, dates: int) -> Tensor:
    """Logits [n * dates, classes, y, x], date after date of each sample."""
    return outputs.unflatten(1, (dates, -1)).flatten(0, 1)


def measure_entropy(outputs: Tensor, codes: Tensor, *, target: TargetInfo) -> Tensor:
    """Cross-entropy in nats, weighted by class, smoothed; unknown pixels have none."""
    logits, dates = part_dates(outputs, _count_dates(target)), _count_dates(target)
    truth = codes.reshape(-1, *codes.shape[-2:]).long()
    weights = torch.tensor(target.weights, device=logits.device) if target.weights else None
    smoothing = target.options.get("label_smoothing", 0.0)
    costs = functional.cross_entropy(
        logits, truth, weights, ignore_index=UNKNOWN, reduction="none", label_smoothing=smoothing
    )
    known = (truth != UNKNOWN).reshape(len(outputs), dates, -1).sum(dim=(1, 2))
    return (costs.reshape(len(outputs), -1).sum(dim=1) / known.clamp_min(1)).mean()


def count_confusion(outputs: Tensor, codes: Tensor, *, target: TargetInfo) -> Tensor:
    """Counts [truth, answer] over the known pixels of a batch."""
    k, truth = len(target.codes), codes.reshape(-1).long()
    answers = part_dates(outputs, _count_dates(target)).argmax(dim=1).reshape(-1)
    places = torch.where(truth == UNKNOWN, k * k, truth * k + answers)
    return torch.bincount(places, minlength=k * k + 1)[: k * k].reshape(k, k).float()


def measure_accuracy(outputs: Tensor, codes: Tensor, *, target: TargetInfo) -> Tensor:
    """Share of known pixels whose likeliest class is the target's."""
    counts = count_confusion(outputs, codes, target=target)
    return counts.trace() / counts.sum()


def measure_iou(outputs: Tensor, codes: Tensor, *, target: TargetInfo) -> Tensor:
    """Mean over classes, true or answered in the batch, of intersection over union."""
    counts = count_confusion(outputs, codes, target=target)
    union = counts.sum(dim=0) + counts.sum(dim=1) - counts.diagonal()
    return (counts.diagonal() / union).nanmean()


def decode(outputs: Tensor, temperature: float, *, target: TargetInfo) -> dict[str, Tensor]:
    """Probabilities [n, k, y, x], or [n, dates, k, y, x] of several dates, that sum to 1 over k."""
    dates = _count_dates(target)
    shares = (part_dates(outputs.float(), dates) / temperature).softmax(dim=1)
    return {"probability": shares if dates == 1 else shares.unflatten(0, (-1, dates))}


def combine(members: Sequence[Decoded]) -> dict[str, Array]:
    """The mean of the members' probabilities."""
    return {"probability": np.mean([member["probability"] for member in members], axis=0)}


def collect(truth: Mapping[str, Array], decoded: Decoded, *, target: TargetInfo) -> Evidence:
    """Counts [n, truth, answer] per sample: no pixel need be kept."""
    answers = decoded["probability"].argmax(axis=-3)
    return {"counts": mask_scores.count_pixels(truth["mask"], answers, len(target.codes))}


def score(
    evidence: Sequence[Evidence], blocks: Sequence[Any], seed: int, resamples: int, *, target: TargetInfo
) -> dict[str, Any]:
    """Every score of fusion.mask_scores."""
    words: dict[str, Any] = {"codes": target.codes, "blocks": blocks, "seed": seed, "resamples": resamples}
    return mask_scores.evaluate(_join(evidence), **words)


def compare(
    one: Sequence[Evidence],
    other: Sequence[Evidence],
    metric: str,
    blocks: Sequence[Any],
    seed: int,
    resamples: int,
) -> Interval:
    """Metric of one minus metric of the other, paired (fusion.mask_scores)."""
    return mask_scores.paired_difference(_join(one), _join(other), blocks, metric, seed=seed, resamples=resamples)


def _join(evidence: Sequence[Evidence]) -> Array:
    return np.concatenate([part["counts"] for part in evidence])


def paint(outputs: Tensor, codes: Tensor, *, target: TargetInfo) -> tuple[Tensor, Tensor]:
    """Probabilities and one-hot truth [n, dates * k, y, x], both 0 at unknown pixels."""
    dates = _count_dates(target)
    truth = codes.reshape(-1, *codes.shape[-2:]).long()
    known = (truth != UNKNOWN)[:, None]
    shares = part_dates(outputs, dates).softmax(dim=1) * known
    exact = functional.one_hot(truth.clamp_min(0), len(target.codes)).movedim(-1, 1).to(shares.dtype) * known
    return _join_dates(shares, dates), _join_dates(exact, dates)


def _join_dates(maps: Tensor, dates: int) -> Tensor:
    """[n * dates, k, y, x] as [n, dates * k, y, x]."""
    return maps.unflatten(0, (-1, dates)).flatten(1, 2)


def bind(target: TargetInfo) -> Head:
    """The head over the target's codes, dates and options."""
    return Head(
        name="mask",
        title="Mask",
        output="map",
        options={
            "class_weights": Option(default="none", choices=("none", "median_frequency")),
            "label_smoothing": Option(default=0.0, low=0.0, high=0.5),
        },
        stored="probability",
        bind=bind,
        complete=complete,
        count_outputs=count_outputs,
        open_target=open_target,
        loss=partial(measure_entropy, target=target),
        metrics={
            "oa": partial(measure_accuracy, target=target),
            "mean_iou": partial(measure_iou, target=target),
        },
        decode=partial(decode, target=target),
        combine=combine,
        collect=partial(collect, target=target),
        score=partial(score, target=target),
        compare=compare,
        paint=partial(paint, target=target),
    )


HEAD = bind(TargetInfo(name="", head="mask"))
