"""Forms by which curators bring files into a project, one for each kind of file."""

from typing import Any

from django import forms
from django.core.files.uploadedfile import UploadedFile
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from annotation.exchange.areas import CODINGS
from fusion import modality as modalities
from fusion import scheme as schemes
from geoquorum.catalog.services import LONGEST_NAME

LONGEST_FILE_NAME = 200
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
