"""Rasters that somebody sent, looked at in a process of their own that knows five drivers and no network.

Curated files are opened where they are used; what comes from outside is opened in a child first, which refuses to begin
when its GDAL is not as it must be: a new version of a library can bring drivers and lose settings.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from fusion.bounded import Bounds, run_bounded
from fusion.modality import Modality
from fusion.source import Limits, RasterInfo
from fusion.sources.geotiff.upload_child import DRIVERS, HARMLESS, NO_NETWORK, SKIP, find_drivers

CHILD = "fusion.sources.geotiff.upload_child:inspect_all"
BOUNDS = Bounds(seconds=300, memory_bytes=4 * 2**30)
MOMENTS = ("captured_from", "captured_to")
LISTS = ("bands", "used", "transform", "lonlat_bounds", "notes", "wavelengths_nm")


def inspect_upload(
    paths: Sequence[Path | str],
    modality: Modality,
    *,
    limits: Limits | None = None,
    bands: Sequence[str] | None = None,
    offset: float | None = None,
    captured: datetime | None = None,
) -> list[RasterInfo]:
    """As `inspect` says it, of files that are not trusted; `modality` must be one of those declared."""
    names = [str(Path(path).absolute()) for path in paths]
    content = run_pinned(
        CHILD,
        about=", ".join(Path(name).name for name in names[:3]),
        bounds=BOUNDS,
        paths=names,
        modality=modality.name,
        limits=asdict(limits or Limits()),
        bands=list(bands) if bands is not None else None,
        offset=offset,
        captured=captured.isoformat() if captured else None,
    )
    return [_revive(held) for held in json.loads(content)]


def run_pinned(function: str, *, about: str, bounds: Bounds, **words: Any) -> bytes:
    """As `run_bounded`, in a child whose GDAL starts with five drivers; `function` calls `check_process` first."""
    return run_bounded(function, about=about, bounds=bounds, surroundings=pin_drivers(), **words)


@cache
def pin_drivers() -> dict[str, str]:
    """Surroundings in which the same GDAL as this one starts without all other drivers, and reaches no network."""
    others = find_drivers() - DRIVERS - HARMLESS
    return dict.fromkeys(SKIP, ",".join(sorted(others))) | NO_NETWORK


def _revive(held: dict[str, Any]) -> RasterInfo:
    """The info as it was before it was written down."""
    held["path"] = Path(held["path"])
    for name in MOMENTS:
        held[name] = datetime.fromisoformat(held[name]) if held[name] else None
    for name in LISTS:
        held[name] = tuple(held[name])
    return RasterInfo(**held)
