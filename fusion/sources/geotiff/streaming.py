"""A cloud-optimised GeoTIFF of any size, written part by part: never more of it in memory than a part and a cache."""

import os
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import numpy.typing as npt
import rasterio
from rasterio.crs import CRS
from rasterio.errors import RasterioError
from rasterio.shutil import copy as copy_raster
from rasterio.transform import Affine
from rasterio.windows import Window

from fusion.errors import BadInputError
from fusion.sources.geotiff.opening import safe_environment
from fusion.sources.geotiff.stack import block_cache
from fusion.sources.geotiff.writing import ColourTable, creation_options, write_scaling

CACHE_BYTES = 128 * 2**20  # of decoded blocks; the library's own setting is a share of the machine's memory
WritePart = Callable[[npt.NDArray[np.generic], int, int], None]


@contextmanager
def write_cog_in_parts(
    path: Path | str,
    shape: tuple[int, int, int],
    dtype: str,
    *,
    epsg: int,
    transform: Sequence[float],
    nodata: float | None = None,
    band_names: Sequence[str] = (),
    colour_table: ColourTable | None = None,
    scale: float | None = None,
    tags: Mapping[str, str] | None = None,
    overview_resampling: str = "average",
) -> Iterator[WritePart]:
    """A function that takes an array [band, y, x] with its first row and column; the file appears at the end, whole.

    `shape` is (bands, rows, columns); what no part covers holds `nodata`. All else is as in `write_cog`. Parts go into
    a plain file beside the place first: the library makes overviews of a file that is complete.
    """
    path, mark = Path(path), uuid.uuid4().hex
    work, partial = (path.with_name(f".{path.stem}.{mark}.{word}.tif") for word in ("parts", "cog"))
    bands, rows, columns = shape
    try:
        with safe_environment(), block_cache(CACHE_BYTES):
            with rasterio.open(
                work, "w", driver="GTiff", count=bands, height=rows, width=columns, dtype=dtype, nodata=nodata,
                crs=CRS.from_epsg(epsg), transform=Affine(*list(transform)[:6]), tiled=True, blockxsize=512,
                blockysize=512, bigtiff="IF_SAFER", sparse_ok=True, interleave="band",
            ) as file:  # fmt: skip
                if colour_table is not None:
                    file.write_colormap(1, dict(colour_table))
                for index, name in enumerate(band_names, start=1):
                    file.set_band_description(index, name)
                write_scaling(file, None, scale)
                file.update_tags(**(tags or {}))

                def write(part: npt.NDArray[np.generic], row: int, column: int) -> None:
                    with safe_environment():  # the caller may be another thread
                        file.write(part, window=Window(column, row, part.shape[2], part.shape[1]))

                yield write
            with rasterio.open(work, driver="GTiff") as file:
                options = creation_options(np.dtype(dtype), colour_table, overview_resampling)
                copy_raster(file, partial, driver="COG", **options)
        os.replace(partial, path)
    except RasterioError as error:
        raise BadInputError(
            f"{path.name}: cannot be written ({error}). Look whether there is room on the disk, then try again."
        ) from error
    finally:
        work.unlink(missing_ok=True)
        partial.unlink(missing_ok=True)
