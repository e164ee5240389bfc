"""Pixels of an item's asset where they lie: a local file, or ranges of one far away, always by the GeoTIFF driver."""

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from rasterio.errors import RasterioDeprecationWarning, RasterioError
from rasterio.io import DatasetReader, FilePath
from rasterio.windows import Window

from fusion.errors import BadFileError, BadRasterError
from fusion.file_info import Bounds, ItemAsset, Transform
from fusion.source import Limits
from fusion.sources.geotiff.checks import check_place, check_size
from fusion.sources.geotiff.opening import TIFF_STARTS, open_raster, safe_environment
from fusion.sources.geotiff.reading import Mask, Stored, read_part
from fusion.sources.stac.remote import RemoteFiles


@dataclass(frozen=True, kw_only=True)
class AssetHeader:
    """What an asset's own header says; `size_bytes` and `etag` are those of the store."""

    uri: str
    size_bytes: int
    etag: str
    dtype: str
    bands: int
    width: int
    height: int
    block: tuple[int, int]
    epsg: int
    transform: Transform
    nodata: float | None
    lonlat_bounds: Bounds


def inspect_asset(asset: ItemAsset, files: RemoteFiles | None = None, limits: Limits | None = None) -> AssetHeader:
    """The header alone, checked against limits, and against what the item claims of it."""
    with _open(asset, files) as (dataset, size, etag):
        name = _name(asset)
        try:
            check_size(dataset, limits or Limits(), size)
            epsg, bounds = check_place(dataset)
            _check_claims(asset, dataset, epsg, size)
        except BadRasterError as error:
            raise BadRasterError(f"{name}: {error}.") from error
        a, b, c, d, e, f = tuple(dataset.transform)[:6]
        return AssetHeader(
            uri=asset.uri, size_bytes=size, etag=etag, dtype=dataset.dtypes[0], bands=dataset.count,
            width=dataset.width, height=dataset.height, block=dataset.block_shapes[0], epsg=epsg,
            transform=(a, b, c, d, e, f), nodata=dataset.nodata, lonlat_bounds=bounds,
        )  # fmt: skip


def read_asset(
    asset: ItemAsset,
    window: tuple[int, int, int, int] | None = None,
    *,
    files: RemoteFiles | None = None,
    bands: list[int] | None = None,
    limits: Limits | None = None,
) -> tuple[Stored, Mask]:
    """Array [band, y, x] as stored and mask [y, x] of a window (column, row, width, height); bands count from 1."""
    with _open(asset, files) as (dataset, size, _etag):
        name = _name(asset)
        column, row, width, height = window or (0, 0, dataset.width, dataset.height)
        wanted = bands or list(range(1, dataset.count + 1))
        try:
            check_size(dataset, limits or Limits(), size)
        except BadRasterError as error:
            raise BadRasterError(f"{name}: {error}.") from error
        if min(column, row) < 0 or column + width > dataset.width or row + height > dataset.height or width < 1:
            raise BadRasterError(f"{name}: the part asked for lies outside its {dataset.width} x {dataset.height} px.")
        if not set(wanted) <= set(range(1, dataset.count + 1)):
            raise BadRasterError(f"{name}: it has {dataset.count} bands, not {wanted}.")
        nodata = dataset.nodata if dataset.nodata is not None else asset.nodata
        return read_part(dataset, wanted, Window(column, row, width, height), nodata)


@contextmanager
def _open(asset: ItemAsset, files: RemoteFiles | None) -> Iterator[tuple[DatasetReader, int, str]]:
    if not asset.is_remote:
        path = Path(asset.uri)
        with open_raster(path) as dataset:
            yield dataset, path.stat().st_size, ""
        return
    if files is None:
        raise BadFileError(f"{_name(asset)}: it lies far away, and no list of hosts was given to fetch it from.")
    with files.open(asset.uri) as file:
        if file.read(4) not in TIFF_STARTS:
            raise BadRasterError(f"{_name(asset)}: not a TIFF. Only GeoTIFF and COG are read in place.")
        file.seek(0)
        # given to rasterio.open, the whole file would be taken into memory first
        with (
            safe_environment(),
            _named_faults(asset, file),
            _wrap(file) as remote,
            remote.open(driver="GTiff") as dataset,
        ):
            yield dataset, file.size, file.details["etag"]


def _wrap(file: Any) -> FilePath:
    with warnings.catch_warnings():  # its successor, `opener`, wants files that can be opened anew by name
        warnings.simplefilter("ignore", RasterioDeprecationWarning)
        return FilePath(file)


@contextmanager
def _named_faults(asset: ItemAsset, file: Any) -> Iterator[None]:
    """GDAL swallows what the network said; the open file has kept it."""
    try:
        yield
    except RasterioError as error:
        if file.fault is not None:
            raise file.fault from error
        cause = str(error.__cause__ or error).split("\n")[0].rstrip(".")
        raise BadRasterError(f"{_name(asset)}: cannot be read ({cause}). Fetch or write it again.") from error


def _check_claims(asset: ItemAsset, dataset: DatasetReader, epsg: int, size: int) -> None:
    """An item that speaks of another file is refused."""
    if asset.size_bytes is not None and asset.size_bytes != size:
        raise BadRasterError(f"its item says {asset.size_bytes:,} bytes, the file has {size:,}")
    if asset.epsg is not None and asset.epsg != epsg:
        raise BadRasterError(f"its item says EPSG:{asset.epsg}, the file EPSG:{epsg}")
    if asset.shape is not None and asset.shape != (dataset.height, dataset.width):
        raise BadRasterError(f"its item says {asset.shape} rows and columns, the file has {dataset.shape}")


def _name(asset: ItemAsset) -> str:
    return Path(urlsplit(asset.uri).path).name or asset.key
