"""Held-out samples without imagery, and systems of known skill on them: plain functions for tests of benchmarks."""

import io
import itertools
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fusion import scheme as schemes
from fusion.pack import TargetSpec, write_pack
from geoquorum.catalog.models import Sample
from geoquorum.releases import services as releases
from geoquorum.releases.models import BuildState, DatasetVersion
from geoquorum.training.benchmarks import create_benchmark
from geoquorum.training.held_out import HeldOut
from tests import given

LCZ = schemes.find("lcz17")
_count = itertools.count(1)


def held_out(n: int = 6, codes: tuple[str, ...] = LCZ.codes) -> HeldOut:
    """Samples s0, s1, ... in blocks of two, of the classes in turn."""
    truth = np.arange(n) % len(codes)
    ids, blocks = tuple(f"s{row}" for row in range(n)), tuple(f"b{row // 2}" for row in range(n))
    return HeldOut(ids=ids, truth=truth, blocks=blocks, codes=codes, scheme="lcz17")


def version(project: Any, folder: Path, *, test: int = 200, per_block: int = 10, **fields: Any) -> DatasetVersion:
    """A READY version whose pack holds labels alone: a few samples that train, and `test` of two cities."""
    number = next(_count)
    rows = [("train", row) for row in range(34)] + [("test", row) for row in range(test)]
    labels = [LCZ.codes[(7 * row) % 17] for _split, row in rows]
    table = pa.table(
        {
            "id": [f"{split}-{row:05d}" for split, row in rows],
            "split": [split for split, _row in rows],
            "label": labels,
            "distribution": [[float(code == label) for code in LCZ.codes] for label in labels],
            "block": [f"{split}{row // per_block}" for split, row in rows],
            "city": [split if split == "train" else f"city{row % 2}" for split, row in rows],
        }
    )
    place = folder / f"pack{number}"
    sha256 = write_pack(
        place, name="labels", number=number, samples=table, arrays={},
        targets={"lcz17": TargetSpec(head="classes", scheme="lcz17")}, provenance={"simulated": True}, seed=0,
    )  # fmt: skip
    made = {"name": "labels", "number": number, "state": BuildState.READY, "uri": str(place), "sha256": sha256}
    return DatasetVersion.objects.create(project=project, design={"kind": "city"}, **made | fields)


def voted_version(project: Any) -> DatasetVersion:
    """All that a real version has: three cities, voted on, the last held out whole, a block for each patch of it."""
    regions = [given.city(project, number) for number in range(3)]
    for sample in Sample.objects.filter(region=regions[2]):
        Sample.objects.filter(pk=sample.pk).update(block=sample.key[-60:])
    run = given.consensus(project, regions)
    design = {"kind": "city", "validation": [regions[1].name], "test": [regions[2].name]}
    made = releases.start_release(run=run, name="zones", modalities=given.MODALITIES, design=design, by=None)
    given.work(made.job, releases.build)
    made.refresh_from_db()
    return made


def benchmark(of: DatasetVersion, **fields: Any) -> Any:
    """An open benchmark on a version's test split."""
    words = {"name": f"Benchmark {next(_count)}", "task": "lcz", "metric": "oa", "protocol": "unseen_cities"}
    return create_benchmark(version=of, by=None, **words | {"resamples": 200} | fields)


def predict(truth: np.ndarray, *, right: float, seed: int = 0, k: int = 17) -> np.ndarray:
    """Class shares [n, k] whose largest is the truth in a share `right` of the rows."""
    rng = np.random.default_rng(seed)
    answer = np.where(rng.random(len(truth)) < right, truth, (truth + 1 + rng.integers(0, k - 1, len(truth))) % k)
    shares = rng.dirichlet(np.ones(k), len(truth)) * 0.4
    shares[np.arange(len(truth)), answer] += 0.6
    return shares


def write_csv(shares: np.ndarray, ids: Any = None, header: bool = False, digits: int = 17) -> bytes:
    """Rows as CSV, with what is asked for before them."""
    lines = [",".join(f"{value:.{digits}g}" for value in row) for row in shares]
    if ids is not None:
        lines = [f"{own},{line}" for own, line in zip(ids, lines, strict=True)]
    if header:
        lines.insert(0, ",".join((["id"] if ids is not None else []) + list(LCZ.codes)))
    return ("\n".join(lines) + "\n").encode()


def write_npy(values: np.ndarray) -> bytes:
    """As numpy.save."""
    content = io.BytesIO()
    np.save(content, values)
    return content.getvalue()


def write_npz(**arrays: np.ndarray) -> bytes:
    """As numpy.savez_compressed."""
    content = io.BytesIO()
    np.savez_compressed(content, **arrays)
    return content.getvalue()
