"""Signs that an expert is a robot, or tired: for a curator to look at. No sign ever drops a vote.

Each threshold is set where people do not come: thousands of votes are looked at, window after window, so a sign needs
odds of about one in a million under honest work, or a bodily limit.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.stats import binom

from annotation.consensus import wilson

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Kind = Literal["constant", "cycle", "fast", "clockwork", "unlike", "blind", "slower", "hasty", "inconsistent"]

WINDOW = 100  # latest answers that are judged: row G4 wants a robot found within 100 votes
LEAST = 40  # answers below which nothing is said
ODDS = 1e-6  # of so many equal answers by chance
# A class's share among the others' answers, as its upper bound. Unknown: as much water as a harbour town has, so that
# one class must be named a hundred times in a row (0.87 ** 100 = 9e-7). Known: never taken as below 0.7 (39 in a row).
UNKNOWN_SHARE, LEAST_SHARE = 0.87, 0.70
FEW_CLASSES = 3  # of a yes-or-no question one answer may be right nearly always: alone, constancy then says nothing
OTHERS_NEEDED = 100  # answers of others before their shares are believed
# Seeing and pressing one of many keys takes people 0.4 s for two choices and about 0.7 s for eight or more (Hick 1952);
# a sustained median below this leaves no time to look.
TOO_FAST_S, TOO_FAST_OF_FEW_S = 0.6, 0.35
# Spread (standard deviation) of log seconds: people's reaction times have 0.3 to 0.6; a timer has next to none.
CLOCKWORK_SPREAD = 0.10
CYCLE_EQUAL = 0.98  # share of answers equal to the one `period` before
UNLIKE_DISTANCE = 0.60  # total variation between own answers and the others'; biased experts reach 0.3 to 0.4
BLIND_KAPPA = 0.15  # upper bound of agreement beyond chance with others on the same samples; poor experts have 0.3
BLIND_PAIRS = 60
OTHERS_KAPPA = 0.30  # agreement of the others among themselves from which their answers say something of a sample
# Fatigue is measured against the expert's own past: medians of blocks of 50, of which there must be six.
BLOCK, OWN_BLOCKS = 50, 6
DRIFT_FACTOR = 2.0  # twice as slow or twice as fast as oneself
DRIFT_SPREADS = 4.0  # and beyond four own spreads between blocks
REPEATS_NEEDED, REPEATS_ODDS = 10, 1e-3


@dataclass(frozen=True, kw_only=True, eq=False)
class Trace:
    """An expert's latest answers in order: class index [n], told look time in s [n] (NaN: not told), arrival in s [n].

    `others` [n, k] counts other experts' answers to each sample, `crowd` [k] others' answers in the campaign.
    """

    answer: Ints
    seconds: Floats
    arrival: Floats
    others: Floats
    crowd: Floats


@dataclass(frozen=True, kw_only=True)
class Sign:
    """One sign: its kind, what was measured, over how many votes. `place`: a class's index, or a cycle's length."""

    kind: Kind
    value: float
    votes: int
    place: int | None = None


def find_robot(trace: Trace) -> list[Sign]:
    """All signs of a robot in the latest hundred answers."""
    if len(trace.answer) < LEAST:
        return []
    found = (
        find_constant(trace),
        find_cycle(trace),
        find_fast(trace),
        find_clockwork(trace),
        find_unlike(trace),
        find_blind(trace),
    )
    return [sign for sign in found if sign is not None]


def find_constant(trace: Trace) -> Sign | None:
    """One class far more often than the others' answers explain."""
    answer = trace.answer[-WINDOW:]
    counts = np.bincount(answer, minlength=len(trace.crowd))
    top = int(counts.argmax())
    total = float(trace.crowd.sum())
    share = UNKNOWN_SHARE if len(trace.crowd) > FEW_CLASSES else 1.0
    if total >= OTHERS_NEEDED:
        share = max(LEAST_SHARE, float(wilson(trace.crowd[top] / total, total)[1]))
    odds = float(binom.sf(counts[top] - 1, len(answer), min(share, 1.0)))
    return Sign(kind="constant", value=counts[top] / len(answer), votes=len(answer), place=top) if odds < ODDS else None


def find_cycle(trace: Trace) -> Sign | None:
    """The same few answers in turn, whatever is shown; one class alone is not a cycle."""
    answer = trace.answer[-WINDOW:]
    counts = np.bincount(answer)
    if len(answer) < LEAST or counts.max() > 0.8 * len(answer):
        return None
    for period in range(2, min(len(trace.crowd), len(answer) // 4) + 1):
        if (equal := float((answer[period:] == answer[:-period]).mean())) >= CYCLE_EQUAL:
            return Sign(kind="cycle", value=equal, votes=len(answer), place=period)
    return None


def find_fast(trace: Trace) -> Sign | None:
    """Answers come faster than anybody can look: as told by the page, or as they arrive.

    Votes that waited for the network arrive together, but there are never more of them than claims (fifty), so half of
    a hundred arrivals tell.
    """
    limit = TOO_FAST_S if len(trace.crowd) > FEW_CLASSES else TOO_FAST_OF_FEW_S
    told = trace.seconds[-WINDOW // 2 :]
    told = told[np.isfinite(told)]
    if len(told) >= LEAST and (median := float(np.median(told))) < limit:
        return Sign(kind="fast", value=median, votes=len(told))
    gaps = np.diff(trace.arrival[-WINDOW:])
    if len(gaps) >= WINDOW - 1 and (median := float(np.median(gaps))) < limit:
        return Sign(kind="fast", value=median, votes=len(gaps) + 1)
    return None


def find_clockwork(trace: Trace) -> Sign | None:
    """Time between answers that hardly varies."""
    for seconds in (trace.seconds[-WINDOW:], np.diff(trace.arrival[-WINDOW:])):
        known = seconds[np.isfinite(seconds) & (seconds > 0)]
        if len(known) < LEAST:
            continue
        low, high = np.percentile(np.log(known), [16, 84])  # two standard deviations of a normal, deaf to pauses
        if (spread := float(high - low) / 2) < CLOCKWORK_SPREAD:
            return Sign(kind="clockwork", value=spread, votes=len(known))
    return None


def find_unlike(trace: Trace) -> Sign | None:
    """Classes named in quite other shares than all others name them."""
    answer, total = trace.answer[-WINDOW:], float(trace.crowd.sum())
    if len(answer) < WINDOW or total < 3 * OTHERS_NEEDED:
        return None
    own = np.bincount(answer, minlength=len(trace.crowd)) / len(answer)
    distance = float(np.abs(own - trace.crowd / total).sum() / 2)
    return Sign(kind="unlike", value=distance, votes=len(answer)) if distance > UNLIKE_DISTANCE else None


def find_blind(trace: Trace) -> Sign | None:
    """Answers that do not depend on the sample: no better than chance against others on the same samples.

    Only samples with two other answers or more count, and only where these agree with each other beyond chance: beside
    a robot nobody is blind.
    """
    answer, others = trace.answer[-2 * WINDOW :], trace.others[-2 * WINDOW :]
    is_shared = others.sum(1) > 1
    answer, others = answer[is_shared], others[is_shared]
    if len(answer) < BLIND_PAIRS or _agreement_among(others) < OTHERS_KAPPA:
        return None
    share = others / others.sum(1, keepdims=True)
    own = np.bincount(answer, minlength=share.shape[1]) / len(answer)
    chance = float(own @ share.mean(0))
    hit = share[np.arange(len(answer)), answer]
    if chance > 1 - 1e-9:
        return None
    kappa = (float(hit.mean()) - chance) / (1 - chance)
    # Standard error of the mean hit, at least that of chance itself: rare classes make it wide, and say nothing then.
    error = max(float(hit.std()), np.sqrt(chance * (1 - chance))) / np.sqrt(len(answer)) / (1 - chance)
    return Sign(kind="blind", value=kappa, votes=len(answer)) if kappa + 2 * error < BLIND_KAPPA else None


def _agreement_among(counts: Floats) -> float:
    """Fleiss kappa of answers counted per sample [n, k], two or more each; 0 where one class has all."""
    votes = counts.sum(1)
    alike = float(((counts * (counts - 1)).sum(1) / (votes * (votes - 1))).mean())
    chance = float(((counts.sum(0) / counts.sum()) ** 2).sum())
    return (alike - chance) / (1 - chance) if chance < 1 else 0.0


def find_fatigue(seconds: Floats, is_same: npt.NDArray[np.bool_]) -> list[Sign]:
    """Drift of an expert against the own past: look times in order [n], and whether each repeat was answered alike."""
    return [sign for sign in (_find_drift(seconds), _find_slips(is_same)) if sign is not None]


def _find_drift(seconds: Floats) -> Sign | None:
    known = seconds[np.isfinite(seconds) & (seconds > 0)]
    blocks = len(known) // BLOCK
    if blocks <= OWN_BLOCKS:
        return None
    medians = np.median(np.log(known[-blocks * BLOCK :]).reshape(blocks, BLOCK), 1)
    before, now = medians[:-1], float(medians[-1])
    middle = float(np.median(before))
    # Median of lognormal blocks of 50 wanders by itself; a very even past must not make small drifts loud.
    spread = max(1.4826 * float(np.median(np.abs(before - middle))), 0.1)
    drift = now - middle
    if abs(drift) < np.log(DRIFT_FACTOR) or abs(drift) < DRIFT_SPREADS * spread:
        return None
    return Sign(kind="slower" if drift > 0 else "hasty", value=float(np.exp(drift)), votes=BLOCK)


def _find_slips(is_same: npt.NDArray[np.bool_]) -> Sign | None:
    """The latest ten repeats against those before."""
    before, now = is_same[:-REPEATS_NEEDED], is_same[-REPEATS_NEEDED:]
    if len(before) < REPEATS_NEEDED:
        return None
    usual = (before.sum() + 0.5) / (len(before) + 1)
    lowest = min(usual, float(wilson(usual, len(before))[0]))
    odds = float(binom.cdf(now.sum(), len(now), lowest))
    return Sign(kind="inconsistent", value=float(now.mean()), votes=len(now)) if odds < REPEATS_ODDS else None
