"""Areas that people draw in the browser: checked whole, then stored as areas of KML files are, with their author.

The author is a pseudonym in the sample's `attributes`; the class is a reference like that of a file, hidden from all
others who vote.
"""

from collections.abc import Sequence
from math import isfinite
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import ProtectedError, QuerySet
from django.utils.translation import gettext as _
from shapely.geometry import Polygon
from shapely.geometry.polygon import orient

from annotation.exchange.areas import TrainingArea, list_marks
from annotation.exchange.kml import split_parts, write_kml
from fusion.areas import Area, find_fault
from fusion.errors import BadInputError
from fusion.scheme import Scheme
from fusion.source import Bounds
from geoquorum.accounts.models import Expert, Role, User
from geoquorum.accounts.services import expert_of, has_role, record
from geoquorum.catalog.areas import make_sample, name_area
from geoquorum.catalog.bounds import outline as outline_bounds
from geoquorum.catalog.frames import read_outline, transformer
from geoquorum.catalog.models import Reference, Region, Sample

FEWEST_CORNERS, MOST_CORNERS = 3, 500
LEAST_M2 = 100.0**2  # a hundred pixels of 10 m; imports mark areas below 4 ha and take all
FURTHEST_M = 1e8
LONGEST_SOURCE = 80


@transaction.atomic
def draw_area(
    *, region: Region, epsg: int, corners: Any, scheme: Scheme, code: str, by: User, replaces: Sample | None = None
) -> Sample:
    """Stores an outline, [x, y] in metres of a UTM zone, with the class that its author gives it.

    BadInputError says in one sentence what is wrong; then nothing is stored, and the area to be replaced stays.
    """
    if code not in scheme:
        raise BadInputError(f"{code!r} is no class of {scheme.name}; choose one of {', '.join(scheme.codes)}.")
    polygon = check_outline(read_corners(epsg, corners), region)
    author = expert_of(user=by, project=region.project).pseudonym
    area = TrainingArea(code=code, name="", folder="", polygon=orient(polygon))
    if replaces is not None:
        remove_area(area=replaces, by=by)
    made = make_sample(region, name_area(area), area, tuple(list_marks(area)))
    made.attributes["author"] = author
    try:
        with transaction.atomic():
            made.save(force_insert=True)
    except IntegrityError as error:
        raise BadInputError("An area with this very outline is there already; draw another one.") from error
    source = f"drawn area: {author}"[:LONGEST_SOURCE]
    Reference.objects.create(sample=made, scheme=scheme.name, code=code, source=source)
    record(project=region.project, actor=by, action="area drawn", subject=f"sample {made.pk}", detail={"key": made.key})
    return made


def read_corners(epsg: int, corners: Any) -> list[tuple[float, float]]:
    """Longitude and latitude of each corner, none twice in a row; refused where they are too few, too many or none."""
    if not (32601 <= epsg <= 32660 or 32701 <= epsg <= 32760):
        raise BadInputError(f"EPSG:{epsg} is no UTM zone; reload the page and draw the area again.")
    if not isinstance(corners, list):
        raise BadInputError("An outline is a list of corners, [x, y] in metres; reload the page and draw it again.")
    if len(corners) > MOST_CORNERS:
        raise BadInputError(
            f"An outline has at most {MOST_CORNERS} corners; this one has {len(corners)}. Take some out."
        )
    for place, corner in enumerate(corners, start=1):
        if not _is_pair(corner):
            raise BadInputError(f"Corner {place} is no place in metres; draw the outline again.")
    ring = [tuple(map(float, corner)) for place, corner in enumerate(corners) if corner != corners[place - 1]]
    if len(set(ring)) < FEWEST_CORNERS:
        raise BadInputError(f"An outline needs {FEWEST_CORNERS} corners or more; this one has {len(set(ring))}.")
    x, y = zip(*ring, strict=True)
    lons, lats = transformer(epsg, 4326).transform(x, y)
    if not all(map(isfinite, (*lons, *lats))):
        raise BadInputError("A corner lies nowhere on Earth; reload the page and draw the area again.")
    return list(zip(lons, lats, strict=True))


def check_outline(ring: Sequence[tuple[float, float]], region: Region) -> Polygon:
    """The outline as a polygon in degrees; BadInputError where it is none, too small or not inside the region."""
    bounds = find_bounds(region)
    if bounds is None:
        raise BadInputError(f"Region {region.name!r} has no place on the ground; ingest a scene into it first.")
    polygon = Polygon(ring)
    if fault := find_fault(Area(id="", code="", polygon=polygon, within=bounds)):
        raise BadInputError(fault)
    if not outline_bounds(bounds).buffer(1e-9).covers(polygon):
        raise BadInputError("It reaches beyond its region; keep every corner inside the region's frame.")
    ground_m2 = TrainingArea(code="", name="", folder="", polygon=polygon).area_m2
    if ground_m2 < LEAST_M2:
        raise BadInputError(f"It covers {ground_m2 / 1e4:.2f} ha; draw {LEAST_M2 / 1e4:.0f} ha or more.")
    return polygon


def find_bounds(region: Region) -> Bounds | None:
    """West, south, east and north of a region in degrees, if they are known."""
    bounds = region.west, region.south, region.east, region.north
    return None if None in bounds else bounds


@transaction.atomic
def remove_area(*, area: Sample, by: User) -> None:
    """Takes a drawn area away: one's own, or any as a curator, as long as nobody was asked and nothing was cut."""
    author = expert_of(user=by, project=area.project).pseudonym
    if area.attributes.get("author") != author and not has_role(user=by, project=area.project, minimum=Role.CURATOR):
        raise PermissionDenied(_("Only who drew an area, or a curator, takes it away."))
    if area.children.exists():
        raise BadInputError("Patches were cut from this area; it stays as it is. Draw another one beside it.")
    number, key = area.pk, area.key
    try:
        area.delete()
    except ProtectedError as error:
        raise BadInputError(
            "A campaign asks about this area; it stays as it is. Draw another one beside it."
        ) from error
    record(project=area.project, actor=by, action="area removed", subject=f"sample {number}", detail={"key": key})


def find_author(region: Region, user: User) -> str:
    """The pseudonym under which this person drew here; '' for who has none yet, so that looking makes no row."""
    return Expert.objects.filter(project=region.project_id, user=user).values_list("pseudonym", flat=True).first() or ""


def list_areas(region: Region) -> QuerySet[Sample]:
    """Every area of a region, imported or drawn."""
    return Sample.objects.filter(region=region, kind=Sample.Kind.AREA).order_by("pk")


def list_drawn(region: Region, author: str) -> QuerySet[Sample]:
    """The areas of a region that one person drew."""
    return list_areas(region).filter(attributes__author=author)


def write_areas(areas: QuerySet[Sample], scheme: Scheme, *, title: str) -> bytes:
    """Areas as KML, a folder per class; one that was given several classes lies in the folder of each."""
    rows = Reference.objects.filter(sample__in=areas, scheme=scheme.name).select_related("sample")
    said = {(row.sample_id, row.code): row.sample for row in rows.order_by("sample_id", "code")}
    return write_kml(
        [
            TrainingArea(code=code, name="", folder="", polygon=part, sample=sample.key)
            for (_pk, code), sample in said.items()
            for part in _list_polygons(sample)
        ],
        scheme,
        title=title,
    )


def _list_polygons(sample: Sample) -> list[Polygon]:
    outline = read_outline(sample)
    return split_parts(outline) if outline.geom_type in ("Polygon", "MultiPolygon") and not outline.is_empty else []


def _is_pair(corner: Any) -> bool:
    """Two numbers within what a zone's metres can be; NaN and numbers of a thousand digits are not."""
    is_listed = isinstance(corner, list) and len(corner) == 2
    return is_listed and all(isinstance(one, int | float) and abs(one) <= FURTHEST_M for one in corner)
