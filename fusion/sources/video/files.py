"""Video files, where the decoder of the extra `video` (PyAV, which carries FFmpeg) is installed; decoded in a child."""

import importlib.util
import io
import json
from datetime import datetime
from pathlib import Path

import numpy as np
import numpy.typing as npt

from fusion.bounded import Bounds, run_bounded
from fusion.errors import BadFileError
from fusion.file_info import FramesInfo, hash_file

VIDEO_SUFFIXES = (".mp4", ".mov", ".mkv", ".webm", ".avi")
MOST_BYTES = 16 * 2**30
MOST_READ = 256
BOUNDS = Bounds(seconds=600)


def inspect_video(path: Path) -> FramesInfo:
    """What a video file holds, every frame decoded once."""
    _check(path)
    found = json.loads(
        run_bounded("fusion.sources.video.child:scan", about=path.name, bounds=BOUNDS, path=str(path.absolute()))
    )
    return FramesInfo(
        path=path.absolute(), sha256=hash_file(path), size_bytes=path.stat().st_size, format=found["format"],
        frames=found["frames"], width=found["width"], height=found["height"], channels=3,
        frames_per_second=found["frames_per_second"], notes=tuple(found["notes"]),
        times=tuple(datetime.fromisoformat(text) for text in found["times"]),
    )  # fmt: skip


def read_video_frames(path: Path, first: int, count: int) -> npt.NDArray[np.uint8]:
    """Frames [n, y, x, 3] from number `first` on, in the order of time."""
    _check(path)
    if first < 0 or not 1 <= count <= MOST_READ:
        raise BadFileError(
            f"{path.name}: {count} frames from {first} were asked for; 1 to {MOST_READ} are read at once."
        )
    content = run_bounded(
        "fusion.sources.video.child:read", about=path.name, bounds=BOUNDS, path=str(path.absolute()), first=first,
        count=count,
    )  # fmt: skip
    frames = np.load(io.BytesIO(content), allow_pickle=False)
    return np.asarray(frames, dtype=np.uint8)


def is_decoder_there() -> bool:
    """Whether video files can be read at all."""
    return importlib.util.find_spec("av") is not None


def _check(path: Path) -> None:
    if not path.is_file():
        raise BadFileError(f"{path}: no such file. Give a video that ends in {', '.join(VIDEO_SUFFIXES)}.")
    if not is_decoder_there():
        raise BadFileError(
            f"{path.name}: no decoder of videos is installed. Install geoquorum[video], or give a folder of frames."
        )
    if path.stat().st_size > MOST_BYTES:
        raise BadFileError(f"{path.name}: more than {MOST_BYTES:,} bytes. Cut it into clips.")
