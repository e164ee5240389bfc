"""Windows of scenes as the network takes them: stored values, mirrored beyond the border, wherever the files lie."""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fusion.errors import BadInputError
from fusion.file_info import ItemAsset
from fusion.mapping.layout import Windows, mirror
from fusion.mapping.spec import ArrayWords, DateWords, FileWords
from fusion.run import read_words
from fusion.source import RasterFile
from fusion.sources.geotiff import block_cache, open_windows
from fusion.sources.stac import AllowedHost, RemoteFiles, read_asset

Array = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
CACHE_BYTES = 256 * 2**20  # of decoded blocks, which neighbouring tiles share


class SceneReader:
    """Files of all arrays, open while one draws; `read` gives what some windows see. Close it afterwards."""

    def __init__(self, scenes: Mapping[str, ArrayWords], height: int, width: int, hosts: Sequence[Any] = ()) -> None:
        self._scenes, self._height, self._width = dict(scenes), height, width
        self._remote = RemoteFiles(hosts=[read_words(AllowedHost, host) for host in hosts])
        self._held = ExitStack()
        self._open: dict[str, Any] = {}

    def __enter__(self) -> "SceneReader":
        self._held.enter_context(block_cache(CACHE_BYTES))
        return self

    def __exit__(self, *_: object) -> None:
        self._held.close()
        self._remote.close()

    def read(self, windows: Windows) -> tuple[dict[str, Array], Mask]:
        """Stored values [date, band, y, x] by array, 0 where nothing is; mask [y, x]: where every array has data."""
        top, left, height, width = windows.box
        rows, columns = mirror(top, height, self._height), mirror(left, width, self._width)
        box = int(columns.min()), int(rows.min()), int(np.ptp(columns)) + 1, int(np.ptp(rows)) + 1
        is_inside = top >= 0 and left >= 0 and top + height <= self._height and left + width <= self._width
        stored: dict[str, Array] = {}
        valid = np.ones((box[3], box[2]), dtype=bool)
        for name, words in self._scenes.items():
            dates = [self._read_date(date, words.bands, box) for date in words.dates]
            valid &= np.logical_and.reduce([mask for _, mask in dates])
            stored[name] = np.stack([values for values, _ in dates])
        if is_inside:
            return stored, valid
        rows, columns = rows - box[1], columns - box[0]
        return {name: values[:, :, rows][..., columns] for name, values in stored.items()}, valid[rows][:, columns]

    def _read_date(self, date: DateWords, bands: Sequence[str], box: tuple[int, int, int, int]) -> tuple[Array, Mask]:
        parts: dict[str, Array] = {}
        valid = np.ones((box[3], box[2]), dtype=bool)
        for file in date.files:
            values, mask = self._read_file(file, box)
            valid &= mask
            if date.shift:
                values = shift_values(values, date.shift, file.nodata)
            parts |= dict(zip(file.wanted, values, strict=True))
        missing = [band for band in bands if band not in parts]
        if missing:
            raise BadInputError(f"No file of the scene holds {', '.join(missing)}. Ingest it again.")
        stacked = np.stack([parts[band] for band in bands])
        return (stacked if valid.all() else np.where(valid, stacked, 0).astype(stacked.dtype)), valid

    def _read_file(self, file: FileWords, box: tuple[int, int, int, int]) -> tuple[Array, Mask]:
        if "://" in file.uri:
            asset = ItemAsset(key=file.uri, uri=file.uri, nodata=file.nodata)
            places = [file.bands.index(band) + 1 for band in file.wanted]
            return read_asset(asset, box, files=self._remote, bands=places)
        if file.uri not in self._open:
            raster = RasterFile(path=Path(file.uri), bands=file.bands, nodata=file.nodata)
            self._open[file.uri] = self._held.enter_context(open_windows(raster))
        return self._open[file.uri](file.wanted, box)


def shift_values(values: Array, shift: int, nodata: float | None) -> Array:
    """Whole numbers moved to the offset that the network knows; what falls below 1 becomes 1, nodata stays.

    The same rule by which packs are cut (geoquorum.catalog.pixels.remove_offset).
    """
    if not np.issubdtype(values.dtype, np.integer):
        return values
    limits = np.iinfo(values.dtype)
    lowest = 1 if nodata == 0 else limits.min
    moved = np.clip(values.astype(np.int64) + shift, lowest, limits.max).astype(values.dtype)
    return moved if nodata is None else np.where(values == nodata, values, moved)
