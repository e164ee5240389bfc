"""What a caller says about files, and what a file or folder gave when it was taken in."""

from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from fusion import modality as modalities
from fusion.file_info import ArrayInfo, ItemInfo, LayerInfo
from fusion.source import RasterInfo
from geoquorum.catalog.models import Asset, Scene

PLAIN = {ArrayInfo: "array", LayerInfo: "vector", ItemInfo: "stac_item"}  # what is of no declared modality


@dataclass(frozen=True, kw_only=True)
class Statement:
    """What the caller says about files that do not say it themselves."""

    modality: str = ""
    bands: tuple[str, ...] | None = None
    captured: datetime | None = None
    offset: float | None = None
    season: str = ""
    epsg: int | None = None


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What one file or folder gave. `made` are files that this project wrote for it, gone if nothing is taken."""

    path: Path
    source: str
    words: tuple[str, ...] = ()
    scenes: list[tuple[Scene, list[RasterInfo]]] = field(default_factory=list)
    assets: list[Asset] = field(default_factory=list)
    samples: int = 0
    made: tuple[Path, ...] = ()


def check_statement(stated: Statement) -> None:
    """An unknown modality is answered with the known ones."""
    if stated.modality not in ("", *PLAIN.values()):
        modalities.find(stated.modality)
