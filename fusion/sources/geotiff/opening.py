"""The only door to a raster: one named driver, no side-car files, no network, no relative surprise."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import rasterio
from rasterio.errors import RasterioError
from rasterio.io import DatasetReader

from fusion.errors import BadRasterError

# Opened by any other driver, a file called .tif can hand back the content of another file, call the network or write
# files (VRT, WMS, MRF, STAC ...). EMPTY_DIR and PAM off: .ovr, .msk, .aux.xml beside the file are never looked for.
# INTERNAL: a world file or .tab beside it does not move it.
SAFE_SETTINGS = {
    "GDAL_DISABLE_READDIR_ON_OPEN": "EMPTY_DIR",
    "GDAL_PAM_ENABLED": "NO",
    "GDAL_GEOREF_SOURCES": "INTERNAL",
    "GDAL_TIFF_INTERNAL_MASK": "YES",
}
TIFF_STARTS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


@contextmanager
def safe_environment() -> Iterator[None]:
    """GDAL settings under which every call of this package runs."""
    with rasterio.Env(**SAFE_SETTINGS):
        yield


@contextmanager
def open_raster(path: Path | str) -> Iterator[DatasetReader]:
    """A GeoTIFF (or COG) that lies on a local disk, opened for reading; anything else is a BadRasterError.

    Read errors inside the block also become a BadRasterError that names the file.
    """
    path = Path(path).absolute()
    with open_dataset(path) as dataset, reading(path):
        yield dataset


@contextmanager
def open_dataset(path: Path | str) -> Iterator[DatasetReader]:
    """As `open_raster`, but the settings end with the opening: for files that stay open while others work.

    Every read must then run under `reading`.
    """
    path = Path(path).absolute()
    check_is_tiff(path)
    with reading(path):
        dataset = rasterio.open(path, driver="GTiff")
    try:
        yield dataset
    finally:
        with safe_environment():  # closing may write side-cars, too
            dataset.close()


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """The settings of this package; errors of the library become a BadRasterError that names the file."""
    with safe_environment():
        try:
            yield
        except RasterioError as error:
            raise BadRasterError(
                f"{path.name}: cannot be read ({_say_cause(error)}). Fetch or write it again."
            ) from error


def check_is_tiff(path: Path) -> None:
    """Refuse what is not a file, or does not start as a TIFF does, before GDAL sees it."""
    if not path.is_file():
        raise BadRasterError(f"{path}: no such file. Give a GeoTIFF, or a folder that holds one per band.")
    with path.open("rb") as file:
        start = file.read(4)
    if start not in TIFF_STARTS:
        raise BadRasterError(f"{path.name}: not a TIFF (it starts with {start!r}). Only GeoTIFF and COG are taken.")


def _say_cause(error: BaseException) -> str:
    cause = error.__cause__ or error
    return str(cause).split("\n")[0].rstrip(".")
