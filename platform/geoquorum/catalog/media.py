"""Photos on disk: stored under GEOQUORUM_DATA by their content, read only from there, served only through a view."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from django.conf import settings

from fusion.errors import BadInputError
from fusion.source import Photo
from geoquorum.accounts.models import Project
from geoquorum.catalog.models import Asset, Sample
from geoquorum.storing import needing_room, write_whole

MODALITIES = ("street_view", "post_image")  # of assets that are photos
CONTENT_TYPES = {"JPEG": "image/jpeg"}


def store_photo(*, sample: Sample, photo: Photo, modality: str) -> Asset:
    """Writes the photo's pixels beside those of the project and makes its row; the file it came from stays away."""
    digest = hashlib.sha256(photo.jpeg).hexdigest()
    path = find_place(sample.project, photo)
    if not path.exists():
        with needing_room(photo.path.name):
            write_whole(path, [photo.jpeg])
    return Asset.objects.create(
        project=sample.project,
        sample=sample,
        modality=modality,
        uri=str(path),
        sha256=digest,
        size_bytes=len(photo.jpeg),
        driver="JPEG",
        bands=["red", "green", "blue"],
        dtype="uint8",
        width=photo.width,
        height=photo.height,
        attributes={"notes": list(photo.notes)},
    )


def find_place(project: Project, photo: Photo) -> Path:
    """Where the pixels of a photo lie: by their content."""
    digest = hashlib.sha256(photo.jpeg).hexdigest()
    return _folder() / str(project.pk) / digest[:2] / f"{digest}.jpg"


def forget_unused(project: Project, photos: Iterable[Photo]) -> None:
    """Deletes the files of photos that no row names: those that were written for rows which did not come about."""
    for path in {find_place(project, photo) for photo in photos}:
        if not Asset.objects.filter(uri=str(path)).exists():
            path.unlink(missing_ok=True)


def find_photo(sample: Sample) -> Asset | None:
    """The photo of a street view or of a post."""
    return Asset.objects.filter(sample=sample, modality__in=MODALITIES).order_by("pk").first()


def read_media(asset: Asset) -> bytes:
    """The bytes of a stored photo; a row that points anywhere else is refused."""
    path = Path(asset.uri).resolve()
    if not path.is_relative_to(_folder().resolve()) or asset.driver not in CONTENT_TYPES:
        raise BadInputError("This photo does not lie where photos are kept; ingest it again.")
    try:
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise BadInputError("The file of this photo is gone; ingest it again.") from error
    if hashlib.sha256(content).hexdigest() != asset.sha256:
        raise BadInputError("The file of this photo is not what was stored any more; ingest it again.")
    return content


def remove_media(asset: Asset) -> None:
    """Deletes a photo's row, and its file where no other row needs it."""
    path, uri = Path(asset.uri).resolve(), asset.uri
    asset.delete()
    if path.is_relative_to(_folder().resolve()) and not Asset.objects.filter(uri=uri).exists():
        path.unlink(missing_ok=True)


def _folder() -> Path:
    return Path(settings.GEOQUORUM_DATA) / "photos"
