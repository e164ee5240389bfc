"""Cloud-optimised GeoTIFFs, written beside their place and moved into it whole."""

import os
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.crs import CRS
from rasterio.errors import RasterioError
from rasterio.io import DatasetWriter
from rasterio.shutil import copy as copy_raster
from rasterio.transform import Affine

from fusion.errors import BadInputError
from fusion.sources.geotiff.opening import safe_environment

ColourTable = Mapping[int, tuple[int, int, int, int]]


def write_cog(
    path: Path | str,
    array: npt.NDArray[np.generic],
    *,
    epsg: int,
    transform: Sequence[float],
    nodata: float | None = None,
    band_names: Sequence[str] | None = None,
    colour_table: ColourTable | None = None,
    offset: float | None = None,
    scale: float | None = None,
    tags: Mapping[str, str] | None = None,
    overview_resampling: str = "average",
) -> Path:
    """Write `array` [band, y, x] (or [y, x]) as a COG and return its path; an older file there is replaced whole.

    `transform` is (a, b, c, d, e, f): x = a * column + b * row + c, y = d * column + e * row + f.
    `offset` and `scale` follow this project: physical = (stored + offset) * scale. They are written twice, as GDAL's
    (stored * scale + offset * scale) for other readers and as the tags OFFSET and SCALE. Same input, same bytes.
    """
    path, bands = Path(path), array[np.newaxis] if array.ndim == 2 else array
    _check_shape(path, bands, band_names)
    # GDAL deletes what an old side-car points to when it overwrites: it never sees the final name.
    partial = path.with_name(f".{path.stem}.{uuid.uuid4().hex}.tif")
    try:
        with safe_environment():
            _write_partial(
                partial, bands, CRS.from_epsg(epsg), Affine(*list(transform)[:6]), nodata, band_names, colour_table,
                offset, scale, tags or {}, overview_resampling,
            )  # fmt: skip
        os.replace(partial, path)
    except RasterioError as error:
        raise BadInputError(
            f"{path.name}: cannot be written ({error}). Look whether there is room on the disk, then try again."
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    return path


def _write_partial(
    partial: Path,
    bands: npt.NDArray[np.generic],
    crs: CRS,
    transform: Affine,
    nodata: float | None,
    band_names: Sequence[str] | None,
    colour_table: ColourTable | None,
    offset: float | None,
    scale: float | None,
    tags: Mapping[str, str],
    overview_resampling: str,
) -> None:
    count, height, width = bands.shape
    with rasterio.open(
        "", "w+", driver="MEM", count=count, height=height, width=width,
        dtype=bands.dtype, crs=crs, transform=transform, nodata=nodata,
    ) as memory:  # fmt: skip
        memory.write(bands)
        for index, name in enumerate(band_names or (), start=1):
            memory.set_band_description(index, name)
        if colour_table is not None:
            memory.write_colormap(1, dict(colour_table))
        write_scaling(memory, offset, scale)
        memory.update_tags(**tags)
        copy_raster(memory, partial, driver="COG", **creation_options(bands.dtype, colour_table, overview_resampling))


def write_scaling(memory: DatasetWriter, offset: float | None, scale: float | None) -> None:
    """Physical = (stored + offset) * scale, as GDAL says it and as tags."""
    if offset is not None or scale is not None:
        factor, shift = 1.0 if scale is None else scale, offset or 0.0
        memory.scales, memory.offsets = [factor] * memory.count, [shift * factor] * memory.count
        memory.update_tags(OFFSET=f"{shift:.10g}", SCALE=f"{factor:.10g}")


def creation_options(dtype: np.dtype[np.generic], colour_table: ColourTable | None, overviews: str) -> dict[str, str]:
    """How every COG of this project is packed."""
    has_predictor = colour_table is None and dtype.kind in "iuf"
    return {
        "COMPRESS": "DEFLATE",
        # 640 x 640 x 10 noisy uint16: level 1 took 0.22 s, level 6 took 0.26 s and 4 % more bytes
        "LEVEL": "1",
        "PREDICTOR": "YES" if has_predictor else "NO",
        "BLOCKSIZE": "512",
        "OVERVIEW_RESAMPLING": overviews.upper(),
        "BIGTIFF": "IF_SAFER",
    }


def _check_shape(path: Path, bands: npt.NDArray[np.generic], band_names: Sequence[str] | None) -> None:
    if bands.ndim != 3 or 0 in bands.shape:
        raise BadInputError(f"{path.name}: an array [band, y, x] is needed, this one has the shape {bands.shape}.")
    if band_names is not None and len(band_names) != len(bands):
        raise BadInputError(f"{path.name}: {len(bands)} bands but {len(band_names)} band names.")
