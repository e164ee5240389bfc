"""manage.py jobs: the latest jobs, one line each."""

from argparse import ArgumentParser

from django.conf import settings
from django.core.management.base import BaseCommand

from geoquorum import embedded
from geoquorum.queue.models import Job


class Command(BaseCommand):
    """A table of the newest jobs."""

    requires_system_checks = []
    help = "List the latest jobs."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--limit", type=int, default=20)
        parser.add_argument("--state", default="", help="queued, running, done, failed or cancelled")

    def handle(self, *, limit: int, state: str, **_: object) -> None:
        with embedded.database(settings.GEOQUORUM_HOME):
            jobs = Job.objects.filter(state=state) if state else Job.objects.all()
            for job in jobs.order_by("-created_at")[:limit]:
                self.stdout.write(_in_one_line(job))


def _in_one_line(job: Job) -> str:
    attempts = f"{job.attempts}/{job.max_attempts}"
    kind, told = job.kind.removeprefix("geoquorum."), job.reason or job.message
    when = f"{job.created_at:%Y-%m-%d %H:%M:%S}"
    return f"{when}  {job.state:<9} {job.progress:>4.0%}  {attempts}  {kind}  {told}".rstrip()
