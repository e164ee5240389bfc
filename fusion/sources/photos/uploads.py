"""Photos that somebody sent, decoded in a child process with bounds: one for all photos of a request."""

import json
from collections.abc import Sequence
from dataclasses import fields
from datetime import datetime
from pathlib import Path

from fusion.bounded import Bounds, run_bounded
from fusion.source import Photo
from fusion.sources.photos.reading import read_photo

MEMORY_BYTES = 2 * 2**30
SECONDS, SECONDS_EACH = 20, 10  # a photo of 100 million pixels takes three


def read_uploads(paths: Sequence[Path]) -> list[Photo]:
    """As `read_photo` reads them; the first that is refused refuses all."""
    if not paths:
        return []
    content = run_bounded(
        "fusion.sources.photos.uploads:answer",
        about=", ".join(path.name for path in paths[:3]) + (" ..." if len(paths) > 3 else ""),
        bounds=Bounds(seconds=SECONDS + SECONDS_EACH * len(paths), memory_bytes=MEMORY_BYTES),
        paths=[str(path.absolute()) for path in paths],
    )
    head, _, pixels = content.partition(b"\n")
    found, start = [], 0
    for path, told in zip(paths, json.loads(head), strict=True):
        end = start + told.pop("length")
        moment = told.pop("captured_at")
        found.append(
            Photo(
                **told | {"notes": tuple(told["notes"])}, path=path, jpeg=pixels[start:end],
                captured_at=datetime.fromisoformat(moment) if moment else None,
            )
        )  # fmt: skip
        start = end
    return found


def answer(paths: list[str]) -> bytes:
    """What the child says: a line of facts, then the pixels of each photo as JPEG."""
    photos = [read_photo(Path(path)) for path in paths]
    told = [_tell(photo) for photo in photos]
    return json.dumps(told).encode() + b"\n" + b"".join(photo.jpeg for photo in photos)


def _tell(photo: Photo) -> dict[str, object]:
    held = {field.name: getattr(photo, field.name) for field in fields(photo) if field.name not in ("path", "jpeg")}
    moment = photo.captured_at.isoformat() if photo.captured_at else None
    return held | {"captured_at": moment, "length": len(photo.jpeg)}
