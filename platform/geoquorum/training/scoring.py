"""Scores of predictions on a benchmark: value and interval on each board, and the draws by which systems are compared.

The bootstrap is the benchmark's (its seed, resamples and blocks), so the same predictions always give the same numbers
and two systems are compared on the same draws.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from fusion import scores
from fusion.bootstrap import Interval, find_interval
from fusion.errors import BadInputError
from geoquorum.training.held_out import Flags, HeldOut, draw_public, read_held_out
from geoquorum.training.models import Benchmark

FloatArray = npt.NDArray[np.float64]
LOW_IS_GOOD = frozenset({"ece", "negative_log_likelihood", "brier"})
METRICS = tuple(name for name in scores.METRICS if name != "cross_entropy_votes")


@dataclass(frozen=True, kw_only=True)
class Part:
    """Scores on some rows: every metric with its interval, and the draws of the one that ranks."""

    metrics: dict[str, Interval]
    draws: FloatArray
    n: int

    def as_json(self, metric: str) -> dict[str, Any]:
        return {**self.metrics[metric], "n": self.n, "metrics": self.metrics}


def open_held_out(benchmark: Benchmark) -> HeldOut:
    """The held-out samples of a benchmark; a version that is no longer what it was is refused."""
    return read_held_out(
        benchmark.version.uri,
        sha256=benchmark.pack_sha256,
        target=benchmark.target,
        split=benchmark.split,
        by=benchmark.interval_by,
    )


def score_predictions(benchmark: Benchmark, held: HeldOut, probabilities: FloatArray) -> tuple[Part, Part | None]:
    """What decides, and in a contest what its public board shows: the private rows, and the public ones."""
    if not benchmark.has_hidden_labels:
        return score_rows(benchmark, held, probabilities, np.ones(len(held.ids), dtype=bool)), None
    is_public = draw_public(held.blocks, share=benchmark.public_share or 0.5, seed=benchmark.seed)
    private, public = (score_rows(benchmark, held, probabilities, rows) for rows in (~is_public, is_public))
    return private, public


def score_rows(benchmark: Benchmark, held: HeldOut, probabilities: FloatArray, rows: Flags) -> Part:
    """The benchmark's metrics on these rows."""
    drawn = scores.draw_metrics(
        held.truth[rows],
        probabilities[rows],
        list_metrics(benchmark),
        scheme=held.scheme,
        blocks=[block for block, is_in in zip(held.blocks, rows, strict=True) if is_in],
        seed=benchmark.seed,
        resamples=benchmark.resamples,
    )
    metrics = {name: find_interval(values) for name, values in drawn.items()}
    return Part(metrics=metrics, draws=drawn[benchmark.metric], n=int(rows.sum()))


def list_metrics(benchmark: Benchmark) -> list[str]:
    """The metric that ranks, and those shown beside it."""
    return [benchmark.metric, *(name for name in benchmark.further_metrics if name != benchmark.metric)]


def check_metrics(benchmark: Benchmark, held: HeldOut) -> None:
    """Refuses a metric that nobody knows, or that means nothing for the scheme: even the truth has no value then."""
    for name in list_metrics(benchmark):
        if name not in METRICS:
            raise BadInputError(f"Unknown metric {name!r}. Known: {', '.join(METRICS)}.")
    perfect = np.eye(len(held.codes))[held.truth]
    for part in score_predictions(benchmark, held, perfect):
        for name, found in part.metrics.items() if part else ():
            if found["value"] is None or found["low"] is None:
                raise BadInputError(f"The metric {name!r} is not defined for {held.scheme} on these samples.")


def pack_draws(draws: FloatArray) -> bytes:
    """Draws as they are stored: little-endian float64."""
    return np.ascontiguousarray(draws, dtype="<f8").tobytes()


def mean_draws(stored: Sequence[bytes]) -> FloatArray | None:
    """The mean over seeds on each draw; None where draws are not known of all of them."""
    if not stored or not all(stored) or len({len(one) for one in stored}) > 1:
        return None
    found: FloatArray = np.mean([np.frombuffer(bytes(one), dtype="<f8") for one in stored], axis=0)
    return found
