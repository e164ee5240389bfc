"""A short video of a window from above: vehicles move over the aerial photo on tracks that are known."""

import json
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from fusion.errors import BadInputError
from fusion.world.aerial import render_aerial
from fusion.world.ground import Window
from fusion.world.vehicles import Places, Vehicle, draw_vehicles, find_corners, find_places
from fusion.world.world import PIXEL_M, City

_SUB = 4  # a frame's pixel is covered by so many samples along each side, so that slow motion is seen
_NOISE = 1.5  # digital numbers, one sigma (assumption)


@dataclass(frozen=True, kw_only=True)
class Track:
    """One vehicle in the frames in which it is seen: `frames` are their numbers, `centres` pixels (column, row).

    `boxes` are x0, y0, x1, y1 in pixels, cut at the picture's edges; `headings_deg` are clockwise from north.
    """

    vehicle: int
    frames: tuple[int, ...]
    centres: tuple[tuple[float, float], ...]
    boxes: tuple[tuple[float, float, float, float], ...]
    headings_deg: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Video:
    """`frames` [time, red green blue, y, x] uint8, a UTC time each, one georeference for all, and the truth."""

    frames: npt.NDArray[np.uint8]
    times: tuple[datetime, ...]
    frames_per_second: float
    epsg: int
    transform: tuple[float, float, float, float, float, float]
    tracks: tuple[Track, ...]


def render_video(
    city: City,
    window: Window,
    day: date,
    *,
    frames: int = 20,
    frames_per_second: float = 5.0,
    detail: int = 5,
    seed: int = 0,
) -> Video:
    """A clip from 10:30 UTC of the day, stabilised; pixels of 2.5 m / `detail` (5: half a metre)."""
    if frames < 1 or frames_per_second <= 0:
        raise BadInputError(f"A video has at least 1 frame and a pace above 0, not {frames} at {frames_per_second}.")
    still = render_aerial(city, window, day, detail=detail)[:3]
    square_m = 2.5 / detail
    west, north = city.origin[0] + window.columns[0] * PIXEL_M, city.origin[1] - window.rows[0] * PIXEL_M
    seconds = np.arange(frames) / frames_per_second
    vehicles, places = _find_near(city, window, seconds, seed)
    corners = [
        _to_pixels(find_corners(vehicle, places.x[row], places.y[row], places.heading_deg[row]), west, north, square_m)
        for row, vehicle in enumerate(vehicles)
    ]
    rng = np.random.default_rng([city.seed, 17, seed, window.rows[0], window.columns[0]])
    clip = np.empty((frames, *still.shape), dtype=np.uint8)
    for frame in range(frames):
        picture = still.astype(np.float32)
        for row, vehicle in enumerate(vehicles):
            if places.is_seen[row, frame]:
                _paint(picture, corners[row][frame], vehicle.colour)
        noisy = picture + rng.standard_normal(picture.shape, dtype=np.float32) * np.float32(_NOISE)
        clip[frame] = np.clip(np.rint(noisy), 0, 255).astype(np.uint8)
    start = datetime(day.year, day.month, day.day, 10, 30, tzinfo=UTC)
    tracks = [_make_track(vehicle, row, corners[row], places, still.shape[1:]) for row, vehicle in enumerate(vehicles)]
    return Video(
        frames=clip,
        times=tuple(start + timedelta(seconds=float(second)) for second in seconds),
        frames_per_second=frames_per_second,
        epsg=city.epsg,
        transform=(square_m, 0.0, float(west), 0.0, -square_m, float(north)),
        tracks=tuple(track for track in tracks if track.frames),
    )


def write_frames(video: Video, folder: Path) -> Path:
    """The frames as PNG with frames.json beside them, as fusion.sources.video reads them; the folder is made."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, frame in enumerate(video.frames):
        Image.fromarray(np.ascontiguousarray(frame.transpose(1, 2, 0))).save(folder / f"{number:05d}.png")
    said = {
        "start": video.times[0].isoformat(),
        "frames_per_second": video.frames_per_second,
        "epsg": video.epsg,
        "transform": video.transform,
        "simulated": "yes",
    }
    (folder / "frames.json").write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    return folder


def _find_near(city: City, window: Window, seconds: npt.NDArray[np.float64], seed: int) -> tuple[list[Vehicle], Places]:
    """The vehicles that come within 20 m of the window at some moment, and where they are."""
    vehicles = draw_vehicles(city, seed=seed)
    places = find_places(city, vehicles, seconds)
    west, east = (city.origin[0] + column * PIXEL_M for column in window.columns)
    north, south = (city.origin[1] - row * PIXEL_M for row in window.rows)
    near = (places.x > west - 20) & (places.x < east + 20) & (places.y > south - 20) & (places.y < north + 20)
    rows = np.flatnonzero((near & places.is_seen).any(axis=1))
    kept = Places(
        x=places.x[rows], y=places.y[rows], heading_deg=places.heading_deg[rows], is_seen=places.is_seen[rows]
    )
    return [vehicles[row] for row in rows], kept


def _to_pixels(points: npt.NDArray[np.floating], west: float, north: float, square_m: float) -> npt.NDArray[np.float64]:
    return np.stack([(points[..., 0] - west) / square_m, (north - points[..., 1]) / square_m], axis=-1)


def _paint(picture: npt.NDArray[np.float32], corners: npt.NDArray[np.float64], colour: tuple[int, int, int]) -> None:
    """Lay a convex outline [4, (column, row)] over a picture, by the share of each pixel that it covers."""
    height, width = picture.shape[1:]
    left, top = np.maximum(np.floor(corners.min(axis=0)).astype(int), 0)
    right, bottom = np.minimum(np.ceil(corners.max(axis=0)).astype(int), (width, height))
    if left >= right or top >= bottom:
        return
    across = left + (np.arange((right - left) * _SUB) + 0.5) / _SUB
    down = top + (np.arange((bottom - top) * _SUB) + 0.5) / _SUB
    inside = np.ones((len(down), len(across)), dtype=bool)
    # Clockwise as seen from above is clockwise in rows and columns too: the inside lies right of every side.
    for (x0, y0), (x1, y1) in zip(corners, np.roll(corners, -1, axis=0), strict=True):
        inside &= (x1 - x0) * (down[:, None] - y0) - (y1 - y0) * (across[None, :] - x0) >= 0
    share = inside.reshape(bottom - top, _SUB, right - left, _SUB).mean(axis=(1, 3)).astype(np.float32)
    piece = picture[:, top:bottom, left:right]
    piece += share * (np.array(colour, dtype=np.float32)[:, None, None] - piece)


def _make_track(
    vehicle: Vehicle,
    row: int,
    corners: npt.NDArray[np.float64],
    places: Places,
    shape: tuple[int, ...],
) -> Track:
    """What is seen of a vehicle: the frames in which its centre lies in the picture."""
    centres = corners.mean(axis=1)
    height, width = shape
    is_in = (centres >= 0).all(axis=1) & (centres[:, 0] < width) & (centres[:, 1] < height) & places.is_seen[row]
    frames = np.flatnonzero(is_in)
    low, high = np.maximum(corners.min(axis=1), 0), np.minimum(corners.max(axis=1), (width, height))
    return Track(
        vehicle=vehicle.number,
        frames=tuple(int(frame) for frame in frames),
        centres=tuple((float(centres[frame, 0]), float(centres[frame, 1])) for frame in frames),
        boxes=tuple(
            (float(low[frame, 0]), float(low[frame, 1]), float(high[frame, 0]), float(high[frame, 1]))
            for frame in frames
        ),
        headings_deg=tuple(float(places.heading_deg[row, frame]) for frame in frames),
    )
