"""What is cut and what of it is one piece of work, as values that travel as JSON."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from fusion.cutting.arranging import Ints, tabulate
from fusion.cutting.cost import Cost
from fusion.errors import BadInputError
from fusion.grid import Cell, parse_cell
from fusion.source import RasterFile

# The way of cutting: raised when the same request would give other bytes, so that no old chunk is taken for a new one.
VERSION = 1
# Scene classification of Sentinel-2 level 2A: cloud shadow, cloud of medium and high probability, thin cirrus
CLOUDY_CLASSES = (3, 8, 9, 10)


@dataclass(frozen=True, kw_only=True)
class CloudBand:
    """Where a scene says its clouds: a band of classes of which `codes` are cloud, or of shares from `at_least` on."""

    file: RasterFile
    band: str
    sha256: str = ""
    codes: tuple[int, ...] = CLOUDY_CLASSES
    at_least: float | None = None


@dataclass(frozen=True, kw_only=True)
class Scene:
    """One acquisition: a stack or a folder of band files, the bands wanted, and what they are known to hold.

    `sha256` has one sum per file; a file without one is known by its path, size and time of change.
    """

    name: str
    files: tuple[RasterFile, ...]
    bands: tuple[str, ...]
    sha256: tuple[str, ...] = ()
    cloud: CloudBand | None = None

    def __post_init__(self) -> None:
        if not self.files or not self.bands:
            raise BadInputError(f"Scene {self.name!r} needs at least one file and one band.")
        if self.sha256 and len(self.sha256) != len(self.files):
            raise BadInputError(f"Scene {self.name!r}: {len(self.files)} files but {len(self.sha256)} sums.")


@dataclass(frozen=True, kw_only=True)
class Chunk:
    """Cells of one scene that one worker cuts, independent of all others.

    `id` follows from everything that decides the bytes. `places` say where its cells stand in the list that was
    planned; `first` and `byte_range` where its patches lie when all chunks of the scene are put behind each other.
    `pixel_rows` are the rows of the scene's leading file under them, `memory_bytes` what cutting them takes at most.
    """

    id: str
    scene: Scene
    cells: tuple[Cell, ...]
    places: tuple[int, ...]
    pixels: int
    resampling: str
    dtype: str
    first: int
    byte_range: tuple[int, int]
    pixel_rows: tuple[int, int]
    cost: Cost
    memory_bytes: int

    def __len__(self) -> int:
        return len(self.cells)

    @cached_property
    def ids(self) -> tuple[str, ...]:
        """Cell ids in the order of the chunk."""
        return tuple(cell.id for cell in self.cells)

    def to_json(self) -> dict[str, Any]:
        """All of it, in words and numbers that JSON has."""
        return {**_encode(asdict(replace(self, cells=()))), "cells": list(self.ids), "version": VERSION}

    @classmethod
    def from_json(cls, entry: Mapping[str, Any]) -> "Chunk":
        """The chunk that `to_json` wrote; BadInputError for one of another version or one that was altered."""
        if entry.get("version") != VERSION:
            raise BadInputError(f"A chunk of cutting version {entry.get('version')}; this is {VERSION}. Plan again.")
        scene = dict(entry["scene"])
        chunk = cls(
            id=entry["id"],
            scene=Scene(
                name=scene["name"],
                files=tuple(_decode_file(file) for file in scene["files"]),
                bands=tuple(scene["bands"]),
                sha256=tuple(scene["sha256"]),
                cloud=None if scene["cloud"] is None else _decode_cloud(scene["cloud"]),
            ),
            cells=tuple(parse_cell(text) for text in entry["cells"]),
            places=tuple(entry["places"]),
            pixels=entry["pixels"],
            resampling=entry["resampling"],
            dtype=entry["dtype"],
            first=entry["first"],
            byte_range=tuple(entry["byte_range"]),
            pixel_rows=tuple(entry["pixel_rows"]),
            cost=Cost(**entry["cost"]),
            memory_bytes=entry["memory_bytes"],
        )
        if chunk.id != name_chunk(chunk.scene, tabulate(chunk.cells), chunk.pixels, chunk.resampling):
            raise BadInputError(f"Chunk {chunk.id} does not hold what its id was made from. Plan again.")
        return chunk


def name_chunk(scene: Scene, cells: Ints, pixels: int, resampling: str) -> str:
    """32 hexadecimal digits that follow from files, bands, cells (see `tabulate`) and method, and from nothing else."""
    cloud = scene.cloud
    sums = scene.sha256 or ("",) * len(scene.files)
    words = {
        "version": VERSION,
        "files": [_identify(file, known) for file, known in zip(scene.files, sums, strict=True)],
        "bands": scene.bands,
        "cloud": cloud and [_identify(cloud.file, cloud.sha256), cloud.band, cloud.codes, cloud.at_least],
        "pixels": pixels,
        "resampling": resampling,
        "cells": hashlib.sha256(cells.astype("<i8").tobytes()).hexdigest(),
    }
    return hashlib.sha256(json.dumps(words, sort_keys=True).encode()).hexdigest()[:32]


def _identify(file: RasterFile, sha256: str) -> list[Any]:
    if sha256:
        return [sha256, file.bands, file.nodata]
    try:
        facts = file.path.stat()
    except OSError as error:
        raise BadInputError(f"{file.path}: cannot be looked at ({error.strerror}). Fetch it again.") from error
    return [str(file.path.absolute()), facts.st_size, facts.st_mtime_ns, file.bands, file.nodata]


def _encode(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _encode(part) for key, part in value.items()}
    if isinstance(value, tuple | list):
        return [_encode(part) for part in value]
    return str(value) if isinstance(value, Path) else value


def _decode_cloud(entry: Mapping[str, Any]) -> CloudBand:
    return CloudBand(**{**entry, "file": _decode_file(entry["file"]), "codes": tuple(entry["codes"])})


def _decode_file(entry: Mapping[str, Any]) -> RasterFile:
    return RasterFile(path=Path(entry["path"]), bands=tuple(entry["bands"]), nodata=entry["nodata"])
