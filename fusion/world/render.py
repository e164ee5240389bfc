"""A made-up city as files: cloud-optimised GeoTIFFs that the ordinary ingest reads, each marked as simulated."""

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fusion import modality
from fusion.sources.geotiff import write_cog
from fusion.world.ground import draw_ground
from fusion.world.light import SEASONS
from fusion.world.nulls import NO_NULLS, Nulls
from fusion.world.optics import render_sentinel2
from fusion.world.radar import render_sentinel1
from fusion.world.world import City, World, describe


@dataclass(frozen=True, kw_only=True)
class CityFiles:
    """Where a rendered city lies: one Sentinel-2 stack per season, one Sentinel-1 stack, and the truth."""

    sentinel2: dict[str, Path]
    sentinel1: Path
    truth: Path


def render_city(
    world: World, city: City, folder: Path, seasons: tuple[str, ...] = SEASONS, *, nulls: Nulls = NO_NULLS
) -> CityFiles:
    """Write a city's scenes and its truth (class index + 1 of lcz17, 0 = none) into `folder`, which is made."""
    folder.mkdir(parents=True, exist_ok=True)
    ground = draw_ground(city)
    optical = {}
    for season in seasons:
        scene = render_sentinel2(city, ground, season, nulls)
        path = folder / f"{city.slug}_sentinel2_{season}_{scene.day:%Y%m%d}.tif"
        own = {"SEASON": season, "PROCESSING_BASELINE": scene.baseline, "BOA_ADD_OFFSET": str(scene.offset)}
        tags = _tag(world, city, f"{scene.day}T10:30:00Z") | own
        optical[season] = _write(path, city, "sentinel2", scene.numbers, tags, offset=float(scene.offset))
    radar = render_sentinel1(city, ground, nulls)
    path = folder / f"{city.slug}_sentinel1_{radar.day:%Y%m%d}.tif"
    sentinel1 = _write(
        path, city, "sentinel1", radar.channels, _tag(world, city, f"{radar.day}T17:00:00Z"), offset=None
    )
    return CityFiles(sentinel2=optical, sentinel1=sentinel1, truth=_write_truth(world, city, folder))


def write_description(world: World, folder: Path) -> Path:
    """Write `world.json`: what the world was made from, and a hash of its truth."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "world.json"
    path.write_text(json.dumps(describe(world), indent=1) + "\n", encoding="utf-8")
    return path


def _tag(world: World, city: City, captured: str) -> dict[str, str]:
    return {
        "SIMULATED": "yes",
        "WORLD_SEED": str(world.seed),
        "CITY": city.name,
        "CAPTURED_FROM": captured,
        "CAPTURED_TO": captured,
    }


def _write(
    path: Path, city: City, name: str, array: npt.NDArray[np.generic], tags: dict[str, str], offset: float | None
) -> Path:
    kind = modality.find(name)
    scale = None if offset is None else kind.scale
    return write_cog(
        path, array, epsg=city.epsg, transform=city.transform, nodata=kind.nodata, band_names=kind.band_names,
        offset=offset, scale=scale, tags=tags,
    )  # fmt: skip


def _write_truth(world: World, city: City, folder: Path) -> Path:
    return write_cog(
        folder / f"{city.slug}_truth.tif", (city.truth + 1)[None], epsg=city.epsg, transform=city.transform, nodata=0,
        band_names=("lcz17",), tags=_tag(world, city, f"{city.first_year}-01-01T00:00:00Z"), overview_resampling="mode",
    )  # fmt: skip
