"""CPU seconds and memory of Dawid-Skene on 400,000 samples with ten votes, beside plain scipy and crowd-kit.

A pool of 50 experts of whom ten are drawn per sample (so merging equal rows gains nothing), and a pool of ten. Each
fit is a process of its own, which loads three columns of votes; CPU time counts from them to the labels, its own and
its children's. Memory is the peak of that process, imports and votes included. Votes are simulated by bench_crowd.py.
"""

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np

POOLS = (50, 10)
UPDATES = 200
Row = dict[str, Any]


def simulate(folder: Path, pool: int, samples: int, votes: int, seed: int) -> None:
    """Columns of a panel's votes, and its truth, as files."""
    from tests.benchmarks.crowds import load_script

    answers, truth, _probabilities, _matrices = load_script().simulate(samples, pool, votes, seed)
    sample, voter = (places.astype(np.int32) for places in np.nonzero(answers >= 0))
    for name, column in (("sample", sample), ("voter", voter), ("answer", answers[sample, voter]), ("truth", truth)):
        np.save(folder / f"{name}-{pool}.npy", column.astype(np.int32))


def fit_ours(columns: Row, k: int, iterations: int, method: str) -> tuple[Any, Row]:
    """Our method by name; `iterations` fixed for dawid_skene, those of its own else."""
    from annotation import consensus
    from annotation.votes import VoteTable

    counts = int(columns["sample"].max()) + 1, int(columns["voter"].max()) + 1
    started = spent()
    table = VoteTable(**columns, n_classes=k, sample_ids=tuple(range(counts[0])), voter_ids=tuple(range(counts[1])))
    fixed = {"max_iterations": iterations, "tolerance": 0} if method == "dawid_skene" else None
    result = consensus.run(method, table, parameters=fixed)
    row = {"cpu_s": round(spent() - started, 2), "iterations": result.iterations, **measure_memory()}
    if result.confusion is not None:
        row["update_ms"] = time_updates(result)
    return result.label, row


def time_updates(result: Any) -> float:
    """Median milliseconds to add one vote to a fitted result."""
    from annotation.vote_update import add_vote

    taken = []
    for number in range(UPDATES):
        started = time.perf_counter()
        add_vote(result, sample=number, voter=number % len(result.voter_ids), answer=number % 17)
        taken.append(1000 * (time.perf_counter() - started))
    return round(float(np.median(taken)), 4)


def fit_plain(columns: Row, k: int, iterations: int, _method: str) -> tuple[Any, Row]:
    """Dawid-Skene as two products of a scipy.sparse matrix per iteration, float32, nothing else."""
    from scipy.sparse import csr_matrix

    started = spent()
    n, e = int(columns["sample"].max()) + 1, int(columns["voter"].max()) + 1
    cell = columns["voter"] * k + columns["answer"]
    votes = csr_matrix((np.ones(len(cell), np.float32), (columns["sample"], cell)), shape=(n, e * k))
    turned = votes.T.tocsr()
    counts = np.bincount(columns["sample"] * np.int64(k) + columns["answer"], minlength=n * k).reshape(n, k)
    truth = (counts / counts.sum(1, keepdims=True)).astype(np.float32)
    for _ in range(iterations):
        matrix = (turned @ truth).reshape(e, k, k) + np.float32(1e-2)
        matrix /= matrix.sum(1, keepdims=True)
        score = votes @ np.log(matrix).reshape(e * k, k) + np.log(truth.mean(0) + np.float32(1e-9))
        score -= score.max(1, keepdims=True)
        truth = np.exp(score)
        truth /= truth.sum(1, keepdims=True)
    label = truth.argmax(1)
    return label, {"cpu_s": round(spent() - started, 2), "iterations": iterations, **measure_memory()}


def fit_crowdkit(columns: Row, _k: int, iterations: int, _method: str) -> tuple[Any, Row]:
    """crowd-kit's Dawid-Skene; its table is built before the clock starts."""
    import pandas as pd
    from crowdkit.aggregation import DawidSkene

    frame = pd.DataFrame({"task": columns["sample"], "worker": columns["voter"], "label": columns["answer"]})
    started = spent()
    label = DawidSkene(n_iter=iterations, tol=0).fit_predict(frame).sort_index().to_numpy()
    return label, {"cpu_s": round(spent() - started, 2), "iterations": iterations, **measure_memory()}


FITS = {"ours": fit_ours, "default": fit_ours, "plain": fit_plain, "crowd-kit": fit_crowdkit}


def spent() -> float:
    """CPU seconds of this process and of its children that have ended."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


def measure_memory() -> Row:
    """Peak memory of this process in MB (10^6 bytes), as the kernel counts it."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return {"peak_mb": round(int(line.split()[1]) * 1024 / 1e6)}


def run_child(arguments: argparse.Namespace) -> None:
    """One fit in this process; a line of JSON."""
    folder = Path(arguments.folder)
    if arguments.child == "simulate":
        return simulate(folder, arguments.pool, arguments.samples, arguments.votes, arguments.seed)
    names = ("sample", "voter", "answer")
    columns = {name: np.load(folder / f"{name}-{arguments.pool}.npy") for name in names}
    label, row = FITS[arguments.child](columns, 17, arguments.iterations, arguments.method)
    truth = np.load(folder / f"truth-{arguments.pool}.npy")
    print(json.dumps(row | {"accuracy": round(float(np.mean(label == truth)), 5)}))
    return None


def call(arguments: argparse.Namespace, folder: str, child: str, pool: int, method: str = "dawid_skene") -> Row:
    """The answer of a child process; of the interpreter with the peers where it needs them."""
    python = arguments.peers if child == "crowd-kit" else sys.executable
    numbers = {"pool": pool, "samples": arguments.samples, "votes": arguments.votes, "seed": arguments.seed}
    options = [f"--{name}={value}" for name, value in numbers.items()]
    command = [python, "-m", "tests.benchmarks.consensus", f"--child={child}", f"--folder={folder}"]
    command += [*options, f"--iterations={arguments.iterations}", f"--method={method}"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, env=environment, check=True)
    row: Row = json.loads(answer.stdout.splitlines()[-1]) if answer.stdout else {}
    if row:
        print(json.dumps({"pool": pool, "fit": child, "method": method, **row}), flush=True)
    return row


def measure(arguments: argparse.Namespace, pool: int) -> Row:
    """All fits of one pool."""
    with tempfile.TemporaryDirectory(prefix="consensus-") as folder:
        call(arguments, folder, "simulate", pool)
        found = {child: call(arguments, folder, child, pool) for child in ("ours", "plain")}
        found["default"] = call(arguments, folder, "default", pool, arguments.default)
        if arguments.crowdkit:
            found["crowd-kit"] = call(arguments, folder, "crowd-kit", pool)
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--samples", type=int, default=400_000)
    parser.add_argument("--votes", type=int, default=10)
    parser.add_argument("--iterations", type=int, default=50)
    parser.add_argument("--seed", type=int, default=17)
    parser.add_argument("--crowdkit", action="store_true", help="crowd-kit too, some minutes and 2 GB")
    parser.add_argument("--peers", default=sys.executable, help="an interpreter that has crowd-kit")
    parser.add_argument("--child", choices=["simulate", *FITS], help=argparse.SUPPRESS)
    parser.add_argument("--folder", help=argparse.SUPPRESS)
    parser.add_argument("--pool", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--method", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.child:
        return run_child(arguments)
    from annotation.consensus import DEFAULT

    arguments.default = DEFAULT
    first, second = (measure(arguments, pool) for pool in POOLS)
    against = {name: row["cpu_s"] for name, row in first.items() if name not in ("ours", "default")}
    ours = first["ours"]["cpu_s"]
    told = {
        "benchmark": "consensus",
        "unit": "CPU seconds",
        "ours": ours,
        "against": against,
        "ratio": {name: round(ours / seconds, 3) for name, seconds in against.items()},
        "also": {
            "size": [arguments.samples, arguments.votes, 17, arguments.iterations],
            "accuracy_minus_plain": round(first["ours"]["accuracy"] - first["plain"]["accuracy"], 5),
            "pool_50": first,
            "pool_10": second,
            "simulated": True,
        },
    }
    print(json.dumps(told))
    return None


if __name__ == "__main__":
    main()
