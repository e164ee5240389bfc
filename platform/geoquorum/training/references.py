"""What is known of a mapped region, laid beside the map: its accuracy there, and the same raster of references."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from fusion import grid, maps, scores
from fusion import scheme as schemes
from geoquorum.catalog.models import Reference, Region


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where a reference's patch lies on the map: its rows and columns."""

    reference: Reference
    rows: slice
    columns: slice


def list_places(
    region: Region, scheme: schemes.Scheme, epsg: int, transform: tuple[float, ...], shape: tuple[int, int]
) -> list[Place]:
    """References of the region's patches of this zone that lie wholly on the map."""
    a, _b, left, _d, e, top = transform
    found = Reference.objects.filter(sample__region=region, scheme=scheme.name, sample__epsg=epsg)
    places = []
    for reference in found.select_related("sample").order_by("sample__key"):
        west, south, east, north = grid.parse_cell(reference.sample.cell).bounds
        rows = slice(round((north - top) / e), round((south - top) / e))
        columns = slice(round((west - left) / a), round((east - left) / a))
        if 0 <= rows.start < rows.stop <= shape[0] and 0 <= columns.start < columns.stop <= shape[1]:
            places.append(Place(reference=reference, rows=rows, columns=columns))
    return places


def compare(places: list[Place], scheme: schemes.Scheme, drawn: maps.Drawn) -> dict[str, Any] | None:
    """Scores of the map at the references: mean probability of the map pixels inside each patch.

    None where no reference lies on what the map shows, or where the map's tiles keep no probabilities.
    """
    means, counts = _average(places, scheme, drawn)
    seen = np.flatnonzero(counts)
    if not len(seen):
        return None
    known = [places[place] for place in seen]
    truth = np.array([scheme.index(place.reference.code) for place in known])
    blocks = [place.reference.sample.block for place in known]
    shares = means[seen] / means[seen].sum(axis=1, keepdims=True)
    found = scores.evaluate(truth, shares, scheme=scheme, blocks=blocks)
    return {"source": known[0].reference.source, "n": found["n"], "oa": found["oa"], "kappa": found["kappa"]}


def _average(
    places: list[Place], scheme: schemes.Scheme, drawn: maps.Drawn
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
    """Summed probabilities [n, k] of the map pixels inside each patch, tile by tile, and how many there were."""
    sums, counts = np.zeros((len(places), len(scheme))), np.zeros(len(places), dtype=np.int64)
    edges = np.array([(p.rows.start, p.rows.stop, p.columns.start, p.columns.stop) for p in places], dtype=np.int64)
    for tile in drawn.tiles if places else ():
        row, column, rows, columns = tile
        top, bottom = np.maximum(edges[:, 0], row) - row, np.minimum(edges[:, 1], row + rows) - row
        left, right = np.maximum(edges[:, 2], column) - column, np.minimum(edges[:, 3], column + columns) - column
        here = np.flatnonzero((top < bottom) & (left < right))
        shares = drawn.read(tile).get("shares") if len(here) else None
        if shares is None:
            continue
        for place in here:
            inside = shares[:, top[place] : bottom[place], left[place] : right[place]].reshape(len(scheme), -1)
            known = inside[:, np.isfinite(inside[0])]
            sums[place] += known.sum(axis=1)
            counts[place] += known.shape[1]
    return sums, counts


def write_reference(
    places: list[Place],
    scheme: schemes.Scheme,
    folder: Path,
    shape: tuple[int, int],
    epsg: int,
    transform: tuple[float, ...],
    region: Region,
) -> str:
    """The references on the map's raster as a file beside it, so that the page can lay one over the other."""
    if not places:
        return ""
    index = np.full(shape, -1, dtype=np.int16)
    for place in places:
        index[place.rows, place.columns] = scheme.index(place.reference.code)
    path = folder / f"{region.slug}_reference.tif"
    return str(maps.write_map(path, index, None, scheme, epsg, transform).path)
