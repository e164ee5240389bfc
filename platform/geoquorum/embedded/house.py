"""The whole house in order: database, broker, migrations, then web server, workers and housekeeping together."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping

from fusion.errors import BadInputError
from geoquorum.queue.devices import list_devices

from . import ports
from .errors import EmbeddedError
from .parts import MANAGE, child_environment, housekeeping, web, worker
from .postgres import PostgresServer
from .state import WEB_PORT, load
from .supervisor import Supervisor
from .valkey import ValkeyServer


def start_all(
    supervisor: Supervisor, *, port: int | None = None, is_migrated: Callable[[], bool] = lambda: False
) -> str:
    """Start everything on the supervisor's home; the address of the web server. What a URL names is not started.

    `is_migrated` is asked once the database answers, and saves a second where nothing is to migrate.
    """
    home, surroundings = supervisor.home, child_environment(supervisor.home)
    services = []
    if "DATABASE_URL" not in surroundings:
        services.append(PostgresServer.of(home, say=supervisor.say).service())
    elif "CELERY_BROKER_URL" not in surroundings:
        raise EmbeddedError("DATABASE_URL is set and CELERY_BROKER_URL is not: name a broker too, or unset both.")
    if "CELERY_BROKER_URL" not in surroundings:
        services.append(ValkeyServer.of(home).service())
    if services:
        supervisor.start(*services)
    if not is_migrated():
        migrate(surroundings)
    port = choose_port(supervisor, port)
    supervisor.start(
        web(home, port, surroundings),
        worker(home, "data", 1 if (os.cpu_count() or 1) < 4 else 2, surroundings),
        worker(home, "training", len(_find_devices(surroundings)), surroundings),
        housekeeping(home, surroundings),
    )
    return f"http://127.0.0.1:{port}/"


def _find_devices(surroundings: Mapping[str, str]) -> tuple[str, ...]:
    try:
        return list_devices(surroundings)
    except BadInputError as error:
        raise EmbeddedError(str(error)) from error


def migrate(surroundings: Mapping[str, str]) -> None:
    """In a process of its own, which logs in as the owner of the tables."""
    command = [sys.executable, str(MANAGE), "migrate", "--no-input", "--verbosity", "0", "--skip-checks"]
    done = subprocess.run(command, env=dict(surroundings), capture_output=True, text=True, stdin=subprocess.DEVNULL)
    if done.returncode:
        last = (done.stderr or done.stdout).strip().splitlines()[-1:]
        raise EmbeddedError(f"The migration failed ({''.join(last)}): manage.py migrate shows all of it.")


def choose_port(supervisor: Supervisor, wanted: int | None) -> int:
    """The wanted port, or the next free one, and then we say so."""
    own = load(supervisor.home)
    wanted = wanted or (own.web_port if own else WEB_PORT)
    port = ports.next_free(wanted)
    if port != wanted:
        supervisor.report("web", f"port {wanted} is used by another program: taking {port}")
    return port
