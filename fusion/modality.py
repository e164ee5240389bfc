"""What a sensor gives: bands with wavelengths, dtype, affine scaling, a stretch for learning, and views for eyes."""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from fusion import expression, painting, registry
from fusion.errors import UnknownKindError

ArrayKind = Literal["raster", "complex", "points", "image", "text", "series"]
Stretch = Literal["linear", "decibel", "asinh"]
Dimension = Literal["time", "z", "band", "y", "x", "point", "byte"]
Times = Literal["none", "one", "any"]
Shown = Literal["value", "amplitude", "power", "phase", "relief", "classes"]
Limits = Literal["fixed", "own"]
Symmetries = Literal["all", "turns", "mirror", "none"]


@dataclass(frozen=True, kw_only=True)
class Band:
    """One band. `wavelength_nm` is its centre, or None for radar; `stretch` is applied after scale and offset.

    `linear` leaves the physical value, `decibel` takes 10 log10 of a non-negative intensity (floored at `floor`),
    `asinh` takes asinh(value / `floor`) for signed amplitudes with long tails; of a complex value it compresses the
    magnitude and keeps the phase. `width_nm` is the width at half maximum, `pixel_size_m` what the sensor resolves.
    """

    name: str
    title: str
    wavelength_nm: float | None = None
    width_nm: float | None = None
    pixel_size_m: float | None = None
    unit: str = "1"
    stretch: Stretch = "linear"
    floor: float = 1e-5


@dataclass(frozen=True, kw_only=True)
class View:
    """A picture of a modality for an expert: three band expressions, each stretched from `low` to `high` to 0-255.

    A channel is a band name or an expression of bands (fusion.expression); limits and numbers are in the bands'
    stretched unit. `A/B` of two decibel bands is their ratio, that is the difference of their decibels.

    `shown` says what of a channel is looked at: its value; of complex channels 20 log10 |v| (amplitude), 10 log10 of
    the real part (power) or the angle (phase), always before any stretch; light on heights (relief); or the colours
    of the modality's classes. With `limits` "own", `low` and `high` are percentiles of the picture's own valid
    values. With a `ramp` the first channel alone is coloured, from its first colour to its last.
    """

    name: str
    title: str
    channels: tuple[str, str, str]
    low: tuple[float, float, float]
    high: tuple[float, float, float]
    help: str = ""
    shown: Shown = "value"
    limits: Limits = "fixed"
    ramp: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class RasterClass:
    """One code of a raster of classes, as it is stored, with the colour it is shown in (`#rrggbb`)."""

    value: int
    title: str
    colour: str


@dataclass(frozen=True, kw_only=True)
class Modality:
    """A sensor's product as it is stored: physical value = (stored + offset) * scale, then the band's stretch.

    `dims` are of one sample; where `times` is "any", an array may have a time axis before the others, of seasons or
    dates. `classes` are the codes of a raster that holds classes. `facts` name what each sample says beside its array,
    with the unit in the name. `has_own_bands` is true where the bands are those of each file (fusion.spectrum).
    `media_type` is what bytes of text are, `no_picture` why there is no quicklook where there is none. `symmetries`
    are those under which a sample is still one that the sensor could have taken: all eight of a square (what is seen
    from above), turns by quarters alone, left for right alone (what has an up), or none.
    """

    name: str
    title: str
    kind: ArrayKind
    dims: tuple[Dimension, ...]
    bands: tuple[Band, ...]
    dtype: str
    scale: float = 1.0
    offset: float = 0.0
    nodata: float | None = None
    valid_range: tuple[float, float] = (-np.inf, np.inf)
    views: tuple[View, ...] = field(default=())
    times: Times = "one"
    classes: tuple[RasterClass, ...] = ()
    facts: tuple[str, ...] = ()
    has_own_bands: bool = False
    media_type: str = ""
    no_picture: str = ""
    symmetries: Symmetries = "all"
    source: str = ""

    @property
    def band_names(self) -> tuple[str, ...]:
        return tuple(band.name for band in self.bands)

    def describe(self) -> dict[str, Any]:
        """Everything that gives its numbers a meaning, ready for JSON; an open end of the range is null."""
        ends = [end if math.isfinite(end) else None for end in self.valid_range]
        return dict(json.loads(json.dumps({**asdict(self), "valid_range": ends}, allow_nan=False)))


Array = npt.NDArray[Any]


def find(name: str) -> Modality:
    """The modality called `name`."""
    return registry.find_kind("fusion.modalities", name, "MODALITY", Modality)


def load_all() -> dict[str, Modality]:
    """Every modality by name."""
    return registry.load_kinds("fusion.modalities", "MODALITY", Modality)


def physical(modality: Modality, stored: Array, offset: float | None = None) -> Array:
    """Stored values [band, ...] in the modality's units, float32 or complex64.

    `offset` is the scene's own where its metadata gives one.
    """
    shift = modality.offset if offset is None else offset
    given = np.asarray(stored)
    values = given.astype(np.complex64 if np.iscomplexobj(given) else np.float32)
    if shift:
        values += np.float32(shift)
    if modality.scale != 1.0:
        values *= np.float32(modality.scale)
    return values


def stretch(modality: Modality, values: Array) -> Array:
    """Physical values [band, ...] after each band's stretch for learning; finite wherever the input is finite."""
    stretched = [_stretch_band(band, plane) for band, plane in zip(modality.bands, values, strict=True)]
    return np.stack(stretched)


def normalise(
    modality: Modality, stored: Array, *, dims: Sequence[str] | None = None, offset: float | None = None
) -> Array:
    """Stored values in `dims` (the modality's own if not given; more axes may come first) ready for learning.

    Physical and stretched, 0 where there is no data or a value is not finite. Text stays the bytes that it is.
    """
    if modality.kind == "text":
        return np.asarray(stored)
    order = tuple(dims or modality.dims)
    axis = order.index("band") - len(order)
    by_band = np.moveaxis(np.asarray(stored), axis, 0)
    valid = find_valid(modality, by_band)
    values = stretch(modality, physical(modality, np.where(valid, by_band, 0).astype(by_band.dtype), offset))
    values[~valid | ~np.isfinite(values)] = 0
    return np.moveaxis(values, 0, axis)


def find_valid(modality: Modality, stored: Array) -> npt.NDArray[np.bool_]:
    """True where a stored value is finite and not nodata."""
    valid = np.isfinite(stored)
    if modality.nodata is not None:
        valid &= stored != modality.nodata
    return valid


def quicklook(
    modality: Modality,
    view: View | str,
    stored: Array,
    valid: npt.NDArray[np.bool_],
    offset: float | None = None,
) -> npt.NDArray[np.uint8]:
    """A view of stored values [band, y, x] as RGBA [y, x, 4]; pixels that are not `valid` [y, x] are transparent.

    For whatever lies in planes: rasters, images and complex rasters. `fusion.quicklook` draws every kind.
    """
    view = find_view(modality, view) if isinstance(view, str) else view
    picture = np.zeros((*valid.shape, 4), dtype=np.uint8)
    if view.shown == "classes":
        plane = stored[modality.band_names.index(view.channels[0])]
        picture[..., :3] = painting.paint_classes(plane, {one.value: one.colour for one in modality.classes})
    elif view.ramp or view.shown == "relief":
        picture[..., :3] = paint_plane(view, _view_channel(modality, view, 0, stored, offset), valid)
    else:
        for place in range(3):
            plane = _view_channel(modality, view, place, stored, offset)
            picture[..., place] = painting.scale_levels(plane, *_limit(view, place, plane, valid))
    picture[..., 3] = np.where(valid, 255, 0)
    picture[~valid] = 0
    return picture


def paint_plane(view: View, plane: Array, valid: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    """One plane [y, x] as RGB: along the view's ramp (grey where it has none), with light on it if it is a relief."""
    levels = painting.scale_levels(plane, *_limit(view, 0, plane, valid))
    colours = painting.paint_ramp(levels, view.ramp or ("#808080", "#ffffff"))
    if view.shown != "relief":
        return colours
    known = valid & np.isfinite(plane)
    light = painting.shade_relief(np.where(known, plane, plane[known].min() if known.any() else 0))
    return (colours * (0.35 + 0.65 * light[..., None])).astype(np.uint8)


def _limit(view: View, place: int, plane: Array, valid: npt.NDArray[np.bool_]) -> tuple[float, float]:
    low, high = view.low[place], view.high[place]
    return painting.find_limits(plane, valid, low, high) if view.limits == "own" else (low, high)


def find_view(modality: Modality, name: str) -> View:
    """The view called `name`; an unknown name is answered with the known ones."""
    for view in modality.views:
        if view.name == name:
            return view
    known = ", ".join(view.name for view in modality.views) or "none"
    raise UnknownKindError(f"Modality {modality.name!r} has no view {name!r}. Known: {known}.")


def _stretch_band(band: Band, values: Array) -> Array:
    floor = np.float32(band.floor)
    if band.stretch == "decibel":
        return (10.0 * np.log10(np.maximum(values, floor))).astype(np.float32)
    if band.stretch == "asinh" and np.iscomplexobj(values):
        size = np.abs(values)
        return (values * (np.arcsinh(size / floor) / np.maximum(size, np.finfo(np.float32).tiny))).astype(np.complex64)
    if band.stretch == "asinh":
        return np.arcsinh(values / floor).astype(np.float32)
    return values


def list_bands(view: View) -> list[str]:
    """Names of the bands that a view needs, in the order of their first mention."""
    return list(dict.fromkeys(name for channel in view.channels for name in expression.parse(channel).names))


def _view_channel(modality: Modality, view: View, place: int, stored: Array, offset: float | None) -> Array:
    parsed = expression.parse(view.channels[place])
    planes = {name: _view_band(modality, view, name, stored, offset) for name in parsed.names}
    if parsed.steps == (*parsed.names, "/") and _is_in_decibel(modality, parsed.names[0]):
        upper, lower = planes.values()
        return upper - lower
    plane = parsed.compute(planes)
    if view.shown == "amplitude":
        return 20 * np.log10(np.maximum(np.abs(plane), np.float32(1e-10)))
    if view.shown == "power":
        return 10 * np.log10(np.maximum(plane.real, np.float32(1e-20)))
    return np.angle(plane).astype(np.float32) if view.shown == "phase" else plane.real


def _view_band(modality: Modality, view: View, name: str, stored: Array, offset: float | None) -> Array:
    place = modality.band_names.index(name)
    values = physical(modality, stored[place], offset)
    return values if view.shown in ("amplitude", "power", "phase") else _stretch_band(modality.bands[place], values)


def _is_in_decibel(modality: Modality, name: str) -> bool:
    band = modality.bands[modality.band_names.index(name)]
    return band.stretch == "decibel" or band.unit == "dB"
