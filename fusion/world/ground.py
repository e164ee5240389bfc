"""The ground at 2.5 m: which material lies where, how high it stands, and how bright it is beside its kin."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

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


def draw_ground(city: City) -> Ground:
    """The ground of a city, drawn neighbourhood by neighbourhood and then averaged to pixels."""
    rng = np.random.default_rng([city.seed, 1])
    tiles = {name: draw_tile(rng, _TILE, metres / SUB_M) for name, metres in _SCALES_M.items()}
    size = city.size_px * SUB
    material = np.zeros((size, size), dtype=np.uint8)
    height = np.zeros((size, size), dtype=np.uint8)
    tone = np.ones((size, size), dtype=np.float32)
    facing = np.zeros(city.truth.shape, dtype=np.float32)
    ways = _draw_ways(rng, city.size_px * PIXEL_M)
    for number, (rows, columns, inside) in _find_boxes(city).items():
        neighbourhood = city.neighbourhoods[number]
        site = Site.at(rows, columns, neighbourhood, city, tiles)
        drawing = (draw_built if neighbourhood.label < 10 else draw_land)(site)
        # Age, dust, moisture and paint differ from one neighbourhood to the next (assumption: 22 %).
        np.multiply(drawing.tone, np.float32(np.exp(site.rng.normal(0, 0.22))), out=drawing.tone)
        _lay_ways(drawing, site, ways)
        place = (slice(rows.start * SUB, rows.stop * SUB), slice(columns.start * SUB, columns.stop * SUB))
        mask = inside.repeat(SUB, axis=0).repeat(SUB, axis=1)
        np.copyto(material[place], drawing.material, where=mask)
        np.copyto(height[place], drawing.height, where=mask)
        np.copyto(tone[place], drawing.tone, where=mask)
        np.copyto(facing[rows, columns], site.facing, where=inside)
    return Ground(
        cover=_average_cover(material),
        tone=_average(tone, SUB),
        height_m=height.reshape(size // 2, 2, size // 2, 2).max(axis=(1, 3)).astype(np.float32),
        facing=facing,
    )


def _find_boxes(city: City) -> dict[int, tuple[slice, slice, npt.NDArray[np.bool_]]]:
    """Bounding rows and columns of each patch in pixels, with the patch's mask inside them."""
    boxes = {}
    for number in range(len(city.neighbourhoods)):
        mask = city.patches == number
        rows, columns = np.flatnonzero(mask.any(axis=1)), np.flatnonzero(mask.any(axis=0))
        if len(rows):
            box = slice(int(rows[0]), int(rows[-1]) + 1), slice(int(columns[0]), int(columns[-1]) + 1)
            boxes[number] = (*box, mask[box])
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
class _Way:
    """A long line through the city: a motorway or a railway, `half_m` wide to each side."""

    azimuth: float
    distance_m: float
    bend_m: float
    wave_m: float
    half_m: float
    material: int


def _draw_ways(rng: np.random.Generator, extent_m: float) -> list[_Way]:
    kinds = ["asphalt_worn"] * int(rng.integers(2, 5)) + ["rail_ballast"]
    return [
        _Way(
            azimuth=float(rng.uniform(0, np.pi)),
            distance_m=float(rng.uniform(-0.35, 0.35) * extent_m),
            bend_m=float(rng.uniform(50, 250)),
            wave_m=float(rng.uniform(600, 1500)),
            half_m=float(rng.uniform(6, 10) if kind == "rail_ballast" else rng.uniform(9, 14)),
            material=INDEX[kind],
        )
        for kind in kinds
    ]


def _lay_ways(drawing: Drawing, site: Site, ways: list[_Way]) -> None:
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
            drawing.tone[mask] = 1
