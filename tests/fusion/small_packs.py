"""Small packs of thirty samples of Sentinel-2, each part of which a test may change."""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from fusion.pack import ArraySource, TargetSpec, write_pack

N = 30
POINT = b"\x01\x01\x00\x00\x00" + np.array([11.5, 48.1]).tobytes()
CODES = ("water", "dry")


def make_samples(n=N, **columns):
    labels = [CODES[i % 2] for i in range(n)]
    table = {
        "id": [f"s{i:03d}" for i in range(n)],
        "geometry": [POINT if i % 3 else None for i in range(n)],
        "city": ["here"] * n,
        "split": ["train", "train", "validation", "test", ""][:5] * (n // 5),
        "label": labels,
        "distribution": [[0.75, 0.25] if label == "water" else [0.1, 0.9] for label in labels],
        "votes": [[3, 1]] * n,
        "captured_from": ["2020-05-01T10:00:00Z"] * n,
        "flags": [["haze"] if i == 4 else [] for i in range(n)],
        "block": [f"b{i // 5}" for i in range(n)],
    }
    return pa.table({**table, **columns})


def make_values(n=N, seed=0):
    return np.random.default_rng(seed).integers(1, 9000, (n, 2, 4, 4)).astype(np.uint16)


def make_source(values=None, chunk=7, **changes):
    values = make_values() if values is None else values
    chunks = [values[start : start + chunk] for start in range(0, len(values), chunk)]
    source = ArraySource(
        modality="sentinel2",
        dims=("band", "y", "x"),
        dtype="uint16",
        bands=("B4", "B8"),
        shape=(2, 4, 4),
        chunks=chunks,
        offset=-1000,
    )
    return replace(source, **changes)


def make_radar(values):
    return ArraySource(
        modality="sentinel1_grd",
        dims=("band", "y", "x"),
        dtype="float32",
        bands=("VV", "VH"),
        shape=(2, 4, 4),
        chunks=[values],
    )


def write(folder, *, samples=None, arrays=None, **changes):
    return write_pack(
        folder,
        name="toy",
        number=1,
        samples=make_samples() if samples is None else samples,
        arrays={"s2": make_source()} if arrays is None else arrays,
        targets={"wet": TargetSpec(head="classes", scheme="water")},
        provenance={"simulated": True, "seed": 3},
        seed=3,
        **changes,
    )
