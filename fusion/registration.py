"""How far one plane lies beside another on the same grid: the residual shift of co-registration, by phase correlation.

The cross-power spectrum of two planes that show the same ground, brought to magnitude 1, is the spectrum of a single
peak where the shift is (Kuglin and Hines 1975, Proc. IEEE Int. Conf. Cybernetics and Society, 163-165). The peak is
found to a hundredth of a pixel by evaluating the spectrum's inverse transform on finer steps around it alone
(Guizar-Sicairos et al. 2008, Optics Letters 33(2), doi 10.1364/OL.33.000156). Where the planes show too little in
common there is no such peak, and then no shift is told.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy import ndimage

from fusion.errors import BadInputError

Plane = npt.NDArray[np.generic]
Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

LEAST_SIDE = 64  # pixels of the shorter side
LEAST_COMMON = 0.4  # share of the pixels that hold data in both planes
FURTHEST = 0.25  # of a side: beyond it the planes have too little ground in common to tell
# The highest peak over the second highest is sure from 1 + this / sqrt(side) on: 2 at 64 pixels, 1.5 at 256. Pairs of
# textures that have nothing in common reached 1.83 at 64 (240 pairs) and 1.38 at 128 (80 pairs).
LEAST_EXCESS = 8.0
PEAK_PX = 4  # radius of what belongs to the highest peak
FEATHER_PX = 8  # over which the planes fade out towards pixels without data
EDGE_PX = 1.5  # standard deviation of the Gaussian whose gradient shows edges
STEP_PX = 0.1  # of the fine search; a parabola goes on from there
LEAST_SPREAD = 1e-6  # standard deviation over the largest value: less is rounding of an even plane


@dataclass(frozen=True, kw_only=True)
class Shift:
    """How far the moving plane's ground appears east and north of the reference's, in pixels.

    None where that is not sure: `reason` says why. `ratio` is the highest peak over the second highest, 0 where none
    was looked for.
    """

    east_px: float | None = None
    north_px: float | None = None
    ratio: float = 0.0
    reason: str = ""

    @property
    def is_sure(self) -> bool:
        return self.east_px is not None


def measure_shift(
    reference: Plane,
    moving: Plane,
    *,
    valid_reference: Mask | None = None,
    valid_moving: Mask | None = None,
    by_edges: bool = False,
) -> Shift:
    """The shift of `moving` [y, x] against `reference` [y, x], both on one grid with north up.

    `by_edges` compares the magnitudes of their gradients, for sensors that see the same edges with other contrasts. A
    shift is sure where one peak stands out; even ground, water, clouds and periodic ground have none.
    """
    common = _find_common(reference, moving, valid_reference, valid_moving)
    if min(common.shape) < LEAST_SIDE:
        return Shift(reason=f"smaller than {LEAST_SIDE} pixels")
    if common.mean() < LEAST_COMMON:
        return Shift(reason="too little ground in common")
    weights = _weigh(common, by_edges)
    planes = [_prepare(plane, common, weights, by_edges) for plane in (reference, moving)]
    if planes[0] is None or planes[1] is None:
        return Shift(reason="even ground")
    spectrum = _correlate(planes[0], planes[1])
    row, column, ratio = _find_peak(np.fft.ifft2(spectrum).real)
    if ratio < 1 + LEAST_EXCESS / common.sum() ** 0.25:
        return Shift(ratio=ratio, reason="no clear peak")
    south, east = _refine(spectrum, row, column)
    if abs(south) > FURTHEST * common.shape[0] or abs(east) > FURTHEST * common.shape[1]:
        return Shift(ratio=ratio, reason="further than a quarter of the window")
    return Shift(east_px=east, north_px=-south, ratio=ratio)


def _find_common(reference: Plane, moving: Plane, valid_reference: Mask | None, valid_moving: Mask | None) -> Mask:
    """Where both planes hold data."""
    given = [one for one in (reference, moving, valid_reference, valid_moving) if one is not None]
    if reference.ndim != 2 or any(one.shape != reference.shape for one in given):
        sizes = ", ".join(" x ".join(map(str, one.shape)) for one in given)
        raise BadInputError(f"Planes [y, x] of one size are compared; these are {sizes}. Cut both to the same window.")
    common: Mask = np.isfinite(reference) & np.isfinite(moving)
    for valid in (valid_reference, valid_moving):
        if valid is not None:
            common &= valid
    return common


def _weigh(common: Mask, by_edges: bool) -> Floats:
    """A Hann window that fades out towards pixels without data too: an edge that both share is no shift of zero."""
    window = np.outer(*(np.hanning(side + 2)[1:-1] for side in common.shape))
    if common.all():
        return window
    # a gradient sees further than its own pixel
    blind = np.ceil(3 * EDGE_PX) if by_edges else 0.0
    depth = (ndimage.distance_transform_edt(common) - blind).clip(0, FEATHER_PX) / FEATHER_PX
    return window * np.sin(np.pi / 2 * depth) ** 2


def _prepare(plane: Plane, common: Mask, weights: Floats, by_edges: bool) -> Floats | None:
    """The plane around its mean, under its window; None where it is even. What is extreme is clipped."""
    values = plane.astype(np.float64)
    inside = values[common]
    low, high = np.percentile(inside, (1, 99))
    if inside.std() <= LEAST_SPREAD * np.abs(inside).max():
        return None
    values = np.where(common, values, inside.mean()).clip(min(low, inside.mean()), max(high, inside.mean()))
    if by_edges:
        values = ndimage.gaussian_gradient_magnitude(values, EDGE_PX)
    total = weights.sum()
    if not total:
        return None
    values -= (values * weights).sum() / total
    return values * weights


def _correlate(reference: Floats, moving: Floats) -> npt.NDArray[np.complex128]:
    """The cross-power spectrum at magnitude 1, faded out towards the highest frequencies, which are mostly noise."""
    cross = np.fft.fft2(moving) * np.fft.fft2(reference).conj()
    size = np.abs(cross)
    down, across = (np.fft.fftfreq(side) for side in cross.shape)
    frequency = np.hypot(down[:, None], across).clip(max=0.5)
    tiny = size.max() * np.finfo(np.float64).eps
    spectrum: npt.NDArray[np.complex128] = np.where(size > tiny, cross / np.maximum(size, tiny), 0)
    return spectrum * np.cos(np.pi * frequency) ** 2


def _find_peak(surface: Floats) -> tuple[int, int, float]:
    """Row and column of the highest peak, and how much higher it is than the second highest."""
    height, width = surface.shape
    row, column = (int(at) for at in np.unravel_index(surface.argmax(), surface.shape))
    highest = float(surface[row, column])
    around = np.arange(-PEAK_PX, PEAK_PX + 1)
    rest = surface.copy()
    rest[np.ix_((row + around) % height, (column + around) % width)] = -np.inf
    return row, column, highest / max(float(rest.max()), np.finfo(np.float64).tiny)


def _refine(spectrum: npt.NDArray[np.complex128], row: int, column: int) -> tuple[float, float]:
    """Rows and columns of the peak beside zero, to a part of a pixel, from the inverse transform on finer steps."""
    steps = np.arange(-1, 1 + STEP_PX / 2, STEP_PX)
    places, waves = [], []
    for at, side in zip((row, column), spectrum.shape, strict=True):
        signed = (at + side // 2) % side - side // 2
        places.append(signed + steps)
        waves.append(np.exp(2j * np.pi * np.outer(places[-1], np.fft.fftfreq(side))))
    fine = (waves[0] @ spectrum @ waves[1].T).real
    y, x = (int(at) for at in np.unravel_index(fine.argmax(), fine.shape))
    south = places[0][y] + _find_vertex(fine[:, x], y) * STEP_PX
    return float(south), float(places[1][x] + _find_vertex(fine[y], x) * STEP_PX)


def _find_vertex(line: Floats, at: int) -> float:
    """How far beside the highest of its values a line is highest, by the parabola through it and its neighbours."""
    if not 0 < at < len(line) - 1:
        return 0.0
    before, here, after = (float(value) for value in line[at - 1 : at + 2])
    bend = before - 2 * here + after
    return 0.0 if bend >= 0 else (before - after) / (2 * bend)
