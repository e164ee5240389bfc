"""Which consensus rows go into a version, and with which label: the votes', or what a curator decided instead.

An area that was voted on goes in as its patches: each takes the area's row and decision, as a copy that is never
stored. Votes stay with the area.
"""

from collections.abc import Iterable, Sequence
from copy import copy
from dataclasses import dataclass

from fusion.errors import BadInputError
from geoquorum.campaigns.models import Adjudication, Consensus, ConsensusRun
from geoquorum.campaigns.services.adjudication import latest_decisions
from geoquorum.catalog.models import Sample
from geoquorum.releases.models import DatasetVersion

ADJUDICATED, AMBIGUOUS = "adjudicated", "ambiguous"
OF_AREA = "of an area"  # flag of patches that nobody looked at one by one


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """One row with the decision about it, if there is one. Distribution and counts are always those of the votes.

    Of a patch of an area `row` is a copy of the area's row that names the patch.
    """

    row: Consensus
    decision: Adjudication | None = None
    is_of_area: bool = False

    @property
    def code(self) -> str:
        """The curator's label, else the consensus label: an ambiguous sample keeps that one, and its distribution."""
        return self.decision.code if self.decision and self.decision.code else self.row.code

    @property
    def flags(self) -> list[str]:
        mark = [] if self.decision is None else [AMBIGUOUS if self.decision.is_ambiguous else ADJUDICATED]
        return [*self.row.flags, self.row.status, *mark, *([OF_AREA] if self.is_of_area else [])]

    @property
    def is_adjudicated(self) -> bool:
        return ADJUDICATED in self.flags

    @property
    def is_ambiguous(self) -> bool:
        return AMBIGUOUS in self.flags


def choose_rows(version: DatasetVersion) -> list[Chosen]:
    """Rows by the version's selection, sorted by sample key; decisions are those made before the version was started.

    A label that a curator decided goes in wherever settled rows do, whatever the votes said. A sample that several of
    the version's runs have is labelled by the newest of them, whether that row goes in or not.
    """
    rows, found, known = [], [], set[int]()
    for run, until in list_runs(version):
        decisions = latest_decisions(campaign=run.campaign, until=until)
        own = [row for row in run.rows.select_related("sample__region") if row.sample_id not in known]
        known |= {row.sample_id for row in own}
        rows += own
        found += [Chosen(row=row, decision=decisions.get(row.sample_id)) for row in own]
    chosen = _hand_to_patches([one for one in found if _is_wanted(version, one)], rows)
    if not chosen:
        raise BadInputError("No consensus row is chosen. Take in more statuses, or leave out fewer flags.")
    return sorted(chosen, key=lambda one: one.row.sample.key)


def list_runs(version: DatasetVersion) -> list[tuple[ConsensusRun, int]]:
    """The consensus runs of a version, newest first, each with the number of the last decision that counts."""
    earlier = version.selection.get("earlier_runs", [])
    by_key = ConsensusRun.objects.select_related("campaign", "round").in_bulk(earlier) if earlier else {}
    by_key[version.consensus_run_id] = version.consensus_run
    until = [version.selection.get("decisions_until", 0), *version.selection.get("earlier_decisions", [])]
    return [(by_key[key], last) for key, last in zip(version.consensus_ids, until, strict=True)]


def list_patches(areas: Iterable[int]) -> Iterable[Sample]:
    """The patches that areas were cut into, with their area and region."""
    found = Sample.objects.filter(parent__in=list(areas), parent__kind=Sample.Kind.AREA, kind=Sample.Kind.PATCH)
    return found.select_related("region", "parent")


def _hand_to_patches(chosen: list[Chosen], rows: Sequence[Consensus]) -> list[Chosen]:
    """Areas as their patches. A patch, or the grid cell under it, that was voted on itself has its own row."""
    areas = {one.row.sample_id: one for one in chosen if one.row.sample.kind == Sample.Kind.AREA}
    if not areas:
        return chosen
    asked = {row.sample_id for row in rows}
    cells = {row.sample.cell for row in rows if row.sample.cell and row.sample.kind != Sample.Kind.AREA}
    patches = [patch for patch in list_patches(areas) if patch.pk not in asked and patch.cell not in cells]
    if not patches:
        raise BadInputError(
            f"The consensus is about {len(areas)} areas without patches. Cut them first: manage.py patches_of_areas."
        )
    handed = [_hand_to(patch, areas[patch.parent_id]) for patch in patches]
    return [one for one in chosen if one.row.sample_id not in areas] + handed


def _hand_to(patch: Sample, area: Chosen) -> Chosen:
    row = copy(area.row)
    row.pk, row.sample = None, patch
    return Chosen(row=row, decision=area.decision, is_of_area=True)


def _is_wanted(version: DatasetVersion, one: Chosen) -> bool:
    statuses, without = version.selection["statuses"], set(version.selection["without_flags"])
    if one.is_adjudicated:
        return ADJUDICATED not in without and {Consensus.Status.SETTLED, one.row.status} & set(statuses) != set()
    return one.row.status in statuses and not without & set(one.flags)
