"""What runs in a child process: FFmpeg on bytes that are already open, with named containers and no protocols."""

import io
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from fusion.errors import BadFileError

# containers by their first bytes: playlists and scripts, which lead to other files, are never tried
STARTS = {4: (b"ftyp", "mov"), 0: (b"\x1aE\xdf\xa3", "matroska"), 8: (b"AVI ", "avi")}
MOST_PIXELS, MOST_FRAMES = 64_000_000, 1_000_000


def scan(path: str) -> bytes:
    """Count, size, pace and times of the frames, as JSON."""
    frames, late, last, sizes = 0, 0, -1.0, set()
    with _open(path) as container:
        stream = container.streams.video[0]
        pace = float(stream.average_rate) if stream.average_rate else None
        start = _find_start(container.metadata)
        times: list[str] = []
        for frame in _decode(container, path):
            frames += 1
            sizes.add((frame.width, frame.height))
            moment = float(frame.time) if frame.time is not None else -1.0
            late += moment <= last
            last = moment
            if start is not None and frame.time is not None:
                times.append((start + timedelta(seconds=moment)).isoformat())
        claimed = stream.frames
        kind, codec = container.format.name.split(",")[0], stream.codec_context.name
    if claimed > frames:
        raise BadFileError(f"{Path(path).name}: it claims {claimed} frames, {frames} can be decoded. Fetch it again.")
    if len(sizes) != 1:
        raise BadFileError(f"{Path(path).name}: its frames have {len(sizes)} sizes. Cut it into clips of one size.")
    notes = [f"{late} frames do not come after the one before"] if late else []
    notes.append("Times from the moment of creation in the file" if times else "The file says no moment of creation")
    width, height = sizes.pop()
    answer: dict[str, Any] = {
        "frames": frames, "width": width, "height": height, "frames_per_second": pace, "format": f"{kind} {codec}",
        "times": times if len(times) == frames else [], "notes": notes,
    }  # fmt: skip
    return json.dumps(answer).encode()


def read(path: str, first: int, count: int) -> bytes:
    """Frames as an array of NumPy."""
    found = []
    with _open(path) as container:
        for number, frame in enumerate(_decode(container, path)):
            if number >= first:
                found.append(frame.to_ndarray(format="rgb24"))
            if len(found) == count:
                break
    if len(found) < count:
        raise BadFileError(f"{Path(path).name}: frames {first} to {first + count - 1} were asked for, it ends before.")
    content = io.BytesIO()
    np.save(content, np.stack(found))
    return content.getvalue()


def _open(path: str) -> Any:
    import av

    file = Path(path).open("rb")  # noqa: SIM115  the process ends with it
    head = file.read(12)
    file.seek(0)
    kind = next((name for place, (mark, name) in STARTS.items() if head[place : place + len(mark)] == mark), None)
    if kind is None:
        raise BadFileError(f"{Path(path).name}: neither MP4, Matroska, WebM nor AVI (it starts with {head[:8]!r}).")
    try:
        container = av.open(file, format=kind, options={"protocol_whitelist": "", "enable_drefs": "0"})
    except Exception as error:
        raise _broken(path, error) from error
    if not container.streams.video:
        raise BadFileError(f"{Path(path).name}: it holds no video stream.")
    stream = container.streams.video[0]
    if not 0 < stream.width * stream.height <= MOST_PIXELS:
        raise BadFileError(f"{Path(path).name}: it claims frames of {stream.width} x {stream.height} pixels.")
    stream.thread_count = 1
    return container


def _decode(container: Any, path: str) -> Iterator[Any]:
    number = 0
    try:
        for number, frame in enumerate(container.decode(container.streams.video[0]), start=1):
            if number > MOST_FRAMES:
                raise BadFileError(f"{Path(path).name}: more than {MOST_FRAMES:,} frames. Cut it into clips.")
            yield frame
    except BadFileError:
        raise
    except Exception as error:
        raise _broken(path, error) from error
    if not number:
        raise BadFileError(f"{Path(path).name}: not one frame of it can be decoded.")


def _find_start(metadata: dict[str, str]) -> datetime | None:
    try:
        found = datetime.fromisoformat(metadata.get("creation_time", "").replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo and found.year >= 1980 else None


def _broken(path: str, error: Exception) -> BadFileError:
    cause = str(error).split("\n")[0][:160] or type(error).__name__
    return BadFileError(f"{Path(path).name}: its frames cannot be decoded ({cause}). Fetch or write it again.")
