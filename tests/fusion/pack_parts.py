"""Parts of small packs: a table of twelve samples, and arrays of any modality made of samples."""

from typing import Any

import numpy as np
import pyarrow as pa

from fusion.pack import ArraySource
from tests.fusion.modalities.samples import EVERY

N = 12
CODES = ("water", "dry")


def make_table(n: int = N) -> pa.Table:
    return pa.table(
        {
            "id": [f"s{row:02d}" for row in range(n)],
            "split": ["train", "train", "test"] * (n // 3),
            "label": [CODES[row % 2] for row in range(n)],
            "distribution": [[1.0, 0.0] if row % 2 == 0 else [0.0, 1.0] for row in range(n)],
        }
    )


def make_source(name: str, samples: list[np.ndarray], chunk: int = 5, **words: Any) -> ArraySource:
    """Samples as an array of a pack: dense where they are of one size, else ragged in their leading axes."""
    kind = EVERY[name]
    shapes = {sample.shape for sample in samples}
    varying = max(
        (axis + 1 for axis in range(samples[0].ndim) if len({shape[axis] for shape in shapes}) > 1), default=0
    )
    chunks = [samples[start : start + chunk] for start in range(0, len(samples), chunk)]
    given: dict[str, Any] = {
        "modality": name,
        "dims": kind.dims,
        "dtype": str(samples[0].dtype),
        "bands": kind.band_names,
        "shape": (None,) * varying + samples[0].shape[varying:],
        "chunks": chunks if varying else [np.stack(part) for part in chunks],
        "wavelengths_nm": tuple(band.wavelength_nm for band in kind.bands) if kind.has_own_bands else (),
    }
    return ArraySource(**{**given, **words})
