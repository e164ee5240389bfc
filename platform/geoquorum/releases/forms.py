"""Which rows, pixels and splits a new version takes."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from geoquorum.campaigns.models import Consensus, ConsensusRun
from geoquorum.catalog.models import Scene


class ReleaseForm(forms.Form):
    """Rows by status and flag, one scene kind per modality, and held-out cities or blocks."""

    name = forms.SlugField(
        label=_("Name"), max_length=80, help_text=_("The number follows from the versions there are.")
    )
    statuses = forms.MultipleChoiceField(
        label=_("Rows"),
        choices=Consensus.Status.choices,
        initial=list(Consensus.Status.values),
        widget=forms.CheckboxSelectMultiple,
    )
    without_ties = forms.BooleanField(label=_("Leave out ties"), required=False)
    modalities = forms.MultipleChoiceField(label=_("Modalities"), widget=forms.CheckboxSelectMultiple)
    design = forms.ChoiceField(
        label=_("Split"),
        choices=[("city", _("by city, held-out cities named")), ("block", _("by block with a buffer"))],
    )
    validation = forms.MultipleChoiceField(label=_("Cities for validation"), required=False)
    test = forms.MultipleChoiceField(label=_("Cities held out for the test"), required=False)
    block_m = forms.FloatField(label=_("Side of a block (m)"), initial=1280, min_value=10)
    buffer_m = forms.FloatField(label=_("Buffer between splits (m)"), initial=320, min_value=0)

    def __init__(self, *args: Any, run: ConsensusRun, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        regions = run.rows.values_list("sample__region", flat=True).distinct()
        scenes = Scene.objects.filter(region__in=regions).values_list("modality", "season").distinct()
        pairs = sorted({(name, season) for name, season in scenes})
        self.fields["modalities"].choices = [(f"{name}:{season}", f"{name} {season}".strip()) for name, season in pairs]
        cities = sorted(set(run.rows.exclude(sample__region=None).values_list("sample__region__name", flat=True)))
        for name in ("validation", "test"):
            self.fields[name].choices = [(city, city) for city in cities]
        if not self.is_bound:
            self.initial.setdefault("name", run.campaign.slug)
            chosen = {name: f"{name}:{season}" for name, season in pairs if season in ("", "summer")}
            self.initial.setdefault("modalities", list((dict((n, f"{n}:{s}") for n, s in pairs) | chosen).values()))
            self.initial.setdefault("test", cities[-1:])
            self.initial.setdefault("validation", cities[-2:-1])

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        chosen = [entry.split(":")[0] for entry in values.get("modalities", [])]
        if len(chosen) != len(set(chosen)):
            raise forms.ValidationError(_("Choose one season of each modality."))
        if values.get("design") == "city" and not values.get("test"):
            self.add_error("test", _("Name at least one held-out city, or split by block."))
        return values

    def request(self) -> dict[str, Any]:
        """Arguments of `services.start_release`."""
        values = self.cleaned_data
        design: dict[str, Any] = {"kind": values["design"]}
        if values["design"] == "city":
            design |= {"test": values["test"], "validation": values["validation"]}
        else:
            design |= {"block_m": values["block_m"], "buffer_m": values["buffer_m"]}
        pairs = (entry.split(":", 1) for entry in values["modalities"])
        return {
            "name": values["name"],
            "statuses": tuple(values["statuses"]),
            "without_flags": ("tie",) if values["without_ties"] else (),
            "modalities": [{"modality": name, "season": season} for name, season in pairs],
            "design": design,
        }
