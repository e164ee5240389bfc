"""Layers of a map as pictures in web-mercator pixels, and what the page's script needs to lay them out."""

import hashlib
import json
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from fusion import maps, modality
from fusion import scheme as schemes
from fusion.source import Bounds
from fusion.sources import geotiff
from geoquorum.catalog.dates import EVERY, find_scene
from geoquorum.catalog.pictures import spread_bands
from geoquorum.catalog.pixels import kept_offset, list_bands, raster_of, remove_offset
from geoquorum.training.models import MapProduct

LONGEST_SIDE = 900
TITLES = {
    "confidence": gettext_lazy("Probability"),
    "probability": gettext_lazy("Probability"),
    "entropy": gettext_lazy("Entropy"),
    "validity": gettext_lazy("Validity"),
    "disagreement": gettext_lazy("Disagreement"),
    "out_of_domain": gettext_lazy("Out of domain"),
}
DRAWING = 3  # counts up when layers look different, so that the cache forgets the old ones


def basemap() -> dict[str, str]:
    """The tile server, where one is set."""
    return {"url": settings.BASEMAP_TILES_URL, "attribution": settings.BASEMAP_ATTRIBUTION}


def list_layers(product: MapProduct) -> dict[str, str]:
    """Titles of a map's layers by name: what it shows, what is known of it, its bands, and the imagery below."""
    summary = product.summary
    main = {"values": _("Values")} if summary.get("output") == "field" else {"classes": _("Classes")}
    known = {"reference": _("Reference")} if summary.get("reference_uri") else {}
    bands = {name: str(TITLES[name]) for name in summary.get("bands", ["confidence"])}
    return {**main, **known, **bands, "imagery": _("Imagery")}


def map_layers(product: MapProduct) -> dict[str, Any]:
    """What the map's script needs: where to look, and the title, address and bounds of each layer."""
    titles = list_layers(product)
    corners = {name: _corners(draw_layer(product, name)[1]) for name in titles}
    return {
        "bounds": corners[next(iter(titles))],
        "layers": {
            name: {
                "url": reverse("training:layer", args=[product.pk, name]),
                "bounds": corners[name],
                "title": title,
            }
            for name, title in titles.items()
        },
    }


def draw_layer(product: MapProduct, layer: str) -> tuple[bytes, Bounds]:
    """A layer as PNG with its bounds in degrees, kept in the cache under the map's hash."""
    name = hashlib.sha256(f"{product.sha256} {product.pk} {layer} {DRAWING}".encode()).hexdigest()
    path = settings.GEOQUORUM_CACHE / "layers" / f"{name}.png"
    if path.exists():
        with Image.open(path) as image:
            return path.read_bytes(), tuple(json.loads(image.info["bounds"]))
    pixels, bounds = _render(product, layer)
    notes = PngInfo()
    notes.add_text("bounds", json.dumps(bounds))
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(f".{secrets.token_hex(4)}.partial")
    Image.fromarray(pixels, "RGBA").save(partial, "PNG", pnginfo=notes)
    content = partial.read_bytes()
    partial.replace(path)
    return content, bounds


def _corners(bounds: Bounds) -> list[list[float]]:
    west, south, east, north = bounds
    return [[south, west], [north, east]]


def _render(product: MapProduct, layer: str) -> tuple[maps.Image, Bounds]:
    if layer in LAYERS:
        return LAYERS[layer](product)
    path, band = Path(product.confidence_uri), maps.BANDS[layer]
    if layer == "out_of_domain":
        return maps.render_flags(path, band=band, longest_side=LONGEST_SIDE)
    return maps.render_confidence(path, band=band, longest_side=LONGEST_SIDE)


def _render_values(product: MapProduct) -> tuple[maps.Image, Bounds]:
    first = next(iter(product.summary["values"]), {"low": 0.0, "high": 1.0})
    name = product.summary["names"][0]
    return maps.render_values(Path(product.uri), first["low"], first["high"], band=name, longest_side=LONGEST_SIDE)


def _render_classes(product: MapProduct) -> tuple[maps.Image, Bounds]:
    return maps.render_map(Path(product.uri), schemes.find(product.summary["scheme"]), longest_side=LONGEST_SIDE)


def _render_confidence(product: MapProduct) -> tuple[maps.Image, Bounds]:
    return maps.render_confidence(Path(product.confidence_uri), longest_side=LONGEST_SIDE)


def _render_imagery(product: MapProduct) -> tuple[maps.Image, Bounds]:
    seasons = {entry["modality"]: entry.get("season", "") for entry in product.run.version.modalities}
    name = max(seasons, key=lambda key: [view.name for view in modality.find(key).views][:1] == ["true_colour"])
    date = "" if seasons[name] == EVERY else seasons[name]  # of a series the newest
    scene, declared = find_scene(product.region, name, date), modality.find(name)
    asset = scene.assets.all()[0]
    values, valid, bounds = geotiff.read_for_web(raster_of(asset), longest_side=LONGEST_SIDE)
    places = [asset.bands.index(band) for band in list_bands(scene)]
    view, bands = declared.views[0], list_bands(scene)
    stored = spread_bands(declared, view, bands, remove_offset(values[places], asset))
    return modality.quicklook(declared, view, stored, valid, offset=kept_offset(asset)), bounds


def _render_reference(product: MapProduct) -> tuple[maps.Image, Bounds]:
    scheme = schemes.find(product.summary["scheme"])
    return maps.render_map(Path(product.summary["reference_uri"]), scheme, longest_side=LONGEST_SIDE)


LAYERS: dict[str, Callable[[MapProduct], tuple[maps.Image, Bounds]]] = {
    "classes": _render_classes,
    "values": _render_values,
    "reference": _render_reference,
    "confidence": _render_confidence,
    "imagery": _render_imagery,
}
