"""What runs in a child process: decodes points by chunks and gives counts, columns or grids of them back."""

import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import laspy
import numpy as np
import numpy.typing as npt

from fusion.errors import BadFileError
from fusion.places import find_epsg

CHUNK = 1_000_000
KEPT = ("intensity", "classification", "return_number", "number_of_returns")
VEGETATION = (3, 4, 5)
Numbers = npt.NDArray[np.float64]


def scan(path: str) -> bytes:
    """Count, bounds, classes, times and CRS of the points, as JSON."""
    lows, highs = np.full(3, np.inf), np.full(3, -np.inf)
    times, lost, points = [np.inf, -np.inf], 0, 0
    classes: Counter[int] = Counter()
    with _open(path) as reader:
        epsg, fields = _find_crs(reader), list(reader.header.point_format.dimension_names)
        for chunk in _chunks(reader, path):
            place = np.stack([chunk.x, chunk.y, chunk.z])
            lows, highs = np.minimum(lows, place.min(axis=1)), np.maximum(highs, place.max(axis=1))
            classes.update(dict(zip(*np.unique(np.asarray(chunk.classification), return_counts=True), strict=True)))
            points += len(chunk)
            if "gps_time" in fields:
                moments = np.asarray(chunk.gps_time)
                kept = moments[np.isfinite(moments)]
                lost += len(moments) - len(kept)
                if len(kept):
                    times = [min(times[0], float(kept.min())), max(times[1], float(kept.max()))]
    notes = [f"{lost} of its times are not finite, left out"] if lost else []
    answer = {
        "points": points,
        "bounds": [*lows.tolist(), *highs.tolist()],
        "classes": {str(code): int(count) for code, count in sorted(classes.items())},
        "times": times if times[0] <= times[1] else None,
        "epsg": epsg,
        "fields": fields,
        "notes": notes,
    }
    return json.dumps(answer).encode()


def read(path: str) -> bytes:
    """Columns of all points as .npz."""
    parts: dict[str, list[npt.NDArray[np.generic]]] = {}
    with _open(path) as reader:
        for chunk in _chunks(reader, path):
            for name in ("x", "y", "z", *KEPT):
                parts.setdefault(name, []).append(np.array(getattr(chunk, name)))
    return _pack({name: np.concatenate(part) for name, part in parts.items()})


def grid(path: str, west: float, north: float, pixel: float, width: int, height: int, ground: list[int]) -> bytes:
    """Highest and lowest height, highest of vegetation, ground's mean height and count of each pixel's points, as .npz.

    Points of ASPRS class 7 and 18 (noise) and those marked as withheld are left out.
    """
    highest, lowest = np.full(height * width, -np.inf), np.full(height * width, np.inf)
    crowns = np.full(height * width, -np.inf)
    ground_sum, ground_count, count = (np.zeros(height * width) for _ in range(3))
    with _open(path) as reader:
        for chunk in _chunks(reader, path):
            x, y, z = np.asarray(chunk.x), np.asarray(chunk.y), np.asarray(chunk.z)
            codes = np.asarray(chunk.classification)
            column = np.floor((x - west) / pixel).astype(np.int64)
            row = np.floor((north - y) / pixel).astype(np.int64)
            kept = (column >= 0) & (column < width) & (row >= 0) & (row < height) & np.isfinite(z)
            kept &= ~np.isin(codes, (7, 18)) & (np.asarray(chunk.withheld) == 0)
            place, tall, codes = (row * width + column)[kept], z[kept], codes[kept]
            np.maximum.at(highest, place, tall)
            np.minimum.at(lowest, place, tall)
            np.add.at(count, place, 1)
            is_green = np.isin(codes, VEGETATION)
            np.maximum.at(crowns, place[is_green], tall[is_green])
            on_ground = np.isin(codes, ground)
            np.add.at(ground_sum, place[on_ground], tall[on_ground])
            np.add.at(ground_count, place[on_ground], 1)
    shape = height, width
    return _pack(
        {
            "highest": highest.reshape(shape),
            "lowest": lowest.reshape(shape),
            "crowns": crowns.reshape(shape),
            "ground": np.divide(
                ground_sum, ground_count, out=np.full(height * width, np.nan), where=ground_count > 0
            ).reshape(shape),
            "count": count.astype(np.int64).reshape(shape),
        }
    )


def _open(path: str) -> laspy.LasReader:
    """One thread, and extended records left alone: nothing here needs them."""
    try:
        return laspy.open(Path(path), laz_backend=laspy.LazBackend.Lazrs, read_evlrs=False)
    except Exception as error:  # laspy raises whatever its parser meets
        raise _broken(path, error) from error


def _chunks(reader: laspy.LasReader, path: str) -> Iterator[Any]:
    """Points some at a time; a file that ends early is refused, not cut short."""
    seen = 0
    try:
        for chunk in reader.chunk_iterator(CHUNK):
            seen += len(chunk)
            yield chunk
    except BadFileError:
        raise
    except BaseException as error:  # a panic of the Rust decoder is no Exception
        if isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit | MemoryError):
            raise
        raise _broken(path, error) from error
    if seen != reader.header.point_count:
        raise BadFileError(
            f"{Path(path).name}: {reader.header.point_count:,} points claimed, {seen:,} are there. Fetch it again."
        )


def _find_crs(reader: laspy.LasReader) -> int | None:
    try:
        crs = reader.header.parse_crs()
    except Exception:  # broken keys are no CRS; whoever places the cloud must state one
        return None
    return None if crs is None else find_epsg(crs)


def _broken(path: str, error: BaseException) -> BadFileError:
    cause = str(error).split("\n")[0][:160] or type(error).__name__
    return BadFileError(f"{Path(path).name}: its points cannot be decoded ({cause}). Fetch or write it again.")


def _pack(columns: dict[str, npt.NDArray[np.generic]]) -> bytes:
    content = io.BytesIO()
    np.savez(content, **columns)  # type: ignore[arg-type]
    return content.getvalue()
