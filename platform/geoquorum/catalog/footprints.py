"""Where everything of a region lies, as a drawing: scenes and files with their pictures, patches, photos, posts."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from django.db.models import Max, Min
from django.urls import reverse

from fusion import modality as modalities
from fusion.source import Bounds
from geoquorum.catalog.bounds import join_bounds
from geoquorum.catalog.linking import find_reach
from geoquorum.catalog.looks import has_look
from geoquorum.catalog.models import Asset, Region, Sample, Scene

SIDE = 900.0  # units of the drawing along its longer side
MARGIN = 0.04
MOST_POINTS = 500
MOST_PATCHES = 400  # more would hide the pictures
LEAST = 4.0  # units: what is smaller is drawn as large, so that it is seen
AROUND_DEGREES = 0.001  # about 100 m: of points that no scene or file lies under
DEGREE_M = 111_320.0
VIEW_STEPS = 8
FLAT = ("lidar", "weather_station")  # pictures that are not laid over the ground


Point = tuple[float, float]


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
    has_pixels: bool = True
    bounds: Bounds | None = None
    box: Box | None = None
    points: list[tuple[float, float]] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """Items in the order of drawing (maps first, large ones first), and its size; no size without any place.

    `patches`, `linked` and `views` are paths of SVG: patches to which nothing is linked, those to which something is,
    and the ground that photos look at.
    """

    items: list[Item]
    placed: list[Item]
    width: float = 0.0
    height: float = 0.0
    photos: list[Point] = field(default_factory=list)
    posts: list[Point] = field(default_factory=list)
    views: list[str] = field(default_factory=list)
    patches: str = ""
    linked: str = ""

    @property
    def has_stations(self) -> bool:
        return any(item.points for item in self.placed)


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
    known = [item.bounds for item in items if item.bounds is not None] or _find_around(region)
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
    placed.sort(key=lambda item: (item.has_pixels, -(item.box.width * item.box.height if item.box else 0)))
    photos = _list_samples(region, Sample.Kind.STREET_VIEW)
    plain, linked = _draw_patches(region, ground)
    return Drawing(
        items=items, placed=placed, width=round(ground.width, 1), height=round(ground.height, 1),
        photos=_place_inside(photos, ground), posts=_place_inside(_list_samples(region, Sample.Kind.POST), ground),
        views=_draw_views(region, photos, ground), patches=plain, linked=linked,
    )  # fmt: skip


def _find_around(region: Region) -> list[Bounds]:
    """The ground around the samples of a region that has neither scene nor file with a place."""
    placed = region.samples.exclude(longitude=None)
    found = placed.aggregate(w=Min("longitude"), s=Min("latitude"), e=Max("longitude"), n=Max("latitude"))
    if found["w"] is None:
        return []
    pad = AROUND_DEGREES
    west, east = max(-180.0, found["w"] - pad), min(180.0, found["e"] + pad)
    return [(west, max(-90.0, found["s"] - pad), east, min(90.0, found["n"] + pad))]


def _list_samples(region: Region, kind: str) -> list[Sample]:
    fields = ("longitude", "latitude", "heading_deg", "field_of_view_deg")
    return list(region.samples.filter(kind=kind).exclude(longitude=None).order_by("pk").only(*fields)[:MOST_POINTS])


def _place_inside(samples: Sequence[Sample], ground: _Ground) -> list[Point]:
    found = [ground.place(sample.longitude, sample.latitude) for sample in samples]
    return [(x, y) for x, y in found if 0 <= x <= ground.width and 0 <= y <= ground.height]


def _draw_views(region: Region, photos: Sequence[Sample], ground: _Ground) -> list[str]:
    """What photos look at, as far as they are linked to it; none where that is too small to be seen."""
    reach = find_reach(region).within_m / DEGREE_M
    if reach / ground.unit < LEAST:
        return []
    found = []
    for photo in photos:
        if photo.heading_deg is None or not photo.field_of_view_deg:
            continue
        turns = [photo.field_of_view_deg * (step / VIEW_STEPS - 0.5) for step in range(VIEW_STEPS + 1)]
        angles = [math.radians(photo.heading_deg + turn) for turn in turns]
        shrink = max(0.05, math.cos(math.radians(photo.latitude)))
        arc = [(photo.longitude + reach * math.sin(a) / shrink, photo.latitude + reach * math.cos(a)) for a in angles]
        found.append(_draw_ring([(photo.longitude, photo.latitude), *arc], ground))
    return found


def _draw_patches(region: Region, ground: _Ground) -> tuple[str, str]:
    """Outlines of patches without and with links; none where they are too many or too small to be seen."""
    patches = region.samples.filter(kind=Sample.Kind.PATCH).exclude(footprint=None)
    rows = list(patches.order_by("pk").values_list("pk", "footprint")[: MOST_PATCHES + 1])
    if not rows or len(rows) > MOST_PATCHES:
        return "", ""
    linked = set(region.links.values_list("sample_id", flat=True).distinct())
    paths: dict[bool, list[str]] = {False: [], True: []}
    for pk, footprint in rows:
        if footprint["type"] == "Polygon":
            paths[pk in linked].append(_draw_ring(footprint["coordinates"][0], ground))
    return " ".join(paths[False]), " ".join(paths[True])


def _draw_ring(ring: Sequence[Sequence[float]], ground: _Ground) -> str:
    points = [ground.place(longitude, latitude) for longitude, latitude in ring]
    return "M" + " ".join(f"{x:.1f},{y:.1f}" for x, y in points) + "Z"


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
        is_laid=asset.modality not in FLAT, has_pixels=asset.modality != "array", bounds=_bounds(asset),
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
