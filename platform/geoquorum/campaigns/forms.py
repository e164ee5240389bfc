"""Forms of campaigns."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from annotation import question as questions
from fusion import scheme as schemes
from geoquorum.accounts.models import Project
from geoquorum.catalog.models import Region, Sample


class CampaignForm(forms.Form):
    """A new campaign: what is asked about which samples, and how often."""

    name = forms.CharField(label=_("Name"), max_length=120)
    question = forms.ChoiceField(label=_("Question"))
    scheme = forms.ChoiceField(label=_("Classes"))
    regions = forms.ModelMultipleChoiceField(
        label=_("Regions"), queryset=Region.objects.none(), widget=forms.CheckboxSelectMultiple
    )
    quota = forms.IntegerField(
        label=_("Votes wanted per sample"), min_value=1, max_value=100, initial=3, help_text=_("By different experts.")
    )
    guide = forms.CharField(
        label=_("Guide"), widget=forms.Textarea(attrs={"rows": 4}), required=False, help_text=_("Shown to experts.")
    )

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, label_suffix="", **kwargs)
        self.fields["question"].choices = [(name, kind.title) for name, kind in questions.load_all().items()]
        self.fields["scheme"].choices = [(name, kind.title) for name, kind in schemes.load_all().items()]
        self.fields["regions"].queryset = Region.objects.filter(project=project).order_by("name")

    def clean(self) -> dict[str, Any]:
        """Question and scheme must belong together, and the regions must hold samples of the asked kind."""
        values = super().clean() or {}
        if {"question", "scheme", "regions"} <= values.keys():
            question = questions.find(values["question"])
            if question.scheme not in (None, values["scheme"]):
                self.add_error("scheme", _("This question asks for the classes %s.") % question.scheme)
            samples = Sample.objects.filter(region__in=values["regions"], kind=question.sample_kind)
            values["samples"] = list(samples.order_by("pk"))
            if not values["samples"]:
                self.add_error("regions", _("These regions hold no samples for this question; cut patches first."))
        return values
