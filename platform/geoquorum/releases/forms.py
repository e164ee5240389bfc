"""Which rows, pixels and splits a new version takes."""

from collections.abc import Sequence
from typing import Any

from django import forms
from django.db.models import QuerySet
from django.utils.translation import gettext_lazy as _

from fusion import modality
from fusion.splits import LIMITS
from geoquorum.campaigns.models import Consensus, ConsensusRun
from geoquorum.catalog.dates import EVERY, list_common_dates, list_dates
from geoquorum.catalog.models import Region
from geoquorum.releases.models import DatasetVersion

FLAGS = [
    ("tie", _("ties")),
    ("weak", _("weak: not certain enough")),
    ("few_votes", _("fewer votes than wanted")),
    ("ambiguous", _("ambiguous by a curator's decision")),
]
DESIGNS = [
    ("city", _("by city, held-out cities named")),
    ("block", _("by square block with a buffer")),
    ("city_blocks", _("by city half: the east of each city is held out (So2Sat block)")),
    ("culture_zone", _("by culture zone: one city of each is held out whole (So2Sat culture-10)")),
    ("random", _("at random, sample by sample (So2Sat random); refused where patches overlap")),
]
OPTIONAL = "optional"
LIMITED = [
    ("block", _("blocks")),
    ("scene", _("scenes")),
    ("photo", _("photos")),
    ("user", _("users")),
    ("linked_photo", _("linked photos")),
    ("linked_post", _("linked posts")),
    ("linked_user", _("authors of linked posts")),
]


def _limit(kind: str, title: str) -> forms.FloatField:
    """A limit in percent; the usual one where nothing is said."""
    return forms.FloatField(
        label=_("Held-out samples that may share %(kind)s (%%)") % {"kind": title},
        initial=100 * LIMITS[kind],
        min_value=0,
        max_value=100,
        required=False,
    )


class ReleaseForm(forms.Form):
    """Rows by status and flag, one scene kind per modality, the split's design, and what splits may share."""

    name = forms.SlugField(
        label=_("Name"), max_length=80, help_text=_("The number follows from the versions there are.")
    )
    earlier = forms.ModelMultipleChoiceField(
        label=_("Labels of earlier campaigns too"),
        queryset=ConsensusRun.objects.none(),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("Where two label one sample, the newer one counts."),
    )
    statuses = forms.MultipleChoiceField(
        label=_("Rows"),
        choices=Consensus.Status.choices,
        initial=list(Consensus.Status.values),
        widget=forms.CheckboxSelectMultiple,
    )
    without_flags = forms.MultipleChoiceField(
        label=_("Leave out"), choices=FLAGS, required=False, widget=forms.CheckboxSelectMultiple
    )
    modalities = forms.MultipleChoiceField(label=_("Modalities"), widget=forms.CheckboxSelectMultiple)
    design = forms.ChoiceField(label=_("Split"), choices=DESIGNS)
    validation = forms.MultipleChoiceField(
        label=_("Cities for validation"), required=False, widget=forms.CheckboxSelectMultiple
    )
    test = forms.MultipleChoiceField(
        label=_("Cities held out for the test"),
        required=False,
        widget=forms.CheckboxSelectMultiple,
        help_text=_("By culture zone: those held out whole; with none named, one of each zone is drawn by the seed."),
    )
    block_m = forms.FloatField(label=_("Side of a block (m)"), initial=1280, min_value=10, required=False)
    buffer_m = forms.FloatField(label=_("Buffer between splits (m)"), initial=320, min_value=0, required=False)
    share = forms.FloatField(
        label=_("Held out for the test (%)"),
        initial=20,
        min_value=1,
        max_value=99,
        required=False,
        help_text=_("Of each city, by city half and at random."),
    )
    seed = forms.IntegerField(
        label=_("Seed"),
        initial=0,
        min_value=0,
        max_value=2**31 - 1,
        required=False,
        help_text=_("Deals blocks to splits, and draws cities and samples."),
    )
    limit_block = _limit(*LIMITED[0])
    limit_scene = _limit(*LIMITED[1])
    limit_photo = _limit(*LIMITED[2])
    limit_user = _limit(*LIMITED[3])
    limit_linked_photo = _limit(*LIMITED[4])
    limit_linked_post = _limit(*LIMITED[5])
    limit_linked_user = _limit(*LIMITED[6])

    def __init__(self, *args: Any, run: ConsensusRun, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        source = _find_source(run)
        self.fields["earlier"].queryset = _list_earlier(run)
        self.initial["earlier"] = [] if source is None else source.consensus_ids
        asked = self.data.getlist("earlier") if self.is_bound else self.initial["earlier"]
        runs = [run, *self.fields["earlier"].queryset.filter(pk__in=[key for key in asked if str(key).isdecimal()])]
        pairs, partial, regions = _list_scenes(runs)
        titles = {":".join(pair): f"{pair[0]}, {_say_date(pair[1])}" for pair in pairs}
        for (name, date), count in partial.items():
            said = {"scene": f"{name}, {_say_date(date)}", "n": count, "all": regions}
            titles[f"{name}:{date}:{OPTIONAL}"] = _("%(scene)s, in %(n)s of %(all)s regions: others without it") % said
        self.fields["modalities"].choices = list(titles.items())
        places = Consensus.objects.filter(run__in=runs).exclude(sample__region=None)
        cities = sorted(set(places.values_list("sample__region__name", flat=True)))
        for name in ("validation", "test"):
            self.fields[name].choices = [(city, city) for city in cities]
        if not self.is_bound:
            usual = dict(pairs) | {name: season for name, season in pairs if season in ("", "summer")}
            self.initial |= {
                "name": run.campaign.slug,
                "modalities": [f"{name}:{season}" for name, season in usual.items()],
                "test": cities[-1:] if len(cities) > 1 else [],
                "validation": cities[-2:-1] if len(cities) > 2 else [],
                "design": "city" if len(cities) > 1 else "block",
            }
            self.initial |= _take_over(source)

    def clean(self) -> dict[str, Any]:
        values = super().clean() or {}
        chosen = [entry.split(":")[0] for entry in values.get("modalities", [])]
        if len(chosen) != len(set(chosen)):
            raise forms.ValidationError(_("Choose one season of each modality."))
        if values.get("design") == "city":
            self._check_cities(set(values.get("test", [])), set(values.get("validation", [])))
        if values.get("design") == "culture_zone" and len(self.fields["test"].choices) < 2:
            self.add_error("design", _("One city cannot be held out from itself; split by block."))
        if values.get("design") == "block" and (not values.get("block_m") or values.get("buffer_m") is None):
            self.add_error("block_m", _("Say how large the blocks are, and how wide the buffer between splits."))
        return values

    def _check_cities(self, test: set[str], validation: set[str]) -> None:
        every = {city for city, _title in self.fields["test"].choices}
        if not test:
            self.add_error("test", _("Name at least one held-out city, or split by block."))
        if test & validation:
            self.add_error("validation", _("A city is either for validation or held out for the test."))
        elif test and not every - test - validation:
            self.add_error("test", _("Leave at least one city to train on, or split by block."))

    def request(self) -> dict[str, Any]:
        """Arguments of `services.start_release`."""
        values = self.cleaned_data
        chosen = (entry.split(":") for entry in values["modalities"])
        return {
            "name": values["name"],
            "earlier": tuple(values["earlier"]),
            "statuses": tuple(values["statuses"]),
            "without_flags": tuple(values["without_flags"]),
            "modalities": [
                {"modality": name, "season": season, **({"optional": True} if mark else {})}
                for name, season, *mark in chosen
            ],
            "design": self._design(),
            "seed": values["seed"] or 0,
        }

    def _design(self) -> dict[str, Any]:
        """The chosen design alone, and the limits that are not the usual ones."""
        values = self.cleaned_data
        share, buffer = {"share": (values["share"] or 20) / 100}, {"buffer_m": values["buffer_m"] or 0.0}
        asked: dict[str, dict[str, Any]] = {
            "city": {"test": values["test"], "validation": values["validation"]},
            "block": {"block_m": values["block_m"], "buffer_m": values["buffer_m"]},
            "city_blocks": share | buffer,
            "culture_zone": {"held": values["test"]} | buffer,
            "random": share,
        }
        given = {kind: values[f"limit_{kind}"] for kind, _title in LIMITED}
        limits = {kind: each / 100 for kind, each in given.items() if each is not None and each / 100 != LIMITS[kind]}
        chosen = {"kind": values["design"]} | asked[values["design"]]
        return chosen | {"limits": limits} if limits else chosen


def _find_source(run: ConsensusRun) -> DatasetVersion | None:
    """The version that a run learned from which then chose the samples of this campaign."""
    known = run.campaign.chosen_by.get("version")
    return None if known is None else DatasetVersion.objects.filter(pk=known, project=run.campaign.project).first()


def _list_earlier(run: ConsensusRun) -> QuerySet[ConsensusRun]:
    """Ready consensus of other rounds of this project over the same classes, the newest of each round and method."""
    ready = ConsensusRun.objects.filter(
        state=ConsensusRun.State.READY,
        campaign__project=run.campaign.project_id,
        campaign__scheme=run.campaign.scheme,
        campaign__scheme_version=run.campaign.scheme_version,
    ).exclude(round=run.round_id)
    newest = ready.order_by("round", "method", "-pk").distinct("round", "method").values("pk")
    return ConsensusRun.objects.filter(pk__in=newest).select_related("campaign", "round").order_by("-pk")


def _take_over(source: DatasetVersion | None) -> dict[str, Any]:
    """What the next version of a dataset begins with: name, pixels and split of the one before."""
    if source is None:
        return {}
    chosen = (
        (each["modality"], each.get("season", ""), *([OPTIONAL] if each.get("optional") else []))
        for each in source.modalities
    )
    return {
        "name": source.name,
        "modalities": [":".join(each) for each in chosen],
        "seed": source.seed,
        **{"design" if key == "kind" else key: value for key, value in source.design.items() if key != "limits"},
    }


def _list_scenes(runs: Sequence[ConsensusRun]) -> tuple[list[tuple[str, str]], dict[tuple[str, str], int], int]:
    """Modality and date of which every region of the runs has a scene; each modality also without a date.

    Modalities that can be a series, and have several dates in common, also with all of them at once. Then those that
    only some regions have, with how many, and the number of all regions.
    """
    rows = Consensus.objects.filter(run__in=list(runs))
    regions = list(Region.objects.filter(pk__in=rows.values("sample__region")).order_by("pk"))
    named = list_dates(regions)
    there: dict[tuple[str, str], set[int]] = {}
    for region, dates in named.items():
        for name, those in dates.items():
            for date in {"", *those}:
                there.setdefault((name, date), set()).add(region)
    pairs = {pair for pair, found in there.items() if len(found) == len(regions)}
    several = {name for name, date in pairs if date and modality.find(name).times == "any"}
    series = {(name, EVERY) for name in several if len(list_common_dates(regions, name)) > 1}
    partial = {pair: len(found) for pair, found in sorted(there.items()) if pair not in pairs}
    return sorted(pairs | series), partial, len(regions)


def _say_date(date: str) -> str:
    said = {"": _("newest of any season"), EVERY: _("all dates as a series")}
    return str(said.get(date, date))
