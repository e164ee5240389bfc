"""Who stands where: a system's seeds as one row, ties by the paired difference to the leader.

Systems are sorted by the mean of their seeds. The leader's rank is shared by all whose difference to it has a 95 %
interval that contains 0, on the same bootstrap draws; the best of the others leads the next rank. Baselines stand among
them without a rank, and published figures stand apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from fusion.bootstrap import Interval, find_interval
from geoquorum.accounts.models import User
from geoquorum.training.benchmarks import is_over
from geoquorum.training.models import Benchmark, Score, Submission
from geoquorum.training.scoring import LOW_IS_GOOD, mean_draws

FloatArray = npt.NDArray[np.float64]
Shown = Literal["all", "public", "final"]


@dataclass(frozen=True, kw_only=True)
class Seed:
    """One seed as it counts on the board shown."""

    seed: int
    value: float
    low: float
    high: float
    score: Score


@dataclass(frozen=True, kw_only=True)
class Row:
    """One system. `spread` is the standard deviation over seeds; `difference` is the leader that it was compared with
    minus it: that of its own rank, or of the rank above where it leads one. `rank` is None for baselines.
    """

    submission: Submission
    value: float
    low: float
    high: float
    n: int
    seeds: tuple[Seed, ...]
    draws: FloatArray | None = field(repr=False)
    at: datetime
    spread: float | None = None
    further: dict[str, Interval] = field(default_factory=dict)
    rank: int | None = None
    is_tied: bool = False
    difference: Interval | None = None
    public_value: float | None = None

    @property
    def is_baseline(self) -> bool:
        return self.submission.kind == Submission.Kind.BASELINE

    @property
    def run(self) -> Any:
        """The run of its latest seed, if it is one."""
        checkpoint = self.seeds[-1].score.checkpoint
        return checkpoint.run if checkpoint else None


@dataclass(frozen=True, kw_only=True)
class Board:
    """The rows of a benchmark, best first, and the published figures beside them."""

    shown: Shown
    rows: tuple[Row, ...]
    published: tuple[Submission, ...]

    def __len__(self) -> int:
        return len(self.rows)


def rank_benchmark(benchmark: Benchmark) -> Board:
    """The board as everybody sees it now: before the end of a contest that of its public rows."""
    shown: Shown = "all" if not benchmark.has_hidden_labels else "final" if is_over(benchmark) else "public"
    scores = (
        Score.objects.filter(benchmark=benchmark)
        .select_related("submission__submitted_by", "checkpoint__run")
        .order_by("pk")
    )
    systems: dict[int, list[Score]] = {}
    for score in scores:
        systems.setdefault(score.submission_id, []).append(score)
    rows = [_make_row(benchmark, own, shown) for own in systems.values()]
    if benchmark.has_hidden_labels:
        rows = _keep_one_each(benchmark, rows)
    is_low_good = benchmark.metric in LOW_IS_GOOD
    rows.sort(key=lambda row: (row.value if is_low_good else -row.value, row.submission.pk))
    published = benchmark.submissions.filter(kind=Submission.Kind.PUBLISHED).order_by("pk")
    return Board(shown=shown, rows=tuple(share_ranks(rows, is_low_good=is_low_good)), published=tuple(published))


def share_ranks(rows: Sequence[Row], *, is_low_good: bool = False) -> list[Row]:
    """Ranks of rows that are sorted, best first; 1, 1, 3 where two share the first."""
    ranked: list[Row] = []
    leader: Row | None = None
    place = 0
    for row in rows:
        if row.is_baseline:
            ranked.append(row)
            continue
        place += 1
        difference = None if leader is None else compare(leader, row)
        if leader is None or not is_tie(leader, row, difference):
            leader = replace(row, rank=place, difference=difference)
            ranked.append(leader)
        else:
            ranked.append(replace(row, rank=leader.rank, difference=difference))
    sizes = [row.rank for row in ranked]
    return [replace(row, is_tied=row.rank is not None and sizes.count(row.rank) > 1) for row in ranked]


def compare(leader: Row, row: Row) -> Interval | None:
    """Leader minus row with its interval on the same draws; None where the draws of one are not known."""
    if leader.draws is None or row.draws is None or len(leader.draws) != len(row.draws):
        return None
    return find_interval(leader.draws - row.draws)


def is_tie(leader: Row, row: Row, difference: Interval | None) -> bool:
    """Whether the difference may be 0; without draws of both, whether their intervals overlap."""
    if difference is None:
        return leader.low <= row.high and row.low <= leader.high
    low, high = difference["low"], difference["high"]
    return low is None or high is None or low <= 0 <= high


def _make_row(benchmark: Benchmark, scores: list[Score], shown: Shown) -> Row:
    seeds = _choose_seeds(benchmark, scores, shown)
    kept = [seed.score for seed in seeds]
    draws = mean_draws([bytes(one.public_draws if shown == "public" else one.draws) for one in kept])
    values = [seed.value for seed in seeds]
    found = {"low": seeds[0].low, "high": seeds[0].high}
    if len(seeds) > 1:
        found = find_interval(draws) if draws is not None else {"low": None, "high": None}
    low, high = found["low"], found["high"]
    publics = [one.public["value"] for one in kept if one.public]
    return Row(
        submission=kept[0].submission,
        value=float(np.mean(values)),
        low=min(seed.low for seed in seeds) if low is None else low,
        high=max(seed.high for seed in seeds) if high is None else high,
        spread=float(np.std(values, ddof=1)) if len(values) > 1 else None,
        n=(kept[0].public or {}).get("n", 0) if shown == "public" else kept[0].samples_count,
        seeds=tuple(seeds),
        draws=draws,
        at=max(one.created_at for one in kept),
        further=_list_further(benchmark, kept, shown),
        public_value=float(np.mean(publics)) if publics and shown == "final" else None,
    )


def _choose_seeds(benchmark: Benchmark, scores: list[Score], shown: Shown) -> list[Seed]:
    """Of each seed the score that counts: the best or the last. In a contest the best is chosen by its public rows."""
    chosen: dict[int, Score] = {}
    for score in scores:
        before = chosen.get(score.seed)
        is_last = benchmark.counts == Benchmark.Counts.LAST
        if before is None or is_last or _is_better(benchmark, _judged(score), _judged(before)):
            chosen[score.seed] = score
    return [_show_seed(chosen[seed], shown) for seed in sorted(chosen)]


def _keep_one_each(benchmark: Benchmark, rows: list[Row]) -> list[Row]:
    """In a contest each person has one row: that of the system which counts, by its public rows or by its time."""
    kept: dict[Any, Row] = {}
    for row in sorted(rows, key=lambda one: one.at):
        owner = row.submission.submitted_by_id or f"system {row.submission.pk}"
        before = kept.get(owner)
        is_last = benchmark.counts == Benchmark.Counts.LAST
        if before is None or is_last or _is_better(benchmark, _judge_row(row), _judge_row(before)):
            kept[owner] = row
    return list(kept.values())


def _judged(score: Score) -> float:
    return float(score.public["value"]) if score.public else score.value


def _judge_row(row: Row) -> float:
    return float(np.mean([_judged(seed.score) for seed in row.seeds]))


def _is_better(benchmark: Benchmark, value: float, other: float) -> bool:
    return value < other if benchmark.metric in LOW_IS_GOOD else value > other


def _show_seed(score: Score, shown: Shown) -> Seed:
    if shown == "public" and score.public:
        found = score.public
        return Seed(seed=score.seed, value=found["value"], low=found["low"], high=found["high"], score=score)
    return Seed(seed=score.seed, value=score.value, low=score.low, high=score.high, score=score)


def _list_further(benchmark: Benchmark, scores: list[Score], shown: Shown) -> dict[str, Interval]:
    """The metrics shown beside the one that ranks; of several seeds their mean, without an interval."""
    sources = [(one.public or {}) if shown == "public" else one.detail for one in scores]
    found = [source.get("metrics", {}) for source in sources]
    if len(found) == 1:
        return {name: found[0][name] for name in benchmark.further_metrics if name in found[0]}
    values = {name: [one[name]["value"] for one in found if name in one] for name in benchmark.further_metrics}
    return {
        name: {"value": float(np.mean(own)), "low": None, "high": None}
        for name, own in values.items()
        if len(own) == len(found) and None not in own
    }


def list_waiting(benchmark: Benchmark, user: User, *, is_curator: bool) -> list[Submission]:
    """Submissions whose job is not done: one's own, for curators all; with the reason where it failed."""
    waiting = benchmark.submissions.exclude(job=None).exclude(job__state="done").select_related("job")
    return list(waiting if is_curator else waiting.filter(submitted_by=user))
