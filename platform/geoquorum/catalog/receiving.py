"""What is done with files that curators send: the services' own rules, and what came of it in words."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from fusion import scheme as schemes
from fusion.errors import BadInputError
from fusion.sources.envi.reading import RAW_SUFFIXES
from geoquorum.accounts.models import Project, User
from geoquorum.accounts.services import record
from geoquorum.catalog.areas import take_areas
from geoquorum.catalog.files import PARTS, Statement, check_statement, is_kept, take_file
from geoquorum.catalog.keeping import keep_for_good
from geoquorum.catalog.linking import queue_link
from geoquorum.catalog.models import Region
from geoquorum.catalog.photos import ingest_photos
from geoquorum.catalog.posts import ingest_posts
from geoquorum.catalog.registering import register_region
from geoquorum.catalog.services import get_region
from geoquorum.catalog.tables import take_samples
from geoquorum.uploads import keep_upload, keep_uploads

PART_ENDINGS = (*PARTS, *RAW_SUFFIXES, ".hdr")


@dataclass(frozen=True, kw_only=True)
class Received:
    """What came in, in one sentence, and what the curator should look at, line by line."""

    words: str
    notes: list[str] = field(default_factory=list)


def receive_samples(project: Project, by: User, *, file: UploadedFile, cell_m: int | None) -> Received:
    """A table of samples; all of it, or nothing."""
    with keep_upload(file) as path:
        count = take_samples(project=project, path=path, by=by, cell_m=cell_m, is_upload=True)
    return Received(words=ngettext("%(n)s sample is new.", "%(n)s samples are new.", count) % {"n": count})


def receive_areas(project: Project, by: User, *, file: UploadedFile, region: str, scheme: str, coding: Any) -> Received:
    """Training areas, with what was left out and what is unusual."""
    with keep_upload(file) as path:
        place, alphabet = _find_region(project, region), schemes.find(scheme)
        found, new = take_areas(region=place, path=path, scheme=alphabet, by=by, coding=coding, is_upload=True)
    said = {"all": len(found.areas), "new": new, "region": region}
    notes = [_("Rejected: %(what)s") % {"what": one} for one in found.rejected]
    for at, marks in found.marks.items():
        area = found.areas[at]
        notes.append(_("Unusual: %(what)s") % {"what": f"{area.folder} / {area.name}: {'; '.join(marks)}"})
    return Received(words=_("%(all)s areas read, %(new)s of them new in %(region)s.") % said, notes=notes)


def receive_photos(project: Project, by: User, *, files: list[UploadedFile], region: str) -> Received:
    """Street photos, all of them or none."""
    place = _find_region(project, region)
    with keep_uploads(files) as paths:
        taken = ingest_photos(region=place, paths=paths, is_upload=True)
    queue_link(region=place, by=by)
    new = sum(one.is_new for one in taken)
    record(
        project=project,
        actor=by,
        action="photos imported",
        subject=f"region {place.pk}",
        detail={"photos": len(taken), "new": new},
    )
    notes = [f"{one.photo.path.name}: {'; '.join(one.photo.notes)}" for one in taken if one.photo.notes]
    said = {"all": len(taken), "new": new, "region": region}
    return Received(words=_("%(all)s photos read, %(new)s of them new in %(region)s.") % said, notes=notes)


def receive_posts(
    project: Project, by: User, *, file: UploadedFile, pictures: list[UploadedFile], region: str
) -> Received:
    """A table of posts with its pictures, all of it or nothing."""
    place = _find_region(project, region)
    with keep_upload(file, beside=pictures) as path:
        taken = ingest_posts(region=place, path=path, is_upload=True)
    queue_link(region=place, by=by)
    new = len(taken.ids)
    record(
        project=project,
        actor=by,
        action="posts imported",
        subject=f"region {place.pk}",
        detail={"posts": new + taken.known, "new": new},
    )
    said = {"all": new + taken.known, "new": new, "region": region}
    notes = [
        _("Taken out of the words: %(n)s × %(kind)s") % {"n": n, "kind": kind} for kind, n in taken.removed.items()
    ]
    return Received(words=_("%(all)s posts read, %(new)s of them new in %(region)s.") % said, notes=notes)


def receive_source(
    project: Project, by: User, *, file: UploadedFile, parts: list[UploadedFile], region: str, modality: str,
    bands: str, captured: date | None, offset: float | None,
) -> Received:  # fmt: skip
    """A file of any other source, kept as it came but for photos."""
    if strange := [part.name for part in parts if Path(part.name or "").suffix.lower() not in PART_ENDINGS]:
        raise BadInputError(
            f"{strange[0]}: no part of a Shapefile or of an ENVI file. Bring it by itself, or leave it."
        )
    place = _find_region(project, region)
    moment = datetime.combine(captured, time(), UTC) if captured else None
    names = tuple(name.strip() for name in bands.split(",")) if bands.strip() else None
    stated = Statement(modality=modality, bands=names, captured=moment, offset=offset)
    with keep_upload(file, beside=parts) as path, _keep(place, path, stated) as kept:
        taken = take_file(region=place, path=kept, stated=stated, is_upload=True)
        detail = {"file": path.name, "source": taken.source, "assets": len(taken.assets)}
        record(project=project, actor=by, action="file imported", subject=f"region {place.pk}", detail=detail)
        queue_link(region=place, by=by)
        lines = register_region(region=place).describe() if taken.scenes else []
    words = _("%(file)s is taken into %(region)s.") % {"file": path.name, "region": region}
    return Received(words=words, notes=[*taken.words, *lines])


@contextlib.contextmanager
def _keep(region: Region, path: Path, stated: Statement) -> Iterator[Path]:
    """Where the file lies for good; where it is, if only what is made of it is kept."""
    check_statement(stated)
    if is_kept(path, stated):
        with keep_for_good(region, path) as kept:
            yield kept
    else:
        yield path


def _find_region(project: Project, name: str) -> Region:
    return get_region(project=project, name=name, is_simulated=project.is_simulated)
