"""Training areas of a KML or KMZ file as samples of kind area, their classes as references; none is deleted."""

import hashlib
from collections.abc import Iterable
from pathlib import Path

from django.db import transaction
from django.db.models import QuerySet
from shapely.geometry import mapping

from annotation.exchange.areas import AreaFile, Coding, TrainingArea
from annotation.exchange.kml import read_file
from fusion.scheme import Scheme
from geoquorum.accounts.models import User
from geoquorum.accounts.services import record
from geoquorum.catalog.models import Reference, Region, Sample

BATCH = 5_000


@transaction.atomic
def take_areas(
    *, region: Region, path: Path, scheme: Scheme, by: User | None, coding: Coding = "code"
) -> tuple[AreaFile, int]:
    """Add the good areas of a file to a region; returns what the file held and the number of new samples.

    An area that is there already (the same outline in the same project) is not added twice, only its class is noted
    as one more reference. BadInputError where the file holds no area.
    """
    file = read_file(path, scheme, coding=coding)
    source = f"training area: {path.name}"[:80]
    wanted = {_key(area): (area, file.marks.get(place, ())) for place, area in enumerate(file.areas)}
    there = set(_known(region, wanted).values_list("key", flat=True))
    new = [_sample(region, key, *wanted[key]) for key in wanted if key not in there]
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


def _key(area: TrainingArea) -> str:
    """The sample's key where the file carries one of ours, else a name that the outline alone decides."""
    return area.sample or f"area-{hashlib.sha256(area.polygon.normalize().wkb).hexdigest()[:24]}"


def _sample(region: Region, key: str, area: TrainingArea, marks: tuple[str, ...]) -> Sample:
    centre = area.polygon.representative_point()
    facts = {"name": area.name, "folder": area.folder, "marks": list(marks), "area_m2": round(area.area_m2)}
    return Sample(
        project_id=region.project_id,
        region=region,
        kind=Sample.Kind.AREA,
        key=key,
        longitude=centre.x,
        latitude=centre.y,
        footprint=mapping(area.polygon),
        attributes=facts,
        is_simulated=region.is_simulated,
    )
