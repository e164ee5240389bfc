"""Label distributions from votes against one-hot labels, tested in cities that neither was trained in. Simulated.

Each seed makes its own world, panel of ten experts and network. Both arms learn from the same samples with the same
settings and the same first weights: one from the majority's label, one from the shares of the votes. Measured in two
unseen cities: expected calibration error (20 bins) and cross-entropy to the votes, which should fall, and overall
accuracy, which must not. The error is given twice: against the majority's label, as in the paper (`ece`), and against
the votes, where an answer is right as often as experts agree with it (`ece_votes`): a network that learns vote shares
means the second. Beside them, each arm with a temperature fitted on the validation city. `--least-share 0.8` keeps
plain cells alone, as So2Sat's patches lie in large areas of one zone; all cells, two in five of them mixed, are the
harder case and the one that counts. Intervals: over seeds (Student's t of paired differences) and by drawing blocks of
neighbouring cells within every seed. After Koller, Kauermann and Zhu 2024 (doi 10.1109/TGRS.2023.3336357), who keep the
weights of least validation loss as well, and whose real votes are not part of this; nothing was tuned.
"""

import argparse
import json
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.stats import t as student

from fusion.bootstrap import find_interval, sum_draws
from fusion.pack import Pack
from fusion.scores import BINS, SMALLEST_PROBABILITY, draw_metrics
from tests.benchmarks import voted_cities

Row = dict[str, Any]
Array = npt.NDArray[Any]
Draws = dict[str, Array]
TEST, VALIDATION = 2, 1  # the last cities of each world
ARMS = {"one_hot": "label", "distribution": "distribution"}
METRICS = ("ece", "ece_votes", "cross_entropy_votes", "oa", "oa_truth", "negative_log_likelihood")
SMALLER_IS_BETTER = {"ece", "ece_votes", "cross_entropy_votes", "negative_log_likelihood"}
SETTINGS: Row = {
    "network": {"name": "sen2lcz", "width": 10, "depth": 9, "dropout": 0.2},
    "epochs": 24,
    "batch_size": 32,
    "learning_rate": 0.002,
    "calibration": "temperature",
    "baselines": [],
    "resamples": 50,
}


def make_world(arguments: argparse.Namespace, seed: int, folder: Path) -> tuple[voted_cities.VotedCities, Pack]:
    """The cities of a seed as a pack; the last two are the test, the one before them the validation."""
    cities = voted_cities.make_cities(seed, arguments.cities, arguments.cells)
    names = cities.names
    parts = dict.fromkeys(names, "train")
    parts |= dict.fromkeys(names[-TEST:], "test") | dict.fromkeys(names[-TEST - VALIDATION : -TEST], "validation")
    rows = np.flatnonzero(cities.shares.max(axis=1) >= arguments.least_share)
    return cities, voted_cities.write(folder, cities, rows, [parts[city] for city in cities.city[rows].tolist()], seed)


def run_seed(arguments: argparse.Namespace, seed: int, folder: Path) -> Row:
    """Both arms on one world: draws of every metric before and after the temperature."""
    cities, pack = make_world(arguments, seed, folder / "pack")
    splits = pack.samples.column("split").to_pylist()
    found: Row = {"seed": seed, "samples": {split: splits.count(split) for split in ("train", "validation", "test")}}
    for arm, target in ARMS.items():
        started = time.perf_counter()
        own = {"epochs": arguments.epochs, "select_by": arguments.select_by, "seed": seed}
        words = {**SETTINGS, **own, "objective": {"name": "supervised", "target": target}}
        report = voted_cities.learn(folder / arm, pack, words)
        found[arm] = measure(folder / arm, pack, cities, arguments.resamples)
        found[f"{arm}_seconds"] = round(time.perf_counter() - started, 1)
        found["parameters"] = report["parameters"]
    return found


def measure(folder: Path, pack: Pack, cities: voted_cities.VotedCities, resamples: int) -> dict[str, Draws]:
    """Draws [1 + resamples] of each metric in the test cities, as reported (with the temperature) and without it."""
    with np.load(folder / "test_samples.npz", allow_pickle=False) as file:
        tempered, ids = file["probability"].astype(np.float64), file["id"].tolist()
    heat = json.loads((folder / "report.json").read_text())["calibration"]["temperature"]
    logs = np.log(np.maximum(tempered, 1e-30)) * heat  # softmax(z / T) to the power T is softmax(z), but for its sum
    plain = np.exp(logs - logs.max(axis=1, keepdims=True))
    rows = np.array([int(name[1:]) for name in ids])
    answers = {"plain": plain / plain.sum(axis=1, keepdims=True), "tempered": tempered}
    return {name: _draw(shares, rows, cities, resamples) for name, shares in answers.items()}


def _draw(shares: Array, rows: Array, cities: voted_cities.VotedCities, resamples: int) -> Draws:
    words: Row = {"blocks": cities.block[rows], "seed": 0, "resamples": resamples}
    names = ("ece", "oa", "negative_log_likelihood")
    own = draw_metrics(cities.label[rows], shares, names, scheme="lcz17", **words)
    true = draw_metrics(cities.truth[rows], shares, ("oa",), scheme="lcz17", **words)
    votes = cities.votes[rows] / cities.votes[rows].sum(axis=1, keepdims=True)
    cross = -(votes * np.log(np.maximum(shares, SMALLEST_PROBABILITY))).sum(axis=1)
    confidence, agreed = shares.max(axis=1), votes[np.arange(len(votes)), shares.argmax(axis=1)]
    is_in = np.minimum((confidence * BINS).astype(int), BINS - 1)[:, None] == np.arange(BINS)
    gaps = is_in * (confidence - agreed)[:, None]
    sums = sum_draws(np.hstack([gaps, cross[:, None], np.ones((len(cross), 1))]), **words)
    own["ece_votes"] = abs(sums[:, :BINS]).sum(axis=1) / sums[:, -1]
    return {**own, "oa_truth": true["oa"], "cross_entropy_votes": sums[:, BINS] / sums[:, -1]}


def compare(found: list[Row], stage: str, metric: str) -> Row:
    """Distribution minus one-hot, paired by seed: each seed's value, the mean, and both intervals."""
    gaps = [one["distribution"][stage][metric] - one["one_hot"][stage][metric] for one in found]
    values = np.array([gap[0] for gap in gaps])
    spread = values.std(ddof=1) / np.sqrt(len(values)) if len(values) > 1 else np.nan
    reach = student.ppf(0.975, len(values) - 1) * spread if len(values) > 1 else np.nan
    by_block = find_interval(np.mean(gaps, axis=0))
    return {
        "mean": _round(values.mean()),
        "over_seeds": [_round(values.mean() - reach), _round(values.mean() + reach)],
        "by_block": [_round(by_block["low"]), _round(by_block["high"])],
        "by_seed": [_round(value) for value in values],
    }


def _mean(found: list[Row], arm: str, stage: str, metric: str) -> float:
    return float(np.mean([one[arm][stage][metric][0] for one in found]))


def _round(value: float | None) -> float | None:
    return None if value is None or not np.isfinite(value) else round(float(value), 4)


def judge(found: list[Row]) -> Row:
    """Every mean and every paired difference, plain and tempered, and what follows."""
    means = {
        f"{arm}, {stage}": {metric: _round(_mean(found, arm, stage, metric)) for metric in METRICS}
        for arm in ARMS
        for stage in ("plain", "tempered")
    }
    gaps = {stage: {metric: compare(found, stage, metric) for metric in METRICS} for stage in ("plain", "tempered")}
    plain = gaps["plain"]
    verdict = {metric: _word(plain[metric]["over_seeds"], metric) for metric in METRICS}
    return {"means": means, "distribution_minus_one_hot": gaps, "verdict_over_seeds": verdict}


def _word(interval: list[float | None], metric: str) -> str:
    low, high = interval
    if low is None or high is None or low <= 0 <= high:
        return "no difference shown"
    return "better" if (high < 0) == (metric in SMALLER_IS_BETTER) else "worse"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3, 4, 5])
    parser.add_argument("--cities", type=int, default=8, help="five to train on, one to choose by, two unseen")
    parser.add_argument("--cells", type=int, default=12, help="cells along a side of a city")
    parser.add_argument("--least-share", type=float, default=0.0, help="of a cell's main class; 0.8 leaves plain cells")
    parser.add_argument("--epochs", type=int, default=SETTINGS["epochs"])
    parser.add_argument("--resamples", type=int, default=1000)
    parser.add_argument("--select-by", choices=("loss", "metric"), default="loss", help="which weights are kept")
    arguments = parser.parse_args()
    started, found = time.perf_counter(), []
    for seed in arguments.seeds:
        with tempfile.TemporaryDirectory(prefix="distributions-") as folder:
            found.append(run_seed(arguments, seed, Path(folder)))
        print(json.dumps(_shorten(found[-1])), flush=True)
    judged = judge(found)
    ours, other = ({metric: _mean(found, arm, "plain", metric) for metric in METRICS} for arm in reversed(ARMS))
    result = {
        "benchmark": "label_distributions",
        "unit": "calibration errors (20 bins), nats, shares right; in unseen cities, simulated",
        "ours": {metric: _round(value) for metric, value in ours.items()},
        "against": {"one_hot": {metric: _round(value) for metric, value in other.items()}},
        "ratio": {"one_hot": {metric: round(ours[metric] / other[metric], 3) for metric in METRICS}},
        "also": {
            **judged,
            "simulated": True,
            "seeds": arguments.seeds,
            "samples": found[0]["samples"],
            "parameters": found[0]["parameters"],
            "epochs": arguments.epochs,
            "select_by": arguments.select_by,
            "least_share": arguments.least_share,
            "seconds": round(time.perf_counter() - started),
        },
    }
    print(json.dumps(result))


def _shorten(one: Row) -> Row:
    """A seed's row without its draws."""
    values = {
        arm: {stage: {metric: _round(draws[metric][0]) for metric in METRICS} for stage, draws in one[arm].items()}
        for arm in ARMS
    }
    return {**{key: value for key, value in one.items() if key not in ARMS}, **values}


if __name__ == "__main__":
    main()
