"""Small scenes of 128-pixel blocks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import rasterio
from rasterio.transform import Affine

from fusion.cutting.scene import Scene
from fusion.source import RasterFile
from tests.fusion.cutting.scenes import NAMES, NORTH_WEST


@pytest.fixture
def make_scene(tmp_path: Path) -> Callable[..., Scene]:
    """A scene whose corner lies `east_px` and `south_px` pixels of 10 m from that of NORTH_WEST."""

    def make(
        array: np.ndarray,
        *,
        name: str = "a",
        east_px: float = 0,
        south_px: float = 0,
        step_m: float = 10,
        epsg: int = 32632,
        corner: tuple[float, float] | None = None,
        nodata: float | None = 0,
        bands: tuple[str, ...] = NAMES,
        **profile: Any,
    ) -> Scene:
        west, _, _, north = NORTH_WEST.bounds
        x, y = corner or (west + 10 * east_px, north - 10 * south_px)
        path = tmp_path / f"{name}.tif"
        settings: dict[str, Any] = {
            "count": len(array), "height": array.shape[1], "width": array.shape[2], "dtype": array.dtype, "tiled": True,
            "blockxsize": 128, "blockysize": 128, "compress": "zstd", "crs": f"EPSG:{epsg}",
            "transform": Affine(step_m, 0, x, 0, -step_m, y), "nodata": nodata,
        }  # fmt: skip
        with rasterio.open(path, "w", driver="GTiff", **{**settings, **profile}) as dataset:
            dataset.write(array)
        names = bands[: len(array)]
        return Scene(name=name, files=(RasterFile(path=path, bands=names, nodata=nodata),), bands=names)

    return make
