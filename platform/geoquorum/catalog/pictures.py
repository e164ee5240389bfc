"""Pictures of samples for eyes: views of a modality as PNG, kept in the cache by content."""

import hashlib
import io
import secrets
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import shapely
from django.conf import settings
from PIL import Image, ImageDraw
from shapely.geometry.base import BaseGeometry

from annotation import question
from fusion import modality
from fusion.errors import BadInputError, NoLocationError
from fusion.modality import Modality, View
from geoquorum.catalog.frames import Frame, find_frame, read_outline, to_metres
from geoquorum.catalog.models import Sample, Scene
from geoquorum.catalog.pixels import Array, declare, find_scene, list_bands, read_frame

DRAWING = 2  # counts up when pictures of the same numbers look different, so that the cache forgets the old ones


def picture(sample: Sample, modality_name: str, view: str, *, season: str = "", context: int = 1) -> bytes:
    """A view of a sample with its neighbours as PNG: `context` x `context` cells of a patch, of an area see frames.

    Alone (context 1) an area has its outline in the picture; else the page draws it.
    """
    shown = question.find_view(modality_name, view)
    if sample.region is None:
        raise NoLocationError(f"Sample {sample.key!r} has no place, so there is no scene to draw it from.")
    frame = find_frame(sample, context)
    outline = read_outline(sample) if sample.kind == Sample.Kind.AREA and context == 1 else None
    scene = find_scene(sample.region, modality_name, season)
    facts = f"{frame!r} {outline and outline.wkb_hex} {modality_name} {shown!r}"
    return keep_picture(scene, facts, lambda: _draw(scene, frame, shown, outline))


def keep_picture(scene: Scene, facts: str, draw: Callable[[], Image.Image]) -> bytes:
    """The PNG of what is drawn from a scene's files, from the cache where these facts were drawn before."""
    hashes = ",".join(scene.assets.order_by("pk").values_list("sha256", flat=True))
    name = hashlib.sha256(f"{hashes} {facts} {DRAWING}".encode()).hexdigest()
    return store_picture(settings.GEOQUORUM_CACHE / "pictures" / name[:2] / f"{name}.png", draw)


def store_picture(path: Path, draw: Callable[[], Image.Image]) -> bytes:
    """The PNG that lies there; it is drawn where there is none."""
    if path.exists():
        return path.read_bytes()
    target = io.BytesIO()
    draw().save(target, "PNG", compress_level=1)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{secrets.token_hex(4)}.partial")
    partial.write_bytes(target.getvalue())
    partial.replace(path)
    return target.getvalue()


def paint(scene: Scene, frame: Frame, view: View) -> Image.Image:
    """A view of a piece of ground; what holds no data is transparent."""
    declared = declare(scene)
    if declared.has_own_bands:
        view = modality.find_view(declared, view.name)  # its channels are bands of this file
    check_bands(view, list_bands(scene))
    read = read_frame(scene, frame, only=modality.list_bands(view))
    stored = spread_bands(declared, view, read.bands, read.values[0])
    rgba = modality.quicklook(declared, view, stored, read.valid[0], offset=read.offset)
    return Image.fromarray(rgba, "RGBA")


def _draw(scene: Scene, frame: Frame, view: View, outline: BaseGeometry | None) -> Image.Image:
    image = paint(scene, frame, view)
    if outline is None or outline.is_empty:
        return image
    brush, step = ImageDraw.Draw(image), frame.size_m / image.width
    for part in shapely.get_parts(to_metres(outline, frame.epsg)):
        for ring in (part.exterior, *part.interiors) if part.geom_type == "Polygon" else ():
            x, y = shapely.get_coordinates(ring).T
            line = list(zip((x - frame.west_m) / step, (frame.north_m - y) / step, strict=True))
            brush.line(line, fill=(0, 0, 0, 255), width=3)
            brush.line(line, fill=(255, 255, 255, 255), width=1)
    return image


def spread_bands(declared: Modality, view: View, bands: Sequence[str], values: Array) -> Array:
    """Values [band, y, x] of some bands at the places of all bands, 0 in the others; a view of those is refused."""
    check_bands(view, bands)
    spread = np.zeros((len(declared.bands), *values.shape[1:]), values.dtype)
    spread[[declared.band_names.index(name) for name in bands]] = values
    return spread


def check_bands(view: View, bands: Sequence[str]) -> None:
    """Refuses a view that needs others than these bands."""
    if missing := sorted(set(modality.list_bands(view)) - set(bands)):
        raise BadInputError(f"View {view.name!r} needs {', '.join(missing)}; the scene has {', '.join(bands)}.")
