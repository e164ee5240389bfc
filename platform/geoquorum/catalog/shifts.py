"""How far one scene lies beside another: the same few windows of both, cut as patches are, and phase correlation.

What is told is the median of the windows that are sure. A shift of more than half a pixel is flagged; between radar and
optical scenes one of more than two, since radar sees roofs nearer to itself than the ground they stand on: about as far
as they are high, which is a pixel in a built-up city without any fault of the files.
"""

import math
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from pyproj import CRS

from fusion.cutting.layout import Bounds
from fusion.modality import Band
from fusion.registration import Shift, measure_shift
from fusion.source import RasterFile
from fusion.sources import geotiff
from geoquorum.catalog.frames import Frame, transformer
from geoquorum.catalog.models import Asset, Region, Scene
from geoquorum.catalog.pixels import RESAMPLING, declare

IS_REFERENCE = "the others are measured against it"
# Red first: as a contrast of built and grown it is the same in every season; near infrared is not.
WAVES_NM, NEAR_NM = (660.0, 840.0), 45.0
RADAR = ("VV", "vv_lee")
CELL_PX, WINDOW_PX = 32, 256
FINE_CELL_PX = 40  # of pixels below 10 m: their cells are whole tens of metres too
STEPS_M = (0.25, 0.5, 1.0, 2.0, 2.5, 5.0)
MOST_APART_PX = 1.0  # of windows of one scene that say the same
LIMIT_PX, UNLIKE_LIMIT_PX = 0.5, 2.0  # of the coarser scene: more is flagged, the latter between unlike sensors
DECIMALS = 2
EARTH_M = 6_371_008.8
Floats = npt.NDArray[np.float64]
Tiles = list[tuple[Floats, npt.NDArray[np.bool_]]]
Cache = dict[tuple[int, str, tuple[Frame, ...]], Tiles]


class Channel(NamedTuple):
    """A band of a scene that can be compared, and the file that holds it."""

    asset: Asset
    band: Band


class Pair(NamedTuple):
    """Bands of two scenes that show the same; by their edges alone where sensors differ."""

    reference: Channel
    moving: Channel
    by_edges: bool


def measure_scene(
    scene: Scene,
    reference: Scene | None,
    region: Region,
    channels: Mapping[int, Sequence[Channel]],
    cache: Cache,
) -> dict[str, Any]:
    """The shift of a scene against the reference, or why there is none; `cache` keeps the reference's windows."""
    if not channels[scene.pk]:
        return tell_result(reason="no band that could be compared")
    if reference is None or reference.pk == scene.pk:
        return tell_result(reason=IS_REFERENCE)
    pair = choose_pair(channels[reference.pk], channels[scene.pk])
    if pair is None or region.epsg is None:
        return tell_result(reason="no place on the grid")
    coarser_m = max(find_pixel_m(pair.reference.asset), find_pixel_m(pair.moving.asset))
    step_m = _choose_step(coarser_m)
    boxes = [_find_box(channel.asset, region.epsg) for channel in (pair.reference, pair.moving)]
    overlap = (*np.maximum(*(box[:2] for box in boxes)).tolist(), *np.minimum(*(box[2:] for box in boxes)).tolist())
    frames = tuple(lay_windows(overlap, region.epsg, step_m))
    if not frames:
        return tell_result(reason=f"no ground in common with {reference.name}")
    key = pair.reference.asset.pk, pair.reference.band.name, frames
    if key not in cache:
        cache[key] = _read(pair.reference, frames)
    shifts = [
        _compare(first, second, pair.by_edges)
        for first, second in zip(cache[key], _read(pair.moving, frames), strict=True)
    ]
    return join_windows(shifts, step_m / coarser_m, coarser_m, UNLIKE_LIMIT_PX if pair.by_edges else LIMIT_PX)


def list_channels(scene: Scene) -> list[Channel]:
    """What of a scene can be compared with others: its optical bands, else VV. Heights and classes cannot be."""
    bands = [band for band in declare(scene).bands if band.wavelength_nm is not None or band.name in RADAR]
    owners: dict[str, Asset] = {}
    for asset in scene.assets.all():
        for name in asset.bands if asset.transform and asset.epsg else ():
            owners.setdefault(name, asset)
    return [Channel(owners[band.name], band) for band in bands if band.name in owners]


def choose_pair(reference: Sequence[Channel], moving: Sequence[Channel]) -> Pair | None:
    """The same colour of two optical scenes, VV of two radar scenes, else whatever shows the same edges."""
    if not reference or not moving:
        return None
    optical = [one for one in reference if one.band.wavelength_nm], [one for one in moving if one.band.wavelength_nm]
    for wave in WAVES_NM:
        near = [_find_nearest(channels, wave) for channels in optical]
        if near[0] and near[1] and all(_is_near(one, wave) for one in near if one):
            return Pair(near[0], near[1], by_edges=False)
    if not optical[0] and not optical[1]:
        return Pair(reference[0], moving[0], by_edges=False)
    first, second = (_find_nearest(channels, WAVES_NM[0]) for channels in optical)
    return Pair(first or reference[0], second or moving[0], by_edges=True)


def lay_windows(overlap: Bounds, epsg: int, step_m: float) -> list[Frame]:
    """Up to four square windows of whole cells, spread over a rectangle in metres of a zone."""
    pixels = FINE_CELL_PX if step_m < 10 else CELL_PX
    if not np.isfinite(overlap).all():
        return []
    cell_m = round(step_m * pixels)
    slack = 0.01  # of a cell, for bounds that come from degrees
    west, south = (math.ceil(edge / cell_m - slack) for edge in overlap[:2])
    east, north = (math.floor(edge / cell_m + slack) for edge in overlap[2:])
    across = min(WINDOW_PX // pixels, east - west, north - south)
    if across < 1:
        return []
    return [
        Frame(epsg=epsg, column=column, row=row, cell_m=cell_m, across=across, pixels=pixels)
        for row in _spread(south, north, across)
        for column in _spread(west, east, across)
    ]


def join_windows(shifts: Sequence[Shift], scale: float, pixel_m: float, limit_px: float) -> dict[str, Any]:
    """The median of the sure windows, where most of them agree with it, flagged beyond a limit.

    A pixel of the windows has `scale` pixels of the coarser scene, each of which has `pixel_m` metres.
    """
    sure = np.array([(one.east_px, one.north_px) for one in shifts if one.is_sure])
    tiles = {"sure": len(sure), "of": len(shifts)}
    if not len(sure):
        return tell_result(reason=", ".join(sorted({one.reason for one in shifts})), tiles=tiles)
    middle = np.median(sure, axis=0)
    if (np.hypot(*(sure - middle).T) <= MOST_APART_PX).mean() <= 0.5:
        return tell_result(reason="the windows do not agree", tiles=tiles)
    return tell_result(tiles=tiles, shift_px=middle * scale, pixel_m=pixel_m, limit_px=limit_px)


def tell_result(
    *,
    reason: str = "",
    tiles: dict[str, int] | None = None,
    shift_px: Floats | None = None,
    pixel_m: float = 0.0,
    limit_px: float | None = None,
) -> dict[str, Any]:
    """`shift_m` and `shift_px` are east and north, the latter in pixels of the coarser of both scenes."""
    return {
        "shift_m": None if shift_px is None else _round(shift_px * pixel_m),
        "shift_px": None if shift_px is None else _round(shift_px),
        "tiles": tiles,
        "is_sure": shift_px is not None,
        "limit_px": limit_px,
        "is_flagged": shift_px is not None and limit_px is not None and bool(np.hypot(*shift_px) > limit_px),
        "reason": reason,
    }


def find_pixel_m(asset: Asset) -> float:
    """Height of a pixel in metres, of degrees along the meridian."""
    is_geographic, unit = _find_unit(asset.epsg)
    return abs(asset.transform[4]) * unit * (EARTH_M if is_geographic else 1)


def _compare(
    reference: tuple[Floats, npt.NDArray[np.bool_]], moving: tuple[Floats, npt.NDArray[np.bool_]], by_edges: bool
) -> Shift:
    """By values where both show the same; by edges where sensors differ, or where seasons turned the contrasts over."""
    masks = {"valid_reference": reference[1], "valid_moving": moving[1]}
    found = Shift() if by_edges else measure_shift(reference[0], moving[0], **masks)
    return found if found.is_sure else measure_shift(reference[0], moving[0], **masks, by_edges=True)


def _round(pair: Floats) -> list[float]:
    return [round(float(value), DECIMALS) + 0.0 for value in pair]


def _read(channel: Channel, frames: Sequence[Frame]) -> Tiles:
    """The windows of one band, in decibel where it is radar.

    The file's sum is not taken: that would read all of it, and pixels that leave the catalog are checked when they do.
    """
    asset, band = channel
    file = RasterFile(path=Path(asset.uri), bands=tuple(asset.bands), nodata=asset.nodata)
    cells = [cell for frame in frames for cell in frame.cells]
    values, valid = geotiff.read_cells(file, [band.name], cells, frames[0].pixels, RESAMPLING)
    size = frames[0].across ** 2
    parts = [slice(start, start + size) for start in range(0, len(cells), size)]
    return [(_mosaic(_to_plane(values[part, 0], band)), _mosaic(valid[part])) for part in parts]


def _to_plane(values: npt.NDArray[Any], band: Band) -> Floats:
    if np.iscomplexobj(values):
        return 20 * np.log10(np.maximum(np.abs(values), 1e-6))
    if band.stretch == "decibel":
        return 10 * np.log10(np.maximum(values.astype(np.float64), band.floor))
    return values.astype(np.float64)


def _mosaic(tiles: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Cells [across * across, y, x], row by row from the north-west, as one plane."""
    across = math.isqrt(len(tiles))
    side = tiles.shape[-1]
    return tiles.reshape(across, across, side, side).transpose(0, 2, 1, 3).reshape(across * side, across * side)


def _spread(first: int, last: int, across: int) -> list[int]:
    """Where one or two windows begin between two edges, in cells."""
    room = last - first - across
    return [first + room // 2] if room < across else [first + room // 6, first + room - room // 6]


def _choose_step(coarser_m: float) -> float:
    """The pixel size in which two scenes are compared: the coarser of both, on cells of whole tens of metres."""
    fine = [step for step in STEPS_M if step >= coarser_m * 0.999]
    return fine[0] if fine else math.ceil(coarser_m * 0.999 / 10) * 10.0


def _find_box(asset: Asset, epsg: int) -> Bounds:
    """West, south, east, north of a file in metres of a zone."""
    a, _b, left, _d, e, top = asset.transform
    box = left, top + e * asset.height, left + a * asset.width, top
    return box if asset.epsg == epsg else transformer(asset.epsg, epsg).transform_bounds(*box, densify_pts=5)


def _find_nearest(channels: Sequence[Channel], wave_nm: float) -> Channel | None:
    known = [one for one in channels if one.band.wavelength_nm]
    return min(known, key=lambda one: abs((one.band.wavelength_nm or 0) - wave_nm), default=None)


def _is_near(channel: Channel, wave_nm: float) -> bool:
    return abs((channel.band.wavelength_nm or 0) - wave_nm) <= NEAR_NM


@lru_cache(maxsize=256)
def _find_unit(epsg: int) -> tuple[bool, float]:
    """Whether a CRS counts in angles, and its unit in metres or radians."""
    crs = CRS.from_epsg(epsg)
    flat = crs.sub_crs_list[0] if crs.is_compound else crs
    return flat.is_geographic, flat.axis_info[0].unit_conversion_factor
