#!/usr/bin/env python
"""Command line of the platform."""

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent / "platform"))

# These start the services themselves, run beside them, or ask no database anything.
WITHOUT_DATABASE = {
    *("up", "demo", "reap", "help", "version", "check", "consensus"),
    *("makemigrations", "collectstatic", "makemessages"),
}


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "geoquorum.settings")
    command = next((word for word in sys.argv[1:] if not word.startswith("-")), "help")
    if os.environ.get("DATABASE_URL") or command in WITHOUT_DATABASE or "--help" in sys.argv:
        execute()
    else:
        execute_with_embedded_database(command)


def execute() -> None:
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)


def execute_with_embedded_database(command: str) -> None:
    """For one-off commands: the server that `up` runs, or one that stops with the command; migrated where needed."""
    import django

    django.setup()
    from django.conf import settings

    from geoquorum import embedded
    from geoquorum.embedded.errors import EmbeddedError
    from geoquorum.embedded.house import migrate
    from geoquorum.embedded.parts import child_environment
    from geoquorum.queue.management.commands.up import is_migrated

    try:
        with embedded.database(settings.GEOQUORUM_HOME):
            if command not in ("migrate", "showmigrations") and not is_migrated():
                migrate(child_environment(settings.GEOQUORUM_HOME))
            execute()
    except EmbeddedError as error:
        sys.exit(f"{command}: {error}")


if __name__ == "__main__":
    main()
