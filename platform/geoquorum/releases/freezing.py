"""What goes into a version: chosen consensus rows, their pixels on the grid, their splits, their provenance."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from pyproj import Transformer
from shapely import to_wkb
from shapely.geometry import shape

from annotation.exporter import VOTE_SCHEMA
from annotation.snapshot import ArrayReader, Snapshot, freeze
from fusion import modality, splits
from fusion.errors import BadInputError
from fusion.pack import Pack, TargetSpec
from geoquorum.accounts.models import Expert
from geoquorum.campaigns.models import Consensus, ConsensusRun, Vote
from geoquorum.catalog.models import Sample
from geoquorum.catalog.pixels import RESAMPLING, find_scene, kept_offset, list_bands, read_samples
from geoquorum.queue.services import Claim
from geoquorum.releases.models import DatasetVersion

MOST_INVALID = 0.5  # a patch with more of its pixels missing in any modality is left out


@dataclass(frozen=True, kw_only=True)
class Frozen:
    """The snapshot to be written, and what the version's page says of it."""

    snapshot: Snapshot
    summary: dict[str, Any]


def freeze_version(version: DatasetVersion, claim: Claim) -> Frozen:
    """Chosen rows sorted by sample key, so that the same votes and files give the same bytes."""
    rows = _choose_rows(version)
    claim.progress(0.05, f"{len(rows)} samples")
    stored, invalid = _read_pixels(version, rows, claim)
    kept = np.flatnonzero(invalid <= MOST_INVALID)
    if not len(kept):
        raise BadInputError("No sample is left: each has more than half of its pixels missing in some modality.")
    rows = [rows[place] for place in kept]
    split, blocks, leaks = _split(version, rows)
    scheme = version.consensus_run.campaign.scheme
    snapshot = freeze(
        _table(rows, split, blocks, invalid[kept]),
        arrays={name: _reader(version, name, values[kept], rows[0]) for name, values in stored.items()},
        targets={scheme: TargetSpec(head="classes", scheme=scheme)},
        provenance=_provenance(version, rows),
    )
    return Frozen(snapshot=snapshot, summary=_summarise(rows, split, len(invalid) - len(kept), leaks))


def _choose_rows(version: DatasetVersion) -> list[Consensus]:
    chosen = Consensus.objects.filter(
        run=version.consensus_run, status__in=version.selection["statuses"]
    ).select_related("sample__region")
    for flag in version.selection["without_flags"]:
        chosen = chosen.exclude(flags__contains=[flag])
    rows = sorted(chosen, key=lambda row: row.sample.key)
    if not rows:
        raise BadInputError("No consensus row is chosen. Take in more statuses, or leave out fewer flags.")
    return rows


def _read_pixels(
    version: DatasetVersion, rows: list[Consensus], claim: Claim
) -> tuple[dict[str, npt.NDArray[np.generic]], npt.NDArray[np.float64]]:
    stored: dict[str, npt.NDArray[np.generic]] = {}
    invalid = np.zeros(len(rows))
    places: dict[int | None, list[int]] = {}
    for place, row in enumerate(rows):
        places.setdefault(row.sample.region_id, []).append(place)
    for number, entry in enumerate(version.modalities):
        name = entry["modality"]
        for where in places.values():
            claim.check()
            read = read_samples([rows[place].sample for place in where], name, entry.get("season", ""))
            if name not in stored:
                stored[name] = np.zeros((len(rows), *read.values.shape[1:]), read.values.dtype)
            stored[name][where] = read.values
            invalid[where] = np.maximum(invalid[where], 1 - read.valid.mean(axis=(1, 2)))
        claim.progress(0.05 + 0.4 * (number + 1) / len(version.modalities), name)
    return stored, invalid


def _split(version: DatasetVersion, rows: list[Consensus]) -> tuple[list[str], list[str], dict[str, Any]]:
    """Splits by the version's design, refused where they share ground."""
    design, samples = version.design, [row.sample for row in rows]
    blocks = [sample.block for sample in samples]
    if design["kind"] == "city":
        cities = [sample.region.name if sample.region else "" for sample in samples]
        split = splits.by_city(cities, test=design["test"], validation=design.get("validation", ()))
    else:
        x_m, y_m = _centres_m(samples)
        found = splits.by_block(
            x_m,
            y_m,
            [row.code for row in rows],
            block_m=design["block_m"],
            buffer_m=design.get("buffer_m", 0.0),
            seed=version.seed,
        )
        split, blocks = found.splits, found.blocks
    report = splits.check_leaks(
        [sample.key for sample in samples],
        split,
        lonlat=[(s.longitude, s.latitude) if s.has_place else (np.nan, np.nan) for s in samples],
        size_m=[(s.width_px or 0) * (s.pixel_size_m or 0.0) for s in samples],
        groups=blocks,
    )
    return split, blocks, report.as_json()


def _centres_m(samples: list[Sample]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    zones = {sample.epsg for sample in samples}
    if len(zones) != 1 or None in zones:
        raise BadInputError(f"Blocks need samples of one UTM zone; these lie in {len(zones)}. Split by city instead.")
    transformer = Transformer.from_crs(4326, zones.pop(), always_xy=True)
    return transformer.transform([s.longitude for s in samples], [s.latitude for s in samples])


def _table(rows: list[Consensus], split: list[str], blocks: list[str], invalid: npt.NDArray[np.float64]) -> pa.Table:
    samples = [row.sample for row in rows]
    flags = [
        [*row.flags, row.status, *(["partly invalid"] if share else [])]
        for row, share in zip(rows, invalid, strict=True)
    ]
    return pa.table(
        {
            "id": [sample.key for sample in samples],
            "geometry": [to_wkb(shape(sample.footprint)) if sample.footprint else None for sample in samples],
            "cell": [sample.cell for sample in samples],
            "city": [sample.region.name if sample.region else "" for sample in samples],
            "culture_zone": [sample.region.culture_zone if sample.region else "" for sample in samples],
            "split": split,
            "label": [row.code for row in rows],
            "distribution": [row.distribution for row in rows],
            "votes": [row.counts for row in rows],
            "agreement": [row.agreement for row in rows],
            "entropy": [row.entropy for row in rows],
            "captured_from": [sample.captured_from for sample in samples],
            "captured_to": [sample.captured_to for sample in samples],
            "flags": flags,
            "block": blocks,
        }
    )


def _reader(version: DatasetVersion, name: str, values: npt.NDArray[np.generic], first: Consensus) -> ArrayReader:
    entry = next(entry for entry in version.modalities if entry["modality"] == name)
    scene = find_scene(first.sample.region, name, entry.get("season", ""))
    return ArrayReader(
        modality=name,
        dims=("band", "y", "x"),
        dtype=str(values.dtype),
        bands=tuple(list_bands(scene)),
        shape=values.shape[1:],
        read=values.__getitem__,
        offset=kept_offset(scene.assets.all()[0]),
        scale=modality.find(name).scale,
    )


def _provenance(version: DatasetVersion, rows: list[Consensus]) -> dict[str, Any]:
    """Names and hashes, no row numbers of this database: the same votes and files give the same bytes anywhere."""
    run = version.consensus_run
    regions = {row.sample.region.slug: row.sample.region for row in rows if row.sample.region}
    scenes = {
        slug: {
            entry["modality"]: sorted(
                find_scene(region, entry["modality"], entry.get("season", "")).assets.values_list("sha256", flat=True)
            )
            for entry in version.modalities
        }
        for slug, region in sorted(regions.items())
    }
    return {
        "simulated": version.is_simulated,
        "project": version.project.slug,
        "campaign": run.campaign.slug,
        "question": f"{run.campaign.question} {run.campaign.question_version}",
        "consensus": {"method": run.method, "parameters": run.parameters, "votes": run.votes_count},
        "voters": _count_voters(run),
        "selection": version.selection,
        "design": version.design,
        "modalities": version.modalities,
        "resampling": RESAMPLING,
        "scenes": scenes,
    }


def _count_voters(run: ConsensusRun) -> dict[str, int]:
    """How many people, simulated experts and models voted: real pixels may carry simulated votes."""
    voters = Expert.objects.filter(votes__round=run.round, votes__pk__lte=run.last_vote or 0).distinct()
    return dict(sorted(Counter(kind for _expert, kind in voters.values_list("pk", "kind")).items()))


def _summarise(rows: list[Consensus], split: list[str], left_out: int, leaks: dict[str, Any]) -> dict[str, Any]:
    counts: dict[str, Counter[str]] = {name: Counter() for name in splits.SPLITS}
    cities: dict[str, set[str]] = {name: set() for name in splits.SPLITS}
    for row, part in zip(rows, split, strict=True):
        if part != splits.UNUSED:
            counts[part][row.code] += 1
            cities[part].add(row.sample.region.name if row.sample.region else "")
    return {
        "samples": len(rows),
        "left_out": left_out,
        "unused": split.count(splits.UNUSED),
        "splits": {name: found.total() for name, found in counts.items()},
        "classes": {name: dict(found) for name, found in counts.items()},
        "cities": {name: sorted(found) for name, found in cities.items()},
        "settled": sum(row.status == Consensus.Status.SETTLED for row in rows),
        "agreement": round(float(np.mean([row.agreement for row in rows])), 4),
        "leaks": leaks,
    }


def read_votes(version: DatasetVersion) -> pa.Table:
    """The votes that the version's consensus counted, each expert's last word on each sample in the pack."""
    ids = set(Pack.open(Path(version.uri), sha256=version.sha256).samples.column("id").to_pylist())
    run = version.consensus_run
    votes = (
        Vote.objects.filter(round=run.round, pk__lte=run.last_vote or 0)
        .order_by("assignment_id", "-revision")
        .distinct("assignment_id")
        .select_related("sample", "expert", "round")
    )
    rows = [
        {
            "vote": str(vote.client_uuid),
            "round": vote.round.number,
            "sample": vote.sample.key,
            "voter": vote.expert.pseudonym,
            "answer": vote.code or None,
            "second": vote.second_code or None,
            "sure": vote.is_sure,
            "skip_reason": vote.skip_reason or None,
            "seconds": (vote.decided_at - vote.shown_at).total_seconds() if vote.shown_at and vote.decided_at else None,
            "decided_at": vote.decided_at or vote.received_at,
        }
        for vote in votes.iterator(chunk_size=5_000)
        if vote.kind != Vote.Kind.TAKEN_BACK and vote.sample.key in ids
    ]
    return pa.Table.from_pylist(rows, schema=VOTE_SCHEMA)
