"""Benchmarks and scores of before: each score gets its system, each benchmark its protocol by what its splits are."""

import hashlib
import json

from django.db import migrations

OF_ONE_SEED = ("seed", "device", "threads", "baselines", "resamples", "pack")


def fill(apps, schema_editor):
    Benchmark = apps.get_model("training", "Benchmark")
    Submission = apps.get_model("training", "Submission")
    benchmarks = Benchmark.objects.select_related("version__consensus_run__campaign")
    for benchmark in benchmarks:
        is_unseen = benchmark.version.design.get("kind") in ("city", "culture_zone")
        run = benchmark.version.consensus_run
        scheme = run.campaign.scheme if run else ""
        Benchmark.objects.filter(pk=benchmark.pk).update(
            protocol="unseen_cities" if is_unseen else "same_cities",
            pack_sha256=benchmark.version.sha256,
            scheme=scheme,
            target=scheme,
            is_automatic=benchmark.slug.startswith("version-"),
        )
        for score in benchmark.scores.select_related("checkpoint__run").order_by("pk"):
            score.submission, score.seed = find_system(Submission, benchmark, score)
            score.save(update_fields=["submission", "seed"])


def find_system(Submission, benchmark, score):
    if score.checkpoint is None:
        known = {"benchmark": benchmark, "name": score.baseline}
        return Submission.objects.get_or_create(**known, defaults={"kind": "baseline"})[0], 0
    run = score.checkpoint.run
    kept = {key: value for key, value in run.spec.items() if key not in OF_ONE_SEED}
    digest = hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()
    found = Submission.objects.filter(benchmark=benchmark, kind="run", settings_sha256=digest).first()
    if found is None:
        is_taken = Submission.objects.filter(benchmark=benchmark, name=run.name).exists()
        name = f"{run.name[:100]} (run {run.pk})" if is_taken else run.name
        found = Submission.objects.create(
            benchmark=benchmark, kind="run", name=name, settings_sha256=digest, submitted_by=run.created_by
        )
    return found, run.seed


class Migration(migrations.Migration):
    dependencies = [("training", "0004_benchmarks")]
    operations = [migrations.RunPython(fill, migrations.RunPython.noop)]
