"""The votes behind a version, as exporters take them: pseudonyms, never accounts."""

from pathlib import Path
from typing import Any

import pyarrow as pa

from annotation.exporter import VOTE_SCHEMA
from fusion.pack import Pack
from geoquorum.campaigns.models import ConsensusRun, Vote
from geoquorum.campaigns.services.model_voters import left_out
from geoquorum.catalog.models import Sample
from geoquorum.releases.choosing import list_patches, list_runs
from geoquorum.releases.models import DatasetVersion


def read_votes(version: DatasetVersion) -> pa.Table:
    """The votes that the version's consensus counted, each expert's last word on each sample in the pack.

    A vote on an area stands once for each of its patches in the pack, always under the number of the one vote. Of a
    sample that several runs of the version have, those votes are told that label it: the newest run's.
    """
    ids = set(Pack.open(Path(version.uri), sha256=version.sha256).samples.column("id").to_pylist())
    rows: list[dict[str, Any]] = []
    for run, _until in list_runs(version):
        own = _list_votes(run, ids)
        ids -= {row["sample"] for row in own}
        rows += own
    return pa.Table.from_pylist(rows, schema=VOTE_SCHEMA)


def _list_votes(run: ConsensusRun, ids: set[str]) -> list[dict[str, Any]]:
    """Rows of the votes that one run counted on samples of these ids."""
    keys: dict[int, list[str]] = {}
    for patch in list_patches(run.rows.filter(sample__kind=Sample.Kind.AREA).values_list("sample_id", flat=True)):
        keys.setdefault(patch.parent_id, []).append(patch.key)
    votes = (
        Vote.objects.filter(round=run.round, pk__lte=run.last_vote or 0)
        .exclude(expert__pseudonym__in=left_out(run))
        .order_by("assignment_id", "-revision")
        .distinct("assignment_id")
        .select_related("sample", "expert", "round")
    )
    return [
        {
            "vote": str(vote.client_uuid),
            "round": vote.round.number,
            "sample": key,
            "voter": vote.expert.pseudonym,
            "answer": vote.code or None,
            "second": vote.second_code or None,
            "sure": vote.is_sure,
            "skip_reason": vote.skip_reason or None,
            "seconds": (vote.decided_at - vote.shown_at).total_seconds() if vote.shown_at and vote.decided_at else None,
            "decided_at": vote.decided_at or vote.received_at,
        }
        for vote in votes.iterator(chunk_size=5_000)
        if vote.kind != Vote.Kind.TAKEN_BACK
        for key in sorted({vote.sample.key, *keys.get(vote.sample_id, ())} & ids)
    ]
