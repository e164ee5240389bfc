"""Conformal sets in a city that nothing was learned or calibrated in, and strangers told by their score. Simulated.

Coverage. Cities are dealt into three groups; a network is trained in one group, and each city of the other two is held
out in turn: sets that promise 90 % are calibrated on all other cities that the network never saw and measured in the
held-out one. Beside that, with the same network: calibration that lets each city count alike (`by_city`), calibration
on blocks left out of the cities it was trained in (`trained_cities`: the shift between cities is then not in the
calibration), and a random half of all unseen cities against the other half (`exchangeable`: no shift at all).

Strangers. Every zone is left out of training in turn, with all cells of which it covers a tenth. Five of six cities are
trained in; in the others, cells that are mostly of it are the strangers, cells without it the known. AUROC of the
distance to neighbours, of energy and of the Dirichlet's spread, and of two common scores beside them: one minus the
highest probability, and entropy; over all cells, and over plain ones alone (mixed cells are in doubt for experts too).
Of three networks with the usual objective that answer as one; `--objectives` adds two that learn evidence (objective
`evidential`), one of them shown impossible samples as well.
"""

import argparse
import itertools
import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import softmax, xlogy

from fusion import conformal, out_of_domain
from fusion import scheme as schemes
from fusion.bootstrap import estimate_ratios
from fusion.pack import Pack
from tests.benchmarks import voted_cities
from tests.benchmarks.voted_cities import VotedCities

Row = dict[str, Any]
Array = npt.NDArray[Any]
COVERAGE, FOLDS = 0.9, 3
BATCH = 256
LEFT_OUT_SHARE = 0.1  # a cell with more of the unseen class is not learned from, and is not known
PLAIN_SHARE = 0.8  # of its main class, above which a cell is plain: the others are strange to experts as well
HELD_BLOCKS = 0.25  # of the trained cities' blocks, for calibration there
STRANGER_FOLDS = 6  # one of so many cities is not trained in where a class is left out
SCORES = ("neighbours", "energy", "dirichlet", "one_minus_highest", "entropy")
CALIBRATIONS = ("other_cities", "by_city", "trained_cities", "exchangeable")
OBJECTIVES: dict[str, Row] = {
    "supervised": {"name": "supervised", "target": "distribution"},
    "evidential": {"name": "evidential", "target": "distribution"},
    "evidential_with_strangers": {"name": "evidential", "target": "distribution", "strangers": 1.0},
}
SETTINGS: Row = {
    "network": {"name": "sen2lcz", "width": 8, "depth": 9, "dropout": 0.2},
    "epochs": 20,
    "batch_size": 32,
    "learning_rate": 0.002,
    "select_by": "last",
    "baselines": [],
    "resamples": 2,
}


def measure_coverage(cities: VotedCities, seed: int, fold: int, folder: Path, epochs: int) -> list[Row]:
    """One network of one group of cities: a row for each held-out city and way of calibrating."""
    trained = set(cities.names[fold::FOLDS])
    is_trained = np.array([city in trained for city in cities.city.tolist()])
    rng = np.random.default_rng([seed, fold])
    blocks = np.unique(cities.block[is_trained])
    left = set(rng.permutation(blocks)[: round(HELD_BLOCKS * len(blocks))].tolist())
    is_left = is_trained & np.array([block in left for block in cities.block.tolist()])
    rows = np.flatnonzero(is_trained & ~is_left)
    pack = voted_cities.write(folder / "pack", cities, rows, ["train"] * len(rows), seed)
    voted_cities.learn(folder / "run", pack, {**SETTINGS, "epochs": epochs, "seed": seed})
    shares = softmax(voted_cities.find_logits(folder / "run", cities.arrays).astype(np.float64), axis=1)
    unseen = np.flatnonzero(~is_trained)
    half = rng.permutation(unseen)
    found = [_hold(cities, shares, half[: len(half) // 2], half[len(half) // 2 :], "exchangeable", "all")]
    for city in sorted({name for name in cities.names if name not in trained}):
        test, other = unseen[cities.city[unseen] == city], unseen[cities.city[unseen] != city]
        found.append(_hold(cities, shares, other, test, "other_cities", city))
        found.append(_hold(cities, shares, other, test, "by_city", city))
        found.append(_hold(cities, shares, np.flatnonzero(is_left), test, "trained_cities", city))
    return [{"seed": seed, "fold": fold, **row} for row in found]


def _hold(cities: VotedCities, shares: Array, calibration: Array, test: Array, name: str, city: str) -> Row:
    """Coverage and size of sets on the rows `test`, calibrated on the rows `calibration`."""
    label = cities.label
    groups = cities.city[calibration] if name == "by_city" else None
    found = conformal.calibrate(shares[calibration], label[calibration], COVERAGE, groups=groups)
    sets = conformal.predict_sets(shares[test], found)
    held = sets[np.arange(len(test)), label[test]]
    right = shares[test].argmax(axis=1) == label[test]
    return {
        "calibration": name, "city": city, "n": len(test), "coverage": held.mean(),
        "size": sets.sum(axis=1).mean(), "accuracy": right.mean(),
    }  # fmt: skip


def summarise(rows: list[Row], name: str) -> Row:
    """Mean over held-out cities with the interval from drawing cities, and how far single cities stray."""
    own = [row for row in rows if row["calibration"] == name]
    units = [f"{row['seed']} {row['city']} {row['fold'] if name == 'exchangeable' else ''}" for row in own]
    values = np.array([[row["coverage"], row["size"], row["accuracy"]] for row in own])
    coverage, size, accuracy = estimate_ratios(values, None, units, resamples=2000)
    noise = np.sqrt(np.mean([COVERAGE * (1 - COVERAGE) / row["n"] for row in own]))
    return {
        "coverage": _write(coverage),
        "mean_size": _write(size),
        "accuracy": _write(accuracy),
        "held_out": len(own),
        "lowest": round(float(values[:, 0].min()), 3),
        "highest": round(float(values[:, 0].max()), 3),
        "spread_between_cities": round(float(values[:, 0].std(ddof=1)), 3),
        "spread_by_chance_alone": round(float(noise), 3),
        "within_2_points": round(float((abs(values[:, 0] - COVERAGE) <= 0.02).mean()), 3),
    }


def measure_strangers(
    cities: VotedCities, seed: int, code: str, objective: str, folder: Path, epochs: int, members: int
) -> Row:
    """Networks that never saw one zone, asked in unseen cities: AUROC of each score with its interval by block."""
    label = schemes.find("lcz17").index(code)
    unseen = set(cities.names[0::STRANGER_FOLDS])
    is_trained = np.array([city not in unseen for city in cities.city.tolist()])
    has_it = (cities.shares[:, label] > LEFT_OUT_SHARE) | (cities.label == label)
    rows = np.flatnonzero(is_trained & ~has_it)
    pack = voted_cities.write(folder / "pack", cities, rows, ["train"] * len(rows), seed)
    folders = [folder / f"run {member}" for member in range(members)]
    for member, one in enumerate(folders):
        words = {"epochs": epochs, "seed": seed + 100 * member, "objective": OBJECTIVES[objective]}
        voted_cities.learn(one, pack, {**SETTINGS, **words})
    strange = np.flatnonzero(~is_trained & (cities.truth == label))
    known = np.flatnonzero(~is_trained & ~has_it)
    found: Row = {"objective": objective, "seed": seed, "class": code, "strangers": len(strange), "known": len(known)}
    if not len(strange):
        return found
    both = np.concatenate([known, strange])
    answers = ask(folders, pack, {name: values[both] for name, values in cities.arrays.items()})
    right = softmax(answers[0], axis=2).mean(axis=0).argmax(axis=1) == cities.truth[both]
    found["accuracy"] = round(float(right[: len(known)].mean()), 3)
    is_plain = cities.shares[both].max(axis=1) >= PLAIN_SHARE
    for name, scores in score_all(*answers).items():
        found[name] = _separate(cities, both, scores, len(known))
        found[f"{name}, plain cells"] = _separate(
            cities, both[is_plain], scores[is_plain], int(is_plain[: len(known)].sum())
        )
    return found


def _separate(cities: VotedCities, rows: Array, scores: Array, known: int) -> list[float | None]:
    """AUROC of scores of rows, the first so many of which are known."""
    blocks = {"known_blocks": cities.block[rows[:known]], "strange_blocks": cities.block[rows[known:]]}
    return _write(out_of_domain.measure_separation(scores[:known], scores[known:], **blocks))


def ask(folders: Sequence[Path], pack: Pack, arrays: dict[str, Array]) -> tuple[Array, Array]:
    """Logits [members, n, 17] of trained runs that answer as one, and their distances [n] to neighbours."""
    from fusion.engine.dataset import MemoryArray
    from fusion.engine.predictor import find_checkpoint, open_predictor
    from fusion.engine.strangeness import Gauge, keep_domain
    from fusion.engine.uncertainty import Ensemble

    networks = tuple(open_predictor(find_checkpoint(folder)[0], device="cpu", threads=1) for folder in folders)
    domains = tuple(keep_domain(one, pack, BATCH, seed=0) for one in networks)
    ensemble = Ensemble(networks=networks, gauge=Gauge(method="neighbours", domains=domains))
    stored = {name: MemoryArray(values=values) for name, values in arrays.items()}
    rows = np.arange(len(next(iter(arrays.values()))), dtype=np.int64)
    parts = [ensemble.ask_and_gauge(stored, rows[first : first + BATCH]) for first in range(0, len(rows), BATCH)]
    logits = [np.stack([output.numpy() for output in outputs]) for outputs, _ in parts]
    return np.concatenate(logits, axis=1), np.concatenate([distance for _, distance in parts])


def score_all(logits: Array, distance: Array) -> dict[str, Array]:
    """Every score of strangeness from members' logits [members, n, k] and distances [n]."""
    mean = softmax(logits.astype(np.float64), axis=2).mean(axis=0)
    return {
        "neighbours": distance,
        "energy": np.mean([out_of_domain.score_strangeness(own, "energy") for own in logits], axis=0),
        "dirichlet": np.mean([out_of_domain.score_strangeness(own, "dirichlet") for own in logits], axis=0),
        "one_minus_highest": 1 - mean.max(axis=1),
        "entropy": -xlogy(mean, mean).sum(axis=1),
    }


def average_strangers(rows: list[Row], objective: str, score: str) -> Row:
    """Mean over classes (each the mean of its seeds), the worst class, and how many are above 0.8."""
    values: dict[str, list[float]] = {}
    for row in rows:
        if row["objective"] == objective and row.get(score, [None])[0] is not None:
            values.setdefault(row["class"], []).append(row[score][0])
    means = {code: float(np.mean(found)) for code, found in values.items()}
    worst = min(means, key=lambda code: means[code])
    [mean] = estimate_ratios(np.array(list(means.values()))[:, None], None, list(means), resamples=2000)
    return {
        "mean": _write(mean),
        "worst": [worst, round(means[worst], 3)],
        "above_0_8": sum(value > 0.8 for value in means.values()),
        "classes": len(means),
        "by_class": {code: round(value, 3) for code, value in means.items()},
    }


def _write(found: dict[str, float | None]) -> list[float | None]:
    return [None if found[key] is None else round(float(found[key] or 0), 3) for key in ("value", "low", "high")]


def run_coverage(arguments: argparse.Namespace, seed: int) -> list[Row]:
    """Coverage in every held-out city of a world."""
    cities, rows = voted_cities.make_cities(seed, arguments.cities, arguments.cells), []
    for fold in range(FOLDS):
        with tempfile.TemporaryDirectory(prefix="unseen-") as folder:
            rows += measure_coverage(cities, seed, fold, Path(folder), arguments.epochs)
        print(json.dumps({"seed": seed, "fold": fold, **summarise(rows, "other_cities")}), flush=True)
    return rows


def run_strangers(arguments: argparse.Namespace, seed: int) -> list[Row]:
    """Every class of a world as a stranger."""
    cities, rows = voted_cities.make_cities(seed, arguments.cities, arguments.stranger_cells), []
    codes = arguments.classes or schemes.find("lcz17").codes
    for objective, code in itertools.product(arguments.objectives, codes):
        with tempfile.TemporaryDirectory(prefix="unseen-") as folder:
            words = (Path(folder), arguments.epochs, arguments.members)
            rows.append(measure_strangers(cities, seed, code, objective, *words))
        print(json.dumps(rows[-1]), flush=True)
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="*", default=[1, 2, 3], help="of coverage; a minute or two each")
    parser.add_argument(
        "--stranger-seeds", type=int, nargs="*", default=[1], help="leave classes out; half an hour each"
    )
    parser.add_argument("--objectives", nargs="+", choices=tuple(OBJECTIVES), default=["supervised"])
    parser.add_argument("--classes", nargs="*", default=[], help="those left out in turn; all where none is named")
    parser.add_argument("--cities", type=int, default=18, help="a third of them trained in by each network")
    parser.add_argument("--cells", type=int, default=10, help="cells along a side of a city")
    parser.add_argument("--stranger-cells", type=int, default=14, help="the same where a class is left out")
    parser.add_argument("--members", type=int, default=3, help="networks that answer as one where a class is left out")
    parser.add_argument("--epochs", type=int, default=SETTINGS["epochs"])
    arguments = parser.parse_args()
    started = time.perf_counter()
    rows = [row for seed in arguments.seeds for row in run_coverage(arguments, seed)]
    strangers = [row for seed in arguments.stranger_seeds for row in run_strangers(arguments, seed)]
    coverage = {name: summarise(rows, name) for name in CALIBRATIONS} if rows else {}
    means = {name: found["coverage"][0] for name, found in coverage.items()}
    ours = means.pop("other_cities", None)
    against = {"promise": COVERAGE, **means} if rows else {}
    scores = [f"{name}{cells}" for name in SCORES for cells in ("", ", plain cells")] if strangers else []
    result = {
        "benchmark": "unseen_city",
        "unit": "share of sets that hold the true class in a held-out city, simulated",
        "ours": ours,
        "against": against,
        "ratio": {name: round((ours or 0) / value, 3) for name, value in against.items()},
        "also": {
            "coverage": coverage,
            "auroc_of_an_unseen_class": {
                objective: {name: average_strangers(strangers, objective, name) for name in scores}
                for objective in arguments.objectives
            },
            "simulated": True,
            "seeds": arguments.seeds,
            "stranger_seeds": arguments.stranger_seeds,
            "cities": arguments.cities,
            "cells": arguments.cells,
            "epochs": arguments.epochs,
            "stranger_cells": arguments.stranger_cells,
            "members": arguments.members,
            "seconds": round(time.perf_counter() - started),
        },
    }
    print(json.dumps(result))


if __name__ == "__main__":
    main()
