"""Rasters into a region: as scenes, as assets where they are of no modality, and made of files of other kinds."""

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from django.conf import settings

from fusion import recognising
from fusion import source as sources
from fusion.errors import BadInputError, GeoquorumError
from fusion.file_info import ArrayInfo, FileInfo, PointsInfo
from fusion.modality import Band, Modality
from fusion.sources import geotiff
from fusion.sources.ascii_grid import read_grid
from fusion.sources.envi import write_as_cog
from fusion.sources.geotiff import write_cog
from fusion.sources.geotiff.reading import describe_file
from fusion.sources.geotiff.uploads import inspect_upload
from fusion.sources.point_cloud.surfaces import make_surfaces, write_surfaces
from geoquorum.catalog import services
from geoquorum.catalog.facts import list_facts
from geoquorum.catalog.models import Asset, Region
from geoquorum.catalog.stating import PLAIN, Statement, Taken

POINTS_PER_PIXEL = 4  # of heights made of a cloud: nearly every pixel is hit


def take_raster(region: Region, path: Path, source: str, stated: Statement, is_upload: bool) -> Taken:
    """The scenes of a raster or band folder; what somebody sent is opened in a child that knows five drivers."""
    if stated.modality == PLAIN[ArrayInfo]:
        return _take_plain(region, path, stated, is_upload)
    ask = recognising.find_upload_modality if is_upload else recognising.find_modality
    modality = stated.modality or ask(path, source)
    inspect = inspect_upload if is_upload else sources.find(source).inspect
    assert inspect is not None
    scenes = services.ingest(
        region=region, paths=[path], modality=modality, bands=stated.bands, captured=stated.captured,
        offset=stated.offset, season=stated.season, inspect=inspect,
    )  # fmt: skip
    words = tuple(info.describe() for _scene, infos in scenes for info in infos)
    assets = [asset for scene, _infos in scenes for asset in scene.assets.all()]
    return Taken(path=path, source=source, words=words, scenes=scenes, assets=assets)


def _take_plain(region: Region, path: Path, stated: Statement, is_upload: bool) -> Taken:
    """A raster of no declared modality, a map of classes for one: an asset of the region, at its place."""
    if is_upload:
        raise BadInputError(
            f"{path.name}: a raster of no known modality. Take it in by the command, or say what it is."
        )
    names = stated.bands or tuple(name or f"band{place}" for place, name in enumerate(describe_file(path).bands, 1))
    bands = tuple(Band(name=name, title=name) for name in names)
    plain = Modality(name="array", title="", kind="raster", dims=("band", "y", "x"), bands=bands, dtype="float64")
    [info] = geotiff.inspect([path], plain, bands=names, offset=stated.offset, captured=stated.captured)
    west, south, east, north = info.lonlat_bounds
    asset, _is_new = Asset.objects.update_or_create(
        region=region,
        uri=str(info.path),
        defaults={
            "project": region.project, "modality": "array", "sha256": info.sha256, "size_bytes": info.size_bytes,
            "driver": info.driver, "bands": [name[:40] for name in names], "dtype": info.dtype, "nodata": info.nodata,
            "epsg": info.epsg, "transform": list(info.transform), "width": info.width, "height": info.height,
            "west": west, "south": south, "east": east, "north": north, "captured_from": info.captured_from,
            "captured_to": info.captured_to, "attributes": {"notes": list(info.notes)},
        },
    )  # fmt: skip
    services.widen_region(region, info.lonlat_bounds, is_simulated=info.is_simulated)
    return Taken(path=path, source="geotiff", words=(info.describe(),), assets=[asset])


def make_raster(region: Region, path: Path, source: str, stated: Statement, info: ArrayInfo) -> Taken:
    """A COG of the same numbers, and its scene; the asset names the file that it was made of."""
    target = find_target(region, info.sha256, f"{info.path.stem[:100]}.tif")
    was_there = target.exists()
    try:
        if source == "envi":
            names = stated.bands or tuple(f"b{place:03d}" for place in range(1, len(info.bands) + 1))
            write_as_cog(path, target, names)
            modality = stated.modality or "hyperspectral"
        else:
            names, modality = stated.bands or ("elevation",), stated.modality or "elevation"
            _write_grid(path, target, info, names)
        said = replace(stated, modality=modality, bands=names)
        said = replace(said, captured=said.captured or (info.times[0] if info.times else None))
        taken = take_raster(region, target, "geotiff", said, is_upload=False)
    except BaseException:
        if not was_there:
            target.unlink(missing_ok=True)
        raise
    _tell_origin(taken.assets, info)
    return replace(taken, path=path, source=source, made=() if was_there else (target,))


def _write_grid(path: Path, target: Path, info: ArrayInfo, names: Sequence[str]) -> None:
    assert info.epsg is not None
    assert info.transform is not None
    heights = read_grid(path)
    write_cog(
        target, np.where(np.isfinite(heights), heights, np.float32(-9999)), epsg=info.epsg,
        transform=info.transform, nodata=-9999, band_names=names,
    )  # fmt: skip


def add_heights(region: Region, info: PointsInfo, stated: Statement, taken: Taken) -> Taken:
    """Heights on a grid beside the cloud; a cloud of which none can be made stays without, and says why."""
    target = find_target(region, info.sha256, f"{info.path.stem[:100]}_heights.tif")
    was_there = target.exists()
    west, south, _low, east, north, _high = info.bounds
    side = math.sqrt(max((east - west) * (north - south), 1e-12) * POINTS_PER_PIXEL / info.points)
    pixel = float(f"{side:.1g}")
    try:
        write_surfaces(make_surfaces(info.path, pixel, epsg=stated.epsg), target)
        said = Statement(modality="lidar_heights", captured=stated.captured or (info.times[0] if info.times else None))
        made = take_raster(region, target, "geotiff", said, is_upload=False)
    except GeoquorumError as error:
        if not was_there:
            target.unlink(missing_ok=True)
        return replace(taken, words=(*taken.words, f"No heights were made of it: {error}"))
    _tell_origin(made.assets, info)
    return replace(
        taken, words=(*taken.words, *made.words), scenes=made.scenes, assets=[*taken.assets, *made.assets],
        made=() if was_there else (target,),
    )  # fmt: skip


def find_target(region: Region, sha256: str, name: str) -> Path:
    """Where a file that is made of another lies: by the content of that one, under its name."""
    folder = Path(settings.GEOQUORUM_DATA) / "made" / str(region.project_id) / sha256[:2] / sha256
    folder.mkdir(parents=True, exist_ok=True)
    return folder / name


def _tell_origin(assets: Sequence[Asset], info: FileInfo) -> None:
    origin = {"uri": str(info.path), "sha256": info.sha256, "size_bytes": info.size_bytes, "format": info.format}
    for asset in assets:
        asset.attributes = asset.attributes | {"origin": origin, "facts": [list_facts(info)]}
        asset.save(update_fields=["attributes"])
