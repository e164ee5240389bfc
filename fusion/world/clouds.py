"""Clouds of several thicknesses over a Sentinel-2 scene, their shadows, and the truth of both.

A cloud reflects and lets through as a two-stream layer of optical thickness t does that absorbs nothing: reflectance
(1 - g) t / (2 + (1 - g) t) with g = 0.85 (Bohren 1987, Am. J. Phys. 55(6), doi 10.1119/1.15109), joined with the ground
below by adding. Droplets absorb in the short-wave infrared (assumption: clouds are a quarter and a half darker there).
Thin, medium and thick part at the optical thicknesses 3.6 and 23 of the International Satellite Cloud Climatology
Project (Rossow and Schiffer 1999, BAMS 80(11), doi 10.1175/1520-0477(1999)080<2261:AIUCFI>2.0.CO;2).
"""

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from fusion.errors import BadInputError
from fusion.world.ground import Ground
from fusion.world.light import find_sun
from fusion.world.materials import INDEX
from fusion.world.noise import FloatArray, draw_tile
from fusion.world.optics import OpticalScene, to_numbers
from fusion.world.world import PIXEL_M, City

# Optical thickness at a cloud's edge and in its middle, and height of its base in metres (assumptions inside ISCCP's
# classes: cirrus, altostratus, cumulus).
KINDS: dict[str, tuple[float, float, float]] = {
    "thin": (0.6, 3.4, 9000.0),
    "medium": (3.8, 20.0, 4000.0),
    "thick": (24.0, 60.0, 1500.0),
}
_FORWARD = np.float32(1 - 0.85)
_BRIGHT = np.array([1, 1, 1, 1, 1, 1, 1, 1, 0.75, 0.5], dtype=np.float32)
_SCALES_PX = (3.0, 12.0, 40.0)
# Codes of the scene classification of Level-2A (modality sentinel2_scl).
_PLANTS, _BARE, _WATER, _SHADOW = 4, 5, 6, 3
_CODES = {"thin": 10, "medium": 8, "thick": 9}


@dataclass(frozen=True, kw_only=True, eq=False)
class CloudTruth:
    """Per pixel [y, x]: optical `thickness`, `is_cloud`, `is_shadow`, and `classes` as codes of sentinel2_scl."""

    thickness: FloatArray
    is_cloud: npt.NDArray[np.bool_]
    is_shadow: npt.NDArray[np.bool_]
    classes: npt.NDArray[np.uint8]

    @property
    def probability(self) -> npt.NDArray[np.uint8]:
        """The mask as the modality sentinel2_clouds stores it: 100 for cloud, 0 for clear."""
        return np.where(self.is_cloud, 100, 0).astype(np.uint8)


def add_clouds(
    city: City, ground: Ground, scene: OpticalScene, cover: dict[str, float], *, seed: int = 0
) -> tuple[OpticalScene, CloudTruth]:
    """The scene under clouds and their truth. `cover` is the share of the sky per kind: {"thin": 0.2, "thick": 0.1}.

    Where there is neither cloud nor shadow the scene keeps its bytes.
    """
    _check_cover(cover)
    thickness, kind = np.zeros(city.truth.shape, dtype=np.float32), np.zeros(city.truth.shape, dtype=np.uint8)
    shadow = np.zeros_like(thickness)
    sun = find_sun(scene.day, city.lat)
    for number, (name, (edge, middle, base_m)) in enumerate(KINDS.items(), start=1):
        rng = np.random.default_rng([city.seed, 13, scene.day.toordinal(), seed, number])
        layer = _draw_layer(rng, city.size_px, cover.get(name, 0.0), edge, middle)
        # The shadow lies as far from below the cloud as its base is high, away from the sun.
        reach = base_m / np.tan(sun.elevation) / PIXEL_M
        shift = round(np.cos(sun.azimuth) * reach), round(-np.sin(sun.azimuth) * reach)
        np.maximum(shadow, np.roll(layer, shift, axis=(0, 1)), out=shadow)
        kind[layer > thickness] = _CODES[name]
        np.maximum(thickness, layer, out=thickness)
    seen = _see_through(scene, thickness, shadow)
    is_cloud, is_shadow = thickness > 0, (shadow > 0) & (thickness == 0)
    classes = np.where(is_cloud, kind, np.where(is_shadow, _SHADOW, _classify(ground))).astype(np.uint8)
    truth = CloudTruth(thickness=thickness, is_cloud=is_cloud, is_shadow=is_shadow, classes=classes)
    return replace(scene, numbers=seen), truth


def _check_cover(cover: dict[str, float]) -> None:
    unknown = sorted(set(cover) - set(KINDS))
    if unknown:
        raise BadInputError(f"There are no {unknown[0]} clouds; the kinds are {', '.join(KINDS)}.")
    wrong = [name for name, share in cover.items() if not 0 <= share <= 1]
    if wrong:
        raise BadInputError(f"{cover[wrong[0]]} is no share of the sky for {wrong[0]} clouds: give 0 to 1.")


def _draw_layer(rng: np.random.Generator, size: int, cover: float, edge: float, middle: float) -> FloatArray:
    """Optical thickness of one kind of cloud over `cover` of the sky, 0 elsewhere; thicker towards the middle.

    The layer goes on periodically beyond the city, so that shadows of clouds outside of it fall into it.
    """
    noise = sum(scale * (draw_tile(rng, size, scale) - 0.5) for scale in _SCALES_PX)
    layer = np.zeros((size, size), dtype=np.float32)
    count = round(cover * size * size)
    if count:
        order = np.argsort(-np.asarray(noise).ravel(), kind="stable")[:count]
        depth = 1 - np.arange(count, dtype=np.float32) / count
        layer.ravel()[order] = np.float32(edge) + np.float32(middle - edge) * depth
    return layer


def _see_through(scene: OpticalScene, thickness: FloatArray, shadow: FloatArray) -> npt.NDArray[np.uint16]:
    """Digital numbers of a scene under clouds; where nothing changes they stay."""
    ground = np.maximum((scene.numbers.astype(np.float32) + np.float32(scene.offset)) * np.float32(1e-4), 0)
    spread = _FORWARD * thickness
    reflected = spread / (2 + spread)
    through = 1 - reflected
    dark = _FORWARD * shadow
    # Sunlight through the cloud that throws the shadow, and a third of full light from the sky (assumption).
    light = 1 - np.float32(0.67) * dark / (2 + dark)
    below = ground * np.where(thickness > 0, np.float32(1), light)
    bright = _BRIGHT[:, None, None]
    seen = bright * reflected + through**2 * bright * below / (1 - reflected * below)
    is_touched = (thickness > 0) | (shadow > 0)
    numbers = to_numbers(np.where(thickness > 0, seen, below), scene.offset)
    # Noise below nothing stays as dark as it was.
    numbers = np.where(thickness > 0, numbers, np.minimum(numbers, scene.numbers))
    return np.where(is_touched, numbers, scene.numbers)


def _classify(ground: Ground) -> npt.NDArray[np.uint8]:
    """Code of clear ground: water, plants or neither, by what covers most of the pixel."""
    plants = [INDEX[name] for name in ("grass_green", "crop_green", "tree_leafy", "tree_conifer", "bush")]
    water = [INDEX[name] for name in ("water_clear", "water_turbid")]
    shares = [ground.cover[..., part].sum(axis=-1) for part in (plants, water)]
    return np.where(shares[1] > 0.5, _WATER, np.where(shares[0] > 0.5, _PLANTS, _BARE)).astype(np.uint8)
