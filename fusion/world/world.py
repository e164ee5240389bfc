"""A world that does not exist: cities, their neighbourhoods and the truth of every pixel."""

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

CLASSES = 17
PIXEL_M = 10
CELL_PIXELS = 32
CELL_M = PIXEL_M * CELL_PIXELS


@dataclass(frozen=True, kw_only=True)
class Neighbourhood:
    """A quarter of one class: `label` indexes lcz17, streets run along `azimuth` (radians clockwise from east)."""

    label: int
    azimuth: float
    seed: int


@dataclass(frozen=True, kw_only=True, eq=False)
class City:
    """A made-up city. `origin` is the upper left corner in UTM metres; arrays are [y, x], north up, 10 m pixels.

    `truth` holds class indices of lcz17 (0..16), `patches` the place of each pixel's quarter in `neighbourhoods`;
    `dryness` and `deciduous` are those of its place.
    """

    name: str
    slug: str
    seed: int
    lon: float
    lat: float
    epsg: int
    origin: tuple[int, int]
    size_px: int
    culture_zone: str
    dryness: float
    deciduous: float
    first_year: int
    neighbourhoods: tuple[Neighbourhood, ...]
    patches: npt.NDArray[np.uint16]
    truth: npt.NDArray[np.uint8]

    @property
    def transform(self) -> tuple[float, float, float, float, float, float]:
        """Pixel to UTM: x = a column + b row + c, y = d column + e row + f."""
        return (float(PIXEL_M), 0.0, float(self.origin[0]), 0.0, float(-PIXEL_M), float(self.origin[1]))


@dataclass(frozen=True, kw_only=True, eq=False)
class World:
    """The cities of one seed; the same arguments always give the same world."""

    seed: int
    cells: int
    cities: tuple[City, ...]


def cell_truth(city: City) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.float32]]:
    """Majority class of each 320 m cell [row, column] as an index of lcz17, and its share of the pixels.

    Rows run from north to south; of two classes with equal shares the lower index is taken.
    """
    rows, columns = (length // CELL_PIXELS for length in city.truth.shape)
    cells = city.truth.reshape(rows, CELL_PIXELS, columns, CELL_PIXELS).swapaxes(1, 2).reshape(rows, columns, -1)
    counts = np.stack([(cells == label).sum(axis=-1) for label in range(CLASSES)], axis=-1)
    return counts.argmax(axis=-1).astype(np.uint8), (counts.max(axis=-1) / CELL_PIXELS**2).astype(np.float32)


def describe(world: World) -> dict[str, Any]:
    """The world as a JSON-ready page: what it was made from and a hash of its truth, never the truth itself."""
    return {
        "simulated": True,
        "seed": world.seed,
        "cells": world.cells,
        "cell_size_m": CELL_M,
        "pixel_size_m": PIXEL_M,
        "scheme": "lcz17",
        "cities": [_describe_city(city) for city in world.cities],
    }


def _describe_city(city: City) -> dict[str, Any]:
    return {
        "name": city.name,
        "slug": city.slug,
        "seed": city.seed,
        "lon": city.lon,
        "lat": city.lat,
        "epsg": city.epsg,
        "origin": list(city.origin),
        "size_px": city.size_px,
        "culture_zone": city.culture_zone,
        "dryness": city.dryness,
        "deciduous": city.deciduous,
        "first_year": city.first_year,
        "neighbourhoods": len(city.neighbourhoods),
        "truth_sha256": hashlib.sha256(np.ascontiguousarray(city.truth).tobytes()).hexdigest(),
    }
