"""Files that come by HTTP, for readers that want a path: under a name of ours, gone when they are read."""

import contextlib
import tempfile
from collections.abc import Iterator
from pathlib import Path

from django.core.files.uploadedfile import UploadedFile

from fusion.errors import BadInputError

MOST_BYTES = 1 << 30


@contextlib.contextmanager
def keep_upload(file: UploadedFile) -> Iterator[Path]:
    """The upload in a folder of its own, called `upload` with the ending it was sent with."""
    if (file.size or 0) > MOST_BYTES:
        raise BadInputError(f"The file is larger than {MOST_BYTES >> 20} MiB. Split it, or use the command line.")
    ending = "".join(sign for sign in Path(file.name or "").suffix.lower() if sign.isalnum())
    with tempfile.TemporaryDirectory(prefix="geoquorum-upload-") as folder:
        path = Path(folder) / f"upload.{ending}"
        with open(path, "wb") as target:
            for piece in file.chunks():
                target.write(piece)
        yield path
