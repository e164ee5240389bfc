"""Pictures of samples from files of their region that are no raster on a grid: points, a video, a weather station.

They show the same square of ground as pictures from scenes do; a station shows the series nearest to the sample.
"""

import hashlib
from collections.abc import Callable, Collection
from pathlib import Path

import numpy as np
import numpy.typing as npt
from django.conf import settings
from django.db.models import F, QuerySet
from PIL import Image
from shapely.geometry import Point, box

from fusion import modality as modalities
from fusion import painting, quicklook
from fusion.errors import BadInputError, NoLocationError
from fusion.modality import View
from fusion.sources.point_cloud import read_points
from fusion.sources.stations import read_series
from fusion.sources.video import read_frame, read_video_frames
from geoquorum.catalog.frames import Frame, find_frame, read_outline, transformer
from geoquorum.catalog.looks import MOST_POINTS, choose_variable
from geoquorum.catalog.models import Asset, Region, Sample
from geoquorum.catalog.pictures import store_picture

DRAWING = 1  # counts up when pictures of the same files look different
SIDE = 256  # pixels of points from above and of a series
MARGIN_M = 30.0  # around the frame where points are looked for: a square is a little askew in another zone

Picture = npt.NDArray[np.uint8]


def list_sites(regions: Collection[Region | int] | QuerySet[Region]) -> dict[int, list[str]]:
    """Modalities of files by region that are drawn for samples there."""
    found: dict[int, list[str]] = {}
    assets = Asset.objects.filter(region__in=regions, modality__in=DRAWERS).order_by("modality")
    for region, modality in assets.values_list("region_id", "modality").distinct():
        found.setdefault(region, []).append(modality)
    return found


def find_site(sample: Sample, modality: str) -> Asset | None:
    """The newest file of a modality over the sample; of weather the newest of the region, however far its stations."""
    if modality not in DRAWERS or sample.region_id is None:
        return None
    assets = Asset.objects.filter(region=sample.region_id, modality=modality)
    newest = assets.order_by(F("captured_from").desc(nulls_last=True), "-pk")
    return next((one for one in newest if modality == "weather_station" or _is_over(one, sample)), None)


def draw_site(asset: Asset, sample: Sample, view: str, *, context: int = 1) -> bytes:
    """PNG of one view of the file around one sample."""
    shown = modalities.find_view(modalities.find(asset.modality), view)
    frame = find_frame(sample, context)
    place = f"{sample.longitude} {sample.latitude}"
    facts = f"{asset.sha256} {asset.epsg} {frame!r} {place} {asset.modality} {shown!r} {DRAWING}"
    name = hashlib.sha256(facts.encode()).hexdigest()
    path = settings.GEOQUORUM_CACHE / "sites" / name[:2] / f"{name}.png"
    return store_picture(path, lambda: Image.fromarray(DRAWERS[asset.modality](asset, sample, frame, shown)))


def _is_over(asset: Asset, sample: Sample) -> bool:
    """Whether any of the file lies over the sample's ground."""
    ground = read_outline(sample)
    ground = Point(sample.longitude or 0.0, sample.latitude or 0.0) if ground.is_empty else ground
    if sample.longitude is None or asset.west is None:
        return False
    return ground.intersects(box(asset.west, asset.south, asset.east, asset.north))


def _draw_points(asset: Asset, _sample: Sample, frame: Frame, view: View) -> Picture:
    """The points of the frame from above, in the frame's own metres."""
    count = asset.attributes["facts"][0]["points"]
    if count > MOST_POINTS:
        raise BadInputError(f"{Path(asset.uri).name}: {count:,} points are not drawn; its heights are.")
    kind, columns = modalities.find("lidar"), read_points(Path(asset.uri))
    west, south, east, north = _find_box(asset, frame)
    near = (columns["x"] >= west) & (columns["x"] <= east) & (columns["y"] >= south) & (columns["y"] <= north)
    x, y = transformer(_epsg(asset), frame.epsg).transform(columns["x"][near], columns["y"][near])
    x, y = np.asarray(x) - frame.west_m, np.asarray(y) - (frame.north_m - frame.size_m)
    inside = (x >= 0) & (x < frame.size_m) & (y >= 0) & (y < frame.size_m)
    moved = {"x": x[inside], "y": y[inside]}
    stored = [moved[name] if name in moved else columns[name][near][inside] for name in kind.band_names]
    square = (0.0, 0.0, float(frame.size_m), float(frame.size_m))
    drawn = quicklook.draw(
        kind, np.stack(stored, axis=1).astype(np.float32), view=view.name, size=(SIDE, SIDE), extent=square
    )
    assert drawn is not None  # lidar has views
    return drawn


def _draw_frame(asset: Asset, _sample: Sample, frame: Frame, _view: View) -> Picture:
    """The first frame of the clip over the square of ground; what lies beside it is transparent."""
    if not asset.transform:
        raise NoLocationError(f"{Path(asset.uri).name} does not say where it was taken. State its place beside it.")
    path = Path(asset.uri)
    shown = read_frame(path, 0) if path.is_dir() else read_video_frames(path, 0, 1)[0]
    shown = np.repeat(shown.reshape(*shown.shape[:2], -1), 1 if shown.ndim == 3 and shown.shape[2] == 3 else 3, axis=2)
    side = frame.pixels * frame.across
    steps = (np.arange(side) + 0.5) * frame.size_m / side
    across, down = np.meshgrid(frame.west_m + steps, frame.north_m - steps)
    x, y = transformer(frame.epsg, _epsg(asset)).transform(across.ravel(), down.ravel())
    a, b, left, d, e, top = asset.transform
    column, row = np.linalg.solve(np.array([[a, b], [d, e]]), np.stack([np.asarray(x) - left, np.asarray(y) - top]))
    column, row = np.floor(column).astype(np.int64), np.floor(row).astype(np.int64)
    inside = (column >= 0) & (column < shown.shape[1]) & (row >= 0) & (row < shown.shape[0])
    picture = np.zeros((side * side, 4), dtype=np.uint8)
    picture[inside, :3] = shown[row[inside], column[inside], :3]
    picture[inside, 3] = 255
    return picture.reshape(side, side, 4)


def _draw_series(asset: Asset, sample: Sample, _frame: Frame, view: View) -> Picture:
    """The view's variable, or the one that tells most where the file names none so, at the nearest station."""
    series = read_series(Path(asset.uri))
    places = series.info.places
    station = min(places, key=lambda name: _measure(places[name], sample)) if places else series.info.stations[0]
    _times, values = series.of(station)
    line = values[:, choose_variable(series.info.variables, values, view.channels[0])]
    low, high = painting.find_limits(line, np.isfinite(line), 0.5, 99.5)
    return painting.plot_line(line, low, high, (SIDE, SIDE))


def _measure(place: tuple[float, float], sample: Sample) -> float:
    """How far a station is, in squared degrees of latitude: enough to tell which is nearest."""
    if sample.longitude is None or sample.latitude is None:
        return 0.0
    east = (place[0] - sample.longitude + 180) % 360 - 180
    return float((east * np.cos(np.radians(sample.latitude))) ** 2 + (place[1] - sample.latitude) ** 2)


def _find_box(asset: Asset, frame: Frame) -> tuple[float, float, float, float]:
    """West, south, east, north of the frame with a margin, in the file's own CRS."""
    west, north = frame.west_m - MARGIN_M, frame.north_m + MARGIN_M
    side = frame.size_m + 2 * MARGIN_M
    return transformer(frame.epsg, _epsg(asset)).transform_bounds(west, north - side, west + side, north)


def _epsg(asset: Asset) -> int:
    if asset.epsg is None:
        raise NoLocationError(f"{Path(asset.uri).name} does not say its CRS. Ingest it again with --epsg.")
    return asset.epsg


DRAWERS: dict[str, Callable[[Asset, Sample, Frame, View], Picture]] = {
    "lidar": _draw_points,
    "video": _draw_frame,
    "weather_station": _draw_series,
}
