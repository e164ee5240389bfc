"""Accuracy of the default method beside majority, crowd-kit and cleanlab: simulated panels and real crowds with gold.

Panels: bench_crowd.py, seeds 1-6 and 17, ten experts, 3, 5 and 10 votes per sample. Real crowds: those under
shared/data/votes with classes and gold. The parameters of the default were chosen on panels of these seeds and on
these crowds, so the figures say that nothing better was found there, not how it does on a crowd unseen.
cifar10h is left out (counts without voters, and no labels beside them), as is emotion (numbers, not classes).
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from annotation import consensus
from annotation.consensus import ConsensusResult
from annotation.model_voter import add_model_voter, judge_model
from annotation.votes import VoteTable
from tests.benchmarks.crowds import REAL, load_real, load_script, to_table

SEEDS = (1, 2, 3, 4, 5, 6, 17)
VOTES = (3, 5, 10)
OURS = ("majority", "dawid_skene", "one_coin", consensus.DEFAULT)
PEERS = Path(__file__).with_name("crowd_peers.py")
WITH_CLASSIFIER = "with a classifier"
BINS = 15
GOLD = 500  # samples on which the classifier is judged

Row = dict[str, Any]
Labels = npt.NDArray[np.integer]


def ask_peers(python: str | None, votes: VoteTable, probabilities: Any = None, *, is_slow: bool = False) -> Row:
    """Labels by method from a process of the peers' interpreter; none where there is none."""
    if python is None:
        return {}
    with tempfile.TemporaryDirectory(prefix="peers-") as folder:
        columns = {"sample": votes.sample, "voter": votes.voter, "answer": votes.answer}
        extra = {} if probabilities is None else {"probabilities": probabilities}
        np.savez(Path(folder) / "votes.npz", **columns, **extra)
        command = [python, "-W", "ignore", str(PEERS), folder, *(["--slow"] if is_slow else [])]
        subprocess.run(command, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}, stdout=subprocess.DEVNULL)
        with np.load(Path(folder) / "labels.npz") as file:
            return dict(file)


def run_panel(script: Any, arguments: argparse.Namespace, seed: int, votes: int) -> Row:
    """Accuracies on one panel; the classifier of the script is a voter of ours where CROWDLAB has it too."""
    answers, truth, probabilities, _matrices = script.simulate(arguments.samples, 10, votes, seed)
    table = to_table(answers, script.K)
    results = {name: consensus.run(name, table) for name in OURS}
    labels = {name: result.label for name, result in results.items()}
    best_guess = probabilities.argmax(1)
    more = add_model_voter(table, sample=np.arange(len(truth)), answer=best_guess, name="classifier")
    labels[f"{consensus.DEFAULT} {WITH_CLASSIFIER}"] = consensus.run(consensus.DEFAULT, more).label
    labels |= ask_peers(arguments.peers, table, probabilities)
    gold = slice(GOLD)
    decision = judge_model(panel=labels[consensus.DEFAULT][gold], model=best_guess[gold], gold=truth[gold])
    row = {name: round(float(np.mean(label == truth)), 4) for name, label in labels.items()}
    calibration = {name: round(miscalibration(results[name], truth), 4) for name in ("dawid_skene", consensus.DEFAULT)}
    return row | {"classifier_is_admitted": decision.is_admitted, "calibration_error": calibration}


def miscalibration(result: ConsensusResult, truth: Labels) -> float:
    """Expected calibration error of the labels over 15 bins of equal width."""
    place = np.minimum((result.top_probability * BINS).astype(int), BINS - 1)
    gap = result.top_probability - (result.label == truth)
    return float(np.abs(np.bincount(place, gap, BINS)).sum() / len(truth))


def run_crowd(arguments: argparse.Namespace, name: str) -> Row:
    """Accuracies on a real crowd's gold, and the default against the best of majority and the peers, in pairs."""
    table, gold = load_real(name)
    has_gold = gold >= 0
    labels = {method: consensus.run(method, table).label for method in (*OURS, "bayesian_dawid_skene")}
    labels |= ask_peers(arguments.peers, table, is_slow=arguments.slow)
    right = {method: (label == gold)[has_gold] for method, label in labels.items()}
    rivals = {method: value for method, value in right.items() if method == "majority" or is_peer(method)}
    best = max(rivals, key=lambda method: float(rivals[method].mean()))
    difference = right[consensus.DEFAULT] * 1.0 - rivals[best]
    error = float(difference.std() / np.sqrt(len(difference)))
    return {
        "accuracy": {method: round(float(value.mean()), 4) for method, value in right.items()},
        "gold": int(has_gold.sum()),
        "best_other": best,
        "difference": round(float(difference.mean()), 4),
        "standard_error": round(error, 4),
        "holds": bool(difference.mean() >= -max(0.005, error) - 1e-9),
    }


def is_peer(method: str) -> bool:
    """Whether a label came from a peer."""
    return method.startswith(("crowd-kit", "cleanlab"))


def compare(row: Row) -> Row:
    """The default against majority and the peers on one panel; those with a classifier against ours with one."""
    free = {name: row[name] for name in row if name == "majority" or (is_peer(name) and WITH_CLASSIFIER not in name)}
    every = {name: row[name] for name in row if name == "majority" or is_peer(name)}
    return {
        "default": row[consensus.DEFAULT],
        "majority": row["majority"],
        "best_without_classifier": max(free.values()),
        "best_of_all": max(every.values()),
        "default_minus_best_of_all": round(row[consensus.DEFAULT] - max(every.values()), 4),
    }


def find_peers(wanted: str | None) -> str | None:
    """The interpreter for the peers: the one named, or this one where it has them."""
    if wanted is None and importlib.util.find_spec("crowdkit") is None:
        print("crowd-kit and cleanlab are absent: name an interpreter that has them with --peers.", file=sys.stderr)
        return None
    return wanted or sys.executable


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=20_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=SEEDS)
    parser.add_argument("--peers", help="an interpreter that has crowd-kit and cleanlab")
    parser.add_argument("--slow", action="store_true", help="GLAD too, on real crowds (two minutes on the largest)")
    arguments = parser.parse_args()
    arguments.peers = find_peers(arguments.peers)
    crowds = {name: run_crowd(arguments, name) for name in REAL}
    for name, row in crowds.items():
        print(json.dumps({"crowd": name} | row), flush=True)
    script, panels = load_script(), {}
    for seed in arguments.seeds:
        for votes in VOTES:
            row = run_panel(script, arguments, seed, votes)
            panels[f"seed {seed}, {votes} votes"] = row
            print(json.dumps({"panel": seed, "votes": votes} | row), flush=True)
    print(json.dumps(conclude(arguments, panels, crowds)))


def conclude(arguments: argparse.Namespace, panels: Row, crowds: Row) -> Row:
    """The benchmark's last line: mean accuracy over the panels, in all and against each."""
    names = [
        name for name in next(iter(panels.values())) if name not in ("classifier_is_admitted", "calibration_error")
    ]
    mean = {name: round(float(np.mean([row[name] for row in panels.values()])), 4) for name in names}
    ours = mean.pop(consensus.DEFAULT)
    compared = {name: compare(row) for name, row in panels.items()}
    return {
        "benchmark": "accuracy",
        "unit": "mean accuracy over the panels",
        "ours": ours,
        "against": mean,
        "ratio": {name: round(ours / value, 4) for name, value in mean.items()},
        "also": {
            "default": consensus.DEFAULT,
            "samples": arguments.samples,
            "simulated_panels": compared,
            "worst_against_best_of_all": min(row["default_minus_best_of_all"] for row in compared.values()),
            "real_crowds": crowds,
        },
    }


if __name__ == "__main__":
    main()
