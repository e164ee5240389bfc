"""Which consensus rows go into a version, and with which label: the votes', or what a curator decided instead."""

from dataclasses import dataclass

from fusion.errors import BadInputError
from geoquorum.campaigns.models import Adjudication, Consensus
from geoquorum.campaigns.services.adjudication import latest_decisions
from geoquorum.releases.models import DatasetVersion

ADJUDICATED, AMBIGUOUS = "adjudicated", "ambiguous"


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """One row with the decision about it, if there is one. Distribution and counts are always those of the votes."""

    row: Consensus
    decision: Adjudication | None = None

    @property
    def code(self) -> str:
        """The curator's label, else the consensus label: an ambiguous sample keeps that one, and its distribution."""
        return self.decision.code if self.decision and self.decision.code else self.row.code

    @property
    def flags(self) -> list[str]:
        mark = [] if self.decision is None else [AMBIGUOUS if self.decision.is_ambiguous else ADJUDICATED]
        return [*self.row.flags, self.row.status, *mark]

    @property
    def is_adjudicated(self) -> bool:
        return ADJUDICATED in self.flags

    @property
    def is_ambiguous(self) -> bool:
        return AMBIGUOUS in self.flags


def choose_rows(version: DatasetVersion) -> list[Chosen]:
    """Rows by the version's selection, sorted by sample key; decisions are those made before the version was started.

    A label that a curator decided goes in wherever settled rows do, whatever the votes said.
    """
    run = version.consensus_run
    decisions = latest_decisions(campaign=run.campaign, until=version.selection.get("decisions_until", 0))
    rows = run.rows.select_related("sample__region")
    found = [Chosen(row=row, decision=decisions.get(row.sample_id)) for row in rows]
    chosen = sorted((one for one in found if _is_wanted(version, one)), key=lambda one: one.row.sample.key)
    if not chosen:
        raise BadInputError("No consensus row is chosen. Take in more statuses, or leave out fewer flags.")
    return chosen


def _is_wanted(version: DatasetVersion, one: Chosen) -> bool:
    statuses, without = version.selection["statuses"], set(version.selection["without_flags"])
    if one.is_adjudicated:
        return ADJUDICATED not in without and {Consensus.Status.SETTLED, one.row.status} & set(statuses) != set()
    return one.row.status in statuses and not without & set(one.flags)
