"""What an expert is shown of a photo, a post or an area. Never who made it, nor the class that somebody gave it."""

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import shapely
from django.urls import reverse
from pyproj import CRS, Proj
from shapely.geometry.base import BaseGeometry

from fusion import grid
from fusion.areas import Area, find_fault, list_cells, measure_ground
from geoquorum.catalog.frames import THE_AREA, VALUES_PX, Frame, find_frame, read_outline, to_metres, transformer
from geoquorum.catalog.media import MODALITIES
from geoquorum.catalog.models import Asset, Post, Sample

DESCRIBED = (Sample.Kind.STREET_VIEW, Sample.Kind.POST)
CONTEXTS = (3, 5, 9, 15, 21)  # of pictures of areas on the vote page
FINEST_SHARE = 1 / 1000  # of a picture's side: corners of an outline that lie closer are not told apart there
MOST_MARKED_M2 = 600 * grid.DEFAULT_SIZE_M**2  # the cells of larger areas are not marked: they would hide the ground


def describe_samples(samples: Sequence[Sample]) -> dict[int, dict[str, Any]]:
    """Content by sample id; {} for patches. Two queries for any number of samples, none where all are from above.

    photo: {"photo": url, "width", "height", "heading_deg", "field_of_view_deg", ...place}
    post: {"text", "language", "posted_at", "image": url or null, "is_erased", ...place}
    place: {"patch": is there a place to draw from above, "place": [x, y] in the cell, fractions from its north-west
    corner, "map_heading_deg": heading against the picture's own north, which lies askew by the zone's convergence}
    area: see `_describe_area`; {} where its outline is no geometry
    """
    told = [sample for sample in samples if sample.kind in DESCRIBED]
    shown: dict[int, dict[str, Any]] = {sample.pk: {} for sample in samples}
    shown |= {sample.pk: _describe_area(sample) for sample in samples if sample.kind == Sample.Kind.AREA}
    if not told:
        return shown
    photos = {
        asset.sample_id: asset
        for asset in Asset.objects.filter(sample__in=told, modality__in=MODALITIES).order_by("-pk")
    }
    posts = {post.sample_id: post for post in Post.objects.filter(sample__in=told)}
    for sample in told:
        own = _describe_post if sample.kind == Sample.Kind.POST else _describe_photo
        shown[sample.pk] = own(sample, photos.get(sample.pk), posts.get(sample.pk)) | _describe_place(sample)
    return shown


def _describe_photo(sample: Sample, photo: Asset | None, _post: Post | None) -> dict[str, Any]:
    return {
        "photo": _address(sample, photo),
        "width": photo and photo.width,
        "height": photo and photo.height,
        "heading_deg": sample.heading_deg,
        "field_of_view_deg": sample.field_of_view_deg,
    }


def _describe_post(sample: Sample, photo: Asset | None, post: Post | None) -> dict[str, Any]:
    return {
        "text": post.text if post else "",
        "language": post.language if post else "",
        "posted_at": post.posted_at if post else None,
        "image": _address(sample, photo),
        "is_erased": bool(post and post.erased_at),
    }


def _address(sample: Sample, photo: Asset | None) -> str | None:
    return reverse("catalog:photo", args=[sample.pk]) if photo else None


@cache
def _projection(epsg: int) -> Proj:
    """One for each zone: making it takes longer than using it."""
    return Proj(CRS.from_epsg(epsg))


def _describe_place(sample: Sample) -> dict[str, Any]:
    if not sample.cell or sample.longitude is None or sample.latitude is None:
        return {"patch": False, "place": None, "cell_m": None, "map_heading_deg": None}
    cell = grid.parse_cell(sample.cell)
    projection = _projection(cell.epsg)
    easting, northing = projection(sample.longitude, sample.latitude)
    west, _south, _east, north = cell.bounds
    skew = projection.get_factors(sample.longitude, sample.latitude).meridian_convergence
    heading = None if sample.heading_deg is None else round((sample.heading_deg - skew) % 360, 2)
    place = [round((easting - west) / cell.size_m, 4), round((north - northing) / cell.size_m, 4)]
    has_patch = sample.region is not None and sample.region.epsg is not None
    return {"patch": has_patch, "place": place, "cell_m": cell.size_m, "map_heading_deg": heading}


def _describe_area(sample: Sample) -> dict[str, Any]:
    """{"area": {"rings": of [x, y] in metres east and south of the north-west corner of its picture, "lonlat": the same
    in degrees, "frames": {context: [x, y, side]} of what pictures show, in these metres, "values_px": pixels on a side
    of its stored values, "m2", "wide_m", "high_m", "cells": [x, y] of cells of the grid that lie wholly inside,
    "cell_m"}}; `cells` is None where they are too many to be marked.
    """
    outline = read_outline(sample)
    if outline.is_empty or sample.region_id is None or find_fault(Area(id="", code="", polygon=outline)):
        return {}
    frames = {context: find_frame(sample, context) for context in CONTEXTS}
    first = frames[THE_AREA]
    metres = to_metres(outline, first.epsg)
    drawn = shapely.simplify(metres, first.size_m * FINEST_SHARE)
    ground_m2 = measure_ground(outline)
    west, south, east, north = metres.bounds
    back = transformer(first.epsg, 4326).transform
    return {
        "area": {
            "rings": [_place(ring, first) for ring in _list_rings(drawn)],
            "lonlat": [_round(np.column_stack(back(*ring.T)), 6) for ring in _list_rings(drawn)],
            "frames": {
                context: [frame.west_m - first.west_m, first.north_m - frame.north_m, frame.size_m]
                for context, frame in frames.items()
            },
            "values_px": first.across * VALUES_PX,
            "m2": round(ground_m2),
            "wide_m": round(east - west),
            "high_m": round(north - south),
            "cells": _mark_cells(outline, first) if ground_m2 <= MOST_MARKED_M2 else None,
            "cell_m": grid.DEFAULT_SIZE_M,
        }
    }


def _mark_cells(outline: BaseGeometry, first: Frame) -> list[list[float]]:
    """North-west corners of the cells inside, of those in the picture's own zone."""
    cells = [cell for cell in list_cells(outline) if cell.epsg == first.epsg]
    return [[cell.bounds[0] - first.west_m, first.north_m - cell.bounds[3]] for cell in cells]


def _list_rings(outline: BaseGeometry) -> list[npt.NDArray[np.float64]]:
    parts = [part for part in shapely.get_parts(outline).tolist() if part.geom_type == "Polygon"]
    return [shapely.get_coordinates(ring) for part in parts for ring in (part.exterior, *part.interiors)]


def _place(ring: npt.NDArray[np.float64], first: Frame) -> list[list[float]]:
    return _round(np.column_stack([ring[:, 0] - first.west_m, first.north_m - ring[:, 1]]), 1)


def _round(points: npt.NDArray[np.float64], digits: int) -> list[list[float]]:
    return np.round(points, digits).tolist()
