"""Training areas of a KML or KMZ file as samples of kind area, their classes as references; and their patches.

A patch is a child of its area and carries no label of its own: votes and classes stay with the area, and a release
takes the area's for each of its patches. The area is the patch's block, so that no split parts the two.
"""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from django.db import transaction
from django.db.models import ProtectedError, QuerySet
from shapely.geometry import mapping

from annotation.exchange.areas import AreaFile, Coding, TrainingArea
from annotation.exchange.kml import read_file
from annotation.exchange.kml_uploads import read_upload
from fusion import grid
from fusion.areas import Area, Balance, Patch, Sampled, sample_areas
from fusion.errors import BadInputError
from fusion.scheme import Scheme
from geoquorum.accounts.models import Project, User
from geoquorum.accounts.services import record
from geoquorum.catalog.frames import read_outline
from geoquorum.catalog.models import Reference, Region, Sample
from geoquorum.storing import hold

BATCH = 5_000
LONGEST_BLOCK = 60


@transaction.atomic
def take_areas(
    *, region: Region, path: Path, scheme: Scheme, by: User | None, coding: Coding = "code", is_upload: bool = False
) -> tuple[AreaFile, int]:
    """Add the good areas of a file to a region; returns what the file held and the number of new samples.

    An area that is there already (the same outline in the same project) is not added twice, only its class is noted
    as one more reference. BadInputError where the file holds no area. What somebody sent (`is_upload`) is read in a
    child process with bounds, but for small texts.
    """
    read = read_upload if is_upload else read_file
    file = read(path, scheme, coding=coding)
    hold(f"areas {region.project_id}")
    source = f"training area: {path.name}"[:80]
    wanted = {name_area(area): (area, file.marks.get(place, ())) for place, area in enumerate(file.areas)}
    there = set(_known(region, wanted).values_list("key", flat=True))
    new = [make_sample(region, key, *wanted[key]) for key in wanted if key not in there]
    Sample.objects.bulk_create(new, batch_size=BATCH)
    samples = _known(region, wanted)
    Reference.objects.bulk_create(
        (
            Reference(sample=sample, scheme=scheme.name, code=wanted[sample.key][0].code, source=source)
            for sample in samples
        ),
        batch_size=BATCH,
        ignore_conflicts=True,
    )
    detail = {"areas": len(file.areas), "rejected": len(file.rejected), "file": path.name[:200]}
    record(project=region.project, actor=by, action="areas imported", subject=f"region {region.pk}", detail=detail)
    return file, len(new)


def _known(region: Region, wanted: Iterable[str]) -> QuerySet[Sample]:
    return Sample.objects.filter(project=region.project_id, kind=Sample.Kind.AREA, key__in=list(wanted))


def name_area(area: TrainingArea) -> str:
    """The sample's key where the file carries one of ours, else a name that the outline alone decides."""
    return area.sample or f"area-{hashlib.sha256(area.polygon.normalize().wkb).hexdigest()[:24]}"


def _find_middle(longitude: float, latitude: float) -> str:
    """The grid cell in the middle of an area, which voters see; '' beyond the grid."""
    if not grid.SOUTH_LIMIT <= latitude <= grid.NORTH_LIMIT:
        return ""
    return grid.cell_at(longitude, latitude).id


def make_sample(region: Region, key: str, area: TrainingArea, marks: tuple[str, ...]) -> Sample:
    """A training area as a sample that is not stored yet."""
    centre = area.polygon.representative_point()
    facts = {"name": area.name, "folder": area.folder, "marks": list(marks), "area_m2": round(area.area_m2)}
    return Sample(
        project_id=region.project_id,
        region=region,
        kind=Sample.Kind.AREA,
        key=key,
        cell=_find_middle(centre.x, centre.y),
        longitude=centre.x,
        latitude=centre.y,
        footprint=mapping(area.polygon),
        attributes=facts,
        is_simulated=region.is_simulated,
    )


@dataclass(frozen=True, kw_only=True)
class AreaPatches:
    """What cutting areas gave: patches by area, and how many of them are new or were taken away."""

    sampled: Sampled
    new: int
    removed: int


def read_codes(*, project: Project, scheme: Scheme) -> tuple[dict[int, str], list[str]]:
    """The class of each area of a project by its references, and the keys of areas whose references differ."""
    rows = Reference.objects.filter(sample__project=project, sample__kind=Sample.Kind.AREA, scheme=scheme.name)
    found: dict[tuple[int, str], set[str]] = {}
    for sample, key, code in rows.values_list("sample_id", "sample__key", "code"):
        found.setdefault((sample, key), set()).add(code)
    codes = {sample: min(said) for (sample, _key), said in found.items() if len(said) == 1}
    return codes, sorted(key for (_sample, key), said in found.items() if len(said) > 1)


@transaction.atomic
def cut_areas(
    *, project: Project, codes: Mapping[int, str], balance: Balance, by: User | None, again: bool = False
) -> AreaPatches:
    """Patch samples inside the areas of a project whose class is given, by area: all of them, or nothing.

    `codes` decides how densely an area is sampled and nothing else. The same areas, classes and balance add nothing;
    others are refused while patches of before are there, unless `again` says that those go. What was voted on stays.
    """
    Project.objects.select_for_update().get(pk=project.pk)
    areas = Sample.objects.filter(project=project, kind=Sample.Kind.AREA).select_related("region").in_bulk(list(codes))
    if not areas:
        raise BadInputError(f"{project.slug} has no area with a class. Import training areas, or name a consensus run.")
    sampled = sample_areas([_area(areas[pk], codes[pk]) for pk in sorted(areas)], balance)
    by_key = {area.key: area for area in areas.values()}
    wanted = {_patch_key(patch): patch for patch in sampled.patches}
    there = Sample.objects.filter(parent__in=by_key.values(), kind=Sample.Kind.PATCH)
    known = set(there.values_list("key", flat=True))
    removed = _remove(there, known - wanted.keys(), again=again)
    new = [key for key in wanted if key not in known]
    Sample.objects.bulk_create(
        (_patch_sample(by_key[wanted[key].area], key, wanted[key], balance) for key in new), batch_size=BATCH
    )
    detail = {"areas": len(areas), "new": len(new), "removed": removed, "refused": len(sampled.refused)}
    record(project=project, actor=by, action="areas cut", subject=f"project {project.pk}", detail=detail)
    return AreaPatches(sampled=sampled, new=len(new), removed=removed)


def _remove(there: QuerySet[Sample], keys: set[str], *, again: bool) -> int:
    """Takes away patches of an earlier cut that are not wanted any more."""
    if keys and not again:
        raise BadInputError(
            f"{len(keys)} patches of these areas come from an earlier cut with other areas, classes or numbers, first "
            f"{min(keys)!r}. Say that they are to be replaced, or cut as before."
        )
    try:
        for start in range(0, len(keys), BATCH):
            there.filter(key__in=sorted(keys)[start : start + BATCH]).delete()
    except ProtectedError as error:
        raise BadInputError(
            "Patches of an earlier cut were asked about in a campaign and stay. Cut the areas in another project."
        ) from error
    return len(keys)


def _area(sample: Sample, code: str) -> Area:
    region = sample.region
    bounds = (region.west, region.south, region.east, region.north) if region and region.scenes.exists() else None
    within = bounds if bounds and None not in bounds else None
    return Area(id=sample.key, code=code, polygon=read_outline(sample), within=within)


def _name_block(key: str) -> str:
    return key if len(key) <= LONGEST_BLOCK else f"area-{hashlib.sha256(key.encode()).hexdigest()[:24]}"


def _patch_key(patch: Patch) -> str:
    return f"{_name_block(patch.area)}-{patch.id}"


def _patch_sample(area: Sample, key: str, patch: Patch, balance: Balance) -> Sample:
    west, _south, _east, north = patch.bounds
    step = patch.size_m / balance.pixels
    longitude, latitude = patch.centre_lonlat
    return Sample(
        project_id=area.project_id,
        region_id=area.region_id,
        parent=area,
        kind=Sample.Kind.PATCH,
        key=key,
        cell=patch.cell.id if patch.cell else "",
        block=_name_block(patch.area),
        longitude=longitude,
        latitude=latitude,
        footprint=mapping(patch.footprint),
        epsg=patch.epsg,
        transform=[step, 0, west, 0, -step, north],
        width_px=balance.pixels,
        height_px=balance.pixels,
        pixel_size_m=step,
        captured_from=area.captured_from,
        captured_to=area.captured_to,
        attributes={"share_in_area": round(patch.share, 4)},
        is_simulated=area.is_simulated,
    )
