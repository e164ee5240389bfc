"""Files that somebody sent, kept as they came: by their content, whole, and once however often they are sent."""

import contextlib
import hashlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from django.conf import settings
from django.db import transaction

from fusion.file_info import hash_file
from geoquorum.catalog.models import Region
from geoquorum.storing import copy_whole, hold, needing_room


@contextlib.contextmanager
def keep_for_good(region: Region, path: Path) -> Iterator[Path]:
    """An upload and what lies beside it in a folder of its own; gone again where it is refused inside the block.

    The same files sent a second time at once wait for the first, and then are the same folder.
    """
    files = sorted(path.parent.iterdir())
    told = "\n".join(f"{hash_file(one)} {one.name}" for one in files)
    digest = hashlib.sha256(told.encode()).hexdigest()
    folder = Path(settings.GEOQUORUM_DATA) / "files" / str(region.project_id) / digest[:2] / digest
    with transaction.atomic():
        hold(f"kept {region.project_id} {digest}")
        was_there = folder.exists()
        try:
            if not was_there:
                with needing_room(path.name):
                    copy_whole(files, folder)
            yield folder / path.name
        except BaseException:
            if not was_there:
                shutil.rmtree(folder, ignore_errors=True)
            raise
