"""A Celery application for the workers of these tests: the platform's own, with jobs that leave marks or misbehave."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import django

from geoquorum.celery import app

django.setup()  # a worker does so once it has found the platform's own jobs; these come first

from django.db import transaction  # noqa: E402

from fusion.errors import SpecError  # noqa: E402
from geoquorum.queue.models import Job  # noqa: E402
from geoquorum.queue.work import Claim, run_claimed  # noqa: E402
from geoquorum.training import launcher  # noqa: E402

if sweep := os.environ.get("TRIALS_SWEEP_S"):
    # Redis looks for messages that were not acknowledged in time once in a hundred seconds unless it is told otherwise.
    app.conf.broker_transport_options |= {"unacked_restore_interval": float(sweep), "unacked_restore_throttle": 1}


@app.task
def mark(job_id: str) -> None:
    run_claimed(job_id, leave_mark)


@app.task
def die(job_id: str) -> None:
    run_claimed(job_id, kill_self)


@app.task
def train(job_id: str) -> None:
    run_claimed(job_id, follow_child)


@app.task
def fail(job_id: str) -> None:
    run_claimed(job_id, raise_error)


def leave_mark(job: Job, claim: Claim) -> dict[str, Any]:
    """Takes `seconds`, then writes one line into `file`, in the transaction that says so."""
    until = time.monotonic() + job.arguments.get("seconds", 0)
    while time.monotonic() < until:
        claim.check()
        time.sleep(0.02)
    with transaction.atomic():
        claim.lock()
        with open(job.arguments["file"], "a", encoding="utf-8") as file:
            file.write(f"{job.pk} {os.getpid()}\n")
    return {"process": os.getpid()}


def kill_self(job: Job, claim: Claim) -> None:
    """A job that kills its worker's process whenever it runs."""
    os.kill(os.getpid(), signal.SIGKILL)


def raise_error(job: Job, claim: Claim) -> None:
    """What running out of memory, a loss that is no number and a missing device look like from here."""
    raise {"memory": MemoryError, "nan": FloatingPointError, "device": SpecError}[job.arguments["how"]]("told so")


def follow_child(job: Job, claim: Claim) -> dict[str, Any]:
    """A child of the real launcher that runs `script` in the place of Python; `is_deaf`: no limit stops it."""
    folder = Path(job.arguments["folder"])
    script = folder / "child.sh"
    script.write_text(f"#!/bin/sh\n{job.arguments['script']}\n", encoding="utf-8")
    script.chmod(0o755)
    python, sys.executable = sys.executable, str(script)
    try:
        is_deaf = job.arguments.get("is_deaf", False)
        outcome = launcher.launch(folder, "train", script, watch=lambda _: None if is_deaf else claim.check())
    finally:
        sys.executable = python
    return {"code": outcome.code}
