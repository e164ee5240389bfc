"""The benchmark that every version has by itself: test split, the task's metric, runs and baselines side by side."""

from pathlib import Path
from typing import Any

import numpy as np

from fusion import task as tasks
from fusion.errors import GeoquorumError
from fusion.run import RunReport
from geoquorum.training.comparing import read_answers
from geoquorum.training.files import hash_file
from geoquorum.training.models import Benchmark, Checkpoint, Run, Score, Submission
from geoquorum.training.protocols import find_protocol
from geoquorum.training.run_scores import find_system
from geoquorum.training.scoring import open_held_out, pack_draws, score_predictions


def record_scores(run: Run, report: RunReport, checkpoint: Checkpoint) -> None:
    """A run's score and those of its baselines, as its report has them.

    Where the run has stored what it said of the test samples, its score is computed from that with the benchmark's own
    bootstrap, and can be compared in pairs. A test split of a single block has no interval, and a number without one
    is no score: the report alone holds it.
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
        own = {"value": found["value"], "low": found["low"], "high": found["high"], "samples_count": scores["n"]}
        Score.objects.update_or_create(
            benchmark=benchmark,
            submission=owner,
            checkpoint=None if baseline else checkpoint,
            seed=run.seed,
            defaults={"baseline": baseline[:60]} | own | ({} if baseline else _score_again(benchmark, run, report)),
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


def _score_again(benchmark: Benchmark, run: Run, report: RunReport) -> dict[str, Any]:
    """What the benchmark's bootstrap says of the run's stored predictions; nothing where there are none of them all."""
    run.report = report.to_json()
    answers = read_answers(run)
    if answers is None or not benchmark.scheme:
        return {}
    try:
        held = open_held_out(benchmark)
    except GeoquorumError:  # the report stands by itself; whoever opens the version hears what is wrong with it
        return {}
    places = {sample: place for place, sample in enumerate(answers.ids.tolist())}
    if set(places) != set(held.ids) or answers.probabilities.shape != held.shape:
        return {}
    predicted = answers.probabilities[[places[sample] for sample in held.ids]].astype(np.float64)
    found, _public = score_predictions(benchmark, held, predicted)
    metric = found.metrics[benchmark.metric]
    if metric["low"] is None:
        return {}
    path = Path(run.folder) / report.samples
    return {
        **metric,
        "samples_count": found.n,
        "detail": {"metrics": found.metrics},
        "draws": pack_draws(found.draws),
        "predictions_uri": str(path),
        "file_sha256": hash_file(path),
    }


def _find_baseline(benchmark: Benchmark, name: str) -> Submission:
    found, _is_new = Submission.objects.get_or_create(
        benchmark=benchmark, name=name[:120], defaults={"kind": Submission.Kind.BASELINE}
    )
    return found
