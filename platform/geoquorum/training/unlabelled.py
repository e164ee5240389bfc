"""Samples of a project that nobody has labelled, and what a run's networks predict of them."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

from fusion.errors import SpecError
from fusion.pack import Pack
from fusion.run import DONE
from geoquorum.campaigns.models import CampaignState, Consensus, ConsensusRun, RoundSample
from geoquorum.catalog.dates import EVERY, look_for_scene
from geoquorum.catalog.models import Region, Sample
from geoquorum.queue.services import Claim, Retry
from geoquorum.releases.models import DatasetVersion
from geoquorum.releases.reading import MOST_INVALID, read_stacks
from geoquorum.training.launcher import launch
from geoquorum.training.models import Run, RunState
from geoquorum.training.run_scores import hash_settings

MOST_CANDIDATES = 20_000  # more are drawn from at random: a batch of some hundred loses nothing by it
AT_ONCE = 1_500  # patches cut and predicted at a time: about 100 MB of Sentinel-1 and -2
MOST_MEMBERS = 5
DRAWS = 10  # predictions with dropout of a run without sisters


@dataclass(frozen=True, kw_only=True)
class Predicted:
    """Samples in the order of `probabilities` [members, n, k]; `draws` with dropout are one member, their mean."""

    samples: list[Sample]
    probabilities: npt.NDArray[np.float64]
    codes: tuple[str, ...]
    members: list[Run]
    draws: int


def list_members(run: Run) -> list[Run]:
    """The run and finished runs of the same version that differ from it in nothing but the seed: an ensemble."""
    own = hash_settings(run.spec)
    finished = Run.objects.filter(version=run.version_id, task=run.task, state=RunState.DONE).exclude(pk=run.pk)
    sisters = [other for other in finished.order_by("pk") if other.search is None and hash_settings(other.spec) == own]
    return [run, *sisters][:MOST_MEMBERS]


def list_unlabelled(run: Run, regions: Sequence[Region] = ()) -> list[Sample]:
    """Patches like those of the run's version without a label, and about which nobody is asked just now.

    Cities that the version holds out, whole, are left alone: a test whose samples the network chose is none. Without
    `regions` all others of the project that have the version's modalities.
    """
    version = run.version
    asked = list(regions) or list(run.project.regions.order_by("pk"))
    usable = [region for region in asked if not is_held_out(version, region) and has_scenes(version, region)]
    pattern = Sample.objects.filter(consensus__run__in=version.consensus_ids, kind=Sample.Kind.PATCH).first()
    if pattern is None or not usable:
        return []
    scheme = version.consensus_run.campaign.scheme
    labelled = Consensus.objects.filter(run__state=ConsensusRun.State.READY, run__campaign__scheme=scheme)
    being_asked = RoundSample.objects.filter(
        round__campaign__scheme=scheme, round__campaign__state__in=[CampaignState.OPEN, CampaignState.DRAFT]
    )
    found = Sample.objects.filter(
        project=run.project_id,
        region__in=usable,
        kind=Sample.Kind.PATCH,
        parent=None,
        width_px=pattern.width_px,
        pixel_size_m=pattern.pixel_size_m,
    )
    found = found.exclude(pk__in=labelled.values("sample")).exclude(pk__in=being_asked.values("sample"))
    return list(found.select_related("region").order_by("region_id", "pk"))


def is_held_out(version: DatasetVersion, region: Region) -> bool:
    """Whether nothing of a city was learned from though the version has labels of it."""
    cities = version.summary.get("cities", {})
    is_kept_back = any(region.name in cities.get(split, []) for split in ("validation", "test"))
    return is_kept_back and region.name not in cities.get("train", [])


def has_scenes(version: DatasetVersion, region: Region) -> bool:
    """Whether a region has a scene of each modality that a sample of the version must have."""
    wanted = [entry for entry in version.modalities if not entry.get("optional")]
    dates = [(entry["modality"], "" if entry.get("season") == EVERY else entry.get("season", "")) for entry in wanted]
    return all(look_for_scene(region, name, date) is not None for name, date in dates)


def predict_unlabelled(run: Run, samples: list[Sample], folder: Path, claim: Claim, *, seed: int) -> Predicted:
    """What the run and its sisters say of these samples; those whose pixels are mostly missing are left out."""
    if len(samples) > MOST_CANDIDATES:
        rows = np.sort(np.random.default_rng([seed, 41]).permutation(len(samples))[:MOST_CANDIDATES])
        samples = [samples[row] for row in rows]
    members = list_members(run)
    pack = Pack.open(run.version.uri, sha256=run.version.sha256)
    folder.mkdir(parents=True, exist_ok=True)
    kept: list[Sample] = []
    parts: list[npt.NDArray[np.float64]] = []
    for done, part in _cut(run, samples, pack, folder, claim):
        claim.progress(0.9 * done / len(samples), f"{done} of {len(samples)} samples")
        said = [_ask(member, folder, len(members), claim, seed) for member in members]
        kept += part
        parts.append(np.stack(said))
    if not kept:
        raise SpecError(
            "No unlabelled sample has enough valid pixels. Take in scenes of more places, or of other dates."
        )
    codes = tuple(pack.target(run.spec["target"] or None)["codes"])
    draws = DRAWS if len(members) == 1 else 0
    return Predicted(
        samples=kept, probabilities=np.concatenate(parts, axis=1), codes=codes, members=members, draws=draws
    )


def _cut(run: Run, samples: list[Sample], pack: Pack, folder: Path, claim: Claim) -> Iterator[tuple[int, list[Sample]]]:
    """Writes the patches of some samples at a time into a file; answers how many are done, and which those are."""
    names = run.spec["modalities"] or list(pack.array_names)
    for first in range(0, len(samples), AT_ONCE):
        part = samples[first : first + AT_ONCE]
        claim.check()
        stacks, invalid = read_stacks(run.version, part, _Quiet(claim))
        rows = np.flatnonzero(invalid <= MOST_INVALID)
        arrays = {one.modality: one.read(rows) for one in stacks if one.modality in names}
        if not len(rows):
            continue
        save_file(
            {name: np.ascontiguousarray(values) for name, values in arrays.items()}, folder / "arrays.safetensors"
        )
        offsets = {one.modality: one.offset for one in stacks if one.modality in names}
        (folder / "offsets.json").write_text(json.dumps(offsets), encoding="utf-8")
        yield first + len(part), [part[row] for row in rows]


class _Quiet:
    """A claim whose progress is not that of the cutting."""

    def __init__(self, claim: Claim) -> None:
        self.job, self._claim = claim.job, claim

    def progress(self, share: float, message: str = "") -> None:
        self._claim.check()

    def check(self) -> None:
        self._claim.check()


def _ask(member: Run, folder: Path, members: int, claim: Claim, seed: int) -> npt.NDArray[np.float64]:
    words: dict[str, Any] = {
        "checkpoint": member.folder,
        "arrays": str(folder / "arrays.safetensors"),
        "offset": json.loads((folder / "offsets.json").read_text(encoding="utf-8")),
        "dropout_draws": DRAWS if members == 1 else 0,
        "output": str(folder / "probabilities.npy"),
        "seed": seed,
        "threads": member.spec["threads"],
        "device": member.spec["device"],
    }
    spec = folder / "predict.json"
    spec.write_text(json.dumps(words, indent=1, sort_keys=True), encoding="utf-8")
    outcome = launch(folder, "predict", spec, watch=lambda events: claim.check())
    if outcome.code < 0:
        raise Retry(outcome.cause)
    if outcome.code != DONE:
        raise SpecError(outcome.cause)
    return np.load(folder / "probabilities.npy", allow_pickle=False).astype(np.float64)
