"""Sets of classes that hold the true one as often as asked, whatever the network is worth: conformal prediction.

Split conformal prediction (Vovk, Gammerman and Shafer 2005; Angelopoulos and Bates 2021, arXiv 2107.07511): how strange
each class is for a sample is scored, the scores of the true classes of held-out samples are sorted, and a class belongs
to a new sample's set where its score is no higher than the ceil((n + 1) coverage)-th of them. The true class is then in
the set with at least this probability where calibration samples and new samples are exchangeable, and where scores
differ from each other with at most 1 / (n + 1) more. Samples of one city are alike, so those of other cities promise
nothing for a new one; with `groups` every city counts alike and the new one is taken as one more (Lee, Barber and
Willett 2023, arXiv 2306.06342), which holds on average over cities that are exchangeable, and needs enough of them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from fusion.bootstrap import FloatArray, IntArray, Interval, estimate_ratios, number_blocks
from fusion.errors import BadInputError

Method = Literal["lac", "aps", "raps"]
BoolArray = npt.NDArray[np.bool_]

PENALTY, FREE_RANKS = 0.05, 2  # of RAPS: each class after the second likeliest is that much stranger
Z = 1.959964  # of the normal distribution at 97.5 %
ROUNDING = 1e-9  # shares of counts are compared with this tolerance: 0.9 is no binary number
DIGITS = 12  # of sums of probabilities: those that reach 1 are equal, and told as ties
MANY_TIES = 0.01  # of the calibration samples, beyond which the sets are noticeably too large


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """The highest strangeness that a class of a set may have, and what it was found on.

    `tied` is the share of calibration samples that have exactly this score, themselves not counted; `groups` 0 where
    samples were taken as exchangeable.
    """

    method: Method
    coverage: float
    threshold: float
    samples: int
    groups: int
    tied: float

    @property
    def note(self) -> str:
        """A sentence where ties make sets larger than they need be; empty else."""
        if self.tied <= MANY_TIES:
            return ""
        return (
            f"{self.tied:.0%} of the calibration samples have the very score of the threshold (ties): sets hold the "
            f"true class more often than the {self.coverage:.0%} asked for."
        )


def score_classes(probabilities: npt.ArrayLike, method: Method = "lac") -> FloatArray:
    """How strange each class is for each sample [n, k], from probabilities [n, k].

    `lac`: one minus its probability (Sadinle, Lei and Wasserman 2019): the smallest sets on average. `aps`: the
    probability of all classes at least as likely (Romano, Sesia and Candes 2020, without the random share of the last):
    coverage varies less between easy and hard samples, and is too high where the truth is often the least likely.
    `raps`: the same with a penalty for unlikely ranks (Angelopoulos et al. 2021): no very large sets.
    """
    shares = _check_shares(probabilities)
    if method == "lac":
        return 1 - shares
    order = np.argsort(-shares, axis=1, kind="stable")
    ranked = np.cumsum(np.take_along_axis(shares, order, axis=1), axis=1).round(DIGITS)
    if method == "raps":
        ranked += PENALTY * np.maximum(np.arange(1, shares.shape[1] + 1) - FREE_RANKS, 0)
    elif method != "aps":
        raise BadInputError(f"Unknown method of conformal sets {method!r}. Known: lac, aps, raps.")
    scores = np.empty_like(shares)
    np.put_along_axis(scores, order, ranked, axis=1)
    return scores


def find_quantile(scores: npt.ArrayLike, coverage: float, groups: Sequence[Any] | npt.ArrayLike | None = None) -> float:
    """The exact finite-sample quantile of scores [n]; BadInputError where there are too few for this coverage.

    Without groups the ceil((n + 1) coverage)-th smallest score. With them a score of one of K groups of m samples
    weighs 1 / (m (K + 1)), and the group to come 1 / (K + 1) at infinity.
    """
    values = np.asarray(scores, dtype=np.float64)
    if not 0 < coverage < 1:
        raise BadInputError(f"Coverage must lie between 0 and 1; it is {coverage!r}.")
    if values.ndim != 1 or not len(values) or np.isnan(values).any():
        raise BadInputError("Conformal calibration needs at least one sample, and a score that is a number for each.")
    group = np.arange(len(values)) if groups is None else number_blocks(groups, len(values))
    sizes = np.bincount(group)
    _check_enough(len(sizes), coverage, "samples" if groups is None else "groups (cities)")
    order = np.argsort(values, kind="stable")
    reached = np.cumsum(1 / (sizes[group[order]] * (len(sizes) + 1)))
    return float(values[order][np.searchsorted(reached, coverage - ROUNDING)])


def calibrate(
    probabilities: npt.ArrayLike,
    truth: npt.ArrayLike,
    coverage: float,
    *,
    method: Method = "lac",
    groups: Sequence[Any] | npt.ArrayLike | None = None,
) -> Calibration:
    """The threshold from held-out samples: probabilities [n, k], class indices `truth` [n], a group each if given."""
    scores = score_classes(probabilities, method)
    labels = _check_truth(truth, scores.shape)
    own = scores[np.arange(len(labels)), labels]
    threshold = find_quantile(own, coverage, groups)
    return Calibration(
        method=method,
        coverage=coverage,
        threshold=threshold,
        samples=len(own),
        groups=0 if groups is None else int(number_blocks(groups, len(own)).max()) + 1,
        tied=float((own == threshold).sum() - 1) / len(own),
    )


def predict_sets(probabilities: npt.ArrayLike, calibration: Calibration) -> BoolArray:
    """Which classes belong to each sample's set [n, k]; none may: nothing that was learned fits such a sample."""
    return score_classes(probabilities, calibration.method) <= calibration.threshold


def measure_sets(
    sets: npt.ArrayLike,
    truth: npt.ArrayLike,
    *,
    blocks: Sequence[Any] | npt.ArrayLike,
    codes: Sequence[str],
    seed: int = 0,
    resamples: int = 500,
) -> dict[str, Any]:
    """How often sets [n, k] hold the truth [n] and how large they are, with intervals by block, ready for JSON.

    `classes` is the coverage among samples that truly are of a class; where all or none of them are held, and draws
    of blocks all say the same, with Wilson's interval as if each block were one sample. `sizes` counts sets of 0, 1,
    ... k classes with the coverage of each size.
    """
    held = np.asarray(sets, dtype=bool)
    labels = _check_truth(truth, held.shape)
    is_held, size = held[np.arange(len(labels)), labels], held.sum(axis=1)
    of_class = labels[:, None] == np.arange(held.shape[1])
    of_size = size[:, None] == np.arange(held.shape[1] + 1)
    ones = np.ones((len(labels), 3))
    above = np.hstack([is_held[:, None], size[:, None], (size == 0)[:, None], is_held[:, None] & of_class])
    found = estimate_ratios(above, np.hstack([ones, of_class]), blocks, seed=seed, resamples=resamples)
    block = number_blocks(blocks, len(labels))
    counts = [len(set(block[own].tolist())) for own in of_class.T]
    by_class = {code: _widen(one, n) for code, one, n in zip(codes, found[3:], counts, strict=True)}
    return {
        "n": len(labels),
        "coverage": found[0],
        "mean_size": found[1],
        "empty": found[2],
        "classes": {
            code: {**by_class[code], "n": int(count)} for code, count in zip(codes, of_class.sum(axis=0), strict=True)
        },
        "sizes": _list_sizes(of_size, is_held),
    }


def _widen(found: Interval, blocks: int) -> Interval:
    """Wilson's interval of none or all of so many, where a bootstrap has nothing to vary."""
    if found["value"] not in (0.0, 1.0) or found["low"] != found["high"] or found["low"] is None:
        return found
    reach = Z**2 / (blocks + Z**2)
    return {"value": 0.0, "low": 0.0, "high": reach} if found["value"] == 0 else {**found, "low": 1 - reach}


def _list_sizes(of_size: BoolArray, is_held: BoolArray) -> list[dict[str, Any]]:
    counts, held = of_size.sum(axis=0), (of_size & is_held[:, None]).sum(axis=0)
    return [
        {"size": size, "n": int(n), "coverage": float(right / n) if n else None}
        for size, (n, right) in enumerate(zip(counts, held, strict=True))
    ]


def _check_enough(count: int, coverage: float, of: str) -> None:
    """The rank must lie among the scores: else nothing but the set of all classes is sure enough."""
    needed = math.ceil(coverage / (1 - coverage) - ROUNDING)
    if count < needed:
        raise BadInputError(
            f"A coverage of {coverage:.3g} needs at least {needed} calibration {of}; there are {count}. "
            f"Calibrate on more, or ask for at most {count / (count + 1):.3g}."
        )


def _check_shares(probabilities: npt.ArrayLike) -> FloatArray:
    shares = np.asarray(probabilities, dtype=np.float64)
    if shares.ndim != 2 or not np.isfinite(shares).all():
        raise BadInputError(f"Conformal sets need finite probabilities [n, classes], not {list(shares.shape)}.")
    return shares


def _check_truth(truth: npt.ArrayLike, shape: tuple[int, ...]) -> IntArray:
    labels = np.asarray(truth)
    if labels.shape != shape[:1] or not len(labels) or labels.dtype.kind not in "iu":
        raise BadInputError(f"Conformal sets need one class index for each of {shape[0]} samples, and at least one.")
    if labels.min() < 0 or labels.max() >= shape[1]:
        raise BadInputError(f"Truth holds {labels.min()} to {labels.max()}; classes are 0 to {shape[1] - 1}.")
    return labels.astype(np.int64)
