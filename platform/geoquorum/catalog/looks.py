"""What a scene or a file of a region looks like, whole, as PNG; kept in the cache by content."""

import hashlib
import io
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import shapely
from django.conf import settings
from PIL import Image, ImageDraw

from fusion import modality as modalities
from fusion import painting, quicklook
from fusion.errors import BadInputError
from fusion.modality import Modality, View
from fusion.plain import paint_plain
from fusion.source import RasterFile
from fusion.sources.ascii_grid import read_grid
from fusion.sources.cubes import read_cube
from fusion.sources.envi import read_bands
from fusion.sources.geotiff import read_for_web
from fusion.sources.photos import read_photo
from fusion.sources.point_cloud import read_points
from fusion.sources.stations import read_series
from fusion.sources.vectors import read_layer
from fusion.sources.video import read_frame, read_video_frames
from fusion.spectrum import UNNAMED
from geoquorum.catalog.checking import check_file
from geoquorum.catalog.models import Asset, Scene
from geoquorum.catalog.pictures import spread_bands
from geoquorum.catalog.pixels import declare, raster_of

DRAWING = 4  # counts up when pictures of the same files look different
SIDE = 320  # pixels of the longer side
SLIMMEST = 3
MOST_POINTS = 5_000_000
AIR_TEMPERATURE = ("airt", "tair", "air_temperature", "temperature")
MOST_SHAPES = 50_000  # drawn; more are a blot at this size
Picture = npt.NDArray[np.uint8]
# colours of shapes by what they are, else by their kind
BUILDING, WATER, GREEN, ROAD, OTHER = (199, 80, 72), (70, 130, 200), (120, 170, 90), (110, 110, 110), (190, 150, 90)


def draw_scene(scene: Scene) -> bytes:
    """The first view of a scene in the pixels of a web map: true colour where there is one."""
    assets = list(scene.assets.order_by("pk"))
    return _keep(f"scene {scene.modality}", assets, lambda: _draw_scene(scene, assets))


def draw_asset(asset: Asset) -> bytes:
    """A file of a region: points from above, shapes, a series as a line, the first frame, the first planes."""
    draw = DRAWERS.get(asset.modality) or (_draw_picture if asset.driver == "picture" else None)
    if draw is None and not asset.dtype:
        raise BadInputError(f"{Path(asset.uri).name}: of {asset.modality} there is no picture.")
    chosen = draw or _draw_array
    check_file(asset)
    return _keep(f"asset {asset.modality}", [asset], lambda: chosen(asset))


def has_look(asset: Asset) -> bool:
    """Whether a file of a region can be drawn."""
    return asset.modality in DRAWERS or bool(asset.dtype)


def _keep(kind: str, assets: Sequence[Asset], draw: Callable[[], Picture]) -> bytes:
    facts = f"{kind} {','.join(asset.sha256 for asset in assets)} {SIDE} {DRAWING}"
    name = hashlib.sha256(facts.encode()).hexdigest()
    path = settings.GEOQUORUM_CACHE / "looks" / name[:2] / f"{name}.png"
    if path.exists():
        return path.read_bytes()
    target = io.BytesIO()
    Image.fromarray(draw()).save(target, "PNG", compress_level=3)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{secrets.token_hex(4)}.partial")
    partial.write_bytes(target.getvalue())
    partial.replace(path)
    return target.getvalue()


def _draw_scene(scene: Scene, assets: Sequence[Asset]) -> Picture:
    declared, views = declare(scene), list_views(scene)
    if not views:
        return _draw_plain(assets[0])
    if views[0].name == UNNAMED.name:  # bands of which nobody says what they show
        return paint_plain(*_read_planes(assets, declared.band_names), is_ground=True)
    needed = [band for band in declared.band_names if band in modalities.list_bands(views[0])]
    planes, shown = _read_planes(assets, needed)
    stored = spread_bands(declared, views[0], needed, planes)
    return modalities.quicklook(declared, views[0], stored, shown, assets[0].offset)


def list_views(scene: Scene) -> list[View]:
    """The views of a scene's modality whose bands it has, the one that shows it best first."""
    there = {band for asset in scene.assets.all() for band in asset.bands}
    return [view for view in declare(scene).views if set(modalities.list_bands(view)) <= there]


def _read_planes(
    assets: Sequence[Asset], bands: Sequence[str]
) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.bool_]]:
    """Planes [band, y, x] of some bands, brought to the first one's size, and where all of them hold data."""
    found: dict[str, tuple[npt.NDArray[np.generic], npt.NDArray[np.bool_]]] = {}
    for asset in assets:
        wanted = [band for band in bands if band in asset.bands and band not in found]
        if wanted:
            values, valid, _bounds = read_for_web(_file(asset), bands=wanted, longest_side=SIDE)
            found |= {band: (plane, valid) for band, plane in zip(wanted, values, strict=True)}
    shape = found[bands[0]][0].shape
    planes = np.stack([_fit(found[band][0], shape) for band in bands])
    return planes, np.logical_and.reduce([_fit(found[band][1], shape) for band in bands])


def _file(asset: Asset) -> RasterFile:
    file = raster_of(asset)
    if not file.path.is_file():
        raise BadInputError(f"{file.path.name} is gone from where it lay; ingest it again.")
    return file


def _fit(plane: npt.NDArray[Any], shape: tuple[int, ...]) -> npt.NDArray[Any]:
    """The nearest pixel of another size: bands of 10 and 20 m differ by a row at most here."""
    rows, columns = (np.arange(side) * old // side for side, old in zip(shape, plane.shape, strict=True))
    return plane[rows[:, None], columns]


def _draw_plain(asset: Asset) -> Picture:
    """Numbers without a view that fits: classes in colours, or up to three planes, each over its own range."""
    values, valid, _bounds = read_for_web(_file(asset), longest_side=SIDE)
    return paint_plain(values, valid, name=Path(asset.uri).name)


def _draw_points(asset: Asset) -> Picture:
    facts = asset.attributes["facts"][0]
    if facts["points"] > MOST_POINTS:
        raise BadInputError(f"{Path(asset.uri).name}: {facts['points']:,} points are not drawn; its heights are.")
    modality = modalities.find("lidar")
    columns = read_points(Path(asset.uri))
    origin = {"x": columns["x"].min(), "y": columns["y"].min()}  # float32 holds no metres of a national grid
    stored = np.stack([columns[name] - origin.get(name, 0) for name in modality.band_names], axis=1)
    drawn = quicklook.draw(modality, stored.astype(np.float32), size=(SIDE, SIDE))
    assert drawn is not None
    return drawn


def _draw_shapes(asset: Asset) -> Picture:
    """Shapes in degrees, north up, at their true proportions in the middle; roads thin, buildings on top."""
    layers = [facts["layer"] for facts in asset.attributes["facts"]]
    found = [read_layer(Path(asset.uri), layer, epsg=asset.epsg if _is_stated(asset) else None) for layer in layers]
    west, south, east, north = asset.west, asset.south, asset.east, asset.north
    stretch = max(0.05, float(np.cos(np.radians((south + north) / 2))))
    across, down = max((east - west) * stretch, 1e-9), max(north - south, 1e-9)
    step = max(across, down) / SIDE
    image = Image.new("RGBA", (max(1, round(across / step)), max(1, round(down / step))), (0, 0, 0, 0))
    brush = ImageDraw.Draw(image)

    def place(points: npt.NDArray[np.float64]) -> list[tuple[float, float]]:
        return list(zip((points[:, 0] - west) * stretch / step, (north - points[:, 1]) / step, strict=True))

    for shapes in sorted(found, key=lambda one: "Polygon" in str(one.info.geometry_types)):
        colours = _choose_colours(shapes.attributes, len(shapes.geometries))
        for shape, colour in list(zip(shapes.to_lonlat(), colours, strict=True))[:MOST_SHAPES]:
            for part in shapely.get_parts(shape):
                _draw_part(brush, part, place, colour)
    return np.asarray(image)


def _is_stated(asset: Asset) -> bool:
    """Whether the caller said the CRS, since the file does not."""
    return any("as stated by the caller" in note for note in asset.attributes.get("notes", ()))


def _draw_part(brush: ImageDraw.ImageDraw, part: Any, place: Callable[..., Any], colour: tuple[int, int, int]) -> None:
    if part.geom_type == "Polygon":
        outline = place(np.asarray(part.exterior.coords)[:, :2])
        if len(outline) > 2:
            brush.polygon(outline, fill=(*colour, 200), outline=(*(level // 2 for level in colour), 255))
    elif part.geom_type in ("LineString", "LinearRing"):
        brush.line(place(np.asarray(part.coords)[:, :2]), fill=(*ROAD, 255))
    elif part.geom_type == "Point":
        [(x, y)] = place(np.asarray(part.coords)[:, :2])
        brush.ellipse((x - 1, y - 1, x + 1, y + 1), fill=(*colour, 255))


def _choose_colours(attributes: pa.Table, count: int) -> list[tuple[int, int, int]]:
    """By the tags of OpenStreetMap where there are any."""
    names = [(name, colour) for name, colour in (
        ("building", BUILDING), ("waterway", WATER), ("natural", GREEN), ("landuse", GREEN), ("leisure", GREEN)
    ) if name in attributes.column_names]  # fmt: skip
    if not names:
        return [OTHER] * count  # a table without columns has no rows either
    columns = [(attributes.column(name).to_pylist(), colour) for name, colour in names]
    found = []
    for row in range(count):
        tagged = [(values[row], colour) for values, colour in columns if values[row]]
        value, colour = tagged[0] if tagged else ("", OTHER)
        found.append(WATER if value == "water" else colour)
    return found


def _draw_series(asset: Asset) -> Picture:
    """The first variable of the first station, from the first moment to the last."""
    series = read_series(Path(asset.uri))
    _times, values = series.of(series.info.stations[0])
    line = values[:, choose_variable(series.info.variables, values)]
    low, high = painting.find_limits(line, np.isfinite(line), 0.5, 99.5)
    return painting.plot_line(line, low, high, (SIDE // 2, SIDE))


def choose_variable(variables: Sequence[str], values: npt.NDArray[Any], wanted: str = "air_temperature") -> int:
    """The wanted variable where it is there and changes, else air temperature, else the first that changes."""
    known = [place for place, column in enumerate(values.T) if len(np.unique(column[np.isfinite(column)])) > 1]
    asked = [place for place in known if variables[place].lower() == wanted]
    warm = [place for place in known if variables[place].lower() in AIR_TEMPERATURE]
    return next(iter([*asked, *warm, *known]), 0)


def _draw_frame(asset: Asset) -> Picture:
    path = Path(asset.uri)
    frame = read_frame(path, 0) if path.is_dir() else read_video_frames(path, 0, 1)[0]
    image = Image.fromarray(frame.squeeze())
    image.thumbnail((SIDE, SIDE))
    return np.asarray(image)


def _draw_picture(asset: Asset) -> Picture:
    image = Image.open(io.BytesIO(read_photo(Path(asset.uri)).jpeg))
    image.thumbnail((SIDE, SIDE))
    return np.asarray(image)


def _draw_array(asset: Asset) -> Picture:
    """The rows and columns of an array; of others the first two axes, which show their numbers as they lie."""
    if asset.epsg is not None and Path(asset.uri).suffix.lower() in (".tif", ".tiff"):
        return _draw_plain(asset)
    facts, path = asset.attributes["facts"][0], Path(asset.uri)
    if asset.driver.startswith("ENVI"):
        values, dims = read_bands(path)[0], ("band", "y", "x")
    elif path.suffix.lower() == ".asc":
        values, dims = read_grid(path), ("y", "x")
    else:
        values, dims = np.asarray(read_cube(path, facts["variable"])), tuple(facts["dims"])
    planes = _take_planes(values, dims)
    least = min(SIDE, max(planes.shape[1:])) // SLIMMEST  # a long table of few columns is drawn wide enough to be seen
    rows, columns = (np.linspace(0, side - 1, max(min(side, SIDE), least)).astype(int) for side in planes.shape[1:])
    planes = planes[:, rows[:, None], columns]
    modality = _find_plain(asset, len(planes))
    if modality is not None and modality.views:
        return modalities.quicklook(modality, modality.views[0], planes, np.isfinite(planes).all(axis=0))
    return paint_plain(planes, np.isfinite(planes).all(axis=0), name=path.name)


def _take_planes(values: npt.NDArray[Any], dims: Sequence[str]) -> npt.NDArray[Any]:
    if {"y", "x"} <= set(dims):
        own = ("band", "y", "x") if "band" in dims else ("y", "x")
        spare = tuple(0 if name not in own else slice(None) for name in dims)
        left = [name for name in dims if name in own]
        planes = np.transpose(values[spare], [left.index(name) for name in own])
        return planes if planes.ndim == 3 else planes[None]
    while values.ndim > 2:
        values = values[..., 0]
    return np.atleast_2d(values)[None]


def _find_plain(asset: Asset, count: int) -> Modality | None:
    """A declared modality of as many bands as there are planes."""
    if asset.modality not in modalities.load_all():
        return None
    declared = modalities.find(asset.modality)
    return declared if len(declared.bands) == count else None


DRAWERS: dict[str, Callable[[Asset], Picture]] = {
    "lidar": _draw_points,
    "vector": _draw_shapes,
    "osm_features": _draw_shapes,
    "weather_station": _draw_series,
    "video": _draw_frame,
}
