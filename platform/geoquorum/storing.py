"""Bytes that are kept for good: whole or not at all, on the disk before anybody is told of them.

What is written lies beside its place until it is complete, and is then moved there. A disk without room ends in one
sentence, with nothing left of what did not fit.
"""

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from functools import partial
from pathlib import Path

from django.db import connection

from fusion.errors import GeoquorumError

NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
TURN = 71_010  # first half of the advisory key; the second is made of a name
PIECE = 1 << 20


class NoRoomError(GeoquorumError):
    """The disk has no room for a file."""

    status = 507


@contextlib.contextmanager
def needing_room(name: str) -> Iterator[None]:
    """Turns a full disk, a spent quota or a file beyond the limit into a sentence about the file `name`."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        raise NoRoomError(
            f"{name} is not stored: there is no room for it ({os.strerror(error.errno)}). Nothing was taken. Make room "
            "where the data lie, then send it again."
        ) from error


def write_whole(path: Path, pieces: Iterable[bytes]) -> None:
    """A file that is there whole, and written down, or not at all; one that was there before is replaced."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name[:60]}.{secrets.token_hex(4)}.partial")
    try:
        with beside.open("xb") as file:
            for piece in pieces:
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    _write_down(path.parent)


def copy_whole(files: Iterable[Path], folder: Path) -> None:
    """Copies of files in a folder that is new, and there with all of them or not at all."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    beside = folder.with_name(f".{folder.name[:60]}.{secrets.token_hex(4)}.partial")
    beside.mkdir()
    try:
        for one in files:
            with one.open("rb") as source:
                write_whole(beside / one.name, iter(partial(source.read, PIECE), b""))
        beside.rename(folder)
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    _write_down(folder.parent)


def hold(name: str) -> None:
    """Nobody else holds this name until the transaction ends: what is sent twice at once is taken one by one."""
    key = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big", signed=True)
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s, %s)", [TURN, key])


def _write_down(folder: Path) -> None:
    """The names in a folder, which a loss of power takes as well as bytes."""
    with contextlib.suppress(OSError):  # no system but Unix opens folders
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
