"""Files opened together and cells decoded out of them, each compressed block once where cells are dense.

A file's cells of one unit come out of one box read into a buffer that is used again, or window by window where fewer
blocks or bytes are touched so (fusion.cutting.cost). Cells that are not on the file's pixels are reprojected square by
square; no WarpedVRT, which registers the VRT driver again.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

import numpy as np
from rasterio.enums import Resampling
from rasterio.env import get_gdal_config, set_gdal_config
from rasterio.io import DatasetReader
from rasterio.windows import Window

from fusion.cutting.arranging import Group, Ints, Zone, is_crossing
from fusion.cutting.cost import choose
from fusion.cutting.layout import Layout
from fusion.errors import BadInputError, BadRasterError
from fusion.source import RasterFile
from fusion.sources.geotiff.opening import open_dataset, reading
from fusion.sources.geotiff.reading import (
    Mask,
    Raster,
    Stored,
    describe_file,
    find_indexes,
    find_valid,
    has_only_data,
    has_own_mask,
    is_storable,
)
from fusion.sources.geotiff.seams import Seams
from fusion.sources.geotiff.warping import PixelBox, clip_box, find_source_box, join_boxes, warp

# Squares are read together while the box around them holds at most so many times their own pixels.
MOST_WASTE = 2


class Stack:
    """Files opened for cutting; `read` fills arrays with cells. Made by `open_stack`."""

    def __init__(self, files: list["_OpenFile"]) -> None:
        self._files = files

    @property
    def layouts(self) -> list[Layout]:
        """Layouts of the files, in the order in which they were given."""
        return [file.layout for file in self._files]

    @property
    def dtype(self) -> np.dtype[np.generic]:
        """The smallest dtype that holds what every file stores."""
        return np.result_type(*(file.layout.dtype for file in self._files))

    def read(self, group: Group, values: Stored, valid: Mask) -> bool:
        """Fill values [n, band, y, x] and valid [n, y, x]; whether all of it is valid. What is not is 0 in every band.

        `group` is one part of `arrange`.
        """
        valid.fill(True)
        is_whole = True
        for file in self._files:
            with reading(file.file.path):
                is_whole &= file.fill(group, values, valid)
        if not is_whole:
            np.copyto(values, np.zeros((), values.dtype), where=~valid[:, np.newaxis])
        return is_whole


@contextmanager
def open_stack(
    rasters: Raster | Sequence[Raster],
    bands: Sequence[str],
    zones: Sequence[Zone],
    resampling: str,
) -> Iterator[Stack]:
    """The files that hold these bands, opened; each band comes from the first file that has it.

    `zones` hold all cells that will be read: squares are kept until the last of their cells has been. No setting of
    the library stays changed while the caller works.
    """
    method, files = find_method(resampling), [describe_file(raster) for raster in list_rasters(rasters)]
    with ExitStack() as held:
        opened = []
        for file, names in share_out(files, bands):
            dataset = held.enter_context(open_dataset(file.path))
            opened.append(_OpenFile(dataset, file, names, bands, [group for _, group in zones], method))
        yield Stack(opened)


def describe_layouts(rasters: Raster | Sequence[Raster], bands: Sequence[str]) -> list[Layout]:
    """Layouts of the files that hold these bands, from their headers."""
    files = [describe_file(raster) for raster in list_rasters(rasters)]
    found = []
    for file, names in share_out(files, bands):
        with open_dataset(file.path) as dataset:
            found.append(_describe(dataset, find_indexes(file, names)))
    return found


@contextmanager
def block_cache(size_bytes: int) -> Iterator[None]:
    """Room for decoded blocks, for the whole process, put back afterwards.

    A small cache is also the faster one: it uses its memory again instead of asking the system for more, which makes
    decoding a Sentinel-2 tile 1.5 times as fast as with the library's own setting.
    """
    before = get_gdal_config("GDAL_CACHEMAX")
    set_gdal_config("GDAL_CACHEMAX", int(size_bytes))
    try:
        yield
    finally:
        set_gdal_config("GDAL_CACHEMAX", before)


def list_rasters(rasters: Raster | Sequence[Raster]) -> list[Raster]:
    """One file or several, as a list."""
    return [rasters] if not isinstance(rasters, Sequence) or isinstance(rasters, str) else list(rasters)


def find_method(resampling: str) -> Resampling:
    """The method of this name; an unknown one is answered with the known ones."""
    if resampling not in Resampling.__members__:
        raise BadInputError(f"Unknown resampling {resampling!r}. Known: {', '.join(Resampling.__members__)}.")
    return Resampling[resampling]


def share_out(files: Sequence[RasterFile], bands: Sequence[str]) -> list[tuple[RasterFile, list[str]]]:
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


class _OpenFile:
    """One open file and its bands' places in a patch."""

    def __init__(
        self,
        dataset: DatasetReader,
        file: RasterFile,
        names: Sequence[str],
        bands: Sequence[str],
        zones: Sequence[Group],
        method: Resampling,
    ) -> None:
        self.file, self._dataset, self._method = file, dataset, method
        self._indexes = find_indexes(file, names)
        self.layout = _describe(dataset, self._indexes)
        self._has_own_mask = has_own_mask(dataset)
        is_known = file.nodata is not None and is_storable(file.nodata, np.dtype(self.layout.dtype))
        self._nodata = file.nodata if is_known else None
        self._runs = _find_runs([list(bands).index(name) for name in names])
        self._scratch = np.empty(0, self.layout.dtype)
        self._kept: dict[tuple[int, int, int], tuple[Stored, Mask]] = {}
        self._awaited: Counter[tuple[int, int, int]] = Counter()
        self._seams: Seams | None = None
        if any(is_crossing(self.layout, zone) for zone in zones):
            self._seams = Seams(self.layout, len(self._indexes), zones[0].pixels, self._read)
        for zone in zones:
            if self.layout.find_origin(zone.epsg, zone.step_m) is None:
                columns, rows = zone.squares
                self._awaited.update((zone.epsg, *key) for key in zip(columns.tolist(), rows.tolist(), strict=True))

    def fill(self, group: Group, values: Stored, valid: Mask) -> bool:
        """This file's bands of the cells; whether every pixel of them is valid."""
        origin = self.layout.find_origin(group.epsg, group.step_m)
        if origin is None:
            return self._fill_resampled(group, values, valid)
        x, y = group.x - origin[0], group.y - origin[1]
        if choose(self.layout, x, y, group.pixels)[0]:
            return self._fill_from_box(x, y, values, valid)
        return self._fill_by_windows(x, y, values, valid)

    def _fill_from_box(self, x: Ints, y: Ints, values: Stored, valid: Mask) -> bool:
        side = valid.shape[-1]
        left, top = int(x.min()), int(y.min())
        width, height = int(x.max()) + side - left, int(y.max()) + side - top
        box = PixelBox(left=left, top=top, width=width, height=height)
        found = self._seams and self._seams.read(box)
        array, mask = found or self._read_box(box)
        across, down = width // side, height // side
        rows, columns = (y - top) // side, (x - left) // side
        # a patch's line of pixels as one item: copied 3.5 times as fast as pixel by pixel
        is_same = values.dtype == array.dtype
        lines, target = (_see_lines(array, side), _see_lines(values, side)) if is_same else (array, values)
        view = lines.reshape(len(array), down, side, across, -1).transpose(1, 3, 0, 2, 4)  # [row, column, band, y, x]
        for ours, theirs in self._runs:
            if len(x) == across * down:  # cells come row by row: nothing to choose
                target.reshape(down, across, *target.shape[1:])[:, :, theirs] = view[:, :, ours]
            else:
                target[:, theirs] = view[:, :, ours][rows, columns]
        if mask is not None:
            valid &= mask.reshape(down, side, across, side).transpose(0, 2, 1, 3)[rows, columns]
        return mask is None

    def _fill_by_windows(self, x: Ints, y: Ints, values: Stored, valid: Mask) -> bool:
        side, is_whole = valid.shape[-1], True
        is_direct = len(self._runs) == 1 and values.dtype == self._scratch.dtype
        for place, (left, top) in enumerate(zip(x.tolist(), y.tolist(), strict=True)):
            target = values[place, self._runs[0][1]] if is_direct else self._reserve(side, side)
            mask = self._read(target, left, top)
            if not is_direct:
                self._hand_over(target, values[place])
            if mask is not None:
                valid[place] &= mask
                is_whole = False
        return is_whole

    def _fill_resampled(self, group: Group, values: Stored, valid: Mask) -> bool:
        columns, rows = group.squares
        keys = [(group.epsg, *key) for key in zip(columns.tolist(), rows.tolist(), strict=True)]
        members: dict[tuple[int, int, int], list[int]] = {}
        for place, key in enumerate(keys):
            members.setdefault(key, []).append(place)
        self._warp_squares(group, [key for key in members if key not in self._kept])
        for key, places in members.items():
            square, mask = self._kept[key]
            self._share_square(group, key, places, square, mask, values, valid)
            self._awaited[key] -= len(places)
            if self._awaited[key] <= 0:
                del self._kept[key]
        return bool(valid.all())

    def _share_square(
        self,
        group: Group,
        key: tuple[int, int, int],
        places: list[int],
        square: Stored,
        mask: Mask,
        values: Stored,
        valid: Mask,
    ) -> None:
        side, block = group.pixels, group.find_square(key[1], key[2])
        for place in places:
            left, top = int(group.x[place]) - block.column, int(group.y[place]) - block.row
            part = slice(top, top + side), slice(left, left + side)
            self._hand_over(square[:, *part], values[place])
            valid[place] &= mask[part]

    def _warp_squares(self, group: Group, keys: list[tuple[int, int, int]]) -> None:
        """Reproject these squares and keep them; they are read in one go where they lie together."""
        blocks = [group.find_square(column, row) for _, column, row in keys]
        boxes = [find_source_box(self.layout, block) for block in blocks]
        whole = join_boxes([box for box in boxes if box is not None])
        used = sum(box.size for box in boxes if box is not None)
        held = (whole, self._read_box(whole)) if whole is not None and whole.size <= MOST_WASTE * used else None
        for key, block, box in zip(keys, blocks, boxes, strict=True):
            if box is None:
                empty = np.zeros((len(self._indexes), block.height, block.width), self.layout.dtype)
                self._kept[key] = empty, np.zeros(empty.shape[1:], dtype=bool)
                continue
            around, (array, mask) = held or (box, self._read_box(box))
            part = box.within(around)
            known = None if mask is None or mask[part].all() else mask[part]
            self._kept[key] = warp(array[:, *part], known, box, self.layout, self._dataset.crs, block, self._method)

    def _read_box(self, box: PixelBox) -> tuple[Stored, Mask | None]:
        """A box of the file, and its mask where something in it is not valid."""
        array = self._reserve(box.height, box.width)
        return array, self._read(array, box.left, box.top)

    def _read(self, target: Stored, left: int, top: int) -> Mask | None:
        """Fill target [band, y, x] from the file's pixel (left, top) on; its mask, or None where all is valid.

        Beyond the file's edge there is 0, and False in the mask.
        """
        height, width = target.shape[1:]
        box = PixelBox(left=left, top=top, width=width, height=height)
        inside = clip_box(self.layout, box)
        if inside is None:
            target.fill(0)
            return np.zeros((height, width), dtype=bool)
        part = inside.within(box)
        is_inside = inside == box
        if not is_inside:
            target.fill(0)
        window, found = Window(inside.left, inside.top, inside.width, inside.height), target[:, *part]
        self._dataset.read(self._indexes, window=window, out=found)
        if not self._has_own_mask and has_only_data(found, self._nodata):
            if is_inside:
                return None
            known: Mask = np.ones(found.shape[1:], dtype=bool)
        else:
            known = find_valid(self._dataset, found, window, self.file.nodata)
            np.copyto(found, np.zeros((), found.dtype), where=~known)
        if is_inside:
            return known
        mask: Mask = np.zeros((height, width), dtype=bool)
        mask[part] = known
        return mask

    def _reserve(self, height: int, width: int) -> Stored:
        """An array [band, height, width] of the file's dtype out of memory that is used again."""
        size = len(self._indexes) * height * width
        if len(self._scratch) < size:
            self._scratch = np.empty(size, self.layout.dtype)
        return self._scratch[:size].reshape(len(self._indexes), height, width)

    def _hand_over(self, found: Stored, patch: Stored) -> None:
        for ours, theirs in self._runs:
            patch[theirs] = found[ours]


def _see_lines(array: Stored, side: int) -> Stored:
    """The last axis in items of `side` pixels."""
    return array.view(np.dtype((np.void, side * array.itemsize)))


def _find_runs(places: list[int]) -> list[tuple[slice, slice]]:
    """Neighbouring bands as slices: of the file's own list, and of the patch."""
    runs: list[tuple[slice, slice]] = []
    for index, place in enumerate(places):
        if runs and runs[-1][1].stop == place:
            ours, theirs = runs[-1]
            runs[-1] = slice(ours.start, index + 1), slice(theirs.start, place + 1)
        else:
            runs.append((slice(index, index + 1), slice(place, place + 1)))
    return runs


def _describe(dataset: DatasetReader, indexes: Sequence[int]) -> Layout:
    height, width = dataset.block_shapes[indexes[0] - 1]
    dtype = np.dtype(dataset.dtypes[indexes[0] - 1])
    is_joint = dataset.profile.get("interleave") == "pixel"
    return Layout(
        width=dataset.width,
        height=dataset.height,
        epsg=dataset.crs.to_epsg(),
        crs=dataset.crs.to_wkt(),
        transform=tuple(dataset.transform)[:6],
        block_width=width,
        block_height=height,
        pixel_bytes=(dataset.count if is_joint else len(indexes)) * dtype.itemsize,
        dtype=str(dtype),
    )
