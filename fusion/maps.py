"""A prediction over a region as files: classes with their colours, confidence beside them, a style for QGIS."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from fusion.errors import BadInputError
from fusion.scheme import Scheme
from fusion.source import Bounds
from fusion.sources import geotiff

# 0 means no class in every map; a confidence is whole per cent, 255 where there is none
NO_CLASS, NO_CONFIDENCE = 0, 255
LONGEST_SIDE = 1024

Index = npt.NDArray[np.integer]
Image = npt.NDArray[np.uint8]


@dataclass(frozen=True, kw_only=True)
class MapFiles:
    """What one map is on disk: the classes, their confidence (None for a truth map), the QGIS style."""

    path: Path
    confidence_path: Path | None
    style_path: Path


def write_map(
    path: Path | str,
    index: Index,
    confidence: npt.NDArray[np.floating] | None,
    scheme: Scheme,
    epsg: int,
    transform: Sequence[float],
    *,
    tags: Mapping[str, str] | None = None,
) -> MapFiles:
    """Write class places `index` [y, x] (-1 for none) as a COG of LabelClass.value with the scheme's colours.

    Overviews take the most frequent class. `confidence` [y, x] in 0..1 goes into <stem>_confidence.tif as per cent
    (a TIFF with a palette has one band); <stem>.qml beside the map styles it in QGIS.
    """
    path, values = Path(path), _list_values(scheme)
    _check_map(index, confidence, scheme)
    stored = np.concatenate([[NO_CLASS], values]).astype(np.uint8)[np.asarray(index) + 1]
    named = {"SCHEME": scheme.name, "SCHEME_VERSION": str(scheme.version), **(tags or {})}
    colours = {value: (*_parse_colour(label.colour), 255) for value, label in zip(values, scheme.classes, strict=True)}
    geotiff.write_cog(
        path, stored, epsg=epsg, transform=transform, nodata=NO_CLASS, band_names=[scheme.title],
        colour_table={NO_CLASS: (0, 0, 0, 0), **colours}, tags=named, overview_resampling="mode",
    )  # fmt: skip
    sure_path = None if confidence is None else path.with_name(f"{path.stem}_confidence.tif")
    if sure_path is not None and confidence is not None:
        per_cent = np.where(np.asarray(index) < 0, NO_CONFIDENCE, np.rint(confidence * 100)).astype(np.uint8)
        geotiff.write_cog(
            sure_path, per_cent, epsg=epsg, transform=transform, nodata=NO_CONFIDENCE, band_names=["Confidence"],
            scale=0.01, tags=named,
        )  # fmt: skip
    style_path = path.with_suffix(".qml")
    style_path.write_bytes(_make_style(scheme, values))
    return MapFiles(path=path, confidence_path=sure_path, style_path=style_path)


def read_map(path: Path | str, scheme: Scheme) -> npt.NDArray[np.int16]:
    """Class places [y, x] of a map, -1 for none; a map of another scheme or with an unknown value is refused."""
    _check_scheme(path, scheme)
    stored, valid = geotiff.read_window(path)
    return _find_places(stored[0], valid, scheme, path)


def render_map(path: Path | str, scheme: Scheme, *, longest_side: int = LONGEST_SIDE) -> tuple[Image, Bounds]:
    """A map as RGBA [y, x, 4] in web mercator pixels and its west, south, east, north in degrees for an overlay."""
    _check_scheme(path, scheme)
    stored, valid, bounds = geotiff.read_for_web(path, longest_side=longest_side)
    places = _find_places(stored[0], valid, scheme, path)
    colours = [(0, 0, 0, 0), *((*_parse_colour(label.colour), 255) for label in scheme.classes)]
    return np.array(colours, dtype=np.uint8)[places + 1], bounds


def render_confidence(path: Path | str, *, longest_side: int = LONGEST_SIDE) -> tuple[Image, Bounds]:
    """A confidence file as RGBA [y, x, 4], black at 0 to white at 100 per cent, clear where there is no class."""
    stored, valid, bounds = geotiff.read_for_web(path, longest_side=longest_side)
    grey = np.rint(np.minimum(stored[0].astype(np.float32), 100.0) * 2.55).astype(np.uint8)
    return np.dstack([grey, grey, grey, np.where(valid, 255, 0).astype(np.uint8)]), bounds


def _list_values(scheme: Scheme) -> list[int]:
    values = [label.value for label in scheme.classes]
    if len(set(values)) < len(values) or not all(0 < value < 256 for value in values):
        raise BadInputError(f"Scheme {scheme.name!r} has no distinct raster values in 1..255 ({values}); give it some.")
    return values


def _check_map(index: Index, confidence: npt.NDArray[np.floating] | None, scheme: Scheme) -> None:
    if index.ndim != 2 or index.min() < -1 or index.max() >= len(scheme):
        raise BadInputError(f"A map needs [y, x] of -1..{len(scheme) - 1} for scheme {scheme.name!r}.")
    if confidence is None:
        return
    known = confidence[index >= 0] if confidence.shape == index.shape else np.array([np.nan])
    if not ((known >= 0) & (known <= 1)).all():
        raise BadInputError(
            f"Confidence must be 0..1 for each class of the map, {index.shape}; found {confidence.shape}."
        )


def _check_scheme(path: Path | str, scheme: Scheme) -> None:
    found = geotiff.read_tags(path).get("SCHEME", scheme.name)
    if found != scheme.name:
        raise BadInputError(f"{Path(path).name} is a map of scheme {found!r}, not of {scheme.name!r}.")


def _find_places(
    stored: npt.NDArray[np.generic], valid: npt.NDArray[np.bool_], scheme: Scheme, path: Path | str
) -> npt.NDArray[np.int16]:
    table = np.full(256, -2, dtype=np.int16)
    table[_list_values(scheme)] = np.arange(len(scheme))
    places = np.where(valid, table[stored.astype(np.uint8)], -1).astype(np.int16)
    if (places == -2).any():
        unknown = sorted(set(np.asarray(stored)[places == -2].tolist()))
        raise BadInputError(f"{Path(path).name} holds {unknown}, which are no values of scheme {scheme.name!r}.")
    return places


def _parse_colour(text: str) -> tuple[int, int, int]:
    return int(text[1:3], 16), int(text[3:5], 16), int(text[5:7], 16)


def _make_style(scheme: Scheme, values: list[int]) -> bytes:
    """A QGIS layer style: one palette entry for each class, labelled with code and name."""
    root = ElementTree.Element("qgis", version="3.28.0", styleCategories="Symbology")
    pipe = ElementTree.SubElement(root, "pipe")
    renderer = ElementTree.SubElement(pipe, "rasterrenderer", type="paletted", band="1", opacity="1", alphaBand="-1")
    palette = ElementTree.SubElement(renderer, "colorPalette")
    for value, label in zip(values, scheme.classes, strict=True):
        ElementTree.SubElement(
            palette,
            "paletteEntry",
            value=str(value),
            color=label.colour,
            label=f"{label.code} {label.name}",
            alpha="255",
        )
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="utf-8", xml_declaration=True)
