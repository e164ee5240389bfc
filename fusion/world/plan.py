"""The plan of a world: where its cities stand and which class every pixel of them has."""

import numpy as np
import numpy.typing as npt
from pyproj import Transformer
from scipy.optimize import linear_sum_assignment
from scipy.spatial import cKDTree

from fusion.errors import BadInputError
from fusion.world.names import draw_names
from fusion.world.noise import draw_slow_field
from fusion.world.places import PLACES, Place
from fusion.world.world import CELL_M, CELL_PIXELS, CLASSES, PIXEL_M, City, Neighbourhood, World

WATER = 16

# Per class of lcz17 (1-10, A-F): weight in the number of patches, preferred distance from the centre (0 centre, 1 edge
# of the map) and how strictly it keeps to it. Assumptions, after the common concentric picture of a city. Water is
# drawn as coast, river and lakes instead.
_HABITS = (
    (2.6, 0.05, 0.20),
    (4.6, 0.22, 0.22),
    (4.6, 0.40, 0.25),
    (3.8, 0.45, 0.30),
    (4.6, 0.45, 0.25),
    (5.6, 0.65, 0.25),
    (3.4, 0.70, 0.25),
    (4.2, 0.60, 0.30),
    (4.2, 0.85, 0.25),
    (3.2, 0.60, 0.25),
    (4.8, 0.80, 0.40),
    (4.2, 0.60, 0.40),
    (3.6, 0.85, 0.30),
    (5.6, 0.90, 0.30),
    (3.2, 0.55, 0.40),
    (3.4, 0.85, 0.35),
)
_INDUSTRIAL = (7, 9, 14)
# Distance between the centres of patches of one class, and of the quarters that a patch is built in (assumptions).
_PATCH_M = 800.0
_QUARTER_M = 450.0


def plan_world(seed: int, cities: int = 6, cells: int = 20) -> World:
    """The world of a seed: `cities` square cities of `cells` x `cells` grid cells, each in its own UTM zone."""
    if not 1 <= cities <= len(PLACES):
        raise BadInputError(f"A world has 1 to {len(PLACES)} cities, not {cities}: there are no more places.")
    if not 4 <= cells <= 60:
        raise BadInputError(f"A made-up city is 4 to 60 cells wide, not {cells}.")
    # Each from its own stream, so that a world of fewer cities is the beginning of a world of more.
    names = draw_names(np.random.default_rng([seed, 0, 0]), cities)
    places = _draw_places(np.random.default_rng([seed, 0, 1]), cities)
    planned = tuple(
        _plan_city(np.random.default_rng([seed, 1 + number]), name, place, cells)
        for number, (name, place) in enumerate(zip(names, places, strict=True))
    )
    return World(seed=seed, cells=cells, cities=planned)


def _draw_places(rng: np.random.Generator, count: int) -> list[Place]:
    """Places of different culture zones as far as there are any, then the rest."""
    order = [PLACES[index] for index in rng.permutation(len(PLACES))]
    first = list({place.culture_zone: place for place in reversed(order)}.values())[::-1]
    return (first + [place for place in order if place not in first])[:count]


def _plan_city(rng: np.random.Generator, name: str, place: Place, cells: int) -> City:
    lon, lat = place.lon + rng.uniform(-0.3, 0.3), place.lat + rng.uniform(-0.3, 0.3)
    epsg = (32600 if lat >= 0 else 32700) + int((lon + 180) // 6) + 1
    x, y = Transformer.from_crs(4326, epsg, always_xy=True).transform(lon, lat)
    west, south = (int(v // CELL_M - cells // 2) * CELL_M for v in (x, y))
    size = cells * CELL_PIXELS
    patches, labels = _draw_patches(rng, size)
    return City(
        name=name,
        slug=name.lower(),
        seed=int(rng.integers(2**31)),
        lon=round(float(lon), 5),
        lat=round(float(lat), 5),
        epsg=epsg,
        origin=(west, south + cells * CELL_M),
        size_px=size,
        culture_zone=place.culture_zone,
        dryness=float(np.clip(place.dryness + rng.normal(0, 0.08), 0, 1)),
        deciduous=float(np.clip(place.deciduous + rng.normal(0, 0.08), 0, 1)),
        first_year=int(rng.choice([2020, 2021, 2022])),
        neighbourhoods=_draw_neighbourhoods(rng, labels),
        patches=patches,
        truth=np.asarray(labels, dtype=np.uint8)[patches],
    )


def _draw_patches(rng: np.random.Generator, size: int) -> tuple[npt.NDArray[np.uint16], list[int]]:
    """Quarter of each pixel and the class of each quarter: a warped Voronoi map with water laid over it.

    Quarters take the class of the patch they lie in, so that a patch is built of several, each laid out on its own.
    """
    y, x = np.mgrid[0:size, 0:size].astype(np.float32)
    x += 9 * draw_slow_field(rng, size, 40) + 3 * draw_slow_field(rng, size, 12)
    y += 9 * draw_slow_field(rng, size, 40) + 3 * draw_slow_field(rng, size, 12)
    waters = _draw_waters(rng, x, y, size)
    sites = _drop_wet(_draw_sites(rng, size, _PATCH_M), waters, size)
    classes = _assign_classes(rng, sites, size)
    quarters = _draw_sites(rng, size, _QUARTER_M)
    labels = [classes[site] for site in _find_nearest(sites, quarters)]
    patches = _find_nearest(quarters, np.stack([x, y], axis=-1)).astype(np.uint16)
    for water in waters:
        patches[water] = len(labels)
        labels.append(WATER)
    return patches, labels


def _find_nearest(sites: npt.NDArray[np.float64], points: npt.NDArray[np.floating]) -> npt.NDArray[np.intp]:
    """Number of the site nearest to each point [..., (x, y)]."""
    return np.asarray(cKDTree(sites).query(points)[1], dtype=np.intp)


def _draw_sites(rng: np.random.Generator, size: int, distance_m: float) -> npt.NDArray[np.float64]:
    """Centres (x, y in pixels) about `distance_m` apart: a jittered grid, denser towards the middle of the city."""
    count = max(5, round(size * PIXEL_M / distance_m))
    grid = (np.stack(np.meshgrid(np.arange(count), np.arange(count)), axis=-1).reshape(-1, 2) + 0.5) / count * 2 - 1
    grid += rng.uniform(-0.75, 0.75, grid.shape) / count
    radius = np.maximum(np.abs(grid).max(axis=1, keepdims=True), 1e-6)
    return (grid * radius**0.15 + 1) / 2 * size


def _drop_wet(
    sites: npt.NDArray[np.float64], waters: list[npt.NDArray[np.bool_]], size: int
) -> npt.NDArray[np.float64]:
    column, row = np.clip(sites.astype(int), 0, size - 1).T
    return sites[~np.any([water[row, column] for water in waters], axis=0)]


def _draw_waters(
    rng: np.random.Generator, x: npt.NDArray[np.float32], y: npt.NDArray[np.float32], size: int
) -> list[npt.NDArray[np.bool_]]:
    """One mask per body of water: a coast or a river, and one to three lakes."""
    angle = rng.uniform(0, 2 * np.pi)
    across = (x - size / 2) * np.cos(angle) + (y - size / 2) * np.sin(angle)
    along = (y - size / 2) * np.cos(angle) - (x - size / 2) * np.sin(angle)
    bend = size * 0.06 * np.sin(along / size * rng.uniform(5, 11) + rng.uniform(0, 6))
    if rng.random() < 0.4:
        first = across + bend > size * rng.uniform(0.40, 0.46)
    else:
        first = np.abs(across + bend - size * rng.uniform(-0.25, 0.25)) < rng.uniform(11, 20)
    return [first, *(_draw_lake(rng, x, y, size) for _ in range(rng.integers(1, 4)))]


def _draw_lake(
    rng: np.random.Generator, x: npt.NDArray[np.float32], y: npt.NDArray[np.float32], size: int
) -> npt.NDArray[np.bool_]:
    radius = rng.uniform(0.05, 0.085) * size
    centre_x, centre_y = rng.uniform(0.12, 0.88, 2) * size
    return ((x - centre_x) / rng.uniform(0.8, 1.3)) ** 2 + (y - centre_y) ** 2 < radius**2


def _assign_classes(rng: np.random.Generator, sites: npt.NDArray[np.float64], size: int) -> list[int]:
    """A class for every site: each class gets its number of sites, and those that suit it best in total."""
    slots = _draw_slots(rng, len(sites))
    distance = np.linalg.norm(sites / size - 0.5, axis=1) * 2
    bearing = np.arctan2(sites[:, 1] - size / 2, sites[:, 0] - size / 2)
    away = 1 - np.cos(bearing - rng.uniform(0, 2 * np.pi))
    habits = np.array(_HABITS)[slots]
    cost = ((distance[:, None] - habits[None, :, 1]) / habits[None, :, 2]) ** 2
    cost += np.where(np.isin(slots, _INDUSTRIAL)[None, :], 1.2 * away[:, None], 0.0)
    cost += rng.gumbel(0, 0.7, cost.shape)
    rows, columns = linear_sum_assignment(cost)
    return [int(slots[column]) for column in columns[np.argsort(rows)]]


def _draw_slots(rng: np.random.Generator, count: int) -> npt.NDArray[np.int64]:
    """`count` class numbers: every class once while there is room, the rest by weights that differ between cities."""
    weights = np.array([habit[0] for habit in _HABITS]) * rng.gamma(12.0, 1 / 12.0, CLASSES - 1)
    share = weights / weights.sum()
    if count < CLASSES - 1:
        return np.sort(rng.choice(CLASSES - 1, count, replace=False, p=share))
    numbers = np.maximum(1, np.floor(share * count)).astype(int)
    while numbers.sum() > count:
        numbers[numbers.argmax()] -= 1
    extra = rng.choice(CLASSES - 1, count - numbers.sum(), p=share)
    return np.sort(np.concatenate([np.repeat(np.arange(CLASSES - 1), numbers), extra]))


def _draw_neighbourhoods(rng: np.random.Generator, labels: list[int]) -> tuple[Neighbourhood, ...]:
    """Streets of neighbouring patches run every way; a third keeps to the city's own grid."""
    main = rng.uniform(0, np.pi / 2)
    return tuple(
        Neighbourhood(
            label=label,
            azimuth=float(main if rng.random() < 0.33 else rng.uniform(0, np.pi / 2)),
            seed=int(rng.integers(2**31)),
        )
        for label in labels
    )
