"""Benchmarks and scores of an older database: every score gets its system, and the protocol follows the splits."""

import pytest
from django.db import IntegrityError, transaction

from geoquorum.training.models import Benchmark, Score
from geoquorum.training.ranking import rank_benchmark
from tests.geoquorum.campaigns.test_upgrade import empty_database, migrate  # noqa: F401  a fixture

pytestmark = pytest.mark.slow


def fill(apps):
    """A version with two runs of the same settings, one of others, and a baseline, as rows were before."""
    get = apps.get_model
    project = get("accounts", "Project").objects.create(name="Old", slug="old")
    version = get("releases", "DatasetVersion").objects.create(
        project=project, name="zones", number=1, design={"kind": "city"}, sha256="a" * 64
    )
    benchmark = get("training", "Benchmark").objects.create(
        project=project, name="Old", slug=f"version-{version.pk}-lcz", version=version, task="lcz", metric="oa",
        protocol="Trained on the split 'train'.",
    )  # fmt: skip
    for number, (seed, epochs) in enumerate(((1, 5), (2, 5), (3, 9))):
        run = get("training", "Run").objects.create(
            project=project, version=version, name="LCZ on zones 1", task="lcz", seed=seed,
            spec={"seed": seed, "epochs": epochs, "threads": 1}, state="done", report={},
        )  # fmt: skip
        checkpoint = get("training", "Checkpoint").objects.create(
            run=run, uri="x", sha256=f"{number}", size_bytes=1, step=1
        )
        get("training", "Score").objects.create(
            benchmark=benchmark, checkpoint=checkpoint, value=0.5 + 0.1 * number, low=0.4, high=0.9, samples_count=10
        )
    get("training", "Score").objects.create(
        benchmark=benchmark, baseline="majority_class", value=0.1, low=0.05, high=0.2, samples_count=10
    )


def test_old_scores_become_systems_with_their_seeds(empty_database):  # noqa: F811
    migrate_training("0003_map_options")
    fill(migrate_training("0003_map_options"))
    migrate()
    benchmark = Benchmark.objects.get()
    assert (benchmark.protocol, benchmark.is_automatic) == ("unseen_cities", True)
    assert benchmark.note == "Trained on the split 'train'."
    assert benchmark.pack_sha256 == "a" * 64
    assert Score.objects.count() == 4
    rows = rank_benchmark(benchmark).rows
    told = {row.submission.name: ([seed.seed for seed in row.seeds], row.is_baseline) for row in rows}
    last = next(name for name in told if "run" in name)
    assert told == {"LCZ on zones 1": ([1, 2], False), last: ([3], False), "majority_class": ([0], True)}
    with pytest.raises(IntegrityError, match="stays as it is"), transaction.atomic():
        Benchmark.objects.update(metric="kappa")


def migrate_training(name):
    """The models of training at this migration, with those of all other apps that it needs."""
    from django.db import connection
    from django.db.migrations.executor import MigrationExecutor

    executor = MigrationExecutor(connection)
    executor.migrate([("training", name)])
    return executor.loader.project_state([("training", name)]).apps
