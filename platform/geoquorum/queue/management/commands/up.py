"""manage.py up: the whole platform on this machine, until Ctrl-C."""

import time
from argparse import ArgumentParser

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import DatabaseError, connection
from django.db.migrations.executor import MigrationExecutor

from geoquorum.embedded.errors import EmbeddedError
from geoquorum.embedded.house import start_all
from geoquorum.embedded.supervisor import Supervisor


class Command(BaseCommand):
    """Database and broker (unless URLs name others), migrations, web server, workers, housekeeping."""

    help = "Start everything on this machine and keep it running until Ctrl-C."
    requires_system_checks = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=None, help="of the web server (8000, or the next free one)")

    def handle(self, *, port: int | None, **_: object) -> None:
        started = time.monotonic()
        try:
            with Supervisor(settings.GEOQUORUM_HOME, say=self._say) as supervisor:
                address = start_all(supervisor, port=port, is_migrated=is_migrated)
                self._say(f"Geoquorum is at {address} (after {time.monotonic() - started:.1f} s; Ctrl-C stops it)")
                supervisor.wait()
        except EmbeddedError as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self._say("stopped before everything was up")

    def _say(self, line: str) -> None:
        self.stdout.write(line)
        self.stdout.flush()


def is_migrated() -> bool:
    """Whether every migration stands in the database; one that does not answer this counts as not migrated."""
    try:
        executor = MigrationExecutor(connection)
        return not executor.migration_plan(executor.loader.graph.leaf_nodes())
    except DatabaseError:
        return False
    finally:
        connection.close()
