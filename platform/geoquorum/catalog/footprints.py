"""Where the scenes and files of a region lie, as a drawing: outlines, pictures under them, points of stations."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from django.urls import reverse

from fusion import modality as modalities
from fusion.source import Bounds
from geoquorum.catalog.bounds import join_bounds
from geoquorum.catalog.looks import has_look
from geoquorum.catalog.models import Asset, Region, Sample, Scene

SIDE = 900.0  # units of the drawing along its longer side
MARGIN = 0.04
MOST_POINTS = 500
LEAST = 4.0  # units: what is smaller is drawn as large, so that it is seen
FLAT = ("lidar", "weather_station")  # pictures that are not laid over the ground


@dataclass(frozen=True, kw_only=True)
class Box:
    """A rectangle of the drawing, in its units from the upper left."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, kw_only=True)
class Item:
    """One scene or file: what the list says of it, its picture, and where it lies."""

    name: str
    modality: str
    facts: str
    captured: datetime | None
    picture: str
    is_laid: bool = False
    bounds: Bounds | None = None
    box: Box | None = None
    points: list[tuple[float, float]] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Items in the order of drawing (large ones first), and the size of the drawing; no size without any place."""

    items: list[Item]
    placed: list[Item]
    width: float = 0.0
    height: float = 0.0
    photos: list[tuple[float, float]] = field(default_factory=list)


class _Ground:
    """Degrees to units of the drawing: north up, equally scaled at the middle latitude."""

    def __init__(self, bounds: Bounds) -> None:
        self.west, south, east, self.north = bounds
        self.shrink = max(0.05, math.cos(math.radians((south + self.north) / 2)))
        across = max((east - self.west) % 360 * self.shrink, 1e-6)
        down = max(self.north - south, 1e-6)
        self.unit = max(across, down) / (SIDE * (1 - 2 * MARGIN))
        self.pad = SIDE * MARGIN
        self.width, self.height = across / self.unit + 2 * self.pad, down / self.unit + 2 * self.pad

    def place(self, longitude: float, latitude: float) -> tuple[float, float]:
        across = (longitude - self.west + 180) % 360 - 180
        return (
            round(across * self.shrink / self.unit + self.pad, 2),
            round((self.north - latitude) / self.unit + self.pad, 2),
        )

    def box(self, bounds: Bounds) -> Box:
        west, south, east, north = bounds
        x, y = self.place(west, north)
        width = round((east - west) % 360 * self.shrink / self.unit, 2)
        height = round((north - south) / self.unit, 2)
        return Box(x=x, y=y, width=max(width, LEAST), height=max(height, LEAST))


def lay_out(region: Region, scenes: Sequence[Scene], files: Sequence[Asset]) -> Drawing:
    """The drawing of a region with its scenes and files."""
    items = [_tell_scene(scene) for scene in scenes] + [_tell_file(asset) for asset in files]
    known = [item.bounds for item in items if item.bounds is not None]
    if not known:
        return Drawing(items=items, placed=[])
    ground = _Ground(join_bounds(known))
    stations = {_name_look(asset): _list_points(asset) for asset in files}
    placed = [
        replace(
            item,
            box=ground.box(item.bounds),
            points=[ground.place(*point) for point in stations.get(item.picture, [])],
        )
        for item in items
        if item.bounds is not None
    ]
    placed.sort(key=lambda item: -(item.box.width * item.box.height if item.box else 0))
    photos = region.samples.filter(kind=Sample.Kind.STREET_VIEW).exclude(longitude=None)
    inside = [ground.place(*point) for point in photos.values_list("longitude", "latitude")[:MOST_POINTS]]
    inside = [(x, y) for x, y in inside if 0 <= x <= ground.width and 0 <= y <= ground.height]
    return Drawing(
        items=items, placed=placed, width=round(ground.width, 1), height=round(ground.height, 1), photos=inside
    )


def _tell_scene(scene: Scene) -> Item:
    assets = list(scene.assets.all())
    first = assets[0] if assets else None
    bands = sum(len(asset.bands) for asset in assets)
    said = f"{bands} × {first.height} × {first.width} {first.dtype}, EPSG:{scene.epsg}" if first else ""
    return Item(
        name=scene.name, modality=_title(scene.modality), facts=said, captured=scene.captured_from, is_laid=True,
        picture=reverse("catalog:scene_look", args=[scene.pk]), bounds=_bounds(scene),
    )  # fmt: skip


def _tell_file(asset: Asset) -> Item:
    return Item(
        name=Path(asset.uri).name, modality=_title(asset.modality), facts=describe(asset),
        captured=asset.captured_from, picture=_name_look(asset) if has_look(asset) else "",
        is_laid=asset.modality not in FLAT, bounds=_bounds(asset),
    )  # fmt: skip


def describe(asset: Asset) -> str:
    """What is known of a file that is no scene, in a few words."""
    facts = asset.attributes.get("facts") or [{}]
    first, place = facts[0], f"EPSG:{asset.epsg}" if asset.epsg else "no CRS"
    if "points" in first:
        return f"{first['points']:,} points, {place}"
    if "shapes" in first:
        return f"{sum(layer['shapes'] for layer in facts):,} shapes in {len(facts)} layers, {place}"
    if "stations" in first:
        count = first.get("stations_count", len(first["stations"]))
        return f"{first['rows']:,} rows of {count} stations"
    if "frames" in first:
        return f"{first['frames']:,} frames of {asset.width} × {asset.height}"
    if "shape" in first:
        more = f" and {len(facts) - 1} more" if len(facts) > 1 else ""
        return f"{first['variable']}: {' × '.join(map(str, first['shape']))} {first['dtype']}{more}"
    return f"{asset.width} × {asset.height}" if asset.width else asset.driver


def _title(name: str) -> str:
    known = modalities.load_all()
    return known[name].title if name in known else name.replace("_", " ").capitalize()


def _name_look(asset: Asset) -> str:
    return reverse("catalog:asset_look", args=[asset.pk])


def _bounds(held: Scene | Asset) -> Bounds | None:
    return None if held.west is None else (held.west, held.south, held.east, held.north)


def _list_points(asset: Asset) -> list[tuple[float, float]]:
    places = (asset.attributes.get("facts") or [{}])[0].get("places") or {}
    return [(longitude, latitude) for longitude, latitude in list(places.values())[:MOST_POINTS]]
