"""manage.py demo: the whole main job on a made-up world, ready to be looked at; or, with --check, measured and left."""

import json
import time
from argparse import ArgumentParser

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from fusion.errors import GeoquorumError
from geoquorum import demo
from geoquorum.embedded.errors import EmbeddedError
from geoquorum.embedded.house import start_all
from geoquorum.embedded.supervisor import Supervisor
from geoquorum.queue.management.commands.up import is_migrated


class Command(BaseCommand):
    help = "Build a made-up world, let simulated experts vote, freeze, train and map it; then stay up to be looked at."
    requires_system_checks = []
    requires_migrations_checks = False

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="measure, print one JSON line, stop")
        parser.add_argument("--seed", type=int, help="another world, in a project of its own")
        parser.add_argument("--port", type=int, help="of the web server (8000, or the next free one)")

    def handle(self, *, check: bool, seed: int | None, port: int | None, **_: object) -> None:
        started = time.monotonic()
        try:
            with Supervisor(settings.GEOQUORUM_HOME, say=self._say) as supervisor:
                address = start_all(supervisor, port=port, is_migrated=is_migrated)
                ready = round(time.monotonic() - started, 2)
                logins = demo.make_logins()
                built = demo.build_demo(seed=seed, say=self._say)
                if check:
                    built.seconds = {"services": ready} | built.seconds
                    self.stdout.write(json.dumps(demo.describe_demo(built)))
                    return
                self._invite(address, logins, built)
                supervisor.wait()
        except (EmbeddedError, GeoquorumError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt:
            self._say("stopped before everything was up")

    def _invite(self, address: str, logins: dict[str, str], built: demo.Demo) -> None:
        pages = {
            "vote on a city": f"campaigns/{built.open.pk}/vote/",
            "a closed campaign and its consensus": f"campaigns/{built.closed.pk}/",
            "dataset version 1": f"releases/{built.version.pk}/",
            "a finished run": f"training/{built.run.pk}/",
            "its map": f"training/maps/{built.map.pk}/",
        }
        lines = [f"\nGeoquorum is at {address}  (everything in it is simulated)", ""]
        lines += [f"  {name:<36} {address}{path}" for name, path in pages.items()]
        lines += ["", *(f"  login {name:<10} password {password}" for name, password in logins.items())]
        self._say("\n".join([*lines, "", "Ctrl-C stops it; the same command starts it again."]))

    def _say(self, line: str) -> None:
        self.stderr.write(line)
        self.stderr.flush()
