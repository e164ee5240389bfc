"""Cells of the grid cut out of files at once: as stored where pixels lie on the grid, resampled by name elsewhere."""

from collections.abc import Sequence

import numpy as np

from fusion.cutting.arranging import arrange, find_lead, split_zones
from fusion.grid import Cell
from fusion.sources.geotiff.reading import Mask, Raster, Stored
from fusion.sources.geotiff.stack import open_stack


def read_cell(
    rasters: Raster | Sequence[Raster],
    bands: Sequence[str],
    cell: Cell,
    pixels: int = 32,
    resampling: str = "bilinear",
) -> tuple[Stored, Mask]:
    """One cell: array [band, pixels, pixels] in the stored dtype and mask [pixels, pixels]. See `read_cells`."""
    arrays, valid = read_cells(rasters, bands, [cell], pixels, resampling)
    return arrays[0], valid[0]


def read_cells(
    rasters: Raster | Sequence[Raster],
    bands: Sequence[str],
    cells: Sequence[Cell],
    pixels: int = 32,
    resampling: str = "bilinear",
) -> tuple[Stored, Mask]:
    """Cells as [n, band, pixels, pixels] in the stored dtype and mask [n, pixels, pixels].

    `rasters` is one file or the files of a band folder; each band comes from the first file that has it. A file is
    opened once and cells that lie together are decoded together. Where its CRS is the cell's and its pixels lie on the
    grid at the cell's pixel size, numbers are those in the file. Elsewhere they are reprojected with `resampling` (any
    name of rasterio.enums.Resampling) and rounded back to integers where integers are stored. A cell has the same
    values whether read alone or with others. Where the mask is False (outside a file, nodata or not finite in any
    band) every band is 0. All is held in memory; fusion.cutting hands over batches.
    """
    zones = split_zones(cells, pixels)
    with open_stack(rasters, bands, zones, resampling) as stack:
        arrays: Stored = np.empty((len(cells), len(bands), pixels, pixels), dtype=stack.dtype)
        valid: Mask = np.empty((len(cells), pixels, pixels), dtype=bool)
        for part in arrange(find_lead(stack.layouts, zones), zones):
            values: Stored = np.empty((len(part.places), *arrays.shape[1:]), dtype=arrays.dtype)
            mask: Mask = np.empty((len(part.places), pixels, pixels), dtype=bool)
            stack.read(part.group, values, mask)
            arrays[part.places], valid[part.places] = values, mask
    return arrays, valid
