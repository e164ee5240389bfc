"""The drawing board of one neighbourhood: where its sub-pixels lie, its noise, and what has been drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fusion.world.materials import INDEX
from fusion.world.noise import FloatArray
from fusion.world.world import PIXEL_M, City, Neighbourhood

SUB = 4
SUB_M = PIXEL_M / SUB
# Sentinel-1 looks right of its track: an ascending pass looks about 12 degrees north of east (assumption: ascending).
LOOK_AZIMUTH = np.deg2rad(12.0)


# A crown shades itself: canopies are darker than the stacked leaves of spectral libraries (assumption: by a quarter).
CANOPY_SHADE = np.float32(0.75)


@dataclass(frozen=True, kw_only=True, eq=False)
class Drawing:
    """Material index, height in metres and tone of every sub-pixel [y, x]; drawn into in place.

    `lot` is the number of the building's lot (0: no building), None where the class has no buildings.
    """

    material: npt.NDArray[np.uint8]
    height: npt.NDArray[np.uint8]
    tone: FloatArray
    lot: npt.NDArray[np.uint32] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Site:
    """One neighbourhood's bounding box or a part of it, on a grid of 2.5 m or of that divided by a whole number.

    `x` [1, x] and `y` [y, 1] are metres east and south of the city's centre, `noise` [y, x] is uniform on 0..1 per
    scale, `azimuth` turns clockwise from east. `moment` runs from 0, before the city grew, to 1, when all of it stands.
    """

    label: int
    azimuth: float
    rng: np.random.Generator
    salt: int
    x: FloatArray
    y: FloatArray
    noise: Mapping[str, FloatArray]
    dryness: float
    moment: float = 1.0

    @classmethod
    def at(
        cls,
        rows: slice,
        columns: slice,
        neighbourhood: Neighbourhood,
        city: City,
        tiles: Mapping[str, FloatArray],
        *,
        part: tuple[slice, slice] | None = None,
        detail: int = 1,
        moment: float = 1.0,
    ) -> "Site":
        """The site of a bounding box in pixels; only its `part` is laid out, `detail` squares along each of 2.5 m.

        What is drawn depends on the bounding box alone: every `detail`-th square of a part equals that of the whole.
        """
        rng = np.random.default_rng(neighbourhood.seed)
        half = city.size_px * PIXEL_M / 2
        seen_rows, seen_columns = part or (rows, columns)
        x, y = (_measure(span, detail) - np.float32(half) for span in (seen_columns, seen_rows))
        spans = (_step(seen_rows, rows.start, detail), _step(seen_columns, columns.start, detail))
        return cls(
            label=neighbourhood.label,
            azimuth=neighbourhood.azimuth,
            rng=rng,
            salt=int(rng.integers(1, 2**31)),
            x=x[None, :],
            y=y[:, None],
            noise={name: _window(tile, spans, detail, rng, is_smooth=name != "fine") for name, tile in tiles.items()},
            dryness=float(np.clip(city.dryness + rng.normal(0, 0.3), 0, 1)),
            moment=moment,
        )

    @property
    def shape(self) -> tuple[int, int]:
        return (self.y.shape[0], self.x.shape[1])

    @property
    def facing(self) -> float:
        """How squarely the walls face the radar: 1 for streets along or across the look, falling fast beside them."""
        turn = (self.azimuth + LOOK_AZIMUTH) % (np.pi / 2)
        return float(0.15 + 0.85 * np.cos(2 * turn) ** 4)

    def rotate(self, warp_m: float) -> tuple[FloatArray, FloatArray]:
        """Street coordinates (along, across) in metres, bent by up to about `warp_m`."""
        cosine, sine = np.float32(np.cos(self.azimuth)), np.float32(np.sin(self.azimuth))
        along, across = self.x * cosine + self.y * sine, self.y * cosine - self.x * sine
        if warp_m > 0:
            bend = (self.noise["patchy"] - np.float32(0.5)) * np.float32(warp_m)
            along, across = along + bend, across - bend
        return along, across

    def soften(self, scale: str) -> FloatArray:
        """A slow noise whose contours are frayed over a few metres, as borders of growth, soil and plumes are."""
        frayed = self.noise[scale] + np.float32(0.25) * (self.noise["crown"] + self.noise["fine"] - 1)
        return np.clip(frayed, 0, np.float32(0.9999))

    def draw(self, span: tuple[float, float]) -> np.float32:
        """A value of this neighbourhood, uniform within a range."""
        return np.float32(self.rng.uniform(*span))


Steps = npt.NDArray[np.int64]


def _measure(span: slice, detail: int) -> FloatArray:
    """Metres of the squares of a span of pixels, from the city's edge."""
    squares = np.arange(span.start * SUB * detail, span.stop * SUB * detail, dtype=np.float32)
    return squares * np.float32(SUB_M / detail)


def _step(span: slice, start: int, detail: int) -> Steps:
    """Numbers of the squares of a span of pixels, from the start of the bounding box."""
    return np.arange((span.start - start) * SUB * detail, (span.stop - start) * SUB * detail)


def _window(
    tile: FloatArray, spans: tuple[Steps, Steps], detail: int, rng: np.random.Generator, *, is_smooth: bool
) -> FloatArray:
    """A piece of a periodic tile, from a random place; between its squares smooth noise is interpolated."""
    size = len(tile)
    starts = rng.integers(size, size=2)
    (rows, down), (columns, right) = (
        ((span // detail + start) % size, (span % detail / detail).astype(np.float32))
        for span, start in zip(spans, starts, strict=True)
    )
    if detail == 1 or not is_smooth:
        return tile[np.ix_(rows, columns)]
    below = (rows + 1) % size
    beside = (columns + 1) % size
    upper = tile[np.ix_(rows, columns)] * (1 - right) + tile[np.ix_(rows, beside)] * right
    lower = tile[np.ix_(below, columns)] * (1 - right) + tile[np.ix_(below, beside)] * right
    return np.asarray(upper * (1 - down[:, None]) + lower * down[:, None], dtype=np.float32)


def make_palette(
    rng: np.random.Generator, shares: Sequence[tuple[str, float]], evenness: float, slots: int = 64
) -> npt.NDArray[np.uint8]:
    """`slots` material indices in proportions drawn around `shares`; a low `evenness` lets a few materials rule."""
    weights = rng.gamma(np.array([share for _, share in shares]) * evenness + 1e-3)
    counts = np.floor(weights / weights.sum() * slots).astype(int)
    counts[counts.argmax()] += slots - counts.sum()
    return np.repeat(np.array([INDEX[name] for name, _ in shares], dtype=np.uint8), counts)


def pick(palette: npt.NDArray[np.uint8], uniform: FloatArray) -> npt.NDArray[np.uint8]:
    """The palette's material at each uniform number in 0..1."""
    return palette[np.minimum((uniform * np.float32(len(palette))).astype(np.int32), len(palette) - 1)]
