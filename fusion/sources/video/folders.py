"""Folders of frames in the order of time: names say a number or a moment, `frames.json` beside them what they cannot.

frames.json may hold `start` (ISO 8601), `frames_per_second`, `epsg` and `transform` (six numbers).
"""

import hashlib
import json
import math
import re
import warnings
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from fusion.errors import BadFileError
from fusion.file_info import FramesInfo, Transform, hash_file
from fusion.places import check_place
from fusion.sources.video.files import VIDEO_SUFFIXES, inspect_video

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
FORMATS = ("JPEG", "PNG", "WEBP")
BESIDE = "frames.json"
MOST_FRAMES, MOST_PIXELS, MOST_BYTES, MOST_TEXT = 200_000, 64_000_000, 256 * 2**20, 64 * 2**10
MOMENT = re.compile(r"(\d{4})-?(\d\d)-?(\d\d)[T_ -]?(\d\d)[:-]?(\d\d)[:-]?(\d\d)(?:[.,](\d{1,6}))?(?!\d)")


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What frames.json says, checked."""

    start: datetime | None = None
    frames_per_second: float | None = None
    epsg: int | None = None
    transform: Transform | None = None


def inspect_frames(path: Path) -> list[FramesInfo]:
    """What a folder of frames, or a video file, holds; every frame is decoded once."""
    if path.is_file() and path.suffix.lower() in VIDEO_SUFFIXES:
        return [inspect_video(path)]
    if not path.is_dir():
        raise BadFileError(f"{path}: neither a folder of frames nor a video ({', '.join(VIDEO_SUFFIXES)}).")
    try:
        return [_inspect_folder(path)]
    except BadFileError as error:
        raise BadFileError(f"{path.name}: {error}.") from error


def read_frame(path: Path, number: int) -> npt.NDArray[np.uint8]:
    """Frame `number` of a folder, from 0, as [y, x, channel]."""
    frames = list_frames(path)
    if not 0 <= number < len(frames):
        raise BadFileError(f"{path.name}: no frame {number}; there are {len(frames)}, from 0.")
    return _decode(frames[number])


def list_frames(folder: Path) -> list[Path]:
    """Pictures of a folder in the order of their moments or numbers; links are passed over."""
    every = (one for one in folder.iterdir() if one.suffix.lower() in SUFFIXES and not one.name.startswith("."))
    found = [one for one in every if one.is_file() and not one.is_symlink()]
    if not found:
        raise BadFileError(f"no frame ends in {', '.join(SUFFIXES)}")
    if len(found) > MOST_FRAMES:
        raise BadFileError(f"it has {len(found):,} frames, the limit is {MOST_FRAMES:,}; cut it into clips")
    return sorted(found, key=lambda one: (_find_moment(one.stem) or datetime.min.replace(tzinfo=UTC), _key(one.stem)))


def _key(stem: str) -> tuple[tuple[int, str], ...]:
    """Numbers count as numbers: 9 comes before 10."""
    return tuple((int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d{1,18})", stem) if part)


def _find_moment(stem: str) -> datetime | None:
    match = MOMENT.search(stem)
    if match is None:
        return None
    try:
        whole = datetime.strptime("".join(match.groups()[:6]), "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        return None
    return whole + timedelta(seconds=float(f"0.{match[7]}")) if match[7] else whole


def _inspect_folder(folder: Path) -> FramesInfo:
    frames, said = list_frames(folder), _read_statement(folder / BESIDE)
    shapes, digest, size = set(), hashlib.sha256(), 0
    for frame in frames:
        shapes.add(_decode(frame).shape)
        if len(shapes) > 1:
            raise BadFileError(
                f"{frame.name} has another size than the frames before it; give each video its own folder"
            )
        digest.update(f"{frame.name} {hash_file(frame)}\n".encode())
        size += frame.stat().st_size
    height, width, channels = shapes.pop()
    times, pace, notes = _find_times(frames, said)
    if said.epsg is not None and said.transform is not None:
        _check_place(said.epsg, said.transform, width, height)
    return FramesInfo(
        path=folder.absolute(), sha256=digest.hexdigest(), size_bytes=size, format="frames", frames=len(frames),
        width=width, height=height, channels=channels, frames_per_second=pace, times=times, epsg=said.epsg,
        transform=said.transform, notes=(*notes, "The hash is that of the list of frames with theirs"),
    )  # fmt: skip


def _find_times(frames: list[Path], said: Statement) -> tuple[tuple[datetime, ...], float | None, list[str]]:
    named = [_find_moment(frame.stem) for frame in frames]
    moments = tuple(moment for moment in named if moment is not None)
    if len(moments) == len(frames):
        span = (moments[-1] - moments[0]).total_seconds()
        if len(set(moments)) < len(moments):
            raise BadFileError("two frames have the same moment in their names")
        return moments, (len(moments) - 1) / span if span > 0 else said.frames_per_second, ["Times from the names"]
    if moments:
        raise BadFileError(f"{len(moments)} of {len(frames)} frames have a moment in their names; all or none must")
    if said.start is not None and said.frames_per_second is not None:
        step = timedelta(seconds=1 / said.frames_per_second)
        times = tuple(said.start + step * number for number in range(len(frames)))
        return times, said.frames_per_second, [f"Times from {BESIDE}"]
    return (), said.frames_per_second, [f"No times: neither the names nor {BESIDE} say them"]


def _read_statement(path: Path) -> Statement:
    if not path.is_file():
        return Statement()
    try:
        held: Any = json.loads(path.read_bytes()[: MOST_TEXT + 1]) if path.stat().st_size <= MOST_TEXT else None
    except (ValueError, RecursionError) as error:
        raise BadFileError(f"{BESIDE} is no JSON") from error
    if not isinstance(held, dict):
        raise BadFileError(f"{BESIDE} must be one JSON object of at most {MOST_TEXT} bytes")
    try:
        start = datetime.fromisoformat(str(held["start"]).replace("Z", "+00:00")) if "start" in held else None
        pace = float(held["frames_per_second"]) if "frames_per_second" in held else None
        epsg = int(held["epsg"]) if "epsg" in held else None
        a, b, c, d, e, f = (float(number) for number in held.get("transform", [1, 0, 0, 0, -1, 0]))
    except (ValueError, TypeError, OverflowError) as error:
        raise BadFileError(f"{BESIDE} has a start, pace or place that cannot be read") from error
    if (pace is not None and not 1e-6 < pace < 1e5) or not all(map(math.isfinite, (a, b, c, d, e, f))):
        raise BadFileError(f"{BESIDE} has a pace or a transform that cannot be")
    if (epsg is None) != ("transform" not in held):
        raise BadFileError(f"{BESIDE} needs both epsg and transform, or neither")
    return Statement(
        start=start if start is None or start.tzinfo else start.replace(tzinfo=UTC), frames_per_second=pace,
        epsg=epsg, transform=None if epsg is None else (a, b, c, d, e, f),
    )  # fmt: skip


def _decode(path: Path) -> npt.NDArray[np.uint8]:
    if path.stat().st_size > MOST_BYTES:
        raise BadFileError(f"{path.name} has more than {MOST_BYTES // 2**20} MiB")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            image = Image.open(path, formats=FORMATS)
            if image.width * image.height > MOST_PIXELS:
                raise BadFileError(f"{path.name} claims {image.width} x {image.height} pixels, more than is decoded")
            return np.atleast_3d(np.asarray(image if image.mode in ("L", "RGB") else image.convert("RGB")))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise BadFileError(f"{path.name} is broken or no JPEG, PNG or WebP; fetch it again") from error


def _check_place(epsg: int, transform: Transform, width: int, height: int) -> None:
    a, b, c, d, e, f = transform
    columns, rows = np.array([0, width, width, 0]), np.array([0, 0, height, height])
    check_place(epsg, c + a * columns + b * rows, f + d * columns + e * rows)
