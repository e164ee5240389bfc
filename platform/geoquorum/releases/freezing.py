"""What goes into a version: chosen consensus rows, their pixels on the grid, their splits, their provenance."""

import json
from collections import Counter
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from shapely import to_wkb
from shapely.geometry import shape

from annotation.snapshot import Snapshot, freeze
from fusion import splits
from fusion.cutting.cutter import MOST_CLOUD
from fusion.errors import BadInputError
from fusion.pack import TargetSpec
from geoquorum.campaigns.models import Consensus
from geoquorum.queue.services import Claim
from geoquorum.releases.choosing import Chosen, choose_rows
from geoquorum.releases.clouds import measure_clouds
from geoquorum.releases.linking import read_links
from geoquorum.releases.models import DatasetVersion
from geoquorum.releases.provenance import describe_provenance
from geoquorum.releases.reading import MOST_INVALID, Stack, read_stacks
from geoquorum.releases.splitting import split_rows

Shares = npt.NDArray[np.float64]
CLOUDY = "cloudy"
# Of the provenance, on the version's page and in the API.
TOLD = ("voters", "unblinded_at", "seal", "chosen_by", "earlier")


@dataclass(frozen=True, kw_only=True)
class Frozen:
    """The snapshot to be written, and what the version's page says of it."""

    snapshot: Snapshot
    summary: dict[str, Any]


def freeze_version(version: DatasetVersion, claim: Claim) -> Frozen:
    """Chosen rows sorted by sample key, so that the same votes and files give the same bytes."""
    rows = choose_rows(version)
    claim.progress(0.05, f"{len(rows)} samples")
    stacks, invalid = read_stacks(version, [one.row.sample for one in rows], claim)
    kept = np.flatnonzero(invalid <= MOST_INVALID)
    if not len(kept):
        raise BadInputError("No sample is left: each has more than half of its pixels missing in some modality.")
    rows = [rows[place] for place in kept]
    split, blocks, leaks = split_rows(version, rows)
    scheme = version.consensus_run.campaign.scheme
    provenance = describe_provenance(version, rows)
    clouds = measure_clouds(version, [one.row.sample for one in rows], claim)
    snapshot = freeze(
        _table(rows, split, blocks, invalid[kept], clouds),
        arrays={stack.modality: stack.reader(kept) for stack in stacks},
        targets={scheme: TargetSpec(head="classes", scheme=scheme)},
        provenance=provenance,
        links=lambda: read_links([one.row.sample for one in rows]),
    )
    summary = _summarise(rows, split, len(invalid) - len(kept), leaks) | _tell_present(stacks, kept)
    if clouds is not None:
        summary["cloudy"] = int((clouds > MOST_CLOUD).sum())
    return Frozen(snapshot=snapshot, summary=summary | {name: provenance[name] for name in TOLD if name in provenance})


def _table(
    chosen: list[Chosen], split: list[str], blocks: list[str], invalid: Shares, clouds: Shares | None
) -> pa.Table:
    rows = [one.row for one in chosen]
    samples = [row.sample for row in rows]
    marks = {
        "partly invalid": invalid > 0,
        CLOUDY: np.zeros(len(rows), bool) if clouds is None else clouds > MOST_CLOUD,
    }
    flags = [[*one.flags, *(name for name, on in marks.items() if on[place])] for place, one in enumerate(chosen)]
    return pa.table(
        {
            "id": [sample.key for sample in samples],
            "geometry": [to_wkb(shape(sample.footprint)) if sample.footprint else None for sample in samples],
            "cell": [sample.cell for sample in samples],
            "city": [sample.region.name if sample.region else "" for sample in samples],
            "culture_zone": [sample.region.culture_zone if sample.region else "" for sample in samples],
            "split": split,
            "label": [one.code for one in chosen],
            "distribution": [row.distribution for row in rows],
            "votes": [row.counts for row in rows],
            "agreement": [row.agreement for row in rows],
            "entropy": [row.entropy for row in rows],
            "captured_from": [sample.captured_from for sample in samples],
            "captured_to": [sample.captured_to for sample in samples],
            "flags": flags,
            "block": blocks,
            **({} if clouds is None else {"cloud": pa.array(clouds.astype(np.float32), from_pandas=True)}),
            **_tell_fields(rows),
        }
    )


def _tell_fields(rows: list[Consensus]) -> dict[str, list[str]]:
    """What the votes say beside the class, as JSON; no column where the question asks nothing else."""
    if all(row.fields is None for row in rows):
        return {}
    return {"fields": [json.dumps(row.fields or {}, sort_keys=True) for row in rows]}


def _tell_present(stacks: list[Stack], kept: npt.NDArray[np.int64]) -> dict[str, dict[str, int]]:
    """How many samples have each modality that may be missing; nothing where none may."""
    counts = {stack.modality: int(stack.present[kept].sum()) for stack in stacks if stack.present is not None}
    return {"present": counts} if counts else {}


def _summarise(chosen: list[Chosen], split: list[str], left_out: int, leaks: dict[str, Any]) -> dict[str, Any]:
    rows = [one.row for one in chosen]
    counts: dict[str, Counter[str]] = {name: Counter() for name in splits.SPLITS}
    cities: dict[str, set[str]] = {name: set() for name in splits.SPLITS}
    for one, part in zip(chosen, split, strict=True):
        if part != splits.UNUSED:
            counts[part][one.code] += 1
            cities[part].add(one.row.sample.region.name if one.row.sample.region else "")
    return {
        "samples": len(rows),
        "left_out": left_out,
        "unused": split.count(splits.UNUSED),
        "splits": {name: found.total() for name, found in counts.items()},
        "classes": {name: dict(found) for name, found in counts.items()},
        "cities": {name: sorted(found) for name, found in cities.items()},
        "settled": sum(row.status == Consensus.Status.SETTLED for row in rows),
        "adjudicated": sum(one.is_adjudicated for one in chosen),
        "ambiguous": sum(one.is_ambiguous for one in chosen),
        "agreement": round(float(np.mean([row.agreement for row in rows])), 4),
        "leaks": leaks,
    }
