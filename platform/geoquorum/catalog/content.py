"""What an expert is shown of a photo or a post, beside pictures from above. Never who wrote or took it."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from django.urls import reverse
from pyproj import CRS, Proj

from fusion import grid
from geoquorum.catalog.media import MODALITIES
from geoquorum.catalog.models import Asset, Post, Sample

DESCRIBED = (Sample.Kind.STREET_VIEW, Sample.Kind.POST)


def describe_samples(samples: Sequence[Sample]) -> dict[int, dict[str, Any]]:
    """Content by sample id; {} for patches. Two queries for any number of samples, none where all are patches.

    photo: {"photo": url, "width", "height", "heading_deg", "field_of_view_deg", ...place}
    post: {"text", "language", "posted_at", "image": url or null, "is_erased", ...place}
    place: {"patch": is there a place to draw from above, "place": [x, y] in the cell, fractions from its north-west
    corner, "map_heading_deg": heading against the picture's own north, which lies askew by the zone's convergence}
    """
    told = [sample for sample in samples if sample.kind in DESCRIBED]
    shown: dict[int, dict[str, Any]] = {sample.pk: {} for sample in samples}
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
