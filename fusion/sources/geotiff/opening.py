"""The only door to a raster: one named driver, no side-car files, no network, no relative surprise.

Which driver is told from the first bytes. JPEG 2000, in which Sentinel-2 products come, is read from curated folders
alone: processes that look at uploads do not have its driver (upload_child).
"""

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
JP2_START, JP2_SUFFIX = b"\0\0\0\x0cjP  \r\n\x87\n", ".jp2"
TIFF, JP2 = "GTiff", "JP2OpenJPEG"
HOW_TO_BRING = "Write it as GeoTIFF, or take the folder of its product in by the command ingest"


@contextmanager
def safe_environment() -> Iterator[None]:
    """GDAL settings under which every call of this package runs."""
    with rasterio.Env(**SAFE_SETTINGS):
        yield


@contextmanager
def open_raster(path: Path | str) -> Iterator[DatasetReader]:
    """A GeoTIFF, COG or JPEG 2000 on a local disk, opened for reading; anything else is a BadRasterError.

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
    driver = find_driver(path)
    with reading(path):
        dataset = rasterio.open(path, driver=driver)
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


def find_driver(path: Path) -> str:
    """The one driver that reads a file; what is no file, or begins as neither format does, is refused before GDAL."""
    start = _read_start(path)
    if not start.startswith(JP2_START) or path.suffix.lower() != JP2_SUFFIX:
        _check_start(path, start)
        return TIFF
    with rasterio.Env() as environment:
        has_driver = JP2 in environment.drivers()
    if not has_driver:
        raise BadRasterError(f"{path.name}: JPEG 2000 is not opened here. {HOW_TO_BRING}.")
    return JP2


def check_is_tiff(path: Path) -> None:
    """Refuse what is not a file, or does not start as a TIFF does, before GDAL sees it."""
    start = _read_start(path)
    if start.startswith(JP2_START):
        raise BadRasterError(f"{path.name}: JPEG 2000 is not taken as a file that is sent. {HOW_TO_BRING}.")
    _check_start(path, start)


def _read_start(path: Path) -> bytes:
    if not path.is_file():
        raise BadRasterError(f"{path}: no such file. Give a GeoTIFF, or a folder that holds one per band.")
    with path.open("rb") as file:
        return file.read(len(JP2_START))


def _check_start(path: Path, start: bytes) -> None:
    if start[:4] not in TIFF_STARTS:
        raise BadRasterError(f"{path.name}: not a TIFF (it starts with {start[:4]!r}). Only GeoTIFF and COG are taken.")


def _say_cause(error: BaseException) -> str:
    cause = error.__cause__ or error
    return str(cause).split("\n")[0].rstrip(".")
