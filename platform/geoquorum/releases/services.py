"""Dataset versions: asked for, built by a job from one consensus run, and never changed afterwards."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Max
from django.utils import timezone
from django.utils.text import slugify

from annotation import exporter as exporters
from fusion import modality as modalities
from fusion.errors import BadInputError, GeoquorumError, LeakError
from fusion.pack import Pack
from geoquorum.accounts.models import Project, Role, User
from geoquorum.accounts.services import record, refuse_former
from geoquorum.campaigns.models import Consensus, ConsensusRun
from geoquorum.campaigns.services.adjudication import last_decision
from geoquorum.catalog.dates import EVERY
from geoquorum.catalog.media import MODALITIES as PHOTOS
from geoquorum.queue.models import Job, JobState
from geoquorum.queue.services import Claim, LeaseLost, cancel_parts, enqueue
from geoquorum.releases.ballots import read_votes
from geoquorum.releases.choosing import ADJUDICATED, AMBIGUOUS
from geoquorum.releases.chunks import forget_parts
from geoquorum.releases.freezing import Frozen, freeze_version
from geoquorum.releases.models import BuildState, DatasetVersion, Export
from geoquorum.releases.splitting import check_design

STATUSES = tuple(Consensus.Status.values)
FLAGS = ("tie", "weak", "few_votes", ADJUDICATED, AMBIGUOUS)  # campaigns.services.consensus sets the first three
FINAL = (BuildState.READY, BuildState.WITHDRAWN)
# A large version is cut by all workers and then written by one.
BUILD_LIMIT_S = 12 * 3600


def start_release(
    *,
    run: ConsensusRun,
    name: str,
    modalities: list[dict[str, Any]],
    design: dict[str, Any],
    statuses: tuple[str, ...] = STATUSES,
    without_flags: tuple[str, ...] = (),
    seed: int = 0,
    earlier: Sequence[ConsensusRun] = (),
    by: User | None,
) -> DatasetVersion:
    """Queues the next version of a dataset from a READY consensus run; labels of `earlier` runs go in as well.

    `modalities` lists {"modality", "season"}, where a day may stand for the season, or "*" for every date that the
    regions have in common, as a series, and with "optional": true samples need not have it (the pack flags those that
    do); `design` is {"kind": "city", "test": [...], "validation": [...]},
    {"kind": "block", "block_m", "buffer_m"}, {"kind": "city_blocks", "share", "buffer_m"},
    {"kind": "culture_zone", "held": [...], "buffer_m"} or {"kind": "random", "share"}, each with "limits" by choice:
    the share of held-out samples that may share a block, scene, photo or user with another split. `statuses` and
    `without_flags` choose the rows that go in.
    """
    _check_request(run, modalities, design, statuses, without_flags)
    _check_earlier(run, earlier)
    project = run.campaign.project
    with transaction.atomic():
        Project.objects.select_for_update().get(pk=project.pk)
        slug = slugify(name) or "dataset"
        last = DatasetVersion.objects.filter(project=project, name=slug).aggregate(last=Max("number"))["last"]
        version = DatasetVersion.objects.create(
            project=project,
            consensus_run=run,
            name=slug,
            number=(last or 0) + 1,
            selection={
                "statuses": list(statuses),
                "without_flags": list(without_flags),
                "decisions_until": last_decision(campaign=run.campaign),
                **_name_earlier(earlier),
            },
            design=design,
            modalities=modalities,
            seed=seed,
            is_simulated=any(_is_simulated(one) for one in (run, *earlier)),
            created_by=by,
        )
        version.job = enqueue(
            "geoquorum.releases.jobs.build",
            project=project,
            arguments={"version": version.pk},
            by=by,
            time_limit_s=min(BUILD_LIMIT_S, settings.JOB_LONGEST_S),
        )
        version.save(update_fields=["job"])
        record(project=project, actor=by, action="release started", subject=f"version {version.pk}")
    return version


def build(job: Job, claim: Claim) -> dict[str, Any]:
    """Freezes the consensus rows, cuts their pixels, splits, checks for leaks, writes and verifies the pack."""
    version = DatasetVersion.objects.select_related("consensus_run__campaign", "project").get(
        pk=job.arguments["version"]
    )
    if version.state in FINAL:  # published by an attempt whose worker died before it could say so
        forget_parts(version)
        return {"version": version.pk, "sha256": version.sha256}
    _change(version, state=BuildState.BUILDING, reason="")
    # A folder of its own for each attempt, so that a stale one can never touch what another published.
    attempt = f"-attempt{job.attempts}" if job.attempts > 1 else ""
    folder = settings.GEOQUORUM_DATA / "packs" / version.project.slug / f"{version.name}-{version.number}{attempt}"
    try:
        refuse_former(user=job.created_by, project=version.project, minimum=Role.CURATOR)
        frozen = freeze_version(version, claim)
        claim.progress(0.5, "writing")
        sha256 = _write(version, frozen, folder)
        claim.progress(0.9, "verifying")
        Pack.open(folder, sha256=sha256, verify=True)
    except LeaseLost:  # another attempt has it now
        raise
    except GeoquorumError as error:
        with transaction.atomic():
            claim.lock()
            leaks = {"leaks": error.report} if isinstance(error, LeakError) else {}
            _change(version, state=BuildState.FAILED, reason=str(error), summary=leaks)
        forget_parts(version)
        raise
    _publish(version, frozen, folder, sha256, claim)
    forget_parts(version)
    return {"version": version.pk, "sha256": sha256}


def start_export(*, version: DatasetVersion, exporter: str, by: User | None) -> Export:
    """Queues one format of a READY version."""
    exporters.find(exporter)
    if version.state != BuildState.READY:
        raise BadInputError(f"Version {version} is {version.get_state_display()}: only a ready version is exported.")
    with transaction.atomic():
        export, _created = Export.objects.select_for_update().get_or_create(version=version, exporter=exporter)
        if export.job is not None and export.state != BuildState.FAILED:
            return export
        export.state, export.reason = BuildState.QUEUED, ""
        export.job = enqueue(
            "geoquorum.releases.jobs.export", project=version.project, arguments={"export": export.pk}, by=by
        )
        export.save(update_fields=["state", "reason", "job"])
        record(project=version.project, actor=by, action="export started", subject=f"export {export.pk}")
    return export


def execute_export(job: Job, claim: Claim) -> dict[str, Any]:
    """Writes the export into a fresh folder of this attempt; its validator has opened it before the row says READY."""
    export = Export.objects.select_related("version__consensus_run", "version__project").get(pk=job.arguments["export"])
    Export.objects.filter(pk=export.pk).update(state=BuildState.BUILDING)
    kind, pack = exporters.find(export.exporter), Path(export.version.uri)
    folder = pack.parent / f"{pack.name}-{export.exporter}-{job.pk.hex[:8]}-{job.attempts}"
    try:
        refuse_former(user=job.created_by, project=export.version.project, minimum=Role.CURATOR)
        Pack.open(pack, sha256=export.version.sha256)
        votes = read_votes(export.version) if kind.needs_votes else None
        claim.progress(0.2, "writing")
        files = kind.export(pack, folder, votes)
    except LeaseLost:
        raise
    except GeoquorumError as error:
        Export.objects.filter(pk=export.pk).update(state=BuildState.FAILED, reason=str(error))
        raise
    with transaction.atomic():
        claim.lock()
        Export.objects.filter(pk=export.pk).update(
            state=BuildState.READY, uri=str(folder), files=[asdict(file) for file in files], ready_at=timezone.now()
        )
    return {"export": export.pk}


def settle() -> int:
    """Ends versions and exports whose job ended without them: the worker died too often, or the job was cancelled."""
    changed = 0
    for rows in (DatasetVersion.objects, Export.objects):
        waiting = rows.filter(state__in=[BuildState.QUEUED, BuildState.BUILDING]).select_related("job")
        for row in waiting.filter(job__state__in=[JobState.FAILED, JobState.CANCELLED]):
            row.state, row.reason = BuildState.FAILED, row.job.reason
            row.save(update_fields=["state", "reason"])
            cancel_parts(row.job)
            if isinstance(row, DatasetVersion):
                forget_parts(row)
            changed += 1
    return changed


def _is_simulated(run: ConsensusRun) -> bool:
    """Whether votes or pixels are made up, all or some of them."""
    is_declared = run.campaign.is_simulated or run.campaign.project.is_simulated
    return is_declared or run.rows.filter(sample__is_simulated=True).exists()


def _check_earlier(run: ConsensusRun, earlier: Sequence[ConsensusRun]) -> None:
    """Labels of several campaigns are one set only where they answer one question with one alphabet."""
    rounds = {run.round_id}
    for one in earlier:
        if one.state != ConsensusRun.State.READY or one.campaign.project_id != run.campaign.project_id:
            raise BadInputError(f"{one} cannot be added: it must be a ready consensus of the same project.")
        if one.round_id in rounds:
            raise BadInputError(f"{one} is of votes that are in already: take one consensus of each round.")
        rounds.add(one.round_id)
        asked, other = ((each.campaign.scheme, each.campaign.scheme_version) for each in (run, one))
        if asked != other:
            raise BadInputError(
                f"{one} has labels of {other[0]} version {other[1]}; these are of {asked[0]} version {asked[1]}."
            )


def _name_earlier(earlier: Sequence[ConsensusRun]) -> dict[str, list[int]]:
    """The earlier runs, newest first, and up to which decision of curators each counts; nothing where there is none."""
    newest = sorted(earlier, key=lambda one: one.pk, reverse=True)
    decisions = [last_decision(campaign=one.campaign) for one in newest]
    return {"earlier_runs": [one.pk for one in newest], "earlier_decisions": decisions} if newest else {}


def _check_request(
    run: ConsensusRun,
    wanted: list[dict[str, Any]],
    design: dict[str, Any],
    statuses: tuple[str, ...],
    without_flags: tuple[str, ...],
) -> None:
    if run.state != ConsensusRun.State.READY:
        raise BadInputError(f"The consensus run is {run.get_state_display()}: wait until it is ready.")
    for entry in wanted:
        modalities.find(entry["modality"])
        if entry.get("optional") and entry.get("season") == EVERY:
            raise BadInputError(
                f"A series of {entry['modality']} holds the dates that all regions share, so it cannot be optional. "
                "Choose one date, or leave the regions without it out."
            )
    names = [entry["modality"] for entry in wanted]
    _refuse_photos(run, names)
    if not names or len(names) != len(set(names)):
        raise BadInputError("A version needs at least one modality, each with one season.")
    check_design(design)
    if not statuses or set(statuses) - set(STATUSES):
        raise BadInputError(f"Choose consensus rows by status: {', '.join(STATUSES)}.")
    if unknown := set(without_flags) - set(FLAGS):
        raise BadInputError(f"Unknown flag {sorted(unknown)[0]!r}. Known: {', '.join(FLAGS)}.")


def _refuse_photos(run: ConsensusRun, names: list[str]) -> None:
    """Photos leave reviewed or blurred alone (faces, number plates), and nothing here marks one as either."""
    photos = sorted(set(names) & set(PHOTOS))
    if photos or (not names and run.rows.filter(sample__assets__modality__in=PHOTOS).exists()):
        raise BadInputError(
            f"The photos of {run.campaign} ({', '.join(photos) or 'street_view'}) cannot go into a version: faces and "
            "number plates on them are neither reviewed nor blurred, and this version would carry them out. Choose "
            "modalities of scenes for the ground where they were taken; votes and labels go in with these."
        )


def _change(version: DatasetVersion, **values: Any) -> None:
    """Writes columns of a version that is not built yet: a built one never changes."""
    DatasetVersion.objects.filter(pk=version.pk).exclude(state__in=FINAL).update(**values)


def _write(version: DatasetVersion, frozen: Frozen, folder: Path) -> str:
    folder.parent.mkdir(parents=True, exist_ok=True)
    return frozen.snapshot.write(folder, name=version.name, number=version.number, seed=version.seed)


def _publish(version: DatasetVersion, frozen: Frozen, folder: Path, sha256: str, claim: Claim) -> None:
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    with transaction.atomic():
        claim.lock()
        _change(
            version,
            state=BuildState.READY,
            uri=str(folder),
            sha256=sha256,
            size_bytes=size,
            summary=frozen.summary,
            ready_at=timezone.now(),
            reason="",
        )
        record(
            project=version.project,
            actor=None,
            action="release built",
            subject=f"version {version.pk}",
            detail={"sha256": sha256},
        )
