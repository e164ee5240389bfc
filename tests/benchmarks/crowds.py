"""Crowds that others published or wrote: the simulated panels of bench_crowd.py, and real votes with gold."""

import csv
import gzip
import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import numpy.typing as npt

from annotation.votes import VoteTable, from_records

SHARED = Path(__file__).resolve().parents[3] / "shared"
REAL = ("dogs", "bluebirds", "adultcontent2")


def load_script() -> ModuleType:
    """bench_crowd.py as a module: its panels (`simulate`) and its rules (`m_adaptive`, `m_numpy_ds`)."""
    spec = importlib.util.spec_from_file_location("bench_crowd", SHARED / "bench" / "bench_crowd.py")
    if spec is None or spec.loader is None:
        raise SystemExit(f"{SHARED / 'bench' / 'bench_crowd.py'} is not there; this benchmark compares with it.")
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    return script


def to_table(answers: npt.NDArray[np.int16], n_classes: int) -> VoteTable:
    """Votes of a panel from its array [n, e], -1 = no vote."""
    sample, voter = (places.astype(np.int32) for places in np.nonzero(answers >= 0))
    return VoteTable(
        sample=sample,
        voter=voter,
        answer=answers[sample, voter].astype(np.int32),
        n_classes=n_classes,
        sample_ids=tuple(range(len(answers))),
        voter_ids=tuple(range(answers.shape[1])),
    )


def load_real(name: str) -> tuple[VoteTable, npt.NDArray[np.int64]]:
    """Votes of a real crowd, and the gold class index of each sample (-1 where there is none)."""
    sample, voter, answer, gold = _read_gal(name) if name == "adultcontent2" else _read_csv(name)
    codes = tuple(sorted(set(answer)))
    votes = from_records(sample=sample, voter=voter, answer=answer, codes=codes)
    place = {code: index for index, code in enumerate(codes)}
    return votes, np.array([place.get(gold.get(key, ""), -1) for key in votes.sample_ids])


def _read_csv(name: str) -> tuple[list[str], list[str], list[str], dict[str, str]]:
    folder = SHARED / "data" / "votes" / name
    with open(folder / "answer.csv") as answers, open(folder / "truth.csv") as truths:
        sample, voter, answer = (list(column) for column in zip(*list(csv.reader(answers))[1:], strict=True))
        return sample, voter, answer, dict(list(csv.reader(truths))[1:])


def _read_gal(name: str) -> tuple[list[str], list[str], list[str], dict[str, str]]:
    """Get-Another-Label's form: worker, item, label; the first answer of a worker to an item counts."""
    folder, first = SHARED / "data" / "votes" / name, {}
    with gzip.open(folder / "labels.txt.gz", "rt") as lines:
        for line in lines:
            worker, item, label = line.rstrip("\n").split("\t")
            first.setdefault((item, worker), label)
    with gzip.open(folder / "gold.txt.gz", "rt") as lines:
        rows = [line.rstrip("\n").split("\t") for line in lines]
    items, workers = zip(*first, strict=True)
    return list(items), list(workers), list(first.values()), {row[-2]: row[-1] for row in rows}
