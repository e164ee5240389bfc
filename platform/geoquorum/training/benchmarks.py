"""Benchmarks: made by curators, never changed once they have scores; contests hold the labels of their split back."""

import datetime
import math
from collections.abc import Sequence
from pathlib import Path

from django.db import transaction
from django.utils import timezone
from django.utils.text import slugify

from annotation import question as questions
from fusion import scheme as schemes
from fusion import task as tasks
from fusion.errors import BadInputError
from fusion.pack import SPLITS, Pack
from geoquorum.accounts.models import User
from geoquorum.accounts.services import record
from geoquorum.campaigns.models import Campaign, CampaignState
from geoquorum.catalog.held_back import hold_back, let_go
from geoquorum.catalog.models import Sample
from geoquorum.releases.models import BuildState, DatasetVersion
from geoquorum.releases.withheld import list_samples
from geoquorum.storing import hold
from geoquorum.training.held_out import HeldOut, check_target, draw_public, read_held_out
from geoquorum.training.models import Benchmark, Protocol, Submission
from geoquorum.training.refusing import RefusedError
from geoquorum.training.scoring import check_metrics

FEWEST_RESAMPLES, MOST_RESAMPLES = 100, 10_000
MOST_A_DAY = 1_000
BATCH = 5_000


def create_benchmark(
    *,
    version: DatasetVersion,
    name: str,
    task: str,
    metric: str,
    protocol: str,
    by: User | None,
    split: str = "test",
    further_metrics: Sequence[str] = (),
    note: str = "",
    interval_by: str = Benchmark.Drawn.BLOCK,
    seed: int = 0,
    resamples: int = 1000,
    has_hidden_labels: bool = False,
    public_share: float | None = None,
    ends_at: datetime.datetime | None = None,
    daily_limit: int = 20,
    counts: str = Benchmark.Counts.BEST,
) -> Benchmark:
    """A new benchmark on a READY version; a contest also holds back the labels of its split, wherever they may be seen.

    Refused where the split has no labels of the task's classes, or where nothing could be scored or compared.
    """
    asked = Benchmark(
        project=version.project,
        name=name.strip(),
        version=version,
        pack_sha256=version.sha256,
        task=task,
        split=split,
        metric=metric,
        further_metrics=[one for one in dict.fromkeys(further_metrics) if one != metric],
        protocol=protocol,
        note=note.strip(),
        interval_by=interval_by,
        seed=seed,
        resamples=resamples,
        has_hidden_labels=has_hidden_labels,
        public_share=public_share,
        ends_at=ends_at,
        daily_limit=daily_limit,
        counts=counts,
        created_by=by,
    )
    _check_words(asked)
    held = _check_version(asked)
    check_metrics(asked, held)
    with transaction.atomic():
        asked.slug = _free_slug(asked)
        asked.save(force_insert=True)
        if has_hidden_labels:
            _hide(asked, held)
        record(
            project=asked.project,
            actor=by,
            action="benchmark made",
            subject=f"benchmark {asked.pk}",
            detail={"version": version.pk, "protocol": protocol, "hidden": has_hidden_labels},
        )
    return asked


@transaction.atomic
def remove_benchmark(*, benchmark: Benchmark, by: User | None) -> None:
    """Takes away a benchmark that has no scores yet; what a contest held back is let go."""
    held = Benchmark.objects.select_for_update().get(pk=benchmark.pk)
    if held.scores.exists():
        raise RefusedError("It has scores, so it stays as it is. Make another one beside it.")
    if held.submissions.exclude(kind=Submission.Kind.PUBLISHED).exists():
        raise RefusedError("A submission to it waits to be scored. Wait for its end, or cancel its job.")
    let_go(reason=reason_of(held))
    record(project=held.project, actor=by, action="benchmark removed", subject=f"benchmark {held.pk}")
    held.delete()


@transaction.atomic
def open_labels(*, benchmark: Benchmark, by: User | None) -> None:
    """After the end of a contest its labels are held back no longer; before it that is refused."""
    if not benchmark.has_hidden_labels or not is_over(benchmark):
        raise RefusedError("Labels are let go when a contest is over.")
    if let_go(reason=reason_of(benchmark)):
        record(project=benchmark.project, actor=by, action="labels let go", subject=f"benchmark {benchmark.pk}")


def publish_figure(*, benchmark: Benchmark, name: str, value: float, source: str, by: User | None) -> Submission:
    """A published figure beside the board: with its source, never computed here, never ranked."""
    if not name.strip() or not source.strip():
        raise BadInputError("A published figure needs a name and its source: who wrote it, and where.")
    if not math.isfinite(value):
        raise BadInputError("A published figure is a finite number.")
    with transaction.atomic():
        hold(f"benchmark {benchmark.pk} {name.strip()}")
        if Submission.objects.filter(benchmark=benchmark, name=name.strip()).exists():
            raise RefusedError(f"{name.strip()} is already on this benchmark. Choose another name.")
        made = Submission.objects.create(
            benchmark=benchmark,
            kind=Submission.Kind.PUBLISHED,
            name=name.strip(),
            published_value=value,
            source=source.strip(),
            submitted_by=by,
        )
        record(project=benchmark.project, actor=by, action="figure entered", subject=f"benchmark {benchmark.pk}")
    return made


def is_over(benchmark: Benchmark) -> bool:
    """Whether the end of a contest has passed; what is no contest has none."""
    return benchmark.ends_at is not None and timezone.now() >= benchmark.ends_at


def reason_of(benchmark: Benchmark) -> str:
    """Under which word its samples are held back."""
    return f"benchmark {benchmark.pk}"


def _check_words(asked: Benchmark) -> None:
    """What can be refused without opening the pack."""
    if not asked.name:
        raise BadInputError("A benchmark needs a name.")
    if asked.protocol not in Protocol.values:
        raise BadInputError(f"Unknown protocol {asked.protocol!r}. Known: {', '.join(Protocol.values)}.")
    if asked.split not in SPLITS or asked.split == "train":
        raise BadInputError(f"A benchmark scores a held-out split, test or validation, not {asked.split!r}.")
    if asked.interval_by not in Benchmark.Drawn.values or asked.counts not in Benchmark.Counts.values:
        raise BadInputError("Intervals are drawn by block or city, and the best or the last submission counts.")
    if not FEWEST_RESAMPLES <= asked.resamples <= MOST_RESAMPLES or not 0 <= asked.seed < 2**31:
        raise BadInputError(f"Resamples are {FEWEST_RESAMPLES} to {MOST_RESAMPLES:,}, and the seed is 0 to 2**31 - 1.")
    if not 1 <= asked.daily_limit <= MOST_A_DAY:
        raise BadInputError(f"The daily limit is 1 to {MOST_A_DAY:,} submissions.")
    if asked.has_hidden_labels:
        _check_contest(asked)
    elif asked.public_share is not None or asked.ends_at is not None:
        raise BadInputError("A share of the rows and an end belong to a contest with hidden labels; leave them out.")


def _check_contest(asked: Benchmark) -> None:
    if asked.public_share is None or not 0 < asked.public_share < 1:
        raise BadInputError("A contest needs the share of the rows on its public board, above 0 and below 1.")
    if asked.ends_at is None or timezone.is_naive(asked.ends_at) or asked.ends_at <= timezone.now():
        raise BadInputError("A contest needs an end in the future, with its time zone.")


def _check_version(asked: Benchmark) -> HeldOut:
    """Fills in target and scheme, and answers the held-out samples."""
    version, known = asked.version, tasks.find(asked.task)
    if version.state != BuildState.READY:
        raise BadInputError(f"Version {version} is {version.get_state_display()}; only a ready one can be scored on.")
    pack = Pack.open(Path(version.uri), sha256=version.sha256)
    asked.target = known.target or next(iter(pack.manifest["targets"]), "")
    entry = check_target(pack, asked.target)
    asked.scheme = str(entry["scheme"])
    if known.scheme not in (None, asked.scheme) or tuple(entry["codes"]) != schemes.find(asked.scheme).codes:
        raise BadInputError(f"Task {asked.task} is about {known.scheme}; {version} holds classes of {asked.scheme}.")
    held = read_held_out(
        version.uri, sha256=version.sha256, target=asked.target, split=asked.split, by=asked.interval_by
    )
    if asked.has_hidden_labels:
        draw_public(held.blocks, share=asked.public_share or 0.5, seed=asked.seed)
    return held


def _hide(benchmark: Benchmark, held: HeldOut) -> None:
    """Holds the labels of the split back; refused where they cannot be, or where people are being shown them."""
    frozen = list_samples(benchmark.version)
    found = [
        number
        for start in range(0, len(held.ids), BATCH)
        for number in frozen.filter(key__in=held.ids[start : start + BATCH]).values_list("pk", flat=True)
    ]
    if len(found) < len(held.ids):
        raise BadInputError(
            f"Of {len(held.ids):,} samples of the split {len(found):,} are known to this project, so the labels of the "
            "others cannot be held back. Make it without hidden labels."
        )
    samples = Sample.objects.filter(pk__in=found)
    showing = [asked.name for asked in questions.load_all().values() if asked.prompt_scheme]
    shown = Campaign.objects.filter(
        state=CampaignState.OPEN, question__in=showing, rounds__round_samples__sample__in=samples
    ).first()
    if shown is not None:
        raise BadInputError(f"The open review {shown} shows labels of its samples. Close it first.")
    hold_back(samples=samples, reason=reason_of(benchmark))


def _free_slug(benchmark: Benchmark) -> str:
    hold(f"benchmarks of project {benchmark.project_id}")
    slug, number = slugify(benchmark.name)[:70] or "benchmark", 1
    while Benchmark.objects.filter(project=benchmark.project, slug=slug).exists():
        number += 1
        slug = f"{slugify(benchmark.name)[:70] or 'benchmark'}-{number}"
    return slug
