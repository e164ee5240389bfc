"""What a sensor gives: bands with wavelengths, dtype, affine scaling, a stretch for learning, and views for eyes."""

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import numpy.typing as npt

from fusion import expression, registry
from fusion.errors import UnknownKindError

ArrayKind = Literal["raster", "complex", "points", "image", "text", "series"]
Stretch = Literal["linear", "decibel", "asinh"]
Dimension = Literal["time", "z", "band", "y", "x"]


@dataclass(frozen=True, kw_only=True)
class Band:
    """One band. `wavelength_nm` is its centre, or None for radar; `stretch` is applied after scale and offset.

    `linear` leaves the physical value, `decibel` takes 10 log10 of a non-negative intensity (floored at `floor`),
    `asinh` takes asinh(value / `floor`) for signed amplitudes with long tails.
    """

    name: str
    title: str
    wavelength_nm: float | None = None
    unit: str = "1"
    stretch: Stretch = "linear"
    floor: float = 1e-5


@dataclass(frozen=True, kw_only=True)
class View:
    """A picture of a modality for an expert: three band expressions, each stretched from `low` to `high` to 0-255.

    A channel is a band name or an expression of bands (fusion.expression); limits and numbers are in the bands'
    stretched unit. `A/B` of two decibel bands is their ratio, that is the difference of their decibels.
    """

    name: str
    title: str
    channels: tuple[str, str, str]
    low: tuple[float, float, float]
    high: tuple[float, float, float]
    help: str = ""


@dataclass(frozen=True, kw_only=True)
class Modality:
    """A sensor's product as it is stored: physical value = (stored + offset) * scale, then the band's stretch."""

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
    source: str = ""

    @property
    def band_names(self) -> tuple[str, ...]:
        return tuple(band.name for band in self.bands)


Array = npt.NDArray[np.generic]
FloatArray = npt.NDArray[np.float32]


def find(name: str) -> Modality:
    """The modality called `name`."""
    return registry.find_kind("fusion.modalities", name, "MODALITY", Modality)


def load_all() -> dict[str, Modality]:
    """Every modality by name."""
    return registry.load_kinds("fusion.modalities", "MODALITY", Modality)


def physical(modality: Modality, stored: Array, offset: float | None = None) -> FloatArray:
    """Stored values [band, ...] in the modality's units; `offset` is the scene's own where its metadata gives one."""
    shift = modality.offset if offset is None else offset
    values = np.asarray(stored).astype(np.float32)
    if shift:
        values += np.float32(shift)
    if modality.scale != 1.0:
        values *= np.float32(modality.scale)
    return values


def stretch(modality: Modality, values: FloatArray) -> FloatArray:
    """Physical values [band, ...] after each band's stretch for learning; finite wherever the input is finite."""
    stretched = [_stretch_band(band, plane) for band, plane in zip(modality.bands, values, strict=True)]
    return np.stack(stretched).astype(np.float32, copy=False)


def quicklook(
    modality: Modality,
    view: View | str,
    stored: Array,
    valid: npt.NDArray[np.bool_],
    offset: float | None = None,
) -> npt.NDArray[np.uint8]:
    """A view of stored values [band, y, x] as RGBA [y, x, 4]; pixels that are not `valid` [y, x] are transparent."""
    view = find_view(modality, view) if isinstance(view, str) else view
    picture = np.zeros((*valid.shape, 4), dtype=np.uint8)
    for place, (channel, low, high) in enumerate(zip(view.channels, view.low, view.high, strict=True)):
        plane = _view_channel(modality, channel, stored, offset)
        level = (plane - np.float32(low)) * np.float32(255.0 / (high - low))
        picture[..., place] = np.clip(np.nan_to_num(level), 0, 255)
    picture[..., 3] = np.where(valid, 255, 0)
    picture[~valid] = 0
    return picture


def find_view(modality: Modality, name: str) -> View:
    """The view called `name`; an unknown name is answered with the known ones."""
    for view in modality.views:
        if view.name == name:
            return view
    known = ", ".join(view.name for view in modality.views) or "none"
    raise UnknownKindError(f"Modality {modality.name!r} has no view {name!r}. Known: {known}.")


def _stretch_band(band: Band, values: FloatArray) -> FloatArray:
    floor = np.float32(band.floor)
    if band.stretch == "decibel":
        return (10.0 * np.log10(np.maximum(values, floor))).astype(np.float32)
    if band.stretch == "asinh":
        return np.arcsinh(values / floor).astype(np.float32)
    return values


def list_bands(view: View) -> list[str]:
    """Names of the bands that a view needs, in the order of their first mention."""
    return list(dict.fromkeys(name for channel in view.channels for name in expression.parse(channel).names))


def _view_channel(modality: Modality, channel: str, stored: Array, offset: float | None) -> FloatArray:
    parsed = expression.parse(channel)
    planes = {name: _view_band(modality, name, stored, offset) for name in parsed.names}
    if parsed.steps == (*parsed.names, "/") and _is_in_decibel(modality, parsed.names[0]):
        upper, lower = planes.values()
        return upper - lower
    return parsed.compute(planes)


def _view_band(modality: Modality, name: str, stored: Array, offset: float | None) -> FloatArray:
    place = modality.band_names.index(name)
    return _stretch_band(modality.bands[place], physical(modality, stored[place], offset))


def _is_in_decibel(modality: Modality, name: str) -> bool:
    band = modality.bands[modality.band_names.index(name)]
    return band.stretch == "decibel" or band.unit == "dB"
