"""How good found boxes and instances are, with 95 % intervals from a bootstrap over blocks of samples.

Average precision as the COCO benchmark defines it (Lin et al. 2014): boxes of a class, best first, each take the free
true box that they overlap most, if by the threshold at least; precision at 101 recalls, none lower than at any higher
recall, is averaged, then over classes; `ap` over the overlaps 0.5, 0.55 ... 0.95, `ap50` at 0.5 alone. On every draw of
blocks (fusion.bootstrap) the whole curve is made anew. F1, precision and recall are those at the one score, chosen on
the samples themselves, whose F1 at overlap 0.5 is best: read them as what that score gives, not as a forecast.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fusion.bootstrap import Draws, FloatArray, IntArray, Interval, divide, find_interval, number_blocks, to_number
from fusion.boxes import measure_iou
from fusion.errors import BadInputError

Array = npt.NDArray[Any]
Evidence = dict[str, Array]
OVERLAPS = np.linspace(0.5, 0.95, 10)
RECALLS = np.linspace(0.0, 1.0, 101)
SURE = 0.3  # the score from which a found box counts where centres alone are compared
AT_ONCE = 4_000_000  # numbers; keeps memory flat for many boxes and draws
METRICS = ("ap50", "ap", "f1", "precision", "recall", "centre_f1", "instance_f1")


def collect(found: Array, offsets: Array, true: Array, true_offsets: Array, classes: int) -> Evidence:
    """What scores need of n samples: `found` [m, 7] with score last, `true` [k, 6], offsets [n + 1] of both.

    `boxes` [m, (sample, class, score, right at each overlap)], `truths` [n, classes], and `centres` [n, (right found,
    right true, found, true)] of boxes from SURE on whose centre pixel touches that of a true one, or is it.
    """
    parts, counts, centres = [], [], []
    for row in range(len(offsets) - 1):
        own = np.asarray(found[offsets[row] : offsets[row + 1]], dtype=np.float64)
        real = np.asarray(true[true_offsets[row] : true_offsets[row + 1]], dtype=np.float64)
        right = match(own, real)
        parts.append(np.column_stack([np.full(len(own), row), own[:, 5], own[:, 6], right]))
        counts.append(np.bincount(real[:, 5].astype(np.int64), minlength=classes))
        centres.append(_match_centres(own[own[:, 6] >= SURE], real))
    width = 3 + len(OVERLAPS)
    return {
        "boxes": np.concatenate([np.zeros((0, width)), *parts]),
        "truths": np.array(counts, dtype=np.int64).reshape(-1, classes),
        "centres": np.array(centres, dtype=np.int64).reshape(-1, 4),
    }


def match(found: FloatArray, true: FloatArray) -> npt.NDArray[np.bool_]:
    """Which found boxes [m, 7] are right at each of OVERLAPS [m, 10]; best first, each true box is given away once."""
    right = np.zeros((len(found), len(OVERLAPS)), dtype=bool)
    if not len(found) or not len(true):
        return right
    overlap = np.where(found[:, 5, None] == true[None, :, 5], measure_iou(found, true), -1.0)
    is_taken = np.zeros((len(OVERLAPS), len(true)), dtype=bool)
    levels = np.arange(len(OVERLAPS))
    for row in np.argsort(-found[:, 6], kind="stable").tolist():
        free = np.where(is_taken, -1.0, overlap[row])
        best = free.argmax(axis=1)
        right[row] = free[levels, best] >= OVERLAPS - 1e-12
        is_taken[levels[right[row]], best[right[row]]] = True
    return right


def _match_centres(found: FloatArray, true: FloatArray) -> tuple[int, int, int, int]:
    cells = [np.floor(boxes[:, :2]) for boxes in (found, true)]
    steps = abs(cells[0][:, None] - cells[1][None]).max(axis=2, initial=0)
    is_near = (steps <= 1) & (found[:, 5, None] == true[None, :, 5])
    return int(is_near.any(axis=1).sum()), int(is_near.any(axis=0).sum()), len(found), len(true)


def match_instances(truth: Array, answer: Array) -> IntArray:
    """Per sample of numbered masks [n, y, x] (0 none, -1 unknown): (right, found, true) [n, 3].

    A found one is right where its IoU with a true one is above 0.5, which at most one can be (Kirillov et al. 2019).
    """
    rows = []
    for true, found in zip(truth, answer, strict=True):
        known = true >= 0
        wide = int(found.max(initial=0)) + 1
        places = true[known].astype(np.int64) * wide + found[known]
        table = np.bincount(places, minlength=(int(true.max(initial=0)) + 1) * wide).reshape(-1, wide)
        union = table.sum(axis=1, keepdims=True) + table.sum(axis=0, keepdims=True) - table
        right = (table[1:, 1:] * 2 > union[1:, 1:]).sum()
        rows.append([right, (table[:, 1:].sum(axis=0) > 0).sum(), (table[1:].sum(axis=1) > 0).sum()])
    return np.array(rows, dtype=np.int64).reshape(-1, 3)


@dataclass(frozen=True, kw_only=True)
class _Table:
    """Found boxes of all samples, best first, and what is counted per sample."""

    sample: IntArray
    kind: IntArray
    score: FloatArray
    right: npt.NDArray[np.bool_]
    truths: IntArray
    centres: IntArray
    instances: IntArray | None

    def find_best(self) -> int:
        """How many boxes, best first, have the best F1 at overlap 0.5; boxes of one score come together."""
        if not len(self.score):
            return 0
        is_last = np.append(self.score[1:] != self.score[:-1], True)
        hits, total = self.right[:, 0].cumsum(), self.truths.sum()
        values = np.where(is_last, 2 * hits / (np.arange(1, len(hits) + 1) + total), -1.0)
        return int(values.argmax()) + 1


def _join(evidence: Sequence[Mapping[str, Array]]) -> _Table:
    firsts = np.cumsum([0, *(len(part["truths"]) for part in evidence[:-1])])
    moved = [
        part["boxes"] + np.eye(1, part["boxes"].shape[1]) * first for part, first in zip(evidence, firsts, strict=True)
    ]
    boxes = np.concatenate(moved)
    boxes = boxes[np.argsort(-boxes[:, 2], kind="stable")]
    has_instances = all("instances" in part for part in evidence)
    return _Table(
        sample=boxes[:, 0].astype(np.int64),
        kind=boxes[:, 1].astype(np.int64),
        score=boxes[:, 2],
        right=boxes[:, 3:] > 0,
        truths=np.concatenate([part["truths"] for part in evidence]),
        centres=np.concatenate([part["centres"] for part in evidence]),
        instances=np.concatenate([part["instances"] for part in evidence]) if has_instances else None,
    )


def evaluate(
    evidence: Sequence[Mapping[str, Array]],
    *,
    codes: Sequence[str],
    blocks: Sequence[Any] | npt.ArrayLike,
    seed: int = 0,
    resamples: int = 500,
) -> dict[str, Any]:
    """Every score of what `collect` gave of each batch (with `instances` where there are any), ready for JSON."""
    table = _check(evidence)
    best = table.find_best()
    drawn = _draw(table, blocks, seed, resamples)
    found = {name: find_interval(values) for name, values in drawn.items() if name in METRICS}
    found["f1"] |= {"threshold": to_number(table.score[best - 1]) if best else None}
    return {
        "n": len(table.truths),
        "boxes": int(table.truths.sum()),
        "found": len(table.score),
        "blocks": int(number_blocks(blocks, len(table.truths)).max()) + 1,
        "resamples": resamples,
        "seed": seed,
        "codes": list(codes),
        **found,
        "classes": {
            code: {
                "n": int(table.truths[:, place].sum()),
                **{name: find_interval(drawn[f"{name} {place}"]) for name in ("ap50", "ap")},
            }
            for place, code in enumerate(codes)
        },
    }


def paired_difference(
    one: Sequence[Mapping[str, Array]],
    other: Sequence[Mapping[str, Array]],
    blocks: Sequence[Any] | npt.ArrayLike,
    metric: str = "ap50",
    *,
    seed: int = 0,
    resamples: int = 500,
) -> Interval:
    """Metric of one minus metric of the other over the same samples and draws, with its interval."""
    a, b = (_draw(_check(evidence), blocks, seed, resamples) for evidence in (one, other))
    if metric not in METRICS or metric not in a or metric not in b:
        raise BadInputError(f"Unknown metric {metric!r}. Known: {', '.join(sorted(set(METRICS) & set(a) & set(b)))}.")
    return find_interval(a[metric] - b[metric])


def _check(evidence: Sequence[Mapping[str, Array]]) -> _Table:
    if not evidence or not sum(len(part["truths"]) for part in evidence):
        raise BadInputError("Scores of boxes need at least one sample.")
    return _join(evidence)


def _draw(table: _Table, blocks: Sequence[Any] | npt.ArrayLike, seed: int, resamples: int) -> dict[str, FloatArray]:
    """Every metric on the samples and on each draw, and `ap50` and `ap` of each class by its number."""
    block = number_blocks(blocks, len(table.truths))
    draws = Draws(n_blocks=int(block.max()) + 1, resamples=resamples, seed=seed)
    best = table.find_best()
    parts = [_measure(table, weights[:, block], best) for weights in _cut(draws, len(table.score))]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def _cut(draws: Draws, boxes: int) -> Iterator[FloatArray]:
    step = max(1, AT_ONCE // max(boxes, 1))
    for portion in draws.weights():
        yield from (portion[first : first + step] for first in range(0, len(portion), step))


def _measure(table: _Table, weights: FloatArray, best: int) -> dict[str, FloatArray]:
    """Metrics of some draws, given how often each sample is in each [draws, n]."""
    counts = weights @ table.truths
    own = weights[:, table.sample]
    curves = np.stack([_average(table, own, counts[:, kind], kind) for kind in range(counts.shape[1])], axis=2)
    has_class = counts > 0
    classes = np.where(has_class[:, None], curves, 0.0).sum(axis=2)
    mean = divide(classes, np.broadcast_to(has_class.sum(axis=1)[:, None].astype(np.float64), classes.shape))
    hits, seen, true = (
        (own[:, :best] * table.right[:best, 0]).sum(axis=1),
        own[:, :best].sum(axis=1),
        counts.sum(axis=1),
    )
    centres = weights @ table.centres
    found = {
        "ap50": mean[:, 0],
        "ap": mean.mean(axis=1),
        "f1": divide(2 * hits, seen + true),
        "precision": divide(hits, seen),
        "recall": divide(hits, true),
        "centre_f1": divide(centres[:, 0] + centres[:, 1], centres[:, 2] + centres[:, 3]),
    }
    if table.instances is not None:
        sums = weights @ table.instances
        found["instance_f1"] = divide(2 * sums[:, 0], sums[:, 1] + sums[:, 2])
    for kind in range(counts.shape[1]):
        found[f"ap50 {kind}"], found[f"ap {kind}"] = curves[:, 0, kind], curves[:, :, kind].mean(axis=1)
    return found


def _average(table: _Table, weights: FloatArray, truths: FloatArray, kind: int) -> FloatArray:
    """Average precision [draws, overlaps] of one class; NaN in draws without a true box of it."""
    chosen = table.kind == kind
    own, right = weights[:, chosen], table.right[chosen]
    seen = own.cumsum(axis=1)
    columns = []
    for level in range(len(OVERLAPS)):
        places = np.flatnonzero(right[:, level])  # precision peaks where one is right, so the others need no look
        hits = own[:, places].cumsum(axis=1)
        precision = np.maximum.accumulate(divide(hits, seen[:, places])[:, ::-1], axis=1)[:, ::-1]
        columns.append(_read_curve(divide(hits, np.broadcast_to(truths[:, None], hits.shape)), precision))
    return np.where(truths[:, None] > 0, np.stack(columns, axis=1), np.nan)


def _read_curve(recall: FloatArray, precision: FloatArray) -> FloatArray:
    """Mean over RECALLS of the precision where each is first reached, 0 where it never is."""
    values = np.zeros(len(recall))
    for row, (reached, level) in enumerate(zip(recall, precision, strict=True)):
        places = np.searchsorted(reached, RECALLS, side="left")
        values[row] = np.append(level, 0.0)[places].mean()
    return values
