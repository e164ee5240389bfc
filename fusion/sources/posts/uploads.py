"""Tables of posts that somebody sent: small ones are read here, others in a child process with bounds."""

import json
from datetime import datetime
from pathlib import Path

from fusion.bounded import SMALL_BYTES, Bounds, run_bounded
from fusion.source import PostRow
from fusion.sources.posts.reading import read_posts

# the most rows that are taken, of the longest words that are usual, need a third of each
BOUNDS = Bounds(seconds=120, memory_bytes=2 * 2**30, disk_bytes=2**30)


def read_upload(path: Path) -> list[PostRow]:
    """As `read_posts` reads them, and refused as it refuses."""
    if path.stat().st_size <= SMALL_BYTES:
        return read_posts(path)
    content = run_bounded(
        "fusion.sources.posts.uploads:answer", about=path.name, bounds=BOUNDS, path=str(path.absolute())
    )
    return [_revive(line) for line in content.splitlines()]


def answer(path: str) -> bytes:
    """What the child says: a line of JSON for each row, its words scrubbed already."""
    return b"\n".join(json.dumps(vars(row), default=datetime.isoformat).encode() for row in read_posts(Path(path)))


def _revive(line: bytes) -> PostRow:
    held = json.loads(line)
    moment = held.pop("posted_at")
    return PostRow(**held, posted_at=datetime.fromisoformat(moment) if moment else None)
