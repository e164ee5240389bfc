"""How long a submission takes: a file of the size of So2Sat's test split, read, checked and scored with its draws.

24,188 rows of 17 class shares in 600 blocks, 1,000 bootstrap draws, three metrics. `ours` is the CPU time of scoring,
`against` that of the textbook way on the same blocks and metrics: for each draw the rows are gathered and given to
scikit-learn (timed on 20 draws, and multiplied). Simulated answers: the times are of no real contest.
"""

import json
import multiprocessing
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from sklearn import metrics as reference

from fusion import scheme as schemes
from fusion import scores

ROWS, BLOCKS, RESAMPLES, SEED, ROUNDS = 24_188, 600, 1_000, 0, 5
METRICS = ["oa", "kappa", "macro_f1"]
TEXTBOOK_DRAWS = 20


def make_answers() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Truth, shares that are right in six rows of ten, and blocks of uneven size."""
    rng = np.random.default_rng(SEED)
    truth = rng.integers(0, 17, ROWS)
    shares = rng.dirichlet(np.ones(17), ROWS) * 0.4
    answer = np.where(rng.random(ROWS) < 0.6, truth, rng.integers(0, 17, ROWS))
    shares[np.arange(ROWS), answer] += 0.6
    return truth, shares, np.sort(rng.integers(0, BLOCKS, ROWS))


def score(truth: np.ndarray, shares: np.ndarray, blocks: np.ndarray) -> None:
    scores.draw_metrics(truth, shares, METRICS, scheme="lcz17", blocks=blocks, seed=SEED, resamples=RESAMPLES)


def score_by_textbook(truth: np.ndarray, shares: np.ndarray, blocks: np.ndarray) -> None:
    """TEXTBOOK_DRAWS draws, row by row."""
    rng, answers = np.random.default_rng(SEED), shares.argmax(axis=1)
    rows = [np.flatnonzero(blocks == block) for block in range(BLOCKS)]
    for _ in range(TEXTBOOK_DRAWS):
        drawn = np.concatenate([rows[block] for block in rng.integers(0, BLOCKS, BLOCKS)])
        own = truth[drawn], answers[drawn]
        reference.accuracy_score(*own)
        reference.cohen_kappa_score(*own)
        reference.f1_score(*own, average="macro", zero_division=0)


def read(path: Path, held: Any) -> None:
    """As an upload is read: in the web's process."""
    from geoquorum.training.prediction_files import read_predictions

    assert read_predictions(path, held).shape == (ROWS, 17)


def make_held_out() -> Any:
    from geoquorum.training.held_out import HeldOut

    truth, _shares, blocks = make_answers()
    ids = tuple(f"sample-{row:06d}" for row in range(ROWS))
    names = tuple(map(str, blocks.tolist()))
    return HeldOut(ids=ids, truth=truth, blocks=names, codes=schemes.find("lcz17").codes, scheme="lcz17")


def time_cpu(work: Callable[..., None], *words: Any, rounds: int = ROUNDS) -> float:
    """Median CPU seconds of some rounds."""
    found = []
    for _ in range(rounds):
        started = time.process_time()
        work(*words)
        found.append(time.process_time() - started)
    return float(np.median(found))


def grow(work: Callable[..., None], *words: Any) -> float:
    """How many MiB the largest extent of a fresh process grows by doing this once."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=_grow, args=(theirs, work, words))
    child.start()
    found = float(ours.recv())
    child.join()
    return found


def _grow(pipe: Any, work: Callable[..., None], words: tuple[Any, ...]) -> None:
    _start_web()
    before = read_peak_kib()
    work(*words)
    pipe.send((read_peak_kib() - before) / 1024)


def read_peak_kib() -> int:
    """Largest extent of this process since its program began; getrusage would tell that of its parent."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def _start_web() -> None:
    """Modules of the platform need settings; no database is asked."""
    import os

    os.environ.setdefault("DATABASE_URL", "postgres://nobody:nothing@127.0.0.1:1/none")
    os.environ.setdefault("DJANGO_SECRET_KEY", "x" * 60)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "geoquorum.settings")
    import django

    django.setup()


def main() -> None:
    _start_web()
    truth, shares, blocks = make_answers()
    held = make_held_out()
    with tempfile.TemporaryDirectory() as folder:
        table, array = Path(folder) / "shares.csv", Path(folder) / "shares.npy"
        table.write_text("\n".join(",".join(f"{value:.6f}" for value in row) for row in shares))
        np.save(array, shares)
        ours = time_cpu(score, truth, shares, blocks)
        textbook = time_cpu(score_by_textbook, truth, shares, blocks, rounds=1) * RESAMPLES / TEXTBOOK_DRAWS
        also = {
            "read_csv_s": round(time_cpu(read, table, held), 3),
            "read_npy_s": round(time_cpu(read, array, held), 3),
            "score_mib": round(grow(score, truth, shares, blocks), 1),
            "read_csv_mib": round(grow(read, table, held), 1),
            "csv_mib": round(table.stat().st_size / 2**20, 1),
            "rows": ROWS, "draws": RESAMPLES, "blocks": BLOCKS, "seed": SEED,
        }  # fmt: skip
    line = {"benchmark": "leaderboard", "unit": "CPU s", "ours": round(ours, 3)}
    line |= {"against": {"rows": round(textbook, 1)}, "ratio": {"rows": round(ours / textbook, 5)}, "also": also}
    print(json.dumps(line))


if __name__ == "__main__":
    main()
