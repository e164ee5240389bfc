"""The page by which curators bring files into a project: tables, training areas, photos, posts, files of any source.

All or nothing; rasters, clouds, shapes, cubes, videos and pictures are opened in a child process with bounds first.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from pathlib import Path
from types import MappingProxyType
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.files.uploadedfile import UploadedFile
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from annotation.exchange.areas import CODINGS
from fusion import modality as modalities
from fusion import scheme as schemes
from fusion.errors import BadInputError, GeoquorumError
from fusion.sources.envi.reading import RAW_SUFFIXES
from fusion.sources.posts.reading import KNOWN as POST_COLUMNS
from geoquorum.accounts.models import Project, Role, User
from geoquorum.accounts.services import projects_of, record, require_role
from geoquorum.catalog.areas import take_areas
from geoquorum.catalog.files import PARTS, Statement, keep_for_good, take_file
from geoquorum.catalog.models import Region
from geoquorum.catalog.photos import ingest_photos
from geoquorum.catalog.posts import ingest_posts
from geoquorum.catalog.services import LONGEST_NAME, get_region
from geoquorum.catalog.tables import COLUMNS, take_samples
from geoquorum.uploads import keep_upload, keep_uploads, tell_trouble

LONGEST_FILE_NAME = 200
CODING_WORDS = (
    gettext_lazy("none: letters A-G are written"),
    gettext_lazy("11-17 are A-G"),
    gettext_lazy("101-107 are A-G"),
)
PART_ENDINGS = (*PARTS, *RAW_SUFFIXES, ".hdr")
MOST_FILES = 90  # Django takes a hundred of one request


class Several(forms.FileInput):
    """A field of a page that takes more than one file."""

    allow_multiple_selected = True


class Files(forms.FileField):
    """Several files from one field."""

    widget = Several

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile]:
        """Each by the rules of one; an empty list where none was chosen and none is needed."""
        chosen = list(data or [])
        if not chosen:
            super().clean(None, initial)
        if len(chosen) > MOST_FILES:
            raise forms.ValidationError(
                _("These are %(count)s files; bring at most %(most)s at once.")
                % {"count": len(chosen), "most": MOST_FILES}
            )
        return [super(Files, self).clean(one, initial) for one in chosen]


class SamplesForm(forms.Form):
    """A table of samples."""

    file = forms.FileField(label=gettext_lazy("Table (.csv or .parquet)"), max_length=LONGEST_FILE_NAME)
    cell_m = forms.IntegerField(
        label=gettext_lazy("Grid cell in metres"),
        required=False,
        min_value=10,
        max_value=100_000,
        help_text=gettext_lazy("Gives samples that have a place and no cell one of this size, such as 320."),
    )


class RegionForm(forms.Form):
    """Whatever goes into a region, which is made where it is new."""

    region = forms.CharField(
        label=gettext_lazy("Region"),
        max_length=LONGEST_NAME,
        help_text=gettext_lazy("One of the project's regions, or the name of a new one."),
        widget=forms.TextInput(attrs={"list": "regions", "autocomplete": "off"}),
    )


class AreasForm(RegionForm):
    """Training areas."""

    field_order = ("file", "region", "scheme", "coding")
    file = forms.FileField(label=gettext_lazy("File (.kml or .kmz)"), max_length=LONGEST_FILE_NAME)
    scheme = forms.ChoiceField(label=gettext_lazy("Classes that folders name"), initial="lcz17")
    coding = forms.ChoiceField(
        label=gettext_lazy("Numbers above 10"),
        choices=list(
            zip(
                CODINGS,
                (
                    gettext_lazy("are not used: letters A-G"),
                    gettext_lazy("11-17 are A-G"),
                    gettext_lazy("101-107 are A-G"),
                ),
                strict=True,
            )
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["scheme"].choices = [(one.name, one.title) for one in schemes.load_all().values()]


class PhotosForm(RegionForm):
    """Street photos."""

    field_order = ("files", "region")
    files = Files(
        label=gettext_lazy("Photos (JPEG, PNG, WebP)"),
        help_text=gettext_lazy("Up to %(most)s at once. Their EXIF gives place, heading and time, and is not kept.")
        % {"most": MOST_FILES},
    )


class PostsForm(RegionForm):
    """Posts and their pictures."""

    field_order = ("file", "pictures", "region")
    file = forms.FileField(label=gettext_lazy("Table (.csv, .jsonl or .ndjson)"), max_length=LONGEST_FILE_NAME)
    pictures = Files(
        label=gettext_lazy("Pictures that the table names"),
        required=False,
        help_text=gettext_lazy("The files of its column image, if it has one."),
    )


class SourceForm(RegionForm):
    """A file of any source that is not a table of samples or posts."""

    field_order = ("file", "parts", "region", "modality", "bands", "captured", "offset")
    file = forms.FileField(
        label=gettext_lazy(
            "File (GeoTIFF, LAS/LAZ, GeoJSON, GeoPackage, .shp, .npy, .mat, .h5, .asc, .hdr, CSV, video)"
        ),
        max_length=LONGEST_FILE_NAME,
    )
    parts = Files(
        label=gettext_lazy("Files that belong to it"),
        required=False,
        help_text=gettext_lazy(
            "Of a Shapefile its .shx, .dbf and .prj; of an ENVI header its pixels (.img, .dat, .bsq ...)."
        ),
    )
    modality = forms.ChoiceField(label=gettext_lazy("What it shows"), required=False)
    bands = forms.CharField(
        label=gettext_lazy("Names of its bands"),
        required=False,
        max_length=4_000,
        help_text=gettext_lazy("In file order, parted by commas, where the file does not name them."),
    )
    captured = forms.DateField(label=gettext_lazy("Date, where the file does not say"), required=False)
    offset = forms.FloatField(
        label=gettext_lazy("Offset of its numbers"),
        required=False,
        help_text=gettext_lazy(
            "Of Sentinel-2 where neither tags nor name say it: -1000 from 25 January 2022 on, or 0."
        ),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        known = [(one.name, one.title) for one in modalities.load_all().values()]
        self.fields["modality"].choices = [("", _("as the file says")), *sorted(known, key=lambda pair: pair[1])]


@dataclass(frozen=True, kw_only=True)
class Taken:
    """What came in, in one sentence, and what the curator should look at, line by line."""

    words: str
    notes: list[str] = field(default_factory=list)


def _take_samples(project: Project, by: User, *, file: UploadedFile, cell_m: int | None) -> Taken:
    with keep_upload(file) as path:
        count = take_samples(project=project, path=path, by=by, cell_m=cell_m)
    return Taken(words=ngettext("%(n)s sample is new.", "%(n)s samples are new.", count) % {"n": count})


def _take_areas(project: Project, by: User, *, file: UploadedFile, region: str, scheme: str, coding: Any) -> Taken:
    with keep_upload(file) as path:
        place, alphabet = _find_region(project, region), schemes.find(scheme)
        found, new = take_areas(region=place, path=path, scheme=alphabet, by=by, coding=coding)
    said = {"all": len(found.areas), "new": new, "region": region}
    notes = [_("Rejected: %(what)s") % {"what": one} for one in found.rejected]
    for at, marks in found.marks.items():
        area = found.areas[at]
        notes.append(_("Unusual: %(what)s") % {"what": f"{area.folder} / {area.name}: {'; '.join(marks)}"})
    return Taken(words=_("%(all)s areas read, %(new)s of them new in %(region)s.") % said, notes=notes)


def _take_photos(project: Project, by: User, *, files: list[UploadedFile], region: str) -> Taken:
    place = _find_region(project, region)
    with keep_uploads(files) as paths:
        taken = ingest_photos(region=place, paths=paths, is_upload=True)
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
    return Taken(words=_("%(all)s photos read, %(new)s of them new in %(region)s.") % said, notes=notes)


def _take_posts(project: Project, by: User, *, file: UploadedFile, pictures: list[UploadedFile], region: str) -> Taken:
    place = _find_region(project, region)
    with keep_upload(file, beside=pictures) as path:
        taken = ingest_posts(region=place, path=path, is_upload=True)
    new = len(taken.samples)
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
    return Taken(words=_("%(all)s posts read, %(new)s of them new in %(region)s.") % said, notes=notes)


def _take_source(
    project: Project, by: User, *, file: UploadedFile, parts: list[UploadedFile], region: str, modality: str,
    bands: str, captured: date | None, offset: float | None,
) -> Taken:  # fmt: skip
    if strange := [part.name for part in parts if Path(part.name or "").suffix.lower() not in PART_ENDINGS]:
        raise BadInputError(
            f"{strange[0]}: no part of a Shapefile or of an ENVI file. Bring it by itself, or leave it."
        )
    place = _find_region(project, region)
    moment = datetime.combine(captured, time(), UTC) if captured else None
    names = tuple(name.strip() for name in bands.split(",")) if bands.strip() else None
    stated = Statement(modality=modality, bands=names, captured=moment, offset=offset)
    with keep_upload(file, beside=parts) as path, keep_for_good(place, path) as kept:
        taken = take_file(region=place, path=kept, stated=stated, is_upload=True)
    detail = {"file": path.name, "source": taken.source, "assets": len(taken.assets)}
    record(project=project, actor=by, action="file imported", subject=f"region {place.pk}", detail=detail)
    return Taken(
        words=_("%(file)s is taken into %(region)s.") % {"file": path.name, "region": region}, notes=list(taken.words)
    )


def _find_region(project: Project, name: str) -> Region:
    return get_region(project=project, name=name, is_simulated=project.is_simulated)


@dataclass(frozen=True, kw_only=True)
class Incoming:
    """One kind of file: its title, its form, what it holds, and the service that takes it."""

    title: str | Promise
    form: type[forms.Form]
    words: str | Promise
    take: Callable[..., Taken]
    columns: tuple[str, ...] = ()


INCOMING: Mapping[str, Incoming] = MappingProxyType(
    {
        "samples": Incoming(
            title=gettext_lazy("Samples from a table"),
            form=SamplesForm,
            words=gettext_lazy("One row per sample; only the column sample is needed."),
            take=_take_samples,
            columns=tuple(COLUMNS),
        ),
        "areas": Incoming(
            title=gettext_lazy("Training areas"),
            form=AreasForm,
            words=gettext_lazy(
                "Polygons as they are drawn in Google Earth for Local Climate Zones, one folder per class. An area "
                "becomes a sample, its class a reference that voters do not see. What is no polygon is named and left "
                "out; unusual areas are marked and kept."
            ),
            take=_take_areas,
        ),
        "photos": Incoming(
            title=gettext_lazy("Street photos"),
            form=PhotosForm,
            words=gettext_lazy("One sample per photo. All of them are read first; one bad photo refuses them all."),
            take=_take_photos,
        ),
        "posts": Incoming(
            title=gettext_lazy("Posts"),
            form=PostsForm,
            words=gettext_lazy(
                "One row per post; id and text are needed. Names, addresses and numbers are taken out of the words; "
                "authors are kept as keyed hashes alone."
            ),
            take=_take_posts,
            columns=POST_COLUMNS,
        ),
        "source": Incoming(
            title=gettext_lazy("Scenes, point clouds, shapes, series and videos"),
            form=SourceForm,
            words=gettext_lazy(
                "What it is, is told from its content. It is opened in a process of its own first, and kept as it came."
            ),
            take=_take_source,
        ),
    }
)


@login_required
@require_http_methods(["GET", "HEAD", "POST"])
def bring_files(request: HttpRequest, slug: str) -> HttpResponse:
    """The forms, and what came of the one that was sent; its faults are shown by line, and then nothing is stored."""
    project = get_object_or_404(projects_of(request.user), slug=slug)
    require_role(user=request.user, project=project, minimum=Role.CURATOR)
    if request.method != "POST":
        return _render(request, project)
    kind = request.POST.get("kind", "")
    if kind not in INCOMING:
        return _render(request, project, status=400)
    form = INCOMING[kind].form(request.POST, request.FILES, auto_id=f"{kind}-%s")
    if not form.is_valid():
        return _render(request, project, {kind: {"form": form}}, status=400)
    try:
        with transaction.atomic():
            taken = INCOMING[kind].take(project, request.user, **form.cleaned_data)
    except GeoquorumError as error:
        return _render(request, project, {kind: {"form": form, "trouble": tell_trouble(error)}}, status=400)
    if taken.notes:
        return _render(request, project, {kind: {"taken": taken}})
    messages.success(request, taken.words)
    return redirect("catalog:files", project.slug)


def _render(
    request: HttpRequest, project: Project, shown: Mapping[str, dict[str, Any]] | None = None, *, status: int = 200
) -> HttpResponse:
    """Every form empty but the one that was refused."""
    said = shown or {}
    kinds = [
        {"name": name, "kind": one, "form": one.form(auto_id=f"{name}-%s")} | said.get(name, {})
        for name, one in INCOMING.items()
    ]
    regions = project.regions.order_by("name").values_list("name", flat=True)
    context = {"project": project, "kinds": kinds, "regions": regions}
    return render(request, "catalog/files.html", context, status=status)
