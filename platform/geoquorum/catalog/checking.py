"""Whether a file is still what was taken in: its sum is taken at each use, and remembered while nobody touches it.

Disks and people change files without a word, and pixels that are not packed read wrongly without an error.
"""

import time
from functools import lru_cache
from pathlib import Path

from fusion.errors import BadInputError
from fusion.file_info import hash_file
from geoquorum.catalog.models import Asset

REMEMBERED = 4_096  # files whose sum is known to this process
TRUSTED_S = 24 * 3600  # a sum is taken again after a day at most: what rots leaves no date


def check_file(asset: Asset) -> None:
    """Refuse the file of an asset that is another one now; one that is gone is left to its reader to name."""
    path = Path(asset.uri)
    if not asset.sha256 or not path.is_file():
        return
    told = path.stat()
    if told.st_size == asset.size_bytes:
        turn = int(time.time() // TRUSTED_S)
        if _hash(str(path), told.st_ino, told.st_size, told.st_mtime_ns, told.st_ctime_ns, turn) == asset.sha256:
            return
    raise BadInputError(
        f"{path.name} is not what was taken in: its bytes have changed since. Put the right file back, or ingest it "
        "again."
    )


@lru_cache(maxsize=REMEMBERED)
def _hash(path: str, *_state: int) -> str:
    return hash_file(Path(path))
