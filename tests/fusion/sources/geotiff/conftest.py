"""Modalities and small files that the tests of this folder share."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from fusion.modality import Band, Modality


@pytest.fixture
def plain() -> Modality:
    """One band of real numbers, no offset asked: what most checks need."""
    return Modality(
        name="plain", title="Plain", kind="raster", dims=("band", "y", "x"), bands=(Band(name="value", title="Value"),),
        dtype="float32",
    )  # fmt: skip


@pytest.fixture
def write_tiff() -> Callable[..., Path]:
    """A plain GeoTIFF written by the library itself, with whatever profile a test asks for."""

    def write(path: Path, array: np.ndarray, **profile: Any) -> Path:
        bands = array[np.newaxis] if array.ndim == 2 else array
        settings: dict[str, Any] = {
            "driver": "GTiff", "count": len(bands), "height": bands.shape[1], "width": bands.shape[2],
            "dtype": bands.dtype, "crs": "EPSG:32632", "transform": Affine(10, 0, 600_000, 0, -10, 5_300_480),
        }  # fmt: skip
        with rasterio.open(path, "w", **{**settings, **profile}) as dataset:
            dataset.write(bands)
        return path

    return write


@pytest.fixture
def shared() -> Path:
    """Real files that lie beside the repository on some machines; without them a test is skipped."""
    folder = Path(__file__).parents[4].parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip("no real data beside the repository (../shared/data)")
    return folder
