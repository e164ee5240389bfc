"""Submissions: predictions that somebody sends, or a run's checkpoint that a job evaluates; scored here, and kept.

A person's submissions of a day are counted in one statement with the limit, in the transaction that stores the score:
two at the same moment do not both pass, and what is refused does not count.
"""

import contextlib
import hashlib
import io
import json
import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from fusion.errors import BadInputError
from geoquorum.accounts.models import User
from geoquorum.accounts.services import record
from geoquorum.storing import hold, needing_room, write_whole
from geoquorum.training.benchmarks import is_over
from geoquorum.training.files import hash_file
from geoquorum.training.held_out import HeldOut
from geoquorum.training.models import Benchmark, Checkpoint, Score, Submission
from geoquorum.training.prediction_files import MOST_BYTES, read_listed, read_predictions
from geoquorum.training.refusing import LimitError, RefusedError, TooLargeError
from geoquorum.training.scoring import Part, open_held_out, pack_draws, score_predictions

FloatArray = npt.NDArray[np.float64]
LONGEST_NAME, LONGEST_WORDS = 120, 2_000
LAST_SEED = 2**31 - 1
COUNT = """
INSERT INTO training_submissioncount AS kept (benchmark_id, user_id, day, used)
VALUES (%(benchmark)s, %(user)s, (clock_timestamp() AT TIME ZONE 'UTC')::date, 1)
ON CONFLICT (benchmark_id, user_id, day) DO UPDATE SET used = kept.used + 1 WHERE kept.used < %(limit)s
RETURNING used
"""
USED = """
SELECT used FROM training_submissioncount
WHERE benchmark_id = %(benchmark)s AND user_id = %(user)s AND day = (clock_timestamp() AT TIME ZONE 'UTC')::date
"""


@dataclass(frozen=True, kw_only=True)
class Sender:
    """Who sends, as which system, with which seed; `words` say how it was made."""

    by: User
    name: str
    seed: int = 0
    words: str = ""


def submit_file(*, benchmark: Benchmark, path: Path, sender: Sender) -> Score:
    """Scores a file of predictions; the same file for the same seed again answers the score that it has."""
    check_open(benchmark)
    _check_sender(benchmark, sender)
    digest = hash_file(path)
    if known := _find_known(benchmark, sender, digest):
        return known
    _check_limit(benchmark, sender)
    held = open_held_out(benchmark)
    return _take(benchmark, held, read_predictions(path, held), sender, digest, path.name)


def submit_rows(
    *, benchmark: Benchmark, rows: Sequence[Sequence[float]], ids: Sequence[str] | None, sender: Sender
) -> Score:
    """As `submit_file` for rows that came as JSON."""
    check_open(benchmark)
    _check_sender(benchmark, sender)
    digest = hashlib.sha256(json.dumps([rows, ids]).encode()).hexdigest()
    if known := _find_known(benchmark, sender, digest):
        return known
    _check_limit(benchmark, sender)
    held = open_held_out(benchmark)
    return _take(benchmark, held, read_listed(rows, ids, held), sender, digest, "")


def check_size(size_bytes: int | None) -> None:
    """Refuses an upload before it is written anywhere."""
    if (size_bytes or 0) > MOST_BYTES:
        raise TooLargeError(f"The file is larger than {MOST_BYTES >> 20} MiB. Send it as .npz. Nothing was taken.")


def check_open(benchmark: Benchmark) -> None:
    """Refuses what comes after the end of a contest."""
    if is_over(benchmark):
        ended = benchmark.ends_at
        raise RefusedError(f"This contest ended at {ended:%Y-%m-%d %H:%M} UTC; nothing is taken any more.")


def count_used(*, benchmark: Benchmark, user: User) -> int:
    """How many submissions this person made today (UTC)."""
    with connection.cursor() as cursor:
        cursor.execute(USED, {"benchmark": benchmark.pk, "user": user.pk})
        found = cursor.fetchone()
    return found[0] if found else 0


def count_one(*, benchmark: Benchmark, user: User) -> None:
    """Counts a submission, or refuses it; inside the transaction that stores it."""
    with connection.cursor() as cursor:
        cursor.execute(COUNT, {"benchmark": benchmark.pk, "user": user.pk, "limit": benchmark.daily_limit})
        if cursor.fetchone() is None:
            raise _over_limit(benchmark)


@contextlib.contextmanager
def keep_predictions(benchmark: Benchmark, probabilities: FloatArray) -> Iterator[Path]:
    """The array as .npy (float64, so that it is scored again to the same digit); gone again if what follows fails."""
    path = settings.GEOQUORUM_DATA / "benchmarks" / str(benchmark.pk) / f"{secrets.token_hex(16)}.npy"
    content = io.BytesIO()
    np.save(content, probabilities)
    with needing_room("the predictions"):
        write_whole(path, [content.getbuffer()])
    try:
        yield path
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def store_score(
    *,
    submission: Submission,
    parts: tuple[Part, Part | None],
    seed: int,
    uri: str = "",
    file_sha256: str = "",
    file_name: str = "",
    checkpoint: Checkpoint | None = None,
) -> Score:
    """The row of what `score_predictions` found; the caller's transaction has counted it, if it counts."""
    benchmark = submission.benchmark
    private, public = parts
    found = private.metrics[benchmark.metric]
    if found["value"] is None or found["low"] is None or found["high"] is None:
        raise BadInputError(f"The metric {benchmark.metric} is not defined for these predictions.")
    return Score.objects.create(
        benchmark=benchmark,
        submission=submission,
        checkpoint=checkpoint,
        baseline=submission.name[:60] if submission.kind == Submission.Kind.BASELINE else "",
        seed=seed,
        value=found["value"],
        low=found["low"],
        high=found["high"],
        samples_count=private.n,
        detail={"metrics": private.metrics},
        draws=pack_draws(private.draws),
        public=None if public is None else public.as_json(benchmark.metric),
        public_draws=b"" if public is None else pack_draws(public.draws),
        predictions_uri=uri,
        file_sha256=file_sha256,
        file_name=file_name[:120],
    )


def _take(
    benchmark: Benchmark, held: HeldOut, probabilities: FloatArray, sender: Sender, digest: str, file_name: str
) -> Score:
    parts = score_predictions(benchmark, held, probabilities)
    with keep_predictions(benchmark, probabilities) as path, transaction.atomic():
        submission = _find_submission(benchmark, sender)
        if known := _find_known(benchmark, sender, digest):  # the same file at the same moment
            path.unlink()
            return known
        check_open(benchmark)
        count_one(benchmark=benchmark, user=sender.by)
        made = store_score(
            submission=submission,
            parts=parts,
            seed=sender.seed,
            uri=str(path),
            file_sha256=digest,
            file_name=file_name,
        )
        _note(made, sender.by)
    return made


def _note(made: Score, by: User) -> None:
    record(
        project=made.benchmark.project,
        actor=by,
        action="predictions submitted",
        subject=f"benchmark {made.benchmark_id}",
        detail={"score": made.pk, "seed": made.seed, "sha256": made.file_sha256},
    )


def _check_sender(benchmark: Benchmark, sender: Sender) -> None:
    """Refuses early, before a file is read, what would be refused when it is stored."""
    if not sender.name.strip() or len(sender.name.strip()) > LONGEST_NAME:
        raise BadInputError(f"A system needs a name of 1 to {LONGEST_NAME} letters.")
    if not 0 <= sender.seed <= LAST_SEED or len(sender.words) > LONGEST_WORDS:
        raise BadInputError(f"A seed is 0 to {LAST_SEED}, and words are {LONGEST_WORDS:,} letters at most.")
    taken = Submission.objects.filter(benchmark=benchmark, name=sender.name.strip()).first()
    if taken is not None and not _is_own(taken, sender):
        raise RefusedError(f"The name {sender.name.strip()} is taken here by another system. Choose another one.")


def _check_limit(benchmark: Benchmark, sender: Sender) -> None:
    """Spares the reading of a file that would not be counted; what counts is `count_one`."""
    if count_used(benchmark=benchmark, user=sender.by) >= benchmark.daily_limit:
        raise _over_limit(benchmark)


def _find_submission(benchmark: Benchmark, sender: Sender) -> Submission:
    """The sender's system of this name, made where it is new; a name is one person's."""
    name = sender.name.strip()
    hold(f"benchmark {benchmark.pk} {name}")
    found, _is_new = Submission.objects.get_or_create(
        benchmark=benchmark,
        name=name,
        defaults={"kind": Submission.Kind.UPLOAD, "submitted_by": sender.by, "words": sender.words.strip()},
    )
    if not _is_own(found, sender):
        raise RefusedError(f"The name {name} is taken here by another system. Choose another one.")
    found.benchmark = benchmark
    return found


def _is_own(found: Submission, sender: Sender) -> bool:
    return found.kind == Submission.Kind.UPLOAD and found.submitted_by_id == sender.by.pk


def _find_known(benchmark: Benchmark, sender: Sender, digest: str) -> Score | None:
    return (
        Score.objects.filter(
            benchmark=benchmark,
            submission__name=sender.name.strip(),
            submission__submitted_by=sender.by,
            seed=sender.seed,
            file_sha256=digest,
        )
        .select_related("submission", "benchmark")
        .first()
    )


def _over_limit(benchmark: Benchmark) -> LimitError:
    now = timezone.now()
    return LimitError(
        f"{benchmark.daily_limit} submissions a day are taken here, and yours of {now:%Y-%m-%d} (UTC) are used. "
        "Nothing was taken; go on after midnight UTC."
    )
