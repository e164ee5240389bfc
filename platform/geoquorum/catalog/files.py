"""Files of every known source into a region: recognised by their content, looked at whole, then taken or refused."""

import contextlib
import json
import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.db import transaction

from fusion import modality as modalities
from fusion import recognising
from fusion import source as sources
from fusion.errors import BadFileError, BadInputError, BadRasterError, GeoquorumError
from fusion.file_info import ArrayInfo, FileInfo, FramesInfo, ItemInfo, LayerInfo, PointsInfo, SeriesInfo, hash_file
from fusion.looking import look_at_upload
from fusion.modality import Band, Modality
from fusion.places import check_place
from fusion.source import Bounds, Photo, RasterInfo
from fusion.sources import geotiff
from fusion.sources.ascii_grid import read_grid
from fusion.sources.envi import write_as_cog
from fusion.sources.geotiff import write_cog
from fusion.sources.geotiff.reading import describe_file
from fusion.sources.geotiff.uploads import inspect_upload
from fusion.sources.photos import read_photo
from fusion.sources.photos.uploads import read_uploads
from fusion.sources.point_cloud.surfaces import make_surfaces, write_surfaces
from geoquorum.catalog import services
from geoquorum.catalog.bounds import join_bounds
from geoquorum.catalog.models import Asset, Region, Scene
from geoquorum.catalog.photos import ingest_photos
from geoquorum.catalog.posts import ingest_posts

PLACEABLE = ("point_cloud", "ascii_grid", "vectors")  # sources whose `look` takes the CRS that a file does not say
PARTS = (".shx", ".dbf", ".prj", ".cpg")  # of a Shapefile, read with its .shp
POINTS_PER_PIXEL = 4  # of heights made of a cloud: nearly every pixel is hit
LONGEST_LIST = 300  # values of one fact that are kept in a row; the file has the others
PLAIN = {ArrayInfo: "array", LayerInfo: "vector", ItemInfo: "stac_item"}
MODALITIES = {PointsInfo: "lidar", SeriesInfo: "weather_station", FramesInfo: "video"}
Infos = Sequence[FileInfo]


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What the caller says about files that do not say it themselves."""

    modality: str = ""
    bands: tuple[str, ...] | None = None
    captured: datetime | None = None
    offset: float | None = None
    season: str = ""
    epsg: int | None = None


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What one file or folder gave. `made` are files that this project wrote for it, gone if nothing is taken."""

    path: Path
    source: str
    words: tuple[str, ...] = ()
    scenes: list[tuple[Scene, list[RasterInfo]]] = field(default_factory=list)
    assets: list[Asset] = field(default_factory=list)
    samples: int = 0
    made: tuple[Path, ...] = ()


def take_file(*, region: Region, path: Path, stated: Statement | None = None, is_upload: bool = False) -> Taken:
    """One file, or a folder that is one thing, into a region: as a scene, as assets of the region, or as samples.

    What somebody sent (`is_upload`) is first looked at in a child process with bounds on time and memory.
    """
    said = stated or Statement()
    check_statement(said)
    source = _find_source(path, said, is_upload)
    with transaction.atomic():
        if sources.find(source).inspect is not None:
            return _take_raster(region, path, source, said, is_upload)
        if source == "photos":
            return _take_photo(region, path, said, is_upload)
        if source == "posts":
            if is_upload:
                raise BadInputError(f"{path.name}: a table of posts. Posts have a form of their own on this page.")
            found = ingest_posts(region=region, path=path)
            words = f"{path.name}: {len(found.samples)} new posts, {found.known} were here already"
            return Taken(path=path, source=source, words=(words,), samples=len(found.samples))
        return _take_looked(region, path, source, said, _look(path, source, said, is_upload))


def forget(taken: Sequence[Taken]) -> None:
    """Removes the files that were written for what is not taken after all."""
    for one in taken:
        for path in one.made:
            path.unlink(missing_ok=True)


def list_places(path: Path, stated: Statement) -> tuple[list[Path], list[str]]:
    """The files and folders below `path` that are one thing each, and why others are left out, in words."""
    try:
        _find_source(path, stated, is_upload=False)
        return [path], []
    except BadInputError:
        raise
    except GeoquorumError as error:
        if not path.is_dir():
            return [], [str(error)]
    found: list[Path] = []
    left: list[str] = []
    for inner in sorted(path.iterdir()):
        if not inner.name.startswith(".") and not inner.is_symlink() and not _is_part(inner):
            places, words = list_places(inner, stated)
            found, left = found + places, left + words
    return found, left


@contextlib.contextmanager
def keep_for_good(region: Region, path: Path) -> Iterator[Path]:
    """An upload and what lies beside it, stored by its content; gone again where it is refused inside the block."""
    digest = hash_file(path)
    folder = Path(settings.GEOQUORUM_DATA) / "files" / str(region.project_id) / digest[:2] / digest
    was_there = folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    try:
        for one in path.parent.iterdir():
            shutil.copyfile(one, folder / one.name)
        yield folder / path.name
    except BaseException:
        if not was_there:
            shutil.rmtree(folder, ignore_errors=True)
        raise


def _is_part(path: Path) -> bool:
    """Whether a file is read with another one beside it."""
    if path.suffix.lower() in PARTS:
        return any(path.with_suffix(end).is_file() for end in (".shp", ".SHP"))
    headers = (path.with_suffix(".hdr"), path.with_suffix(".HDR"), path.with_name(path.name + ".hdr"))
    return any(header != path and header.is_file() for header in headers)


def check_statement(stated: Statement) -> None:
    """An unknown modality is answered with the known ones."""
    if stated.modality not in ("", *PLAIN.values()):
        modalities.find(stated.modality)


def _find_source(path: Path, stated: Statement, is_upload: bool) -> str:
    if path.is_dir() and stated.modality == "video":
        return "video"
    declared = modalities.find(stated.modality) if stated.modality not in ("", *PLAIN.values()) else None
    if path.is_dir() and declared is not None and recognising.is_one_raster(path, declared):
        return _name_raster(path)
    found = recognising.find_source(path)
    # data sets' own names are for curated folders: what somebody sent is opened by the five drivers of its child
    return "geotiff" if is_upload and found == "band_folders" else found


def _name_raster(path: Path) -> str:
    return "band_folders" if recognising.is_one_raster(path) else "geotiff"


def _take_raster(region: Region, path: Path, source: str, stated: Statement, is_upload: bool) -> Taken:
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


def _take_photo(region: Region, path: Path, stated: Statement, is_upload: bool) -> Taken:
    """A street photo becomes a sample; a picture from above without a place an asset of the region."""
    if stated.modality not in ("", "street_view"):
        return _take_picture(region, path, stated, _read_one(path, is_upload))
    if not stated.modality and _read_one(path, is_upload).longitude is None:
        raise BadInputError(
            f"{path.name}: a picture that does not say where it was taken. State what it shows: street_view for a "
            "street photo without a place, aerial or very_high_resolution for a picture from above."
        )
    [one] = ingest_photos(region=region, paths=[path], is_upload=is_upload)
    place = f"{one.sample.latitude:.5f}, {one.sample.longitude:.5f}" if one.sample.has_place else "no place"
    words = ". ".join([f"{path.name}: street photo, {place}", *one.photo.notes])
    return Taken(path=path, source="photos", words=(words,), samples=int(one.is_new))


def _read_one(path: Path, is_upload: bool) -> Photo:
    return read_uploads([path])[0] if is_upload else read_photo(path)


def _take_picture(region: Region, path: Path, stated: Statement, photo: Photo) -> Taken:
    asset, _is_new = Asset.objects.update_or_create(
        region=region,
        uri=str(path.absolute()),
        defaults={
            "project": region.project, "modality": stated.modality, "sha256": photo.sha256,
            "size_bytes": path.stat().st_size, "driver": "picture", "bands": ["red", "green", "blue"],
            "dtype": "uint8", "width": photo.width, "height": photo.height,
            "captured_from": stated.captured or photo.captured_at, "captured_to": stated.captured or photo.captured_at,
            "attributes": {"notes": list(photo.notes)},
        },
    )  # fmt: skip
    words = f"{path.name}: picture of {photo.width} x {photo.height} px without a place"
    return Taken(path=path, source="photos", words=(words,), assets=[asset])


def _look(path: Path, source: str, stated: Statement, is_upload: bool) -> Infos:
    if is_upload:
        return look_at_upload(path, source)
    look: Any = sources.find(source).look
    placed = stated.epsg is not None and source in PLACEABLE
    return look(path, epsg=stated.epsg) if placed else look(path)


def _take_looked(region: Region, path: Path, source: str, stated: Statement, infos: Infos) -> Taken:
    """What is no GeoTIFF: made one where it lies on a grid with a place, else an asset of the region with its facts."""
    first = infos[0]
    words = tuple(info.describe() for info in infos)
    if isinstance(first, ArrayInfo) and first.epsg and first.transform and source in ("envi", "ascii_grid"):
        try:
            return replace(_make_raster(region, path, source, stated, first), words=words)
        except BadRasterError as error:
            if stated.modality:
                raise
            words = (*words, f"It is kept as it is, no scene is made of it: {error}")
    asset = _store(region, infos, stated)
    taken = Taken(path=path, source=source, words=words, assets=[asset])
    return _add_heights(region, first, stated, taken) if isinstance(first, PointsInfo) and first.epsg else taken


def _make_raster(region: Region, path: Path, source: str, stated: Statement, info: ArrayInfo) -> Taken:
    """A COG of the same numbers, and its scene; the asset names the file that it was made of."""
    target = _target(region, info, "")
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
        taken = _take_raster(region, target, "geotiff", said, is_upload=False)
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


def _add_heights(region: Region, info: PointsInfo, stated: Statement, taken: Taken) -> Taken:
    """Heights on a grid beside the cloud; a cloud of which none can be made stays without, and says why."""
    target = _target(region, info, "_heights")
    was_there = target.exists()
    west, south, _low, east, north, _high = info.bounds
    side = math.sqrt(max((east - west) * (north - south), 1e-12) * POINTS_PER_PIXEL / info.points)
    pixel = float(f"{side:.1g}")
    try:
        write_surfaces(make_surfaces(info.path, pixel, epsg=stated.epsg), target)
        said = Statement(modality="lidar_heights", captured=stated.captured or (info.times[0] if info.times else None))
        made = _take_raster(region, target, "geotiff", said, is_upload=False)
    except GeoquorumError as error:
        if not was_there:
            target.unlink(missing_ok=True)
        return replace(taken, words=(*taken.words, f"No heights were made of it: {error}"))
    _tell_origin(made.assets, info)
    return replace(
        taken, words=(*taken.words, *made.words), scenes=made.scenes, assets=[*taken.assets, *made.assets],
        made=() if was_there else (target,),
    )  # fmt: skip


def _target(region: Region, info: FileInfo, end: str) -> Path:
    """Where a raster made of a file lies: by the content of the file, under its name."""
    folder = Path(settings.GEOQUORUM_DATA) / "made" / str(region.project_id) / info.sha256[:2] / info.sha256
    folder.mkdir(parents=True, exist_ok=True)
    return folder / f"{info.path.stem[:100]}{end}.tif"


def _tell_origin(assets: Sequence[Asset], info: FileInfo) -> None:
    origin = {"uri": str(info.path), "sha256": info.sha256, "size_bytes": info.size_bytes, "format": info.format}
    for asset in assets:
        asset.attributes = asset.attributes | {"origin": origin, "facts": [_list_facts(info)]}
        asset.save(update_fields=["attributes"])


def _store(region: Region, infos: Infos, stated: Statement) -> Asset:
    first = infos[0]
    modality = stated.modality or MODALITIES.get(type(first)) or PLAIN[type(first)]
    if isinstance(first, LayerInfo) and first.format == "OSM" and not stated.modality:
        modality = "osm_features"
    bounds = [place for info in infos if (place := find_bounds(info)) is not None]
    joined = join_bounds(bounds) if bounds else None
    times = [moment for info in infos for moment in _list_times(info)] or [stated.captured]
    own = _list_own(first)
    told = {"facts": [_list_facts(info) for info in infos], "notes": list(first.notes)} | own.pop("more")
    asset, _is_new = Asset.objects.update_or_create(
        region=region,
        uri=str(first.path),
        defaults={
            "project": region.project, "modality": modality, "sha256": first.sha256, "size_bytes": first.size_bytes,
            "driver": first.format[:20], "bands": [name[:40] for name in own.pop("bands", ())],
            "dtype": own.pop("dtype", ""), "epsg": getattr(first, "epsg", None),
            **dict(zip(("west", "south", "east", "north"), joined or (None,) * 4, strict=True)),
            "captured_from": min(times) if times[0] else None, "captured_to": max(times) if times[0] else None,
            "attributes": told,
            **own,
        },
    )  # fmt: skip
    if joined is not None:
        services.widen_region(region, joined, is_simulated=any(info.is_simulated for info in infos))
    return asset


def find_bounds(info: FileInfo) -> Bounds | None:
    """West, south, east, north in degrees; None where the file does not say its place."""
    if isinstance(info, LayerInfo | ItemInfo):
        return info.lonlat_bounds
    if isinstance(info, SeriesInfo):
        if not info.places:
            return None
        lons, lats = np.array(list(info.places.values())).T
        return check_place(4326, lons, lats)
    if isinstance(info, PointsInfo) and info.epsg:
        west, south, _low, east, north, _high = info.bounds
        return check_place(info.epsg, np.array([west, east, east, west]), np.array([south, south, north, north]))
    if isinstance(info, ArrayInfo | FramesInfo) and info.epsg and info.transform:
        height, width = _find_size(info)
        a, b, c, d, e, f = info.transform
        columns, rows = np.array([0, width, width, 0]), np.array([0, 0, height, height])
        return check_place(info.epsg, c + a * columns + b * rows, f + d * columns + e * rows)
    return None


def _find_size(info: ArrayInfo | FramesInfo) -> tuple[int, int]:
    if isinstance(info, FramesInfo):
        return info.height, info.width
    if not {"y", "x"} <= set(info.dims):
        raise BadFileError(f"{info.path.name}: it has a place, but no rows and columns.")
    return info.shape[info.dims.index("y")], info.shape[info.dims.index("x")]


def _list_own(info: FileInfo) -> dict[str, Any]:
    """Columns of the row that only some kinds of files fill."""
    if isinstance(info, ArrayInfo):
        has_size = {"y", "x"} <= set(info.dims)
        height, width = _find_size(info) if has_size else (None, None)
        waves = {"wavelengths_nm": list(info.wavelengths_nm)} if info.wavelengths_nm else {}
        return {
            "bands": info.bands, "dtype": info.dtype, "nodata": info.nodata, "scale": info.scale,
            "offset": info.offset, "transform": list(info.transform) if info.transform else None, "height": height,
            "width": width, "more": waves,
        }  # fmt: skip
    if isinstance(info, FramesInfo):
        place = list(info.transform) if info.transform else None
        return {"dtype": "uint8", "width": info.width, "height": info.height, "transform": place, "more": {}}
    if isinstance(info, SeriesInfo):
        return {"bands": info.variables, "dtype": "float32", "more": {}}
    return {"bands": info.fields if isinstance(info, PointsInfo) else (), "more": {}}


def _list_times(info: FileInfo) -> list[datetime]:
    if isinstance(info, SeriesInfo | ItemInfo):
        return [info.captured_from, info.captured_to]
    return list(getattr(info, "times", ()))


def _list_facts(info: FileInfo) -> dict[str, Any]:
    """Everything that was told, as JSON; long lists are cut, and their length is kept."""
    held = {name: _plain(value) for name, value in asdict(info).items() if name not in ("path", "sha256", "size_bytes")}
    lengths = {f"{name}_count": len(value) for name, value in asdict(info).items() if _is_long(value)}
    return json.loads(json.dumps(held | lengths))


def _is_long(value: Any) -> bool:
    return isinstance(value, list | tuple | Mapping) and len(value) > LONGEST_LIST


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(key): _plain(one) for key, one in list(value.items())[:LONGEST_LIST]}
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value[:LONGEST_LIST]]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
