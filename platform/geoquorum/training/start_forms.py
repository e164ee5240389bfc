"""What to train: the fields that most runs differ in, and JSON for the rest; the engine's own sentences refuse."""

import json
import re
from collections.abc import Mapping
from typing import Any

from django import forms
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from fusion import registry
from fusion import task as tasks
from fusion.errors import GeoquorumError
from fusion.run import RunSpec
from fusion.task import Task
from geoquorum.releases.models import DatasetVersion
from geoquorum.training import search, services
from geoquorum.training.search_space import read_space
from geoquorum.training.sisters import MOST_SEEDS
from geoquorum.training.wishes import Wishes, read_wishes

KINDS = {"network": "fusion.engine.networks", "objective": "fusion.engine.objectives"}
PLAIN = ("epochs", "learning_rate", "batch_size", "device")  # fields of the spec that are fields of the form
SEEDS = re.compile(r"\s*\d{1,10}\s*(?:[,;\s]\s*\d{1,10}\s*)*")
RELOAD = {  # another task has other values of its own
    "hx-get": "",
    "hx-trigger": "change",
    "hx-target": "#main",
    "hx-select": "#main",
    "hx-swap": "outerHTML",
}
EXAMPLE = """{
 "learning_rate": {"low": 0.0003, "high": 0.01, "log": true},
 "weight_decay": {"low": 0.00001, "high": 0.01, "log": true},
 "network.dropout": {"low": 0.0, "high": 0.5}
}"""


class RunForm(forms.Form):
    """A training; a field left empty keeps what the task says."""

    task = forms.ChoiceField(label=gettext_lazy("Task"))
    name = forms.CharField(label=gettext_lazy("Name"), max_length=120, required=False)
    network = forms.ChoiceField(label=gettext_lazy("Network"), required=False)
    objective = forms.ChoiceField(label=gettext_lazy("Objective"), required=False)
    epochs = forms.IntegerField(label=gettext_lazy("Epochs"), required=False)
    learning_rate = forms.FloatField(label=gettext_lazy("Learning rate"), required=False)
    batch_size = forms.IntegerField(label=gettext_lazy("Samples per step"), required=False)
    seeds = forms.CharField(
        label=gettext_lazy("Seeds"),
        required=False,
        max_length=120,
        help_text=gettext_lazy("Several, with commas between, start sister runs that differ in nothing else."),
    )
    device = forms.ChoiceField(
        label=gettext_lazy("Device"),
        choices=[("auto", gettext_lazy("a GPU where there is one")), ("cuda", "GPU"), ("cpu", "CPU")],
        required=False,
    )
    processes = forms.CharField(label=gettext_lazy("Processes, each on a device of its own"), required=False)
    time_limit_h = forms.CharField(label=gettext_lazy("Time limit (hours)"), required=False)
    priority = forms.CharField(
        label=gettext_lazy("Priority"),
        required=False,
        help_text=gettext_lazy("-10 to 10; higher goes first, and above 0 is for administrators of the project."),
    )
    more = forms.CharField(
        label=gettext_lazy("Further fields of the spec (JSON)"),
        required=False,
        widget=forms.Textarea(attrs={"rows": 4, "spellcheck": "false", "class": "code"}),
        help_text=gettext_lazy('Such as {"ema": 0.99, "network": {"width": 16}}. They go before the fields above.'),
    )

    def __init__(self, *args: Any, version: DatasetVersion, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.version = version
        fitting = [task for task in tasks.load_all().values() if fits(task, version)]
        self.fields["task"].choices = [(task.name, task.title) for task in fitting]
        asked = self.data.get("task") or self.initial.get("task")
        chosen = next((task for task in fitting if task.name == asked), fitting[0] if fitting else None)
        self.initial["task"] = chosen.name if chosen else ""
        self.fields["task"].widget.attrs |= RELOAD
        self._offer(chosen)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        if self.errors:
            return values
        values["seeds"] = self._read_seeds(values["seeds"])
        values["changes"] = self._read_changes(values)
        for check in (self._check_spec, self._check_wishes):
            try:
                check(values)
            except GeoquorumError as error:
                self.refuse(str(error))
        return values

    def refuse(self, sentence: str) -> None:
        """Puts a sentence of the engine beside the field that it begins with, or else at the top."""
        word = re.match(r"[\w.]+", sentence)
        name = word[0].split(".")[0] if word else ""
        name = {"seed": "seeds"}.get(name, name)
        self.add_error(name if name in self.fields else None, sentence)

    def _offer(self, task: Task | None) -> None:
        """Kinds by file name, and the task's own values where a field is left empty."""
        usual = RunSpec.from_json({"task": task.name, "pack": ""}).to_json() if task else {}
        for field, package in KINDS.items():
            own = usual.get(field, {}).get("name", "")
            names = [(name, name) for name in registry.list_names(package)]
            self.fields[field].choices = [("", _("%(name)s (the task's own)") % {"name": own}), *names]
        for field in ("epochs", "learning_rate", "batch_size"):
            self.fields[field].widget.attrs["placeholder"] = usual.get(field, "")
        self.fields["learning_rate"].widget.attrs["step"] = "any"
        for field, value in (("seeds", "0"), ("processes", "1"), ("priority", "0"), ("time_limit_h", "12")):
            self.fields[field].widget.attrs["placeholder"] = value

    def _read_seeds(self, text: str) -> list[int]:
        if not text.strip():
            return [0]
        if not SEEDS.fullmatch(text):
            self.add_error("seeds", _("Give whole numbers with commas between, such as 0, 1, 2."))
            return [0]
        seeds = [int(one) for one in re.findall(r"\d+", text)]
        if len(seeds) > MOST_SEEDS or len(set(seeds)) < len(seeds):
            self.add_error("seeds", _("Give at most %(most)d different seeds.") % {"most": MOST_SEEDS})
        return seeds

    def _read_changes(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Fields of the RunSpec: the JSON, then what the form says itself."""
        changes = self.read_object("more", values["more"])
        for field in KINDS:
            if values[field]:
                changes[field] = {**_keep_same(changes.get(field), values[field]), "name": values[field]}
        return changes | {field: values[field] for field in PLAIN if values[field] not in (None, "")}

    def read_object(self, field: str, text: str) -> dict[str, Any]:
        """The JSON object in a field; what cannot be read is said there."""
        try:
            found = json.loads(text) if text.strip() else {}
        except ValueError as error:
            self.add_error(field, _("This is no JSON: %(error)s.") % {"error": error})
            return {}
        if not isinstance(found, dict):
            self.add_error(field, _("Give a JSON object, such as {}."))
            return {}
        return found

    def _check_spec(self, values: dict[str, Any]) -> None:
        for seed in values["seeds"]:
            services.read_spec(version=self.version, task=values["task"], changes=values["changes"] | {"seed": seed})

    def _check_wishes(self, values: dict[str, Any]) -> None:
        values["wishes"] = read_wishes({key: values[key] for key in ("processes", "priority", "time_limit_h")})

    @property
    def wishes(self) -> Wishes:
        return self.cleaned_data["wishes"]


class SearchForm(RunForm):
    """A search around a run: the same fields, and what may change."""

    space = forms.CharField(
        label=gettext_lazy("Search space (JSON)"),
        widget=forms.Textarea(attrs={"rows": 8, "spellcheck": "false", "class": "code"}),
        help_text=gettext_lazy("Fields of the spec with low and high (and log or step), or with choices."),
    )
    trials = forms.IntegerField(
        label=gettext_lazy("Trials at most"), initial=20, min_value=1, max_value=search.MOST_TRIALS
    )
    parallel = forms.IntegerField(
        label=gettext_lazy("At a time"), initial=1, min_value=1, max_value=search.MOST_PARALLEL
    )
    warm_up_epochs = forms.IntegerField(
        label=gettext_lazy("Epochs before a trial may be ended early"), initial=2, min_value=0, max_value=100_000
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in ("processes", "priority", "time_limit_h"):
            self.fields[field].widget = forms.HiddenInput()
        self.fields["seeds"].label = _("Seed")
        self.fields["seeds"].help_text = _("Of the trials, and of what is proposed.")
        self.initial.setdefault("space", EXAMPLE)

    def clean(self) -> dict[str, Any]:
        values = super().clean()
        if self.errors:
            return values
        if len(values["seeds"]) > 1:
            self.add_error("seeds", _("A search has one seed."))
        values["space"] = self.read_object("space", values["space"])
        try:
            changes = values["changes"] | {"seed": values["seeds"][0]}
            base = services.read_spec(version=self.version, task=values["task"], changes=changes)
            read_space(values["space"], base.to_json())
        except GeoquorumError as error:
            self.add_error("space", str(error))
        return values


def fits(task: Task, version: DatasetVersion) -> bool:
    """Whether a task's modalities and scheme are in the version."""
    there = {entry["modality"] for entry in version.modalities}
    scheme = version.consensus_run.campaign.scheme if version.consensus_run else None
    return set(task.modalities) <= there and task.scheme in (None, scheme)


def _keep_same(given: Any, name: str) -> dict[str, Any]:
    """Options from the JSON, where they are of the kind that was chosen beside it."""
    return dict(given) if isinstance(given, Mapping) and given.get("name", name) == name else {}
