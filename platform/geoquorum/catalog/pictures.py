"""Pictures of samples for eyes: views of a modality as PNG, kept in the cache by content."""

import hashlib
import io
import secrets
from collections.abc import Sequence

import numpy as np
from django.conf import settings
from PIL import Image

from annotation import question
from fusion import grid, modality
from fusion.errors import BadInputError, NoLocationError
from fusion.modality import Modality, View
from geoquorum.catalog.models import Sample, Scene
from geoquorum.catalog.pixels import Array, find_scene, read_scene

DRAWING = 1  # counts up when pictures of the same numbers look different, so that the cache forgets the old ones


def picture(sample: Sample, modality_name: str, view: str, *, season: str = "", context: int = 1) -> bytes:
    """A view of a sample (or of `context` x `context` cells around it) as PNG."""
    shown = question.find_view(modality_name, view)
    if sample.region is None or not sample.cell:
        raise NoLocationError(f"Sample {sample.key!r} has no place, so there is no scene to draw it from.")
    scene = find_scene(sample.region, modality_name, season)
    hashes = ",".join(scene.assets.order_by("pk").values_list("sha256", flat=True))
    facts = f"{hashes} {sample.cell} {sample.width_px} {modality_name} {shown!r} {context} {DRAWING}"
    name = hashlib.sha256(facts.encode()).hexdigest()
    path = settings.GEOQUORUM_CACHE / "pictures" / name[:2] / f"{name}.png"
    if path.exists():
        return path.read_bytes()
    image = _draw(scene, sample, shown, context)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{secrets.token_hex(4)}.partial")
    partial.write_bytes(image)
    partial.replace(path)
    return image


def _draw(scene: Scene, sample: Sample, view: View, context: int) -> bytes:
    declared = modality.find(scene.modality)
    cells = grid.neighbours(grid.parse_cell(sample.cell), radius=(context - 1) // 2)
    read = read_scene(scene, cells, pixels=sample.width_px or 32)
    stored = spread_bands(declared, view, read.bands, _mosaic(read.values, context))
    valid = _mosaic(read.valid[:, None], context)[0].astype(bool)
    rgba = modality.quicklook(declared, view, stored, valid, offset=read.offset)
    target = io.BytesIO()
    Image.fromarray(rgba, "RGBA").save(target, "PNG", compress_level=1)
    return target.getvalue()


def spread_bands(declared: Modality, view: View, bands: Sequence[str], values: Array) -> Array:
    """Values [band, y, x] of some bands at the places of all bands, 0 in the others; a view of those is refused."""
    missing = sorted(set(modality.list_bands(view)) - set(bands))
    if missing:
        raise BadInputError(f"View {view.name!r} needs {', '.join(missing)}; the scene has {', '.join(bands)}.")
    spread = np.zeros((len(declared.bands), *values.shape[1:]), values.dtype)
    spread[[declared.band_names.index(name) for name in bands]] = values
    return spread


def _mosaic(tiles: Array, side: int) -> Array:
    """Tiles [side * side, band, y, x], row by row from the north-west, as one array [band, side * y, side * x]."""
    count, bands, height, width = tiles.shape
    rows = tiles.reshape(side, count // side, bands, height, width).transpose(2, 0, 3, 1, 4)
    return rows.reshape(bands, side * height, side * width)
