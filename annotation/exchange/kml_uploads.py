"""Training areas that somebody sent: small texts are read here; KMZ, which is packed, and large texts in a child."""

import json
from pathlib import Path

from shapely import from_wkb, to_wkb

from annotation.exchange.areas import AreaFile, Coding, Rejected, TrainingArea
from annotation.exchange.kml import read_file
from fusion import scheme as schemes
from fusion.bounded import SMALL_BYTES, Bounds, run_bounded
from fusion.scheme import Scheme

BOUNDS = Bounds(seconds=120, memory_bytes=3 * 2**30, disk_bytes=2**30)


def read_upload(path: Path, scheme: Scheme, *, coding: Coding = "code") -> AreaFile:
    """As `read_file` reads it, and refused as it refuses; `scheme` must be one of those declared."""
    with path.open("rb") as file:
        is_packed = file.read(2) == b"PK"
    if not is_packed and path.stat().st_size <= SMALL_BYTES:
        return read_file(path, scheme, coding=coding)
    content = run_bounded(
        "annotation.exchange.kml_uploads:answer",
        about=path.name,
        bounds=BOUNDS,
        path=str(path.absolute()),
        scheme=scheme.name,
        coding=coding,
    )
    told = json.loads(content)
    areas = (TrainingArea(**held | {"polygon": from_wkb(held["polygon"])}) for held in told["areas"])
    return AreaFile(
        areas=tuple(areas),
        rejected=tuple(Rejected(**held) for held in told["rejected"]),
        marks={int(place): tuple(marks) for place, marks in told["marks"].items()},
    )


def answer(path: str, scheme: str, coding: Coding) -> bytes:
    """What the child says."""
    file = read_file(Path(path), schemes.find(scheme), coding=coding)
    areas = [vars(area) | {"polygon": to_wkb(area.polygon, hex=True)} for area in file.areas]
    rejected = [vars(one) for one in file.rejected]
    return json.dumps({"areas": areas, "rejected": rejected, "marks": file.marks}).encode()
