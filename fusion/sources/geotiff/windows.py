"""One file kept open while many of its windows are read."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from rasterio.windows import Window

from fusion.errors import BadRasterError
from fusion.sources.geotiff.opening import open_dataset, reading
from fusion.sources.geotiff.reading import Mask, PixelWindow, Raster, Stored, describe_file, find_indexes, read_part

ReadWindow = Callable[[Sequence[str], PixelWindow], tuple[Stored, Mask]]


@contextmanager
def open_windows(raster: Raster) -> Iterator[ReadWindow]:
    """A function of bands and (column, row, width, height) that gives array [band, y, x] and mask [y, x].

    Blocks that neighbouring windows share are decoded once as long as the library's cache holds them.
    """
    file = describe_file(raster)
    with open_dataset(file.path) as dataset:

        def read(bands: Sequence[str], window: PixelWindow) -> tuple[Stored, Mask]:
            column, row, width, height = window
            if min(column, row) < 0 or column + width > dataset.width or row + height > dataset.height:
                raise BadRasterError(
                    f"{file.path.name}: the part asked for lies outside its {dataset.width} x {dataset.height} px."
                )
            with reading(file.path):
                return read_part(dataset, find_indexes(file, bands), Window(column, row, width, height), file.nodata)

        yield read
