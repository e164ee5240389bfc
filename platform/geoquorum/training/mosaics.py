"""Which files a map is drawn from: the scenes behind each array of a network, checked to lie on one raster."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.conf import settings

from fusion.errors import BadInputError
from fusion.mapping.spec import ArrayWords, DateWords, FileWords
from fusion.modality import find as find_modality
from geoquorum.catalog.checking import check_file
from geoquorum.catalog.dates import find_scene
from geoquorum.catalog.models import Asset, Region, Scene
from geoquorum.catalog.pixels import kept_offset, list_bands


@dataclass(frozen=True, kw_only=True)
class Raster:
    """The pixels that scenes lie on: their size, EPSG and transform."""

    height: int
    width: int
    epsg: int
    transform: tuple[float, ...]


@dataclass(frozen=True, kw_only=True)
class Mosaic:
    """What one array of a network is read from, the raster it lies on, and the hashes of the files."""

    words: ArrayWords
    raster: Raster
    sha256: tuple[str, ...]


def describe_mosaic(
    region: Region, modality: str, date: str, bands: Sequence[str], times: Sequence[str] = ()
) -> Mosaic:
    """The scenes of a modality over a region: one date, or of a series all that a pack's array holds, in its order."""
    scenes = [find_scene(region, modality, each) for each in times or (date,)]
    described = [_describe_scene(scene, bands) for scene in scenes]
    rasters = {raster for _, raster in described}
    if len(rasters) > 1:
        raise BadInputError(f"The dates of {modality} over {region.name!r} lie on different rasters: no map of them.")
    assets = [asset for scene in scenes for asset in scene.assets.order_by("pk")]
    words = ArrayWords(bands=tuple(bands), dates=tuple(dates for dates, _ in described), offset=kept_offset(assets[0]))
    return Mosaic(words=words, raster=rasters.pop(), sha256=tuple(asset.sha256 for asset in assets))


def find_hosts(mosaics: Mapping[str, Mosaic]) -> list[dict[str, Any]]:
    """Hosts that files away from this machine may be read from; none where all files lie here."""
    files = [file for one in mosaics.values() for date in one.words.dates for file in date.files]
    if not any("://" in file.uri for file in files):
        return []
    return [_read_host(text) for text in settings.REMOTE_HOSTS]


def check_alike(region: Region, mosaics: Mapping[str, Mosaic], pixel_size_m: float | None) -> Raster:
    """The raster that all lie on, when it has the pixels that the network has learned from."""
    first, *others = (mosaic.raster for mosaic in mosaics.values())
    if any(other != first for other in others):
        raise BadInputError(
            f"The scenes of {region.name!r} lie on different rasters. Bring them to one grid before mapping."
        )
    if pixel_size_m is not None and abs(first.transform[0] - pixel_size_m) > 1e-6:
        raise BadInputError(
            f"The scenes of {region.name!r} have pixels of {first.transform[0]:g} in EPSG:{first.epsg}; the run has "
            f"learned from pixels of {pixel_size_m:g} m. Ingest scenes in UTM with such pixels."
        )
    return first


def _describe_scene(scene: Scene, bands: Sequence[str]) -> tuple[DateWords, Raster]:
    """Files of a scene with the bands that each gives; all must lie on one raster."""
    assets, there = list(scene.assets.order_by("pk")), list_bands(scene)
    missing = [band for band in bands if band not in there]
    if missing:
        raise BadInputError(f"Scene {scene.name!r} cannot be mapped: it has no {', '.join(missing)}.")
    owners: dict[str, Asset] = {}
    for asset in assets:
        for band in asset.bands:
            owners.setdefault(band, asset)
    used = [asset for asset in assets if any(owners[band] == asset for band in bands)]
    rasters = {
        Raster(height=one.height or 0, width=one.width or 0, epsg=one.epsg or 0, transform=tuple(one.transform or ()))
        for one in used
    }
    if len(rasters) > 1:
        raise BadInputError(f"The files of scene {scene.name!r} lie on different rasters. Bring them to one grid.")
    files = tuple(_describe_file(asset, [band for band in bands if owners[band] == asset]) for asset in used)
    return DateWords(files=files, shift=_find_shift(used[0])), rasters.pop()


def _describe_file(asset: Asset, wanted: Sequence[str]) -> FileWords:
    if "://" not in asset.uri:
        check_file(asset)
    return FileWords(uri=asset.uri, bands=tuple(asset.bands), wanted=tuple(wanted), nodata=asset.nodata)


def _find_shift(asset: Asset) -> int:
    """What is added to whole numbers, as in packs (catalog.pixels.remove_offset)."""
    if not np.issubdtype(np.dtype(asset.dtype), np.integer):
        return 0
    return round(asset.offset - find_modality(asset.modality).offset)


def _read_host(text: str) -> dict[str, Any]:
    host, _, port = text.partition(":")
    return {"host": host, "port": int(port or 443)}
