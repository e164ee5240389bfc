"""A picture of a sample of any kind, for eyes: rasters, complex rasters, images, points and series; never of words."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from fusion import modality as modalities
from fusion import painting
from fusion.errors import BadInputError
from fusion.modality import Array, Modality, View

Picture = npt.NDArray[np.uint8]
Extent = tuple[float, float, float, float]
POINTS_PER_CELL = 3  # leaves 1 cell in 20 empty where points lie at random


def draw(
    modality: Modality,
    stored: Array,
    *,
    view: str | None = None,
    valid: npt.NDArray[np.bool_] | None = None,
    offset: float | None = None,
    at: Mapping[str, int] | None = None,
    size: tuple[int, int] = (256, 256),
    extent: Extent | None = None,
) -> Picture | None:
    """One sample as stored, in its modality's dims (with time or z before them), as RGBA [y, x, 4].

    The first view where none is named; None where the modality has none (`no_picture` says why). `at` chooses along
    time and z, the first if not given. `size` (height, width) is that of top views of points and of plots of series;
    `extent` (west, south, east, north) is what a top view shows, all of the points if not given.
    """
    if not modality.views:
        return None
    chosen = modalities.find_view(modality, view) if view else modality.views[0]
    if modality.kind == "points":
        return _draw_points(modality, chosen, np.asarray(stored), size, offset, extent)
    if modality.kind == "series":
        return _draw_series(modality, chosen, np.asarray(stored), size, offset)
    planes = take_planes(modality, np.asarray(stored), at or {})
    return modalities.quicklook(
        modality, chosen, planes, _find_shown(modality, chosen, planes) if valid is None else valid, offset
    )


def take_planes(modality: Modality, stored: Array, at: Mapping[str, int]) -> Array:
    """The planes [band, y, x] of a sample at one place of every other axis."""
    own = tuple(name for name in modality.dims if name not in ("time", "z"))
    extra = stored.ndim - len(own)
    order = modality.dims if len(modality.dims) == stored.ndim else ("time", "z")[:extra] + own
    if len(order) != stored.ndim:
        raise BadInputError(
            f"{modality.title} has {', '.join(modality.dims)}; an array of {stored.ndim} axes is not it."
        )
    for name in ("z", "time"):
        if name in order:
            axis = order.index(name)
            stored, order = np.take(stored, at.get(name, 0), axis), order[:axis] + order[axis + 1 :]
    return np.moveaxis(stored, order.index("band"), 0)


def _find_shown(modality: Modality, view: View, planes: Array) -> npt.NDArray[np.bool_]:
    """Pixels with data in every band that the view needs."""
    places = [modality.band_names.index(name) for name in modalities.list_bands(view)]
    return np.logical_and.reduce([modalities.find_valid(modality, planes[place]) for place in places])


def _draw_points(
    modality: Modality, view: View, stored: Array, size: tuple[int, int], offset: float | None, extent: Extent | None
) -> Picture:
    """Seen from above: of all points in a cell the highest; cells without points are transparent."""
    picture = np.zeros((*size, 4), dtype=np.uint8)
    values = modalities.physical(modality, stored.T, offset)
    x, y, z = (values[modality.band_names.index(name)] for name in ("x", "y", "z"))
    known = np.isfinite(x) & np.isfinite(y) & np.isfinite(z)
    if not known.any():
        return picture
    if extent is not None:
        known &= (x >= extent[0]) & (x <= extent[2]) & (y >= extent[1]) & (y <= extent[3])
    if not known.any():
        return picture
    row, column, shape = _place_points(x[known], y[known], size, extent)
    top = np.argsort(z[known], kind="stable")  # of two points in a cell the last written stays, which is the higher
    valid, plane = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=np.float32)
    valid[row[top], column[top]] = True
    plane[row[top], column[top]] = values[modality.band_names.index(view.channels[0])][known][top]
    coarse = np.zeros((*shape, 4), dtype=np.uint8)
    if view.shown == "classes":
        coarse[..., :3] = painting.paint_classes(plane, {one.value: one.colour for one in modality.classes})
    else:
        coarse[..., :3] = modalities.paint_plane(view, plane, valid)
    coarse[..., 3] = 255
    coarse[~valid] = 0
    rows, columns = (np.arange(side) * cells // side for side, cells in zip(size, shape, strict=True))
    picture[...] = coarse[rows[:, None], columns]
    return picture


def _place_points(
    x: Array, y: Array, size: tuple[int, int], extent: Extent | None
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp], tuple[int, int]]:
    """Row and column of each point, north up and equally scaled, and the rows and columns there are.

    Cells are as large as it takes for about `POINTS_PER_CELL` points in each, so that a thin cloud shows no holes.
    """
    fine = max(1.0, np.sqrt(size[0] * size[1] * POINTS_PER_CELL / len(x)))
    shape = max(1, round(size[0] / fine)), max(1, round(size[1] / fine))
    west, south, east, north = extent or (float(x.min()), float(y.min()), float(x.max()), float(y.max()))
    cell = max((east - west) / shape[1], (north - south) / shape[0], 1e-6)
    column = ((x - (west + east) / 2) / cell + shape[1] / 2).astype(np.intp)
    row = (((south + north) / 2 - y) / cell + shape[0] / 2).astype(np.intp)
    return np.clip(row, 0, shape[0] - 1), np.clip(column, 0, shape[1] - 1), shape


def _draw_series(modality: Modality, view: View, stored: Array, size: tuple[int, int], offset: float | None) -> Picture:
    """One band over time as a line, from the first moment to the last."""
    place = modality.band_names.index(view.channels[0])
    by_band = np.moveaxis(stored, modality.dims.index("band"), 0)
    values = modalities.physical(modality, by_band[place], offset)
    values = np.where(modalities.find_valid(modality, by_band[place]), values, np.float32(np.nan))
    low, high = view.low[0], view.high[0]
    if view.limits == "own":
        low, high = painting.find_limits(values, np.isfinite(values), low, high)
    picture = np.full((*size, 4), 255, dtype=np.uint8)
    picture[..., :3] = painting.plot_line(values, low, high, size)
    return picture
