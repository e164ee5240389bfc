"""A prediction over a region as files: classes with their colours, how sure they are beside them, a style for QGIS."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import numpy.typing as npt

from fusion.errors import BadInputError
from fusion.mapping.spec import Tile
from fusion.scheme import Scheme
from fusion.source import Bounds
from fusion.sources import geotiff

# 0 means no class in every map; a confidence is whole per cent, 255 where there is none
NO_CLASS, NO_CONFIDENCE = 0, 255
LONGEST_SIDE = 1024
# Bands of per cent that may stand beside a map, in this order, by their names in the file.
BANDS = {
    "probability": "Probability",
    "entropy": "Entropy",
    "validity": "Validity",
    "disagreement": "Disagreement",
    "out_of_domain": "Out of domain",
}
RAMP = ("#440154", "#414487", "#2a788e", "#22a884", "#7ad151", "#fde725")  # viridis: even steps to every eye

Index = npt.NDArray[np.integer]
Image = npt.NDArray[np.uint8]


ReadTile = Callable[[Tile], Mapping[str, npt.NDArray[Any]]]


@dataclass(frozen=True, kw_only=True)
class MapFiles:
    """What one map is on disk: the classes, their confidence (None for a truth map), the QGIS style."""

    path: Path
    confidence_path: Path | None
    style_path: Path


@dataclass(frozen=True, kw_only=True)
class Drawn:
    """A map before it is a file: its tiles, how to read each, and the ground it lies on.

    `read` gives what fusion.mapping.tiles keeps; `shape` is rows and columns, `transform` (a, b, c, d, e, f).
    """

    tiles: Sequence[Tile]
    read: ReadTile
    shape: tuple[int, int]
    epsg: int
    transform: Sequence[float]
    tags: Mapping[str, str]


@dataclass(frozen=True, kw_only=True)
class LayerFiles:
    """A map of any size on disk: classes or values, `layers_path` with `bands` of per cent, classes' probabilities."""

    path: Path
    layers_path: Path
    bands: tuple[str, ...]
    style_path: Path | None = None
    probabilities_path: Path | None = None


def write_class_map(path: Path | str, drawn: Drawn, scheme: Scheme, *, keep_probabilities: bool = False) -> LayerFiles:
    """Write classes as in `write_map`, and <stem>_layers.tif with a band of per cent for each kind of doubt.

    With `keep_probabilities` also <stem>_probabilities.tif with a band for each class. Never more than a tile of it is
    in memory. The files appear one after the other, each whole.
    """
    path, values = Path(path), _list_values(scheme)
    stored = np.concatenate([[NO_CLASS], values]).astype(np.uint8)
    colours = {value: (*_parse_colour(label.colour), 255) for value, label in zip(values, scheme.classes, strict=True)}
    tags = {"SCHEME": scheme.name, "SCHEME_VERSION": str(scheme.version), **drawn.tags}
    bands = _find_bands(drawn)
    layers, probabilities = (path.with_name(f"{path.stem}_{word}.tif") for word in ("layers", "probabilities"))
    place: dict[str, Any] = {"epsg": drawn.epsg, "transform": drawn.transform, "tags": tags}
    with ExitStack() as held:
        write = held.enter_context(
            geotiff.write_cog_in_parts(
                path, (1, *drawn.shape), "uint8", nodata=NO_CLASS, band_names=[scheme.title],
                colour_table={NO_CLASS: (0, 0, 0, 0), **colours}, overview_resampling="mode", **place,
            )
        )  # fmt: skip
        write_layers = held.enter_context(_open_layers(layers, drawn.shape, bands, place))
        shares = None
        if keep_probabilities:
            names = [f"{label.code} {label.name}" for label in scheme.classes]
            shares = held.enter_context(_open_per_cent(probabilities, drawn.shape, names, place))
        for (row, column, *_), tile in _read_tiles(drawn):
            if "places" in tile:
                write(stored[tile["places"] + 1][None], row, column)
            write_layers(_stack_bands(tile, bands), row, column)
            if shares is not None and "shares" in tile:
                per_cent = np.rint(np.nan_to_num(tile["shares"], nan=NO_CONFIDENCE / 100) * 100)
                shares(per_cent.astype(np.uint8), row, column)
    style = path.with_suffix(".qml")
    style.write_bytes(_make_style(scheme, values))
    return LayerFiles(
        path=path,
        layers_path=layers,
        bands=bands,
        style_path=style,
        probabilities_path=probabilities if keep_probabilities else None,
    )


def write_field_map(path: Path | str, drawn: Drawn, names: Sequence[str]) -> LayerFiles:
    """Write values as float32 COG, a band for each of `names`, then one for the standard deviation of each if known.

    <stem>_layers.tif beside it has bands of per cent as for classes.
    """
    path, bands = Path(path), _find_bands(drawn)
    layers = path.with_name(f"{path.stem}_layers.tif")
    place: dict[str, Any] = {"epsg": drawn.epsg, "transform": drawn.transform, "tags": drawn.tags}
    has_deviation = any("deviation" in tile for _, tile in _read_tiles(drawn))
    titles = [*names, *(f"{name}, standard deviation" for name in names if has_deviation)]
    with ExitStack() as held:
        write = held.enter_context(
            geotiff.write_cog_in_parts(
                path, (len(titles), *drawn.shape), "float32", nodata=float("nan"), band_names=titles, **place
            )
        )
        write_layers = held.enter_context(_open_layers(layers, drawn.shape, bands, place))
        for (row, column, rows, columns), tile in _read_tiles(drawn):
            blank = np.full((len(names), rows, columns), np.nan, dtype=np.float32)
            parts = [tile.get("value", blank), *([tile.get("deviation", blank)] if has_deviation else [])]
            write(np.concatenate(parts), row, column)
            write_layers(_stack_bands(tile, bands), row, column)
    return LayerFiles(path=path, layers_path=layers, bands=bands)


def _read_tiles(drawn: Drawn) -> Iterator[tuple[Tile, Mapping[str, npt.NDArray[Any]]]]:
    for tile in drawn.tiles:
        yield tile, drawn.read(tile)


def _find_bands(drawn: Drawn) -> tuple[str, ...]:
    """The bands of per cent that any tile has; tiles without data have few."""
    found: set[str] = set()
    for _, tile in _read_tiles(drawn):
        found |= {name for name in BANDS if name in tile}
    return tuple(name for name in BANDS if name in found)


def _open_layers(path: Path, shape: tuple[int, int], bands: Sequence[str], place: Mapping[str, Any]) -> Any:
    return _open_per_cent(path, shape, [BANDS[name] for name in bands], place)


def _open_per_cent(path: Path, shape: tuple[int, int], names: Sequence[str], place: Mapping[str, Any]) -> Any:
    return geotiff.write_cog_in_parts(
        path, (len(names), *shape), "uint8", nodata=NO_CONFIDENCE, band_names=names, scale=0.01, **place
    )


def _stack_bands(tile: Mapping[str, npt.NDArray[Any]], bands: Sequence[str]) -> npt.NDArray[np.uint8]:
    blank = np.full_like(tile["validity"], NO_CONFIDENCE)
    return np.concatenate([tile.get(name, blank) for name in bands])


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


def render_confidence(
    path: Path | str, *, band: str | None = None, longest_side: int = LONGEST_SIDE
) -> tuple[Image, Bounds]:
    """A band of per cent as RGBA [y, x, 4], black at 0 to white at 100 per cent, clear where there is no class.

    `band` is its name in the file, such as "Entropy"; the file's only one where none is given.
    """
    stored, valid, bounds = _read_band(path, band, longest_side)
    grey = np.rint(np.minimum(stored.astype(np.float32), 100.0) * 2.55).astype(np.uint8)
    return np.dstack([grey, grey, grey, np.where(valid, 255, 0).astype(np.uint8)]), bounds


def render_flags(path: Path | str, *, band: str, longest_side: int = LONGEST_SIDE) -> tuple[Image, Bounds]:
    """A band of flags as RGBA [y, x, 4]: red where it is set, clear elsewhere."""
    stored, valid, bounds = _read_band(path, band, longest_side)
    image = np.zeros((*stored.shape, 4), dtype=np.uint8)
    image[valid & (stored.astype(np.float32) > 0)] = (*_parse_colour("#d4351c"), 255)
    return image, bounds


def render_values(
    path: Path | str, low: float, high: float, *, band: str | None = None, longest_side: int = LONGEST_SIDE
) -> tuple[Image, Bounds]:
    """A band of values as RGBA [y, x, 4], `low` to `high` along RAMP, clear where there is none."""
    stored, valid, bounds = _read_band(path, band, longest_side)
    share = np.clip((np.nan_to_num(stored) - low) / max(high - low, 1e-12), 0.0, 1.0)
    steps = np.array([_parse_colour(colour) for colour in RAMP], dtype=np.float64)
    places = np.linspace(0.0, 1.0, len(steps))
    rgb = np.stack([np.interp(share, places, steps[:, channel]) for channel in range(3)], axis=-1)
    return np.dstack([np.rint(rgb).astype(np.uint8), np.where(valid, 255, 0).astype(np.uint8)]), bounds


def _read_band(
    path: Path | str, band: str | None, longest_side: int
) -> tuple[npt.NDArray[np.generic], npt.NDArray[np.bool_], Bounds]:
    """One band in web-mercator pixels."""
    names = None if band is None else [band]
    stored, valid, bounds = geotiff.read_for_web(path, bands=names, longest_side=longest_side)
    return stored[0], valid, bounds


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
