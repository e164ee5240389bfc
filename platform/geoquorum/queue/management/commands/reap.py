"""manage.py reap: housekeeping of jobs."""

import time
from argparse import ArgumentParser
from datetime import datetime

from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection

from geoquorum.queue.services import reap


class Command(BaseCommand):
    """Brings back jobs whose worker died and publishes what was not; without --every, once."""

    requires_system_checks = []
    help = "Bring back jobs whose worker died, and publish jobs that were not published."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--every", type=float, metavar="SECONDS", help="go on until stopped")
        parser.add_argument("--once", action="store_true", help="one look (the default)")

    def handle(self, *, every: float | None, once: bool, **_: object) -> None:
        if every is None or once:
            self.stdout.write(_in_words(reap()))
            return
        self.stdout.write(f"housekeeping every {every:g} s")
        while True:
            self._look()
            time.sleep(every)

    def _look(self) -> None:
        try:
            counts = reap()
        except DatabaseError as error:  # it may come back: we are the ones who bring things back
            self.stderr.write(f"{datetime.now():%H:%M:%S} the database does not answer: {error}")
            connection.close()
            return
        if any(counts.values()):
            self.stdout.write(f"{datetime.now():%H:%M:%S} {_in_words(counts)}")


def _in_words(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())
