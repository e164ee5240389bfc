"""The benchmark that every version has by itself: test split, the task's metric, runs and baselines side by side."""

from typing import Any

from fusion import task as tasks
from fusion.run import RunReport
from geoquorum.training.models import Benchmark, Checkpoint, Run, Score, Submission
from geoquorum.training.protocols import find_protocol
from geoquorum.training.run_scores import find_system


def record_scores(run: Run, report: RunReport, checkpoint: Checkpoint) -> None:
    """A run's score and those of its baselines, as its report has them.

    A test split of a single block has no interval, and a number without one is no score: the report alone holds it.
    """
    benchmark = find_automatic(run, report)
    if report.metric != benchmark.metric:  # an earlier version of the task had another one
        return
    rows: list[tuple[str, dict[str, Any] | None]] = [("", report.test), *report.baselines.items()]
    for baseline, scores in rows:
        found = (scores or {}).get(report.metric) or {}
        if found.get("low") is None or scores is None:
            continue
        owner = _find_baseline(benchmark, baseline) if baseline else find_system(benchmark, run, run.created_by)
        Score.objects.update_or_create(
            benchmark=benchmark,
            submission=owner,
            checkpoint=None if baseline else checkpoint,
            seed=run.seed,
            defaults={
                "baseline": baseline[:60],
                "value": found["value"],
                "low": found["low"],
                "high": found["high"],
                "samples_count": scores["n"],
            },
        )


def find_automatic(run: Run, report: RunReport) -> Benchmark:
    """The version's own benchmark for the task of a run, made when its first run is done."""
    title, version = tasks.find(run.task).title, run.version
    found, _is_new = Benchmark.objects.get_or_create(
        project=run.project,
        slug=f"version-{run.version_id}-{run.task}",
        defaults={
            "name": f"{title}: {version}, test split"[:120],
            "version": version,
            "pack_sha256": version.sha256,
            "task": run.task,
            "target": str(report.spec.get("target") or ""),
            "scheme": str((report.test or {}).get("scheme") or ""),
            "metric": report.metric,
            "protocol": find_protocol(version),
            "note": "Every run of the task on this version, with its baselines; intervals are those of its report.",
            "is_automatic": True,
        },
    )
    return found


def _find_baseline(benchmark: Benchmark, name: str) -> Submission:
    found, _is_new = Submission.objects.get_or_create(
        benchmark=benchmark, name=name[:120], defaults={"kind": Submission.Kind.BASELINE}
    )
    return found
