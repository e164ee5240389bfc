"""Plausible stored samples of any modality, with nodata planted, for tests that run over all of them."""

import json

import numpy as np

from fusion import modality as modalities
from fusion import spectrum
from fusion.modality import Modality

SIZES = {"time": 3, "z": 2, "y": 12, "x": 10, "point": 400, "byte": 90}
FEATURES = {"type": "FeatureCollection", "features": []}


def declare_example(kind: Modality) -> Modality:
    """The modality itself, or with the bands of a made-up file where bands are the file's own."""
    if not kind.has_own_bands:
        return kind
    return spectrum.declare_bands(kind, spectrum.name_bands(list(np.linspace(420.0, 2450.0, 60))))


EVERY = {name: declare_example(kind) for name, kind in modalities.load_all().items()}


def make_stored(kind: Modality, seed: int = 0) -> np.ndarray:
    """One sample in the modality's own dims and dtype."""
    rng = np.random.default_rng(seed)
    if kind.kind == "text":
        return np.frombuffer(json.dumps({**FEATURES, "name": "Straße 5 ☂"}, ensure_ascii=False).encode(), np.uint8)
    shape = tuple(len(kind.bands) if name == "band" else SIZES[name] for name in kind.dims)
    if kind.kind == "complex":
        values = (rng.normal(0, 0.3, shape) + 1j * rng.normal(0, 0.3, shape)).astype(np.complex64)
    elif kind.classes and kind.kind == "raster":
        values = rng.choice([one.value for one in kind.classes], shape).astype(kind.dtype)
    elif np.dtype(kind.dtype).kind in "iu":
        values = rng.integers(1, min(np.iinfo(kind.dtype).max, 12_000), shape).astype(kind.dtype)
    else:
        values = rng.gamma(1.0, 10.0, shape).astype(kind.dtype)
    if kind.kind == "points":
        values[:, -1] = rng.choice([one.value for one in kind.classes], len(values))
    if kind.nodata is not None:
        values[(slice(None),) * kind.dims.index("band")][..., 0] = kind.nodata
    return values
