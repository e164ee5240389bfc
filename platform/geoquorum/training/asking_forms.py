"""What experts are asked about next, by what a run is unsure of."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from annotation import question as questions
from fusion.errors import GeoquorumError
from geoquorum.catalog.models import Region, Sample
from geoquorum.training.models import Run
from geoquorum.training.preranking import MOST_SAMPLES, check_votes
from geoquorum.training.unlabelled import has_scenes, is_held_out


class AskForm(forms.Form):
    """How many samples, which question, how many votes, and whether the run votes too."""

    samples = forms.IntegerField(label=_("Samples"), min_value=1, max_value=MOST_SAMPLES, initial=100)
    question = forms.ChoiceField(label=_("Question"))
    kind = forms.ChoiceField(
        label=_("Votes per sample"),
        choices=[("fixed", _("the same number for each")), ("adaptive", _("as many as each needs"))],
        widget=forms.RadioSelect,
        initial="fixed",
    )
    votes = forms.IntegerField(label=_("Votes wanted per sample, or the most"), min_value=1, max_value=100, initial=3)
    minimum = forms.IntegerField(label=_("Adaptive: the fewest"), min_value=1, max_value=100, initial=2, required=False)
    settle_at = forms.FloatField(
        label=_("Adaptive: settled at"), min_value=0.5, max_value=0.9999, initial=0.95, required=False
    )
    regions = forms.ModelMultipleChoiceField(
        label=_("Cities"),
        queryset=Region.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("All of these where none is chosen. Held-out cities are not asked about."),
    )
    is_voting = forms.BooleanField(
        label=_("The run votes too"),
        required=False,
        help_text=_("As a machine, in a place of its own; counted only where it beats the panel on known answers."),
    )
    name = forms.CharField(label=_("Name of the campaign"), max_length=120, required=False)

    def __init__(self, *args: Any, run: Run, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        scheme = run.version.consensus_run.campaign.scheme
        fitting = [
            one
            for one in questions.load_all().values()
            if one.scheme in (None, scheme) and one.sample_kind == Sample.Kind.PATCH and not one.prompt_scheme
        ]
        self.fields["question"].choices = [(one.name, one.title) for one in fitting]
        self.initial.setdefault("question", run.version.consensus_run.campaign.question)
        usable = [
            region.pk
            for region in run.project.regions.order_by("name")
            if has_scenes(run.version, region) and not is_held_out(run.version, region)
        ]
        self.fields["regions"].queryset = Region.objects.filter(pk__in=usable).order_by("name")

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if not self.errors:
            try:
                check_votes(values["votes"], self.policy(), values["is_voting"])
            except GeoquorumError as error:
                self.add_error("votes", str(error))
        return values

    def policy(self) -> dict[str, Any]:
        """The campaign's policy."""
        values = self.cleaned_data
        if values["kind"] == "fixed":
            return {"kind": "fixed", "order": "random"}
        return {
            "kind": "adaptive",
            "order": "random",
            "minimum": values["minimum"] or 2,
            "maximum": values["votes"],
            "settle_at": values["settle_at"] or 0.95,
        }
