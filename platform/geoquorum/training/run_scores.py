"""A run's checkpoint on a benchmark: predicted by a job with `python -m fusion predict`, scored as any predictions."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.db import transaction

from fusion.errors import BadInputError, SpecError
from fusion.run import CANCELLED, DONE
from geoquorum.accounts.models import User
from geoquorum.accounts.services import record
from geoquorum.queue.models import Job, JobState
from geoquorum.queue.services import Claim, Retry, enqueue
from geoquorum.storing import hold
from geoquorum.training.files import hash_file
from geoquorum.training.held_out import HeldOut
from geoquorum.training.launcher import launch
from geoquorum.training.models import Benchmark, Run, RunState, Submission
from geoquorum.training.prediction_rows import FloatArray, check_array
from geoquorum.training.refusing import RefusedError
from geoquorum.training.scoring import open_held_out, score_predictions
from geoquorum.training.submissions import check_open, count_one, keep_predictions, store_score

SCORING_LIMIT_S = 3600
OF_ONE_SEED = ("seed", "device", "threads", "baselines", "resamples", "pack")  # what does not make another system
PREDICTED = "predictions.npy"


def start_scoring(*, benchmark: Benchmark, run: Run, by: User | None) -> Submission:
    """Queues the scoring of a finished run that was trained on the benchmark's version; it counts as a submission."""
    check_open(benchmark)
    if run.state != RunState.DONE or run.version_id != benchmark.version_id:
        raise RefusedError(
            f"Run {run} is {run.get_state_display()} on {run.version}; a finished run on {benchmark.version} can be "
            "scored here."
        )
    with transaction.atomic():
        submission = find_system(benchmark, run, by)
        if submission.scores.filter(seed=run.seed, checkpoint__run=run).exclude(draws=b"").exists():
            raise RefusedError(f"Run {run} is already scored here.")
        key = f"score {benchmark.pk} {run.pk}"
        if Job.objects.filter(unique_key=key, state__in=[JobState.QUEUED, JobState.RUNNING]).exists():
            raise RefusedError(f"Run {run} is being scored here.")
        if by is not None:
            count_one(benchmark=benchmark, user=by)
        submission.job = enqueue(
            "geoquorum.training.jobs.score_run",
            project=benchmark.project,
            arguments={"submission": submission.pk, "run": run.pk},
            queue="training",
            by=by,
            time_limit_s=SCORING_LIMIT_S,
            unique_key=key,
            devices=1,
        )
        submission.save(update_fields=["job"])
        record(
            project=benchmark.project,
            actor=by,
            action="run submitted",
            subject=f"benchmark {benchmark.pk}",
            detail={"run": run.pk},
        )
    return submission


def execute_scoring(job: Job, claim: Claim) -> dict[str, Any]:
    """Predicts the held-out split in a child process, scores it with the benchmark's bootstrap, stores the score."""
    found = Submission.objects.select_related("benchmark__version", "benchmark__project")
    submission = found.get(pk=job.arguments["submission"])
    run = Run.objects.select_related("version").get(pk=job.arguments["run"])
    held = open_held_out(submission.benchmark)
    claim.progress(0.1, "predicting")
    probabilities, digest = _predict(submission.benchmark, run, held, job, claim)
    claim.progress(0.8, "scoring")
    parts = score_predictions(submission.benchmark, held, probabilities)
    with keep_predictions(submission.benchmark, probabilities) as path, transaction.atomic():
        claim.lock()
        submission.scores.filter(checkpoint__run=run, seed=run.seed).delete()  # that of an attempt, or of a report
        score = store_score(
            submission=submission,
            parts=parts,
            seed=run.seed,
            uri=str(path),
            file_sha256=digest,
            checkpoint=run.checkpoints.filter(is_best=True).order_by("-pk").first(),
        )
    return {"score": score.pk}


def find_system(benchmark: Benchmark, run: Run, by: User | None) -> Submission:
    """The system that a run is a seed of: that of the runs with the same settings; made where it is new."""
    digest = hash_settings(run.spec)
    hold(f"benchmark {benchmark.pk} {digest}")
    same = Submission.objects.filter(benchmark=benchmark, kind=Submission.Kind.RUN, settings_sha256=digest).first()
    if same is None:
        name = re.sub(r", seed \d+$", "", run.name)
        is_taken = Submission.objects.filter(benchmark=benchmark, name=name).exists()
        same = Submission.objects.create(
            benchmark=benchmark,
            kind=Submission.Kind.RUN,
            name=f"{name[:90]} (run {run.pk})" if is_taken else name,
            submitted_by=by,
            settings_sha256=digest,
        )
    same.benchmark = benchmark
    return same


def hash_settings(spec: dict[str, Any]) -> str:
    """sha256 of a run's spec without what differs between seeds of one system."""
    kept = {key: value for key, value in spec.items() if key not in OF_ONE_SEED}
    return hashlib.sha256(json.dumps(kept, sort_keys=True).encode()).hexdigest()


def _predict(benchmark: Benchmark, run: Run, held: HeldOut, job: Job, claim: Claim) -> tuple[FloatArray, str]:
    """Probabilities in test order, and the sha256 of the file they came in."""
    folder = settings.GEOQUORUM_DATA / "benchmarks" / str(benchmark.pk) / f"{job.pk}-{job.attempts}"
    folder.mkdir(parents=True, exist_ok=True)
    words = {
        "checkpoint": run.folder,
        "pack": benchmark.version.uri,
        "pack_sha256": benchmark.pack_sha256,
        "split": benchmark.split,
        "output": PREDICTED,
        "threads": run.spec["threads"],
        "device": run.spec["device"],
    }
    spec = Path(folder) / "predict.json"
    spec.write_text(json.dumps(words, indent=1, sort_keys=True), encoding="utf-8")
    outcome = launch(folder, "predict", spec, watch=lambda events: claim.check(), devices=claim.devices)
    if outcome.code < 0 or outcome.code == CANCELLED:
        raise Retry(outcome.cause)
    if outcome.code != DONE:
        raise SpecError(outcome.cause)
    path = Path(folder) / PREDICTED
    found = np.load(path, allow_pickle=False)
    if len(found) != held.shape[0]:
        raise BadInputError(
            f"The run predicts {len(found):,} of {held.shape[0]:,} held-out samples: the others lack a modality or a "
            "label, so its score would be of other samples."
        )
    return check_array(found, held, str(run), None), hash_file(path)
