"""Street photos into a region: all of them are read and checked first, then all are taken, or none."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from django.db import transaction

from fusion import grid
from fusion.errors import BadInputError
from fusion.source import Photo
from fusion.sources.photos import read_photo
from fusion.sources.photos.uploads import read_uploads
from geoquorum.catalog.media import forget_unused, store_photo
from geoquorum.catalog.models import Region, Sample
from geoquorum.storing import hold


@dataclass(frozen=True, kw_only=True)
class TakenPhoto:
    """One photo as it was taken in; `is_new` is false where the same file was here before."""

    sample: Sample
    photo: Photo
    is_new: bool


def ingest_photos(*, region: Region, paths: Sequence[Path], is_upload: bool = False) -> list[TakenPhoto]:
    """One sample of kind street_view per photo, with place, heading and time from its EXIF, in the order of `paths`.

    What somebody sent (`is_upload`) is decoded in a child process with bounds.
    """
    photos = read_uploads(paths) if is_upload else [read_photo(path) for path in paths]
    if not photos:
        raise BadInputError("No photo was named.")
    try:
        with transaction.atomic():
            hold(f"photos {region.project_id}")
            return [_take(region, photo) for photo in photos]
    except BaseException:
        forget_unused(region.project, photos)
        raise


def _take(region: Region, photo: Photo) -> TakenPhoto:
    sample, is_new = Sample.objects.get_or_create(
        project=region.project,
        kind=Sample.Kind.STREET_VIEW,
        key=f"photo-{photo.sha256[:16]}",
        defaults={
            "region": region,
            **place_of(photo.longitude, photo.latitude),
            "heading_deg": photo.heading_deg,
            "field_of_view_deg": photo.field_of_view_deg,
            "captured_from": photo.captured_at,
            "captured_to": photo.captured_at,
            "is_simulated": region.is_simulated or photo.is_simulated,
        },
    )
    if is_new:
        store_photo(sample=sample, photo=photo, modality="street_view")
    return TakenPhoto(sample=sample, photo=photo, is_new=is_new)


def place_of(longitude: float | None, latitude: float | None) -> dict[str, object]:
    """Fields of a sample that lies at a point: the point and its grid cell; nothing where there is no place.

    Beyond 84 degrees north and 80 south there is no cell, and so no picture from above.
    """
    if longitude is None or latitude is None:
        return {}
    has_cell = grid.SOUTH_LIMIT <= latitude < grid.NORTH_LIMIT
    cell = grid.cell_at(longitude, latitude).id if has_cell else ""
    return {"longitude": longitude, "latitude": latitude, "cell": cell}
