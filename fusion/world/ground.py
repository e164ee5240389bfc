"""The ground at 2.5 m: which material lies where, how high it stands, and how bright it is beside its kin."""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from fusion.errors import BadInputError
from fusion.world.built import draw_built
from fusion.world.land import draw_land
from fusion.world.materials import INDEX, MATERIALS
from fusion.world.noise import FloatArray, draw_tile
from fusion.world.site import SUB, SUB_M, Drawing, Site
from fusion.world.world import PIXEL_M, City

_TILE = 1024
# Smoothing in metres: single plants and cars, crowns, groups of trees, fields of growth.
_SCALES_M = {"fine": 0.0, "crown": 4.0, "clump": 11.0, "patchy": 45.0, "broad": 110.0}


@dataclass(frozen=True, kw_only=True, eq=False)
class Ground:
    """What lies in each 10 m pixel.

    `cover` [y, x, material] are area shares that sum to 1, `tone` [y, x] is a factor on reflectance,
    `height_m` [2y, 2x] the highest point of each 5 m square, and `facing` [y, x] how squarely walls look at the radar,
    from 0 to 1.
    """

    cover: FloatArray
    tone: FloatArray
    height_m: FloatArray
    facing: FloatArray


@dataclass(frozen=True, kw_only=True)
class Window:
    """A piece of a city: rows and columns of 10 m pixels, from and to (not including)."""

    rows: tuple[int, int]
    columns: tuple[int, int]

    @classmethod
    def whole(cls, city: City) -> "Window":
        return cls(rows=(0, city.size_px), columns=(0, city.size_px))

    @property
    def slices(self) -> tuple[slice, slice]:
        return slice(*self.rows), slice(*self.columns)

    def cut(self, rows: slice, columns: slice) -> tuple[slice, slice] | None:
        """What these rows and columns of the city have in common with the window."""
        top, bottom = max(rows.start, self.rows[0]), min(rows.stop, self.rows[1])
        left, right = max(columns.start, self.columns[0]), min(columns.stop, self.columns[1])
        return (slice(top, bottom), slice(left, right)) if top < bottom and left < right else None


@dataclass(frozen=True, kw_only=True, eq=False)
class Squares:
    """The ground of a window, square by square [y, x], before anything is averaged.

    `material` indexes MATERIALS, `height` is metres above the ground, `tone` a factor on reflectance, `quarter` the
    neighbourhood and `lot` the number of the building's lot in it (0: no building). `facing` is per 10 m pixel.
    `transform` takes columns and rows of squares to UTM metres.
    """

    material: npt.NDArray[np.uint8]
    height: npt.NDArray[np.uint8]
    tone: FloatArray
    lot: npt.NDArray[np.uint32]
    quarter: npt.NDArray[np.uint16]
    facing: FloatArray
    square_m: float
    transform: tuple[float, float, float, float, float, float]


def draw_ground(city: City, moment: float = 1.0) -> Ground:
    """The ground of a city, drawn neighbourhood by neighbourhood and then averaged to pixels.

    `moment` is how far the city has grown, from 0 to 1.
    """
    squares = draw_squares(city, moment=moment)
    half = city.size_px * SUB // 2
    return Ground(
        cover=_average_cover(squares.material),
        tone=_average(squares.tone, SUB),
        height_m=squares.height.reshape(half, 2, half, 2).max(axis=(1, 3)).astype(np.float32),
        facing=squares.facing,
    )


def draw_squares(city: City, window: Window | None = None, *, detail: int = 1, moment: float = 1.0) -> Squares:
    """A window of the ground (all of it if not given) in squares of 2.5 m / `detail`.

    Streets and buildings are drawn sharper with more detail; every `detail`-th square is the same as without.
    """
    window = _check_window(city, window)
    if detail not in (1, 2, 4, 5):
        raise BadInputError(f"The made-up ground is drawn in squares of 2.5 m / 1, 2, 4 or 5, not / {detail}.")
    tiles, ways = _draw_board(city.seed, city.size_px * PIXEL_M)
    step = SUB * detail
    (top, bottom), (left, right) = window.rows, window.columns
    shape = ((bottom - top) * step, (right - left) * step)
    squares = Squares(
        material=np.zeros(shape, dtype=np.uint8),
        height=np.zeros(shape, dtype=np.uint8),
        tone=np.ones(shape, dtype=np.float32),
        lot=np.zeros(shape, dtype=np.uint32),
        quarter=city.patches[window.slices].repeat(step, axis=0).repeat(step, axis=1),
        facing=np.zeros((bottom - top, right - left), dtype=np.float32),
        square_m=PIXEL_M / step,
        transform=_find_transform(city, window, PIXEL_M / step),
    )
    for number, (rows, columns) in _find_boxes(city).items():
        part = window.cut(rows, columns)
        if part is None:
            continue
        neighbourhood = city.neighbourhoods[number]
        site = Site.at(rows, columns, neighbourhood, city, tiles, part=part, detail=detail, moment=moment)
        drawing = (draw_built if neighbourhood.label < 10 else draw_land)(site)
        # Age, dust, moisture and paint differ from one neighbourhood to the next (assumption: 22 %).
        np.multiply(drawing.tone, np.float32(np.exp(site.rng.normal(0, 0.22))), out=drawing.tone)
        _lay_ways(drawing, site, ways)
        inside = city.patches[part] == number
        place = slice(part[0].start - top, part[0].stop - top), slice(part[1].start - left, part[1].stop - left)
        _copy_drawing(squares, drawing, place, inside, step)
        np.copyto(squares.facing[place], site.facing, where=inside)
    return squares


def _copy_drawing(
    squares: Squares, drawing: Drawing, place: tuple[slice, slice], inside: npt.NDArray[np.bool_], step: int
) -> None:
    """Lay a neighbourhood's drawing into the window, where the neighbourhood is."""
    at = tuple(slice(span.start * step, span.stop * step) for span in place)
    mask = inside.repeat(step, axis=0).repeat(step, axis=1)
    np.copyto(squares.material[at], drawing.material, where=mask)
    np.copyto(squares.height[at], drawing.height, where=mask)
    np.copyto(squares.tone[at], drawing.tone, where=mask)
    if drawing.lot is not None:
        np.copyto(squares.lot[at], drawing.lot, where=mask)


def find_ways(city: City) -> list["Way"]:
    """The motorways and railways of a city."""
    return _draw_board(city.seed, city.size_px * PIXEL_M)[1]


@lru_cache(maxsize=1)
def _draw_board(seed: int, extent_m: float) -> tuple[dict[str, FloatArray], list["Way"]]:
    """What all neighbourhoods of a city share: tiles of noise, motorways and railways.

    The last city's is kept (20 MB), as its windows and dates are often drawn one after the other; never written to.
    """
    rng = np.random.default_rng([seed, 1])
    tiles = {name: draw_tile(rng, _TILE, metres / SUB_M) for name, metres in _SCALES_M.items()}
    return tiles, _draw_ways(rng, extent_m)


def _check_window(city: City, window: Window | None) -> Window:
    if window is None:
        return Window.whole(city)
    if not all(0 <= first < last <= city.size_px for first, last in (window.rows, window.columns)):
        raise BadInputError(
            f"Rows {window.rows} and columns {window.columns} do not lie in {city.name}: they run from 0 to "
            f"{city.size_px}, the first before the last."
        )
    return window


def _find_transform(city: City, window: Window, square_m: float) -> tuple[float, float, float, float, float, float]:
    west, north = city.origin[0] + window.columns[0] * PIXEL_M, city.origin[1] - window.rows[0] * PIXEL_M
    return (square_m, 0.0, float(west), 0.0, -square_m, float(north))


def _find_boxes(city: City) -> dict[int, tuple[slice, slice]]:
    """Bounding rows and columns of each patch in pixels."""
    boxes = {}
    for number in range(len(city.neighbourhoods)):
        mask = city.patches == number
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if len(rows):
            boxes[number] = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
    return boxes


def _average(plane: FloatArray, factor: int) -> FloatArray:
    rows, columns = plane.shape[0] // factor, plane.shape[1] // factor
    return plane.reshape(rows, factor, columns, factor).mean(axis=(1, 3), dtype=np.float32)


def _average_cover(material: npt.NDArray[np.uint8], stripe: int = 16) -> FloatArray:
    """Area shares [y, x, material] of each pixel, counted in stripes of pixel rows to stay in the cache."""
    size, kinds = material.shape[0] // SUB, len(MATERIALS)
    cover = np.empty((size, size, kinds), dtype=np.float32)
    for top in range(0, size, stripe):
        rows = material[top * SUB : (top + stripe) * SUB].reshape(-1, SUB, size, SUB)
        pixel = np.arange(rows.shape[0] * size, dtype=np.intp).reshape(-1, 1, size, 1) * kinds
        counts = np.bincount((pixel + rows).ravel(), minlength=rows.shape[0] * size * kinds)
        cover[top : top + stripe] = counts.reshape(-1, size, kinds) / np.float32(SUB**2)
    return cover


@dataclass(frozen=True, kw_only=True)
class Way:
    """A long line through the city: a motorway or a railway, `half_m` wide to each side."""

    azimuth: float
    distance_m: float
    bend_m: float
    wave_m: float
    half_m: float
    material: int


def _draw_ways(rng: np.random.Generator, extent_m: float) -> list[Way]:
    kinds = ["asphalt_worn"] * int(rng.integers(2, 5)) + ["rail_ballast"]
    return [
        Way(
            azimuth=float(rng.uniform(0, np.pi)),
            distance_m=float(rng.uniform(-0.35, 0.35) * extent_m),
            bend_m=float(rng.uniform(50, 250)),
            wave_m=float(rng.uniform(600, 1500)),
            half_m=float(rng.uniform(6, 10) if kind == "rail_ballast" else rng.uniform(9, 14)),
            material=INDEX[kind],
        )
        for kind in kinds
    ]


def _lay_ways(drawing: Drawing, site: Site, ways: list[Way]) -> None:
    """Draw motorways and railways over everything but water (which they cross unseen, by tunnel)."""
    if site.label == 16:
        return
    for way in ways:
        cosine, sine = np.float32(np.cos(way.azimuth)), np.float32(np.sin(way.azimuth))
        across, along = site.x * cosine + site.y * sine, site.y * cosine - site.x * sine
        offset = across - np.float32(way.distance_m) + np.float32(way.bend_m) * np.sin(along / np.float32(way.wave_m))
        mask = np.abs(offset) < np.float32(way.half_m)
        if mask.any():
            drawing.material[mask] = way.material
            drawing.height[mask] = 0
            if drawing.lot is not None:
                drawing.lot[mask] = 0
            drawing.tone[mask] = 1
