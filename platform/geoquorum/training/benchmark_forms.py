"""Forms of benchmarks: a new one, a submission, a published figure."""

from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from fusion import task as tasks
from geoquorum.releases.models import BuildState, DatasetVersion
from geoquorum.training.benchmarks import FEWEST_RESAMPLES, MOST_A_DAY, MOST_RESAMPLES
from geoquorum.training.models import Benchmark, Protocol
from geoquorum.training.reports import ACCURACIES
from geoquorum.training.scoring import METRICS
from geoquorum.training.submissions import LAST_SEED, LONGEST_NAME, LONGEST_WORDS

TITLES = dict(ACCURACIES) | {"negative_log_likelihood": _("Negative log-likelihood"), "brier": _("Brier score")}
CHOICES = [(name, TITLES.get(name, name)) for name in METRICS]
HELD_OUT = [("test", _("test")), ("validation", _("validation"))]


class BenchmarkForm(forms.Form):
    """What a benchmark fixes; none of it can be changed once there are scores."""

    version = forms.ModelChoiceField(queryset=DatasetVersion.objects.none(), label=_("Dataset version"))
    name = forms.CharField(label=_("Name"), max_length=120)
    task = forms.ChoiceField(label=_("Task"), choices=[])
    split = forms.ChoiceField(label=_("Split that is scored"), choices=HELD_OUT, initial="test")
    protocol = forms.ChoiceField(
        label=_("Protocol"),
        choices=Protocol.choices,
        help_text=_("What may be trained on. Scores of different protocols never stand in one ranking."),
    )
    metric = forms.ChoiceField(label=_("Metric that ranks"), choices=CHOICES, initial="oa")
    further_metrics = forms.MultipleChoiceField(
        label=_("Metrics shown beside it"), choices=CHOICES, required=False, widget=forms.CheckboxSelectMultiple
    )
    note = forms.CharField(label=_("Note"), required=False, max_length=2_000, widget=forms.Textarea(attrs={"rows": 3}))
    interval_by = forms.ChoiceField(
        label=_("Intervals by drawing"),
        choices=Benchmark.Drawn.choices,
        initial=Benchmark.Drawn.BLOCK,
        help_text=_("Cities say how much a result depends on the cities tested; they need several."),
    )
    resamples = forms.IntegerField(
        label=_("Bootstrap draws"), initial=1000, min_value=FEWEST_RESAMPLES, max_value=MOST_RESAMPLES
    )
    seed = forms.IntegerField(label=_("Seed of the draws"), initial=0, min_value=0, max_value=LAST_SEED)
    daily_limit = forms.IntegerField(
        label=_("Submissions a day and person"), initial=20, min_value=1, max_value=MOST_A_DAY
    )
    counts = forms.ChoiceField(label=_("Of several submissions counts"), choices=Benchmark.Counts.choices)
    has_hidden_labels = forms.BooleanField(
        label=_("Contest: hide the labels of this split"),
        required=False,
        help_text=_("No page, file or answer shows them to people who are not curators, nor what follows from them."),
    )
    public_share = forms.FloatField(
        label=_("Contest: share of the rows on the public board"),
        required=False,
        min_value=0.01,
        max_value=0.99,
        help_text=_("For instance 0.3; whole blocks, drawn by the seed. The others decide, after the end."),
    )
    ends_at = forms.DateTimeField(
        label=_("Contest: end (UTC)"),
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M"),
    )

    def __init__(self, *args: Any, versions: QuerySet[DatasetVersion], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["version"].queryset = versions.filter(state=BuildState.READY).order_by("-pk")  # type: ignore[attr-defined]
        known = tasks.load_all().values()
        self.fields["task"].choices = [(task.name, task.title) for task in known if task.head == "classes"]  # type: ignore[attr-defined]

    def request(self) -> dict[str, Any]:
        """The fields as `create_benchmark` takes them."""
        return dict(self.cleaned_data)


class SubmissionForm(forms.Form):
    """Predictions of one seed of one system."""

    name = forms.CharField(
        label=_("System"), max_length=LONGEST_NAME, help_text=_("The same name with another seed joins its seeds.")
    )
    seed = forms.IntegerField(label=_("Seed"), initial=0, min_value=0, max_value=LAST_SEED)
    words = forms.CharField(
        label=_("How it was made"), required=False, max_length=LONGEST_WORDS, widget=forms.Textarea(attrs={"rows": 2})
    )
    file = forms.FileField(label=_("Predictions (.csv, .npy or .npz)"))


class FigureForm(forms.Form):
    """A published figure with its source."""

    figure_name = forms.CharField(label=_("System"), max_length=LONGEST_NAME)
    value = forms.FloatField(label=_("Value"))
    source = forms.CharField(label=_("Source: who, where, under which protocol"), max_length=1_000)
