"""Photos on a local disk: JPEG, PNG and WebP, refused by name or taken as pixels alone."""

from fusion.source import Source
from fusion.sources.photos.reading import SUFFIXES, read_photo

__all__ = ["SOURCE", "read_photo"]

SOURCE = Source(
    name="photos", title="Photos (JPEG, PNG, WebP) on a local disk", suffixes=SUFFIXES, read_photo=read_photo
)
