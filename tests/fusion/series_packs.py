"""Small packs of two dates in which some pixels changed: simulated, and told apart by the difference alone."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from fusion import modality as modalities
from fusion import scheme as schemes
from fusion.pack import ArraySource, Pack, TargetSpec, write_pack

BANDS = modalities.find("landsat_etm").band_names
SPLITS = ("train",) * 240 + ("validation",) * 40 + ("test",) * 80


def make_pair(labels: np.ndarray, *, side: int = 3, times: int = 2, kinds: int = 2, seed: int = 0) -> np.ndarray:
    """uint8 [n, times, 6, side, side]: ground of any level, haze over the last date, a kind's own bands rise there."""
    rng = np.random.default_rng(seed)
    ground = rng.integers(40, 160, (len(labels), 1, len(BANDS), 1, 1))
    series = ground + rng.normal(0, 3, (len(labels), times, len(BANDS), side, side))
    series[:, -1] += 15
    for kind in range(1, kinds):
        series[labels == kind, -1, 2 * kind - 2 : 2 * kind] += 20
    return np.clip(series, 1, 255).astype(np.uint8)


def write_pair(folder: Path, *, scheme: str = "change", side: int = 3, times: int = 2, seed: int = 0) -> Pack:
    """360 samples of two or four kinds, in blocks of six; marked as simulated."""
    codes = schemes.find(scheme).codes
    labels = np.random.default_rng(seed).permutation(np.arange(len(SPLITS)) % len(codes))
    table = {
        "id": [f"s{row}" for row in range(len(labels))],
        "split": list(SPLITS),
        "label": [codes[label] for label in labels],
        "distribution": np.eye(len(codes), dtype=np.float32)[labels].tolist(),
        "block": [f"b{row // 6}" for row in range(len(labels))],
    }
    values = make_pair(labels, side=side, times=times, kinds=len(codes), seed=seed)
    source = ArraySource(
        modality="landsat_etm",
        dims=("time", "band", "y", "x"),
        dtype="uint8",
        bands=BANDS,
        shape=values.shape[1:],
        chunks=[values],
        times=tuple(str(2000 + year) for year in range(times)),
    )
    write_pack(
        folder,
        name="pair",
        number=1,
        samples=pa.table(table),
        arrays={"landsat_etm": source},
        targets={scheme: TargetSpec(head="classes", scheme=scheme)},
        provenance={"simulated": True, "seed": seed},
        seed=seed,
    )
    return Pack.open(folder)
