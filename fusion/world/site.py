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
    """Material index, height in metres and tone of every sub-pixel [y, x]; drawn into in place."""

    material: npt.NDArray[np.uint8]
    height: npt.NDArray[np.uint8]
    tone: FloatArray


@dataclass(frozen=True, kw_only=True, eq=False)
class Site:
    """One neighbourhood's bounding box, on a grid of 2.5 m.

    `x` [1, x] and `y` [y, 1] are metres east and south of the city's centre, `noise` [y, x] is uniform on 0..1 per
    scale, `azimuth` turns clockwise from east.
    """

    label: int
    azimuth: float
    rng: np.random.Generator
    salt: int
    x: FloatArray
    y: FloatArray
    noise: Mapping[str, FloatArray]
    dryness: float

    @classmethod
    def at(
        cls, rows: slice, columns: slice, neighbourhood: Neighbourhood, city: City, tiles: Mapping[str, FloatArray]
    ) -> "Site":
        rng = np.random.default_rng(neighbourhood.seed)
        half = city.size_px * PIXEL_M / 2
        x = np.arange(columns.start * SUB, columns.stop * SUB, dtype=np.float32) * np.float32(SUB_M) - np.float32(half)
        y = np.arange(rows.start * SUB, rows.stop * SUB, dtype=np.float32) * np.float32(SUB_M) - np.float32(half)
        return cls(
            label=neighbourhood.label,
            azimuth=neighbourhood.azimuth,
            rng=rng,
            salt=int(rng.integers(1, 2**31)),
            x=x[None, :],
            y=y[:, None],
            noise={name: _window(tile, len(y), len(x), rng) for name, tile in tiles.items()},
            dryness=float(np.clip(city.dryness + rng.normal(0, 0.3), 0, 1)),
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


def _window(tile: FloatArray, rows: int, columns: int, rng: np.random.Generator) -> FloatArray:
    """A piece of a periodic tile, from a random place."""
    size = len(tile)
    top, left = rng.integers(size, size=2)
    return tile[np.ix_((np.arange(rows) + top) % size, (np.arange(columns) + left) % size)]


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
