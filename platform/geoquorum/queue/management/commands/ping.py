"""manage.py ping: does a worker of each queue take a job and end it?"""

import time
from argparse import ArgumentParser

from django.core.management.base import BaseCommand, CommandError

from geoquorum.queue.models import JobState
from geoquorum.queue.services import enqueue, request_cancel

QUEUES = ("data", "training")


class Command(BaseCommand):
    """One tiny job through broker, worker and database, for each queue."""

    requires_system_checks = []
    help = "Send one tiny job through each queue and wait for its end."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--timeout", type=float, default=10.0, metavar="SECONDS")

    def handle(self, *, timeout: float, **_: object) -> None:
        silent = [queue for queue in QUEUES if not self._answers(queue, timeout)]
        if silent:
            raise CommandError(f"No answer within {timeout:g} s from: {', '.join(silent)}. Look at the workers' logs.")

    def _answers(self, queue: str, timeout: float) -> bool:
        started = time.monotonic()
        job = enqueue("geoquorum.queue.jobs.ping", queue=queue, time_limit_s=60)
        while time.monotonic() - started < timeout:
            job.refresh_from_db()
            if job.is_over:
                passed = time.monotonic() - started
                self.stdout.write(f"{queue:<10} {job.state} after {passed:.2f} s  {job.reason}".rstrip())
                return job.state == JobState.DONE
            time.sleep(0.05)
        request_cancel(job)
        return False
