"""Runs that differ in nothing but their seed: started together, drawn together, and an ensemble when they are done."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from fusion.errors import SpecError
from geoquorum.accounts.models import User
from geoquorum.releases.models import DatasetVersion
from geoquorum.training.models import Run
from geoquorum.training.run_scores import hash_settings
from geoquorum.training.services import start_run
from geoquorum.training.wishes import Wishes

MOST_SEEDS = 10
MOST_SHOWN = 20
MOST_LOOKED_AT = 200


def start_sisters(
    *,
    version: DatasetVersion,
    task: str,
    by: User | None,
    seeds: Sequence[int],
    changes: Mapping[str, Any] | None = None,
    name: str = "",
    wishes: Wishes | None = None,
) -> list[Run]:
    """One run for each seed, all of them or none; the name of each says its seed where there are several."""
    if not 1 <= len(seeds) <= MOST_SEEDS or len(set(seeds)) < len(seeds):
        raise SpecError(f"seeds must be 1 to {MOST_SEEDS} different whole numbers; they are {list(seeds)}.")
    asked = wishes or Wishes()
    with transaction.atomic():
        return [
            start_run(
                version=version,
                task=task,
                by=by,
                changes={**(changes or {}), "seed": seed},
                name=f"{name[:105]}, seed {seed}" if name and len(seeds) > 1 else name,
                processes=asked.processes,
                priority=asked.priority,
                time_limit_s=asked.time_limit_s,
            )
            for seed in seeds
        ]


def list_sisters(run: Run) -> list[Run]:
    """Other runs of the same version and task whose specs are this one's but for the seed; trials are none."""
    if run.search is not None:
        return []
    own = hash_settings(run.spec)
    others = Run.objects.filter(version=run.version_id, task=run.task, search__isnull=True).exclude(pk=run.pk)
    newest = others.order_by("-pk").values_list("pk", "spec")[:MOST_LOOKED_AT]
    same = [key for key, spec in newest if hash_settings(spec) == own]
    return list(Run.objects.filter(pk__in=same[:MOST_SHOWN]).order_by("pk"))
