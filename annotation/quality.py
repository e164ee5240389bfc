"""How well one expert works: score on gold, consistency with oneself, what is confused, pace. From own votes alone."""

import datetime
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from annotation.consensus import wilson
from fusion.errors import BadVotesError

Table = npt.NDArray[np.float64]

LEAST_SEEN = 2  # a confusion seen once may be a slip of the finger, and would point at its sample
MOST_HINTS = 3
BLOCK = 50  # votes in one step of a trend: a batch of formats-and-ux 1.4


@dataclass(frozen=True, kw_only=True)
class Share:
    """A share in 0..1 with its 95 % interval and the number of answers behind it; NaN where there are none."""

    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, kw_only=True)
class Confusion:
    """Two classes, in the scheme's order, and how often one was named where gold says the other."""

    first: str
    second: str
    count: int


@dataclass(frozen=True, kw_only=True)
class Pace:
    """Seconds per answer: median and quartiles, medians of blocks of votes in order, and by hour of the day (UTC)."""

    median_s: float
    low_s: float
    high_s: float
    n: int
    blocks_s: tuple[float, ...]
    hours_s: dict[int, float]
    votes_per_hour: dict[int, int]


def gold_score(truth: Sequence[str], answers: Sequence[str], codes: Sequence[str], similarity: Table) -> Share:
    """Mean credit of answers to gold: `similarity` [k, k] in 0..1 gives partial credit, the identity plain accuracy.

    An empty answer (a skip) earns nothing.
    The interval is Wilson's with the mean credit as the share: credits in 0..1 vary at most as much as hits and misses
    of the same mean, so it is never too narrow. Weighted accuracy: OAw of Bechtel, Demuzere and Stewart 2020.
    """
    place = {code: index for index, code in enumerate(codes)}
    if len(truth) != len(answers) or not set(truth) | set(answers) - {""} <= set(place):
        raise BadVotesError("Gold and answers must be equally many, and all of the scheme's codes.")
    if not truth:
        return Share(value=np.nan, low=0.0, high=1.0, n=0)
    pairs = zip(truth, answers, strict=True)
    return _share([float(similarity[place[one], place[other]]) if other else 0.0 for one, other in pairs])


def self_consistency(first: Sequence[str], second: Sequence[str]) -> Share:
    """How often the same sample got the same answer again, with Wilson's interval."""
    if len(first) != len(second):
        raise BadVotesError("Each repeat needs the answer given before.")
    return _share([float(one == other) for one, other in zip(first, second, strict=True)])


def list_confusions(truth: Sequence[str], answers: Sequence[str], codes: Sequence[str]) -> list[Confusion]:
    """At most three pairs of classes that are mixed up, the most frequent first; which way round is not told.

    Only pairs seen at least twice count, and only where further answers named one of the two classes: else whoever
    remembers the own answers could work out from the hint what gold says of a sample.
    """
    place, given = {code: index for index, code in enumerate(codes)}, Counter(answers)
    wrong: Counter[tuple[str, str]] = Counter()
    for one, other in zip(truth, answers, strict=True):
        if other and one != other:
            first, second = sorted((one, other), key=place.__getitem__)
            wrong[first, second] += 1
    seen = sorted(wrong.items(), key=lambda item: (-item[1], place[item[0][0]], place[item[0][1]]))
    told = ((pair, count) for pair, count in seen if LEAST_SEEN <= count < given[pair[0]] + given[pair[1]])
    kept = list(told)[:MOST_HINTS]
    return [Confusion(first=pair[0], second=pair[1], count=count) for pair, count in kept]


def measure_pace(seconds: Sequence[float], decided: Sequence[datetime.datetime]) -> Pace:
    """From seconds per answer in their order, and when each was given; NaN seconds (not told) are left out."""
    told = np.asarray(seconds, np.float64)
    is_told = np.isfinite(told)
    hour = np.array([when.astimezone(datetime.UTC).hour for when in decided], np.int64)[is_told]
    kept = told[is_told]
    if not len(kept):
        return Pace(median_s=np.nan, low_s=np.nan, high_s=np.nan, n=0, blocks_s=(), hours_s={}, votes_per_hour={})
    low, median, high = (float(value) for value in np.percentile(kept, [25, 50, 75]))
    hours = [int(value) for value in np.unique(hour)]
    return Pace(
        median_s=median,
        low_s=low,
        high_s=high,
        n=len(kept),
        blocks_s=tuple(float(np.median(part)) for part in _blocks(kept)),
        hours_s={one: float(np.median(kept[hour == one])) for one in hours},
        votes_per_hour={one: int((hour == one).sum()) for one in hours},
    )


def _blocks(values: Table) -> list[Table]:
    """Whole blocks in order; what is left at the end stands for itself from half a block on."""
    parts = [values[start : start + BLOCK] for start in range(0, len(values), BLOCK)]
    return [part for part in parts if len(part) >= BLOCK // 2] or [values]


def _share(credits: Sequence[float]) -> Share:
    if not credits:
        return Share(value=np.nan, low=0.0, high=1.0, n=0)
    value = float(np.mean(credits))
    low, high = wilson(value, len(credits))
    return Share(value=value, low=float(low), high=float(high), n=len(credits))
