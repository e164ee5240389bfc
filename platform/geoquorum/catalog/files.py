"""Files of every known source into a region: recognised by their content, looked at whole, then taken or refused."""

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.db import transaction

from fusion import modality as modalities
from fusion import recognising
from fusion import source as sources
from fusion.errors import BadInputError, BadRasterError, GeoquorumError
from fusion.file_info import ArrayInfo, PointsInfo
from fusion.looking import look_at_upload
from fusion.source import Photo
from fusion.sources.geotiff.opening import check_is_tiff
from fusion.sources.photos import read_photo
from fusion.sources.photos.uploads import read_uploads
from geoquorum.catalog.facts import Infos, store_facts
from geoquorum.catalog.models import Asset, Region
from geoquorum.catalog.photos import ingest_photos
from geoquorum.catalog.posts import ingest_posts
from geoquorum.catalog.rasters import add_heights, find_target, make_raster, take_raster
from geoquorum.catalog.stating import PLAIN, Statement, Taken, check_statement
from geoquorum.storing import write_whole

__all__ = ["PLAIN", "Statement", "Taken", "check_statement", "forget", "is_kept", "list_places", "take_file"]

PLACEABLE = ("point_cloud", "ascii_grid", "vectors")  # sources whose `look` takes the CRS that a file does not say
PARTS = (".shx", ".dbf", ".prj", ".cpg")  # of a Shapefile, read with its .shp


def take_file(*, region: Region, path: Path, stated: Statement | None = None, is_upload: bool = False) -> Taken:
    """One file, or a folder that is one thing, into a region: as a scene, as assets of the region, or as samples.

    What somebody sent (`is_upload`) is first looked at in a child process with bounds on time and memory.
    """
    said = stated or Statement()
    check_statement(said)
    source = _find_source(path, said, is_upload)
    with transaction.atomic():
        if sources.find(source).inspect is not None:
            return take_raster(region, path, source, said, is_upload)
        if source == "photos":
            return _take_photo(region, path, said, is_upload)
        if source == "posts":
            if is_upload:
                raise BadInputError(f"{path.name}: a table of posts. Posts have a form of their own on this page.")
            found = ingest_posts(region=region, path=path)
            words = f"{path.name}: {len(found.ids)} new posts, {found.known} were here already"
            return Taken(path=path, source=source, words=(words,), samples=len(found.ids))
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


def is_kept(path: Path, stated: Statement) -> bool:
    """Whether a file that somebody sent is kept as it came. A photo is not: it says who took it, where, and with what.

    Its pixels are kept, written anew.
    """
    return _find_source(path, stated, is_upload=True) != "photos"


def _is_part(path: Path) -> bool:
    """Whether a file is read with another one beside it."""
    if path.suffix.lower() in PARTS:
        return any(path.with_suffix(end).is_file() for end in (".shp", ".SHP"))
    headers = (path.with_suffix(".hdr"), path.with_suffix(".HDR"), path.with_name(path.name + ".hdr"))
    return any(header != path and header.is_file() for header in headers)


def _find_source(path: Path, stated: Statement, is_upload: bool) -> str:
    if path.is_dir() and stated.modality == "video":
        return "video"
    declared = modalities.find(stated.modality) if stated.modality not in ("", *PLAIN.values()) else None
    if path.is_dir() and declared is not None and recognising.is_one_raster(path, declared):
        return _name_raster(path)
    found = recognising.find_source(path)
    if is_upload and found in ("geotiff", "band_folders"):
        check_is_tiff(path)  # four bytes tell most of what pretends, before any child is started for it
        # data sets' own names are for curated folders: what somebody sent is opened by the five drivers of its child
        return "geotiff"
    return found


def _name_raster(path: Path) -> str:
    return "band_folders" if recognising.is_one_raster(path) else "geotiff"


def _take_photo(region: Region, path: Path, stated: Statement, is_upload: bool) -> Taken:
    """A street photo becomes a sample; a picture from above without a place an asset of the region."""
    if stated.modality not in ("", "street_view"):
        return _take_picture(region, path, stated, _read_one(path, is_upload), is_upload)
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


def _take_picture(region: Region, path: Path, stated: Statement, photo: Photo, is_upload: bool) -> Taken:
    """A picture stays where it is; of one that somebody sent the pixels alone are kept."""
    there, sha256 = path.absolute(), photo.sha256
    if is_upload:
        sha256 = hashlib.sha256(photo.jpeg).hexdigest()
        there = find_target(region, sha256, f"{path.stem[:100]}.jpg")
        write_whole(there, [photo.jpeg])
    asset, _is_new = Asset.objects.update_or_create(
        region=region,
        uri=str(there),
        defaults={
            "project": region.project, "modality": stated.modality, "sha256": sha256,
            "size_bytes": there.stat().st_size, "driver": "picture", "bands": ["red", "green", "blue"],
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
            return replace(make_raster(region, path, source, stated, first), words=words)
        except BadRasterError as error:
            if stated.modality:
                raise
            words = (*words, f"It is kept as it is, no scene is made of it: {error}")
    asset = store_facts(region, infos, stated)
    taken = Taken(path=path, source=source, words=words, assets=[asset])
    return add_heights(region, first, stated, taken) if isinstance(first, PointsInfo) and first.epsg else taken
