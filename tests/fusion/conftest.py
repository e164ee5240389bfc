"""A small pack whose classes can be told apart, and a spec that trains on it in a second."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from fusion import modality as modalities
from fusion import scheme as schemes
from fusion.pack import ArraySource, Pack, TargetSpec, write_pack

PIXELS = 16
USED = 5  # of the 17 classes
SPLITS = ("train",) * 96 + ("validation",) * 30 + ("test",) * 30


def make_arrays(labels: np.ndarray, seed: int, radar_of: np.ndarray | None = None) -> dict[str, ArraySource]:
    """Sentinel-1 (of some samples) and Sentinel-2 whose mean level grows with the class, under strong noise."""
    rng = np.random.default_rng(seed)
    level = (1 + labels)[:, None, None, None]
    optical = 1000 + 300 * level * np.linspace(0.5, 1.5, 10)[:, None, None]
    optical = optical + rng.normal(0, 400, (len(labels), 10, PIXELS, PIXELS))
    radar = rng.normal(0, 0.1, (len(labels), 8, PIXELS, PIXELS)) * level
    radar[:, 4:6] = rng.exponential(0.02, (len(labels), 2, PIXELS, PIXELS)) * level
    values = {"sentinel1": radar.astype(np.float32), "sentinel2": np.clip(optical, 1, 65535).astype(np.uint16)}
    return {
        name: ArraySource(
            modality=name,
            dims=("band", "y", "x"),
            dtype=str(array.dtype),
            bands=modalities.find(name).band_names,
            shape=array.shape[1:],
            chunks=[array],
            present=radar_of if name == "sentinel1" else None,
        )
        for name, array in values.items()
    }


# A training on the toy pack that takes a second or two and learns something.
TOY_RUN = {
    "task": "lcz",
    "network": {"name": "sen2lcz", "width": 4, "depth": 5},
    "epochs": 4,
    "batch_size": 16,
    "learning_rate": 0.005,
}


def write_toy_pack(
    folder: Path, *, seed: int = 0, radar_of: np.ndarray | None = None, cities: Sequence[str] | None = None
) -> Pack:
    """156 samples of 5 zones with a vote distribution each, in blocks of six; a city each where given."""
    codes = schemes.find("lcz17").codes
    labels = np.random.default_rng(seed).permutation(np.arange(len(SPLITS)) % USED)
    shares = np.full((len(labels), len(codes)), 0.0, dtype=np.float32)
    shares[np.arange(len(labels)), labels] = 0.8
    shares[np.arange(len(labels)), (labels + 1) % USED] += 0.2
    table = pa.table(
        {
            "id": [f"s{row}" for row in range(len(labels))],
            "split": list(SPLITS),
            "label": [codes[label] for label in labels],
            "distribution": shares.tolist(),
            "block": [f"b{row // 6}" for row in range(len(labels))],
        }
        | ({} if cities is None else {"city": list(cities), "culture_zone": [f"zone of {city}" for city in cities]})
    )
    write_pack(
        folder,
        name="toy",
        number=1,
        samples=table,
        arrays=make_arrays(labels, seed, radar_of),
        targets={"lcz17": TargetSpec(head="classes", scheme="lcz17")},
        provenance={"simulated": True, "seed": seed},
        seed=seed,
    )
    return Pack.open(folder)


@pytest.fixture(scope="session")
def toy_pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    """The small pack; nobody changes it."""
    return write_toy_pack(tmp_path_factory.mktemp("packs") / "toy")


@pytest.fixture(scope="session")
def other_pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    """Another version: same shape, other samples."""
    return write_toy_pack(tmp_path_factory.mktemp("packs") / "other", seed=1)


@pytest.fixture
def make_spec(toy_pack: Pack) -> Callable[..., dict[str, Any]]:
    """JSON of a tiny run on the small pack; words given replace its own."""

    def make(**words: Any) -> dict[str, Any]:
        return {
            "task": "lcz",
            "pack": str(toy_pack.folder),
            "network": {"name": "sen2lcz", "width": 4, "depth": 5},
            "epochs": 3,
            "batch_size": 16,
            "learning_rate": 0.005,
            "baselines": [],
            "resamples": 20,
            **words,
        }

    return make
