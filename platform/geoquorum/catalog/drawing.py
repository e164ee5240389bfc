"""The page on which areas are drawn over a region's pictures, and what it asks for.

Who draws sees the own areas with their classes and of others' areas the outlines alone. A refusal is
`{"error": "one sentence"}` with status 400, as on the vote page; the outline stays in the browser.
"""

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import shapely
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, RawPostDataException
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.text import slugify
from django.views.decorators.http import require_GET, require_POST
from shapely.geometry.base import BaseGeometry

from fusion import grid
from fusion import scheme as schemes
from fusion.errors import BadInputError, GeoquorumError
from geoquorum.accounts.models import Role, User
from geoquorum.accounts.services import has_role, require_role
from geoquorum.catalog.answers import NOTHING_RUNS, refuse, respond
from geoquorum.catalog.bounds import find_centre
from geoquorum.catalog.bounds import outline as outline_bounds
from geoquorum.catalog.drawn_areas import (
    MOST_CORNERS,
    draw_area,
    find_author,
    find_bounds,
    list_areas,
    list_drawn,
    remove_area,
    write_areas,
)
from geoquorum.catalog.frames import read_outline, to_metres
from geoquorum.catalog.models import Region, Sample
from geoquorum.catalog.tiles import SIZES_M, TILE_PX, draw_tile, list_views

SCHEME = "lcz17"
TOLD = ("code", "sign", "name", "colour", "ink", "key", "help")
MOST_OTHERS = 2_000  # outlines of others that are shown
FINEST_M = 2.0  # corners of others' outlines that lie closer are not told apart
LONGEST_BODY = 100_000


@login_required
@require_GET
def show_drawing(request: HttpRequest, region_id: int) -> HttpResponse:
    """The region's pictures to draw on; without a scene, what is missing."""
    region = _region(request, region_id)
    author = find_author(region, request.user)
    scheme, views = schemes.find(SCHEME), list_views(region)
    context: dict[str, Any] = {"region": region, "scheme": scheme, "views": views}
    if views and find_bounds(region) is not None:
        context["config"] = _configure(region, author) | {
            "views": views,
            "scheme": {
                "name": scheme.name,
                "classes": [{name: getattr(label, name) for name in TOLD} for label in scheme.classes],
            },
        }
    return render(request, "catalog/drawing.html", context)


@login_required
@require_GET
def show_tile(request: HttpRequest, region_id: int, modality: str, view: str, cell: str) -> HttpResponse:
    """PNG of one square of the grid; `?season=summer` picks a date."""
    region = _region(request, region_id)
    season = request.GET.get("season", "").replace("\0", "?")
    try:
        return respond(request, draw_tile(region, modality, view, season=season, cell=cell), "image/png")
    except GeoquorumError as error:
        return refuse(str(error))


@login_required
@require_POST
def save_area(request: HttpRequest, region_id: int) -> JsonResponse:
    """POST {"epsg": 32632, "corners": [[x, y], ...], "code": "6", "replaces": 12 or null} -> {"area": {...}}."""
    region = _region(request, region_id)
    try:
        said = _read_body(request)
        old = said.get("replaces")
        with_old = None if old is None else _find_drawn(region, old)
        made = draw_area(
            region=region, epsg=_whole(said.get("epsg")), corners=said.get("corners"), scheme=schemes.find(SCHEME),
            code=str(said.get("code", "")), by=request.user, replaces=with_old,
        )  # fmt: skip
    except (GeoquorumError, PermissionDenied) as error:
        return _say(error)
    return JsonResponse({"area": _show_own(made, _find_epsg(region))}, headers={"Cache-Control": "no-store"})


@login_required
@require_POST
def remove_drawn(request: HttpRequest, region_id: int, sample_id: int) -> JsonResponse:
    """Takes an area away that was drawn here."""
    region = _region(request, region_id)
    try:
        remove_area(area=_find_drawn(region, sample_id), by=request.user)
    except (GeoquorumError, PermissionDenied) as error:
        return _say(error)
    return JsonResponse({"removed": sample_id}, headers={"Cache-Control": "no-store"})


@login_required
@require_GET
def download_areas(request: HttpRequest, region_id: int) -> HttpResponse:
    """KML of the region's areas: of all for curators, of the own ones for others."""
    region = _region(request, region_id)
    areas = _areas_of(region, request.user)
    kml = write_areas(areas, schemes.find(SCHEME), title=region.name)
    name = f"{slugify(region.name) or 'region'}-areas.kml"
    headers = {"Content-Disposition": f'attachment; filename="{name}"', "Content-Security-Policy": NOTHING_RUNS}
    return HttpResponse(kml, content_type="application/vnd.google-earth.kml+xml", headers=headers)


def _region(request: HttpRequest, region_id: int) -> Region:
    region = get_object_or_404(Region.objects.select_related("project"), pk=region_id)
    require_role(user=request.user, project=region.project, minimum=Role.EXPERT)
    return region


def _areas_of(region: Region, user: User) -> QuerySet[Sample]:
    if has_role(user=user, project=region.project, minimum=Role.CURATOR):
        return list_areas(region)
    return list_drawn(region, find_author(region, user))


def _find_drawn(region: Region, number: Any) -> Sample:
    """A drawn area of this region; any other number is not found."""
    found = list_areas(region).filter(attributes__has_key="author", pk=_whole(number)).select_related("project")
    if (area := found.first()) is None:
        raise Http404("There is no such area.")
    return area


def _read_body(request: HttpRequest) -> dict[str, Any]:
    try:
        body = request.body
        said = json.loads(body) if len(body) <= LONGEST_BODY else None
    except RequestDataTooBig:
        said = None
    except (RawPostDataException, ValueError, RecursionError):  # a form; no JSON; thousands of digits
        said = ()
    if said is None:
        raise BadInputError(f"The outline is too long; an area has at most {MOST_CORNERS} corners.")
    if not isinstance(said, dict):
        raise BadInputError("The outline came without form; reload the page and draw it again.")
    return said


def _whole(number: Any) -> int:
    """A whole number that the database can hold; anything else is 0, which nothing has."""
    return number if isinstance(number, int) and not isinstance(number, bool) and 0 < number < 2**63 else 0


def _say(error: Exception) -> JsonResponse:
    status = 403 if isinstance(error, PermissionDenied) else 400
    return JsonResponse({"error": str(error)}, status=status, headers={"Cache-Control": "no-store"})


def _configure(region: Region, author: str) -> dict[str, Any]:
    """All that the page knows at its start. Places are metres of one UTM zone."""
    epsg, bounds = _find_epsg(region), find_bounds(region)
    west, south, east, north = to_metres(outline_bounds(bounds), epsg).bounds
    own = list_drawn(region, author)
    others = list_areas(region).exclude(pk__in=own.values("pk"))[:MOST_OTHERS]
    here = [region.pk]
    return {
        "urls": {
            "tile": reverse("catalog:tile", args=[region.pk, "MODALITY", "VIEW", "CELL"]),
            "save": reverse("catalog:save_area", args=here),
            "remove": reverse("catalog:remove_area", args=[region.pk, 0]),
        },
        "epsg": epsg,
        "zone": f"{epsg % 100}{'N' if epsg < 32700 else 'S'}",
        "bounds": [round(edge) for edge in (west, south, east, north)],
        "frame": _list_rings([outline_bounds(bounds)], epsg),
        "tiles": {"sizes_m": SIZES_M, "pixels": TILE_PX},
        "cell_m": grid.DEFAULT_SIZE_M,
        "most_corners": MOST_CORNERS,
        "own": [_show_own(area, epsg) for area in own],
        "others": _list_rings((read_outline(area) for area in others), epsg),
    }


def _find_epsg(region: Region) -> int:
    """The zone of the region's middle, whatever its scenes are in: drawing needs metres."""
    bounds = find_bounds(region)
    longitude, latitude = find_centre(bounds) if bounds is not None else (0.0, 0.0)
    return (32600 if latitude >= 0 else 32700) + grid.zone_of(longitude)


def _show_own(area: Sample, epsg: int) -> dict[str, Any]:
    """One's own area, with the class that one gave it."""
    author = area.attributes.get("author", "")
    said = area.references.filter(scheme=SCHEME, source=f"drawn area: {author}").first()
    rings = _list_rings([read_outline(area)], epsg, finest_m=0)
    return {
        "id": area.pk,
        "code": said.code if said else "",
        "corners": rings[0][:-1] if rings else [],
        "m2": area.attributes.get("area_m2", 0),
        "marks": area.attributes.get("marks", []),
    }


def _list_rings(outlines: Iterable[BaseGeometry], epsg: int, finest_m: float = FINEST_M) -> list[list[list[float]]]:
    """Rings of outlines in metres, one after another; what is no polygon is left out."""
    parts = [part for outline in outlines for part in shapely.get_parts(outline).tolist()]
    polygons = [to_metres(part, epsg, is_dense=False) for part in parts if part.geom_type == "Polygon"]
    rings = [ring for one in polygons for ring in (one.exterior, *one.interiors)]
    points = [shapely.get_coordinates(shapely.simplify(ring, finest_m) if finest_m else ring) for ring in rings]
    return [np.round(ring, 2).tolist() for ring in points if len(ring) and np.isfinite(ring).all()]
