"""Votes per sample that adaptive voting needs, beside the plain posterior rule of bench_crowd.py at equal accuracy.

Six simulated panels (seeds 1-6, ten experts), and real crowds replayed from the votes that exist. Settings of the
policy were chosen on panels of seeds 11-16, never on those measured here. The plain rule knows its experts from a
pilot with ten votes on every sample; its votes are given without that pilot (which flatters it), and with a pilot of
5 % that is counted.
"""

import argparse
import json
import re
from types import ModuleType
from typing import Any

import numpy as np
import numpy.typing as npt

from annotation import consensus, policy
from tests.benchmarks.crowds import REAL, load_real, load_script, to_table

STOPS = (0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999)
ITERATIONS = 50
PILOT = 0.05
REPLAYS = range(1, 4)

Answers = npt.NDArray[np.int16]
Row = dict[str, Any]


def run_panel(script: ModuleType, seed: int, samples: int, settle_at: float | None) -> Row:
    """One panel: ours, ten votes by Dawid-Skene, and the votes the plain rule needs for our accuracy."""
    answers, truth, probabilities, _matrices = script.simulate(samples, 10, 10, seed)
    wanted = {} if settle_at is None else {"settle_at": settle_at}
    ours = policy.find("adaptive").play(policy.make_replies(to_table(answers, script.K)), seed, wanted)
    accuracy = float(np.mean(ours.label == truth))
    ten = float(np.mean(script.m_numpy_ds(answers, probabilities, ITERATIONS)[0] == truth))
    free = [play_plain(script, answers, truth, samples, stop) for stop in STOPS]
    counted = [count_pilot(pair, 10) for pair in (play_plain(script, answers, truth, round(PILOT * samples), stop)
               for stop in STOPS)]  # fmt: skip
    return {
        "seed": seed,
        "votes": round(ours.votes_per_sample, 3),
        "accuracy": round(accuracy, 4),
        "ten_votes_dawid_skene": round(ten, 4),
        "points_under": round(100 * (ten - accuracy), 2),
        "disputed": round(float(ours.is_disputed.mean()), 4),
        "load": [round(float(edge / ours.load.mean()), 3) for edge in (ours.load.min(), ours.load.max())],
        "plain": match(free, accuracy),
        "plain_with_pilot": match(counted, accuracy),
        "plain_curve": [[round(number, 3) for number in pair] for pair in free],
    }


def play_plain(script: ModuleType, answers: Answers, truth: Answers, pilot: int, stop: float) -> tuple[float, float]:
    """Mean votes and accuracy of the script's rule at one threshold; its pilot's votes are not in."""
    no_classifier = np.empty(0)
    label, _seconds, note = script.m_adaptive(answers, no_classifier, ITERATIONS, pilot=pilot, stop=stop)
    used = re.search(r"used ([0-9.]+)", note)
    if used is None:
        raise SystemExit(f"bench_crowd.py does not say how many votes it used: {note!r}")
    return float(used[1]), float(np.mean(label == truth))


def count_pilot(pair: tuple[float, float], experts: int) -> tuple[float, float]:
    """The same with the pilot's share of samples at a vote of every expert."""
    return PILOT * experts + (1 - PILOT) * pair[0], pair[1]


def match(curve: list[tuple[float, float]], accuracy: float) -> Row:
    """Votes at `accuracy` on a curve of (votes, accuracy), between its points; its best point where never reached."""
    votes, best = np.array([pair[0] for pair in curve]), np.maximum.accumulate([pair[1] for pair in curve])
    rising = np.concatenate([[True], np.diff(best) > 0])
    needed = float(np.interp(accuracy, best[rising], votes[rising]))
    return {"votes": round(needed, 3), "is_reached": bool(best[-1] >= accuracy), "best": round(float(best[-1]), 4)}


def replay(name: str) -> Row:
    """A real crowd: votes used and accuracy on its gold, mean over seeds, beside all votes and as many at random."""
    votes, gold = load_real(name)
    has_gold, replies = gold >= 0, policy.make_replies(votes)
    every = consensus.run(consensus.DEFAULT, votes)
    adaptive = [policy.find("adaptive").play(replies, seed) for seed in REPLAYS]
    used = float(np.mean([outcome.votes_per_sample for outcome in adaptive]))
    same = {"votes": max(round(used), 1)}
    fixed = [policy.find("fixed").play(replies, seed, same) for seed in REPLAYS]
    return {
        "set": name,
        "samples": votes.n_samples,
        "gold": int(has_gold.sum()),
        "votes": round(used, 2),
        "votes_on_gold": round(_mean([outcome.votes.votes_per_sample[has_gold] for outcome in adaptive]), 2),
        "accuracy": round(_mean([(outcome.label == gold)[has_gold] for outcome in adaptive]), 4),
        "disputed": round(_mean([outcome.is_disputed for outcome in adaptive]), 3),
        "all_votes": round(len(votes) / votes.n_samples, 2),
        "accuracy_of_all_votes": round(float(np.mean((every.label == gold)[has_gold])), 4),
        "accuracy_of_fixed": [same["votes"], round(_mean([(each.label == gold)[has_gold] for each in fixed]), 4)],
    }


def _mean(rows: list[Any]) -> float:
    return float(np.mean([np.mean(row) for row in rows]))


def main() -> None:
    """Measure, print rows as they come, and one JSON line last."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5, 6])
    parser.add_argument("--settle-at", type=float, help="instead of the policy's own threshold (to choose it)")
    parser.add_argument("--no-replay", action="store_true", help="leave the real crowds out")
    options = parser.parse_args()
    script, rows = load_script(), []
    for seed in options.seeds:
        rows.append(run_panel(script, seed, options.samples, options.settle_at))
        print(json.dumps(rows[-1]), flush=True)
    replays = [] if options.no_replay else [replay(name) for name in REAL]
    for row in replays:
        print(json.dumps(row), flush=True)
    print(json.dumps(conclude(rows, replays, options.samples)))


def conclude(panels: list[Row], replays: list[Row], samples: int) -> Row:
    """The line of a benchmark; votes per sample, means over the panels."""
    ours = float(np.mean([row["votes"] for row in panels]))
    against = {name: float(np.mean([row[name]["votes"] for row in panels])) for name in ("plain", "plain_with_pilot")}
    return {
        "benchmark": "adaptive",
        "unit": "votes per sample",
        "ours": round(ours, 3),
        "against": {name: round(value, 3) for name, value in against.items()},
        "ratio": {name: round(ours / value, 3) for name, value in against.items()},
        "also": {
            "samples": samples,
            "worst_points_under_ten_votes": max(row["points_under"] for row in panels),
            "most_votes": max(row["votes"] for row in panels),
            "worst_ratio_to_plain": round(max(row["votes"] / row["plain"]["votes"] for row in panels), 3),
            "panels": panels,
            "replays": replays,
        },
    }


if __name__ == "__main__":
    main()
