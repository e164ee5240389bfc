"""manage.py reap: housekeeping of jobs."""

import time
from argparse import ArgumentParser
from datetime import datetime

from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection
from django.utils.module_loading import import_string


class Command(BaseCommand):
    """Each app's housekeeping in turn (settings.HOUSEKEEPING); without --every, once."""

    requires_system_checks = []
    help = "Bring back jobs whose worker died, and publish jobs that were not published."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--every", type=float, metavar="SECONDS", help="go on until stopped")
        parser.add_argument("--once", action="store_true", help="one look (the default)")

    def handle(self, *, every: float | None, once: bool, **_: object) -> None:
        if every is None or once:
            self.stdout.write(_in_words(keep_house()))
            return
        self.stdout.write(f"housekeeping every {every:g} s")
        while True:
            self._look()
            time.sleep(every)

    def _look(self) -> None:
        try:
            counts = keep_house()
        except DatabaseError as error:  # it may come back: we are the ones who bring things back
            self.stderr.write(f"{datetime.now():%H:%M:%S} the database does not answer: {error}")
            connection.close()
            return
        if any(counts.values()):
            self.stdout.write(f"{datetime.now():%H:%M:%S} {_in_words(counts)}")


def keep_house() -> dict[str, int]:
    """One turn: jobs first, then what each app has to end because its job ended."""
    counts: dict[str, int] = {}
    for path in settings.HOUSEKEEPING:
        answer = import_string(path)()
        counts |= answer if isinstance(answer, dict) else {"ended in " + path.split(".")[1]: answer}
    return counts


def _in_words(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items())
