"""Where a version came from, in names and hashes, for its manifest."""

from collections import Counter
from datetime import UTC
from typing import Any

from geoquorum.accounts.models import Expert
from geoquorum.campaigns.models import ConsensusRun
from geoquorum.campaigns.services.adjudication import hash_reasons
from geoquorum.campaigns.services.model_voters import left_out
from geoquorum.campaigns.services.sealing import seal_over
from geoquorum.campaigns.services.unblinding import unblinded_before
from geoquorum.catalog.dates import find_scenes
from geoquorum.catalog.models import Region, Sample
from geoquorum.catalog.pixels import RESAMPLING
from geoquorum.catalog.registering import describe_registration
from geoquorum.releases.choosing import Chosen, list_runs
from geoquorum.releases.linking import describe_linking
from geoquorum.releases.models import DatasetVersion


def describe_provenance(version: DatasetVersion, chosen: list[Chosen]) -> dict[str, Any]:
    """Names and hashes, no row numbers of this database: the same votes and files give the same bytes.

    The seal is of these votes as this database stores them: with the same digest outside of it (`verify_seals`) whoever
    holds the pack can show that no vote behind it was changed since.
    """
    run = version.consensus_run
    samples = [one.row.sample for one in chosen]
    regions = {sample.region.slug: sample.region for sample in samples if sample.region}
    return {
        "simulated": version.is_simulated,
        "project": version.project.slug,
        "campaign": run.campaign.slug,
        "question": f"{run.campaign.question} {run.campaign.question_version}",
        "consensus": {"method": run.method, "parameters": run.parameters, "votes": run.votes_count},
        "voters": _count_voters(run),
        **_describe_votes(run),
        **describe_origin(version),
        "selection": {name: version.selection[name] for name in ("statuses", "without_flags")},
        **_count_decisions(chosen),
        "design": version.design,
        "modalities": version.modalities,
        "resampling": RESAMPLING,
        "scenes": _list_files(version, regions),
        "registration": _describe_scenes(version, regions, samples),
        **({"linking": linking} if (linking := describe_linking(list(regions.values()))) else {}),
    }


def describe_origin(version: DatasetVersion) -> dict[str, Any]:
    """Which run and rule chose the samples, and the earlier campaigns whose labels are in too; or nothing.

    Numbers of rows in this database are left out, names and hashes stay.
    """
    (newest, _until), *earlier = list_runs(version)
    here = ("run", "version", "is_voting", "not_voting")
    chosen = {key: value for key, value in newest.campaign.chosen_by.items() if key not in here}
    return {
        **({"chosen_by": chosen} if chosen else {}),
        **({"earlier": [_describe_earlier(run) for run, _until in earlier]} if earlier else {}),
    }


def _describe_earlier(run: ConsensusRun) -> dict[str, Any]:
    return {
        "campaign": run.campaign.slug,
        "question": f"{run.campaign.question} {run.campaign.question_version}",
        "consensus": {"method": run.method, "parameters": run.parameters, "votes": run.votes_count},
        "voters": _count_voters(run),
        **_describe_votes(run),
    }


def _list_files(version: DatasetVersion, regions: dict[str, Region]) -> dict[str, dict[str, list[str]]]:
    """Hashes of the files that were read, by region and modality."""
    found: dict[str, dict[str, list[str]]] = {slug: {} for slug in sorted(regions)}
    for entry in version.modalities:
        scenes = find_scenes(
            list(regions.values()),
            entry["modality"],
            entry.get("season", ""),
            is_optional=entry.get("optional", False),
        )
        for slug, region in regions.items():
            sums = (scene.assets.values_list("sha256", flat=True) for scene in scenes[region.pk])
            found[slug][entry["modality"]] = sorted(sha256 for those in sums for sha256 in those)
    return found


def _describe_scenes(
    version: DatasetVersion, regions: dict[str, Region], samples: list[Sample]
) -> dict[str, dict[str, list[dict[str, Any]]]]:
    """How each scene came onto the grid of the patches and how far it lies beside others, by region and modality."""
    found: dict[str, dict[str, list[dict[str, Any]]]] = {slug: {} for slug in sorted(regions)}
    grids = {one.region.slug: (one.epsg, one.pixel_size_m) for one in reversed(samples) if one.region and one.epsg}
    asked = [(one["modality"], one.get("season", ""), one.get("optional", False)) for one in version.modalities]
    for modality, season, is_optional in asked:
        scenes = find_scenes(list(regions.values()), modality, season, is_optional=is_optional)
        for slug, (epsg, step_m) in grids.items():
            told = describe_registration(regions[slug], scenes[regions[slug].pk], epsg, step_m or 10.0)
            own = found[slug].setdefault(modality, [])
            own += [one for one in told if one not in own]
    return found


def _describe_votes(run: ConsensusRun) -> dict[str, Any]:
    """Who looked before the votes were complete, and the link of the hash chain that covers them all.

    Both stay as they are once the run is ready: the first look keeps its date, and a chain only grows at its end.
    """
    looked = unblinded_before(run=run)
    seal = seal_over(campaign_id=run.campaign_id, last_vote=run.last_vote or 0)
    return {
        "unblinded_at": looked and looked.astimezone(UTC).isoformat(),
        "seal": {"number": seal.number, "sha256": seal.digest},
    }


def _count_decisions(chosen: list[Chosen]) -> dict[str, Any]:
    """How many labels a curator decided or left ambiguous, and a hash over what was decided and why; or nothing."""
    decided = [(one.row.sample.key, one.decision) for one in chosen if one.decision]
    if not decided:
        return {}
    counts = {"labels": sum(one.is_adjudicated for one in chosen), "ambiguous": sum(one.is_ambiguous for one in chosen)}
    return {"adjudication": counts | {"reasons_sha256": hash_reasons(decided)}}


def _count_voters(run: ConsensusRun) -> dict[str, int]:
    """How many people, simulated experts and models the consensus counted: real pixels may carry simulated votes."""
    voters = Expert.objects.filter(votes__round=run.round, votes__pk__lte=run.last_vote or 0).distinct()
    voters = voters.exclude(pseudonym__in=left_out(run))
    return dict(sorted(Counter(kind for _expert, kind in voters.values_list("pk", "kind")).items()))
