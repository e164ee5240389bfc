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


def compare(
    places: list[Place], scheme: schemes.Scheme, probabilities: npt.NDArray[np.float32]
) -> dict[str, Any] | None:
    """Scores of the map at the references: mean probability of the map pixels inside each patch."""
    if not places:
        return None
    means = np.stack([probabilities[place.rows, place.columns].mean(axis=(0, 1)) for place in places])
    truth = np.array([scheme.index(place.reference.code) for place in places])
    blocks = [place.reference.sample.block for place in places]
    found = scores.evaluate(truth, means / means.sum(axis=1, keepdims=True), scheme=scheme, blocks=blocks)
    return {"source": places[0].reference.source, "n": found["n"], "oa": found["oa"], "kappa": found["kappa"]}


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
    index = np.full(shape, -1)
    for place in places:
        index[place.rows, place.columns] = scheme.index(place.reference.code)
    path = folder / f"{region.slug}_reference.tif"
    return str(maps.write_map(path, index, None, scheme, epsg, transform).path)
