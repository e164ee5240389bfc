"""Forms of campaigns."""

from typing import Any

from django import forms
from django.utils.translation import gettext_lazy as _

from annotation import question as questions
from annotation.question import Question
from fusion import scheme as schemes
from fusion.errors import BadInputError
from geoquorum.accounts.models import Project
from geoquorum.catalog.models import Region, Sample

SHARE = _("Share of an expert's stream, 0 to 0.3; 0.05 is usual.")
TRIES = 3


class CampaignForm(forms.Form):
    """A new campaign: what is asked about which samples, and how often."""

    name = forms.CharField(label=_("Name"), max_length=120)
    question = forms.ChoiceField(label=_("Question"))
    scheme = forms.ChoiceField(label=_("Classes"))
    regions = forms.ModelMultipleChoiceField(
        label=_("Regions"), queryset=Region.objects.none(), widget=forms.CheckboxSelectMultiple
    )
    kind = forms.ChoiceField(
        label=_("Votes per sample"),
        choices=[("fixed", _("the same number for each")), ("adaptive", _("as many as each needs"))],
        widget=forms.RadioSelect,
        initial="fixed",
        required=False,
    )
    quota = forms.IntegerField(
        label=_("Votes wanted per sample, or the most"),
        min_value=1,
        max_value=100,
        initial=3,
        help_text=_("By different experts."),
    )
    minimum = forms.IntegerField(label=_("Adaptive: the fewest"), min_value=1, max_value=100, initial=2, required=False)
    settle_at = forms.FloatField(
        label=_("Adaptive: settled at"),
        min_value=0.5,
        max_value=0.9999,
        initial=0.95,
        required=False,
        help_text=_(
            "Probability of the likeliest class, 0.5 to 0.9999. Compare policies first: manage.py simulate_votes."
        ),
    )
    gold_share = forms.FloatField(
        label=_("Hidden known samples"), min_value=0, max_value=0.3, initial=0, required=False, help_text=SHARE
    )
    repeat_share = forms.FloatField(
        label=_("Hidden repeats"), min_value=0, max_value=0.3, initial=0, required=False, help_text=SHARE
    )
    threshold = forms.FloatField(
        label=_("Qualification: at least"),
        min_value=0.1,
        max_value=1,
        required=False,
        help_text=_("Score on known samples, 0.1 to 1; empty: no qualification."),
    )
    qualifying = forms.IntegerField(
        label=_("Qualification: samples"), min_value=4, max_value=200, initial=34, required=False
    )
    guide = forms.CharField(
        label=_("Guide"), widget=forms.Textarea(attrs={"rows": 4}), required=False, help_text=_("Shown to experts.")
    )

    def __init__(self, *args: Any, project: Project, **kwargs: Any) -> None:
        super().__init__(*args, label_suffix="", **kwargs)
        self.fields["question"].choices = [
            # A review is started from a consensus, which proposes the classes.
            (name, kind.title)
            for name, kind in questions.load_all().items()
            if kind.prompt_scheme is None
        ]
        self.fields["scheme"].choices = [(name, kind.title) for name, kind in schemes.load_all().items()]
        self.fields["regions"].queryset = Region.objects.filter(project=project).order_by("name")

    def clean(self) -> dict[str, Any]:
        """Question and scheme must belong together, and the regions must hold samples of the asked kind."""
        values = super().clean() or {}
        if values.get("kind") == "adaptive" and (values.get("minimum") or 2) > (values.get("quota") or 1):
            self.add_error("minimum", _("The fewest votes cannot be more than the most."))
        if {"question", "scheme", "regions"} <= values.keys():
            question = questions.find(values["question"])
            if question.scheme not in (None, values["scheme"]):
                self.add_error("scheme", _("This question asks for the classes %s.") % question.scheme)
            else:
                self._check_keys(question, values["scheme"])
            samples = Sample.objects.filter(region__in=values["regions"], kind=question.sample_kind)
            values["samples"] = list(samples.order_by("pk"))
            if not values["samples"]:
                self.add_error("regions", _("These regions hold no samples for this question; cut patches first."))
        return values

    def _check_keys(self, question: Question, scheme: str) -> None:
        """Classes whose keys the question's page needs for itself cannot be asked for with it."""
        try:
            question.keys(schemes.find(scheme))
        except BadInputError as error:
            self.add_error("scheme", str(error))

    def policy(self) -> dict[str, Any]:
        """The campaign's policy from a valid form."""
        values = self.cleaned_data
        policy: dict[str, Any] = {"kind": values["kind"] or "fixed", "order": "random"}
        if policy["kind"] == "adaptive":
            policy |= {"minimum": values["minimum"] or 2, "maximum": values["quota"]}
            policy |= {"settle_at": values["settle_at"] or 0.95}
        policy |= {name: values[name] for name in ("gold_share", "repeat_share") if values[name]}
        if values["threshold"]:
            samples = values["qualifying"] or 34
            policy["qualification"] = {"threshold": values["threshold"], "samples": samples, "tries": TRIES}
        return policy
