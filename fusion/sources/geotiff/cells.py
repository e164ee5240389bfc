"""Cells of the grid cut out of files: as stored where pixels lie on the grid, resampled by a named method elsewhere."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from rasterio.enums import Resampling
from rasterio.io import DatasetReader

from fusion.errors import BadInputError, BadRasterError
from fusion.grid import Cell
from fusion.source import RasterFile, RasterInfo
from fusion.sources.geotiff.opening import open_raster
from fusion.sources.geotiff.reading import Mask, Raster, Stored, describe_file, find_indexes
from fusion.sources.geotiff.warping import GridBlock, is_on_grid, read_aligned, read_resampled

# Cells are read together while the window over all of them stays below this and below four times their own pixels.
MOST_WINDOW_BYTES = 64 * 2**20
MOST_WASTE = 4
# resampled cells are made in fixed squares of 4 x 4 cells
SQUARE_CELLS = 4


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
    band) every band is 0.
    """
    files = [describe_file(raster) for raster in _list_rasters(rasters)]
    method, places = _find_method(resampling), _share_out(files, bands)
    _check_pixels(cells, pixels)
    parts = {file.path: _read_file(file, names, cells, pixels, method) for file, names in places}
    dtype = np.result_type(*(part[0].dtype for part in parts.values()))
    arrays = np.zeros((len(cells), len(bands), pixels, pixels), dtype=dtype)
    valid = np.ones((len(cells), pixels, pixels), dtype=bool)
    for file, names in places:
        part, mask = parts[file.path]
        arrays[:, [list(bands).index(name) for name in names]] = part
        valid &= mask
    np.copyto(arrays, 0, where=~valid[:, np.newaxis])
    return arrays, valid


def _list_rasters(rasters: Raster | Sequence[Raster]) -> list[Raster]:
    return [rasters] if isinstance(rasters, str | Path | RasterFile | RasterInfo) else list(rasters)


def _find_method(resampling: str) -> Resampling:
    if resampling not in Resampling.__members__:
        raise BadInputError(f"Unknown resampling {resampling!r}. Known: {', '.join(Resampling.__members__)}.")
    return Resampling[resampling]


def _check_pixels(cells: Sequence[Cell], pixels: int) -> None:
    if not cells or pixels < 1:
        raise BadInputError(f"{len(cells)} cells of {pixels} pixels: at least one of each is needed.")
    if len({cell.size_m for cell in cells}) > 1:
        raise BadInputError("Cells of different sizes are read one size at a time.")


def _share_out(files: Sequence[RasterFile], bands: Sequence[str]) -> list[tuple[RasterFile, list[str]]]:
    """Which file gives which bands; a band that no file has is named."""
    owners: dict[str, RasterFile] = {}
    for file in files:
        for band in file.bands:
            owners.setdefault(band, file)
    missing = [band for band in bands if band not in owners]
    if missing or not bands:
        names = ", ".join(file.path.name for file in files)
        raise BadRasterError(f"{names}: no band {', '.join(missing) or 'asked for'}. There are {', '.join(owners)}.")
    shares = [(file, [band for band in bands if owners[band] is file]) for file in files]
    return [(file, share) for file, share in shares if share]


def _read_file(
    file: RasterFile, bands: Sequence[str], cells: Sequence[Cell], pixels: int, method: Resampling
) -> tuple[Stored, Mask]:
    indexes = find_indexes(file, bands)
    with open_raster(file.path) as dataset:
        arrays = np.zeros((len(cells), len(bands), pixels, pixels), dtype=dataset.dtypes[indexes[0] - 1])
        valid = np.zeros((len(cells), pixels, pixels), dtype=bool)
        for block, members in _plan_blocks(dataset, cells, pixels, arrays.itemsize * len(bands)):
            if is_on_grid(dataset, block):
                array, mask = read_aligned(dataset, indexes, block, file.nodata)
            else:
                array, mask = read_resampled(dataset, indexes, block, file.nodata, method)
            for member in members:
                part = _slice(cells[member], pixels, block)
                arrays[member], valid[member] = array[:, *part], mask[part]
    return arrays, valid


def _plan_blocks(
    dataset: DatasetReader, cells: Sequence[Cell], pixels: int, pixel_bytes: int
) -> Iterator[tuple[GridBlock, list[int]]]:
    """Rectangles of the grid to read and the places of the cells in each.

    Stored pixels are read in whatever rectangles are cheap. Resampled ones come in fixed squares of the grid: GDAL
    approximates positions along the lines it warps, so values would otherwise depend on which cells are read together.
    """
    for epsg in sorted({cell.epsg for cell in cells}):
        members = [index for index, cell in enumerate(cells) if cell.epsg == epsg]
        if is_on_grid(dataset, _cover(cells, members, pixels)):
            for group in _split_up(cells, members, pixels, pixel_bytes):
                yield _cover(cells, group, pixels), group
        else:
            yield from _squares(cells, members, pixels)


def _squares(cells: Sequence[Cell], members: list[int], pixels: int) -> Iterator[tuple[GridBlock, list[int]]]:
    groups: dict[tuple[int, int], list[int]] = {}
    for member in members:
        cell = cells[member]
        groups.setdefault((cell.column // SQUARE_CELLS, cell.row // SQUARE_CELLS), []).append(member)
    for (column, row), group in groups.items():
        corners = [replace(cells[group[0]], column=column * SQUARE_CELLS, row=row * SQUARE_CELLS)]
        corners += [replace(corners[0], column=(column + 1) * SQUARE_CELLS - 1, row=(row + 1) * SQUARE_CELLS - 1)]
        yield _cover(corners, [0, 1], pixels), group


def _split_up(cells: Sequence[Cell], members: list[int], pixels: int, pixel_bytes: int) -> Iterator[list[int]]:
    """Groups of neighbouring cells, halved along the longer side until each is dense and small."""
    block = _cover(cells, members, pixels)
    area = block.width * block.height
    is_dense = area <= MOST_WASTE * len(members) * pixels**2
    if len(members) == 1 or (is_dense and area * pixel_bytes <= MOST_WINDOW_BYTES):
        yield members
        return
    is_wide = block.width > block.height
    ordered = sorted(members, key=lambda member: cells[member].column if is_wide else cells[member].row)
    yield from _split_up(cells, ordered[: len(ordered) // 2], pixels, pixel_bytes)
    yield from _split_up(cells, ordered[len(ordered) // 2 :], pixels, pixel_bytes)


def _cover(cells: Sequence[Cell], members: list[int], pixels: int) -> GridBlock:
    columns, rows = [cells[member].column for member in members], [cells[member].row for member in members]
    return GridBlock(
        epsg=cells[members[0]].epsg,
        step_m=cells[members[0]].size_m / pixels,
        column=min(columns) * pixels,
        row=-(max(rows) + 1) * pixels,
        width=(max(columns) - min(columns) + 1) * pixels,
        height=(max(rows) - min(rows) + 1) * pixels,
    )


def _slice(cell: Cell, pixels: int, block: GridBlock) -> tuple[slice, slice]:
    column, row = cell.column * pixels - block.column, -(cell.row + 1) * pixels - block.row
    return slice(row, row + pixels), slice(column, column + pixels)
