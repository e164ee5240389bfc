"""Pictures of numbers that no modality declares: maps of classes in colours, cubes by their least noisy planes."""

from typing import Any

import numpy as np
import numpy.typing as npt

from fusion import painting
from fusion import scheme as schemes

MOST_CODES = 40  # more values than a map of classes has
LETTERS = 90  # WUDAPT's maps write the zones A-G as 101-107, the LCZ Generator's as 11-17
MOST_NOISE = 2.0
CALM, PALER = 0.45, 10.0  # from so much noise on the range shown is widened, by so many of itself for each more
# colours that are told apart, light and dark by turns; after them they come again
COLOURS = (
    "#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#edc948", "#76b7b2", "#b07aa1", "#9c755f", "#ff9da7", "#bab0ac",
    "#1f6f3b", "#8cd17d",
)  # fmt: skip
Planes = npt.NDArray[Any]
Mask = npt.NDArray[np.bool_]
Picture = npt.NDArray[np.uint8]


def paint_plain(planes: Planes, valid: Mask, *, name: str = "", is_ground: bool = False) -> Picture:
    """Planes [band, y, x] as RGBA: one of few whole numbers as classes, else up to three planes over their own range.

    `name` is that of the file: one of Local Climate Zones gets their colours. Of ground (`is_ground`), where what lies
    side by side is alike, planes that hold little but noise are shown pale: open water is no carpet of colours.
    """
    picture = np.zeros((*valid.shape, 4), dtype=np.uint8)
    picture[..., 3] = np.where(valid, 255, 0)
    codes = _find_codes(planes, valid) if len(planes) == 1 else None
    if codes is not None:
        picture[..., :3] = painting.paint_classes(planes[0], _colour_codes(codes, name))
        return picture
    chosen = planes[choose_planes(planes, valid)]
    noise = max(_measure_noise(plane, valid) for plane in chosen) if is_ground else 0.0
    for place, plane in enumerate(chosen):
        size = _size(plane)
        known = valid & np.isfinite(size)
        low, high = painting.find_limits(size, known, 2, 98)
        pad = (high - low) * max(0.0, noise - CALM) * PALER
        picture[..., place] = painting.scale_levels(size, low - pad, high + pad)
    return picture


def choose_planes(planes: Planes, valid: Mask) -> list[int]:
    """Three planes for red, green and blue: three bytes as they come, else of each third the one with least noise.

    Bands come in the order of wavelength, so the last third is red. What varies from pixel to pixel as much as over
    the whole scene shows nothing: where air is opaque a cube holds such planes.
    """
    count = len(planes)
    if count < 3 or (count == 3 and planes.dtype == np.uint8):
        return [*range(count), *[count - 1] * (3 - count)]
    thirds = np.array_split(np.arange(count), 3)
    return [min(third.tolist(), key=lambda place: _measure_noise(planes[place], valid)) for third in thirds[::-1]]


def _measure_noise(plane: Planes, valid: Mask) -> float:
    """Variance between neighbours against that over the scene: near 0 for ground, 2 for noise and for what is even."""
    size = np.where(valid, _size(plane), np.nan)
    spread = float(np.nanvar(size)) if np.isfinite(size).any() else 0.0
    steps = np.concatenate([np.diff(size, axis=axis).ravel() for axis in (0, 1)])
    if not spread > 0 or not np.isfinite(steps).any():
        return MOST_NOISE
    return min(float(np.nanmean(steps**2)) / spread, MOST_NOISE)


def _size(plane: Planes) -> npt.NDArray[np.float32]:
    return (np.abs(plane) if np.iscomplexobj(plane) else plane).astype(np.float32)


def _find_codes(planes: Planes, valid: Mask) -> list[int] | None:
    """The values of a map of classes: few and whole; None for measured numbers."""
    if np.iscomplexobj(planes):
        return None
    found = np.unique(planes[0][valid])
    if not 1 < len(found) <= MOST_CODES or not np.isfinite(found).all() or (found != np.round(found)).any():
        return None
    return [int(value) for value in found]


def _colour_codes(codes: list[int], name: str) -> dict[int, str]:
    zones = schemes.find("lcz17").classes
    by_value = {zone.value: zone.colour for zone in zones}
    by_value |= {LETTERS + zone.value: zone.colour for zone in zones if zone.value > 10}
    if any(word in name.lower() for word in ("lcz", "wudapt")) and set(codes) <= {0, *by_value}:
        return by_value
    return {code: COLOURS[place % len(COLOURS)] for place, code in enumerate(codes)}
