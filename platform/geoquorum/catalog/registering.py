"""How the scenes of a region lie on its grid: resampled or not, from which pixel size, and how far beside each other.

One scene is the reference: the newest of Sentinel-2, else the first. The residual shift of each other one against it is
measured by phase correlation (fusion.registration) in the same few windows of both, cut as patches are; what is told is
the median of the windows that are sure. A shift of more than half a pixel is flagged; between radar and optical scenes
one of more than two, since radar sees roofs nearer to itself than the ground they stand on: about as far as they are
high, which is a pixel in a built-up city without any fault of the files.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from django.db import transaction
from django.utils.translation import gettext as _
from pyproj import CRS
from pyproj.exceptions import ProjError

from fusion.cutting.layout import Bounds, Layout
from fusion.errors import GeoquorumError
from fusion.modality import Band
from fusion.registration import Shift, measure_shift
from fusion.source import RasterFile
from fusion.sources import geotiff
from geoquorum.catalog.frames import Frame, transformer
from geoquorum.catalog.models import Asset, Region, Sample, Scene
from geoquorum.catalog.pixels import RESAMPLING, declare

ON_GRID = "on the grid"
IS_REFERENCE = "the others are measured against it"
REFERENCES = ("sentinel2", "sentinel2_l2a", "sentinel2_l1c")
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


class Channel(NamedTuple):
    """A band of a scene that can be compared, and the file that holds it."""

    asset: Asset
    band: Band


class Pair(NamedTuple):
    """Bands of two scenes that show the same; by their edges alone where sensors differ."""

    reference: Channel
    moving: Channel
    by_edges: bool


@dataclass(frozen=True, kw_only=True)
class Registered:
    """What is known of the scenes of a region, as it is kept, and which files could not be read."""

    region: Region
    scenes: list[dict[str, Any]]
    troubles: list[str] = field(default_factory=list)

    @property
    def flagged(self) -> list[dict[str, Any]]:
        return [one for one in self.scenes if one["is_flagged"]]

    def describe(self) -> list[str]:
        """A line for each scene that lies beside the others, and for each that could not be measured for a fault."""
        lines = [f"Region {self.region}: {one['scene']} lies {tell_shift(one)}. {advise(one)}" for one in self.flagged]
        return lines + [f"Region {self.region}: not measured: {trouble}" for trouble in self.troubles]


def register_region(*, region: Region) -> Registered:
    """Measures the scenes whose files, or whose reference's files, are others than the last time; keeps what it finds.

    A file that cannot be read is told, and stops nothing.
    """
    scenes = _list_scenes(region)
    step_m = _find_step(region)
    channels = {scene.pk: list_channels(scene) for scene in scenes}
    reference = _choose_reference([scene for scene in scenes if channels[scene.pk]])
    known = {(one["modality"], one["scene"]): one for one in region.attributes.get("registration", ())}
    troubles: list[str] = []
    cache: dict[tuple[int, str, tuple[Frame, ...]], Tiles] = {}
    found = []
    for scene in scenes:
        facts = _state(scene, reference, region, step_m)
        before = known.get((scene.modality, scene.name))
        if before is not None and not before["has_failed"] and {name: before.get(name) for name in facts} == facts:
            found.append(before)
            continue
        try:
            measured = _measure(scene, reference, region, channels, cache) | {"has_failed": False}
        except (GeoquorumError, ProjError, OSError) as error:
            troubles.append(str(error))
            measured = _tell(reason=str(error)) | {"has_failed": True}
        found.append(facts | measured)
    with transaction.atomic():
        locked = Region.objects.select_for_update().get(pk=region.pk)
        locked.attributes = locked.attributes | {"registration": found}
        locked.save(update_fields=["attributes"])
    region.attributes = locked.attributes
    return Registered(region=locked, scenes=found, troubles=troubles)


def find_records(region: Region, scenes: Iterable[Scene]) -> dict[int, dict[str, Any]]:
    """By scene what was measured of it; nothing of one whose files are others by now."""
    known = {(one["modality"], one["scene"]): one for one in region.attributes.get("registration", ())}
    found = {scene.pk: known.get((scene.modality, scene.name)) for scene in scenes}
    return {scene.pk: one for scene in scenes if (one := found[scene.pk]) and one["files"] == _sum_files(scene)}


def describe_registration(region: Region, scenes: Sequence[Scene], epsg: int, step_m: float) -> list[dict[str, Any]]:
    """For a manifest: how each scene came onto a grid of this pixel size, and its shift; by names alone."""
    known = find_records(region, scenes)
    told = ("against", "shift_m", "shift_px", "tiles", "is_sure", "limit_px", "is_flagged", "reason")
    unknown = _tell(reason="not measured yet") | {"against": None}
    return [
        {"scene": scene.name} | describe_resampling(scene, epsg, step_m)
        | {name: known.get(scene.pk, unknown)[name] for name in told}
        for scene in sorted(scenes, key=lambda scene: scene.name)
    ]  # fmt: skip


def describe_resampling(scene: Scene, epsg: int | None, step_m: float) -> dict[str, Any]:
    """Whether the pixels of a scene lie on a zone's grid, or how they are brought there, and from which sizes."""
    assets = [asset for asset in scene.assets.all() if asset.transform and asset.epsg]
    is_on_grid = all(epsg is not None and _is_on_grid(asset, epsg, step_m) for asset in assets)
    sizes = sorted({round(find_pixel_m(asset), DECIMALS) for asset in assets})
    return {"method": ON_GRID if is_on_grid else RESAMPLING, "source_pixel_m": sizes}


def tell_shift(record: Mapping[str, Any]) -> str:
    """A shift in words: 1.3 m E, 0.4 m S against the reference's name."""
    if record["shift_m"] is None:
        return record["reason"]
    east, north = record["shift_m"]
    sides = f"{abs(east):.1f} m {'W' if east < 0 else 'E'}, {abs(north):.1f} m {'S' if north < 0 else 'N'}"
    return _("%(shift)s against %(name)s") % {"shift": sides, "name": record["against"]}


def advise(record: Mapping[str, Any]) -> str:
    """What to do about a scene that lies beside the others."""
    return _(
        "That is more than %(limit)g pixels: its patches show other ground than those of the other scenes. Check its "
        "CRS and transform (the reference's own where all scenes are flagged), ingest it again with the right ones, or "
        "leave it out of versions."
    ) % {"limit": record["limit_px"]}


def tell_scene(scene: Scene, record: Mapping[str, Any] | None, region: Region, step_m: float) -> dict[str, Any]:
    """For a page: the pixels of a scene, and its shift."""
    found = describe_resampling(scene, region.epsg, step_m)
    pixel = " / ".join(f"{size:g}" for size in found["source_pixel_m"])
    method = _("on the grid") if found["method"] == ON_GRID else found["method"]
    if record is None:
        shift, why = _("not measured"), ""
    elif record["is_sure"]:
        shift, why = tell_shift(record), ""
    elif record["reason"] == IS_REFERENCE:
        shift, why = _("reference"), ""
    else:
        shift, why = _("unsure") if record["tiles"] else _("not measured"), record["reason"]
    return {
        "pixel": f"{pixel} m, {method}" if pixel else "", "shift": shift, "why": why,
        "advice": advise(record) if record is not None and record["is_flagged"] else "",
    }  # fmt: skip


def tell_scenes(region: Region, scenes: Sequence[Scene]) -> dict[int, dict[str, Any]]:
    """For a page: the same of each scene, by its number."""
    known, step_m = find_records(region, scenes), _find_step(region)
    return {scene.pk: tell_scene(scene, known.get(scene.pk), region, step_m) for scene in scenes}


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
        return _tell(reason=", ".join(sorted({one.reason for one in shifts})), tiles=tiles)
    middle = np.median(sure, axis=0)
    if (np.hypot(*(sure - middle).T) <= MOST_APART_PX).mean() <= 0.5:
        return _tell(reason="the windows do not agree", tiles=tiles)
    return _tell(tiles=tiles, shift_px=middle * scale, pixel_m=pixel_m, limit_px=limit_px)


def find_pixel_m(asset: Asset) -> float:
    """Height of a pixel in metres, of degrees along the meridian."""
    is_geographic, unit = _find_unit(asset.epsg)
    return abs(asset.transform[4]) * unit * (EARTH_M if is_geographic else 1)


def _list_scenes(region: Region) -> list[Scene]:
    """The first one first, those without a date last; no number of this database decides."""
    scenes = region.scenes.prefetch_related("assets")
    return sorted(
        (scene for scene in scenes if scene.assets.all()),
        key=lambda scene: (
            scene.captured_from is None, scene.captured_from and scene.captured_from.timestamp(), scene.modality,
            scene.name,
        ),
    )  # fmt: skip


def _choose_reference(scenes: Sequence[Scene]) -> Scene | None:
    optical = [scene for scene in scenes if scene.modality in REFERENCES]
    dated = [scene for scene in optical if scene.captured_from is not None]
    return (dated or optical or scenes)[-1 if dated else 0] if scenes else None


def _find_step(region: Region) -> float:
    """Pixel size of the region's patches, in metres; that of Sentinel-2 where there are none."""
    patches = region.samples.filter(kind=Sample.Kind.PATCH, pixel_size_m__gt=0).order_by("pk")
    return patches.values_list("pixel_size_m", flat=True).first() or 10.0


def _state(scene: Scene, reference: Scene | None, region: Region, step_m: float) -> dict[str, Any]:
    """What a measurement depends on: one of the same is not made again."""
    is_other = reference is not None and reference.pk != scene.pk
    against = reference if is_other else None
    return {
        "scene": scene.name,
        "modality": scene.modality,
        **describe_resampling(scene, region.epsg, step_m),
        "against": against.name if against else None,
        "files": _sum_files(scene),
        "against_files": _sum_files(against) if against else None,
    }


def _sum_files(scene: Scene) -> str:
    """One sum over those of a scene's files."""
    return hashlib.sha256(",".join(sorted(asset.sha256 for asset in scene.assets.all())).encode()).hexdigest()


def _measure(
    scene: Scene,
    reference: Scene | None,
    region: Region,
    channels: Mapping[int, Sequence[Channel]],
    cache: dict[tuple[int, str, tuple[Frame, ...]], Tiles],
) -> dict[str, Any]:
    if not channels[scene.pk]:
        return _tell(reason="no band that could be compared")
    if reference is None or reference.pk == scene.pk:
        return _tell(reason=IS_REFERENCE)
    pair = choose_pair(channels[reference.pk], channels[scene.pk])
    if pair is None or region.epsg is None:
        return _tell(reason="no place on the grid")
    coarser_m = max(find_pixel_m(pair.reference.asset), find_pixel_m(pair.moving.asset))
    step_m = _choose_step(coarser_m)
    boxes = [_find_box(channel.asset, region.epsg) for channel in (pair.reference, pair.moving)]
    overlap = (*np.maximum(*(box[:2] for box in boxes)).tolist(), *np.minimum(*(box[2:] for box in boxes)).tolist())
    frames = tuple(lay_windows(overlap, region.epsg, step_m))
    if not frames:
        return _tell(reason=f"no ground in common with {reference.name}")
    key = pair.reference.asset.pk, pair.reference.band.name, frames
    if key not in cache:
        cache[key] = _read(pair.reference, frames)
    shifts = [
        _compare(first, second, pair.by_edges)
        for first, second in zip(cache[key], _read(pair.moving, frames), strict=True)
    ]
    return join_windows(shifts, step_m / coarser_m, coarser_m, UNLIKE_LIMIT_PX if pair.by_edges else LIMIT_PX)


def _compare(
    reference: tuple[Floats, npt.NDArray[np.bool_]], moving: tuple[Floats, npt.NDArray[np.bool_]], by_edges: bool
) -> Shift:
    """By values where both show the same; by edges where sensors differ, or where seasons turned the contrasts over."""
    masks = {"valid_reference": reference[1], "valid_moving": moving[1]}
    found = Shift() if by_edges else measure_shift(reference[0], moving[0], **masks)
    return found if found.is_sure else measure_shift(reference[0], moving[0], **masks, by_edges=True)


def _tell(
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


def _is_on_grid(asset: Asset, epsg: int, step_m: float) -> bool:
    layout = Layout(
        width=asset.width, height=asset.height, epsg=asset.epsg, crs="", transform=tuple(asset.transform),
        block_width=1, block_height=1, pixel_bytes=1, dtype=asset.dtype,
    )  # fmt: skip
    return layout.find_origin(epsg, step_m) is not None


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
