"""Layers of a map as pictures in web-mercator pixels, and what the page's script needs to lay them out."""

import hashlib
import io
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.urls import reverse
from PIL import Image

from fusion import maps, modality
from fusion import scheme as schemes
from fusion.sources import geotiff
from geoquorum.catalog.pictures import spread_bands
from geoquorum.catalog.pixels import find_scene, kept_offset, list_bands, raster_of, remove_offset
from geoquorum.training.models import MapProduct

LONGEST_SIDE = 900


def basemap() -> dict[str, str]:
    """The tile server, where one is set."""
    return {"url": settings.BASEMAP_TILES_URL, "attribution": settings.BASEMAP_ATTRIBUTION}


def map_layers(product: MapProduct) -> dict[str, Any]:
    """What the map's script needs: bounds and the address of each layer."""
    names = [name for name in LAYERS if name != "reference" or product.summary["reference_uri"]]
    _image, bounds = _render(product, "classes")
    west, south, east, north = bounds
    return {
        "bounds": [[south, west], [north, east]],
        "layers": {name: reverse("training:layer", args=[product.pk, name]) for name in names},
    }


def draw_layer(product: MapProduct, layer: str) -> bytes:
    """A layer as PNG, kept in the cache under the map's hash."""
    name = hashlib.sha256(f"{product.sha256} {product.pk} {layer} 1".encode()).hexdigest()
    path = settings.GEOQUORUM_CACHE / "layers" / f"{name}.png"
    if path.exists():
        return path.read_bytes()
    image, _bounds = _render(product, layer)
    target = io.BytesIO()
    Image.fromarray(image, "RGBA").save(target, "PNG")
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{secrets.token_hex(4)}.partial")
    partial.write_bytes(target.getvalue())
    partial.replace(path)
    return target.getvalue()


def _render(product: MapProduct, layer: str) -> tuple[maps.Image, tuple[float, float, float, float]]:
    return LAYERS[layer](product)


def _render_classes(product: MapProduct) -> tuple[maps.Image, Any]:
    return maps.render_map(Path(product.uri), schemes.find(product.summary["scheme"]), longest_side=LONGEST_SIDE)


def _render_confidence(product: MapProduct) -> tuple[maps.Image, Any]:
    return maps.render_confidence(Path(product.confidence_uri), longest_side=LONGEST_SIDE)


def _render_imagery(product: MapProduct) -> tuple[maps.Image, Any]:
    seasons = {entry["modality"]: entry.get("season", "") for entry in product.run.version.modalities}
    name = max(seasons, key=lambda key: [view.name for view in modality.find(key).views][:1] == ["true_colour"])
    scene, declared = find_scene(product.region, name, seasons[name]), modality.find(name)
    asset = scene.assets.all()[0]
    values, valid, bounds = geotiff.read_for_web(raster_of(asset), longest_side=LONGEST_SIDE)
    places = [asset.bands.index(band) for band in list_bands(scene)]
    view, bands = declared.views[0].name, list_bands(scene)
    stored = spread_bands(declared, view, bands, remove_offset(values[places], asset))
    return modality.quicklook(declared, view, stored, valid, offset=kept_offset(asset)), bounds


def _render_reference(product: MapProduct) -> tuple[maps.Image, Any]:
    scheme = schemes.find(product.summary["scheme"])
    return maps.render_map(Path(product.summary["reference_uri"]), scheme, longest_side=LONGEST_SIDE)


LAYERS: dict[str, Callable[[MapProduct], tuple[maps.Image, Any]]] = {
    "classes": _render_classes,
    "reference": _render_reference,
    "confidence": _render_confidence,
    "imagery": _render_imagery,
}
