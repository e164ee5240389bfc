"""installation.json: what one installation remembers about its embedded services (mode 600, written in one step)."""

import fcntl
import json
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from . import ports
from .errors import EmbeddedError, cannot_write

LAYOUT = 1
WEB_PORT = 8000
FILE = "installation.json"


def _password() -> str:
    return secrets.token_urlsafe(24)


@dataclass(frozen=True, kw_only=True)
class Installation:
    """Keys, passwords and ports of one installation; the ports are on 127.0.0.1."""

    layout: int = LAYOUT
    secret_key: str = field(default_factory=lambda: secrets.token_urlsafe(50), repr=False)
    pseudonym_key: str = field(default_factory=lambda: secrets.token_urlsafe(50), repr=False)
    admin_password: str = field(default_factory=_password, repr=False)
    owner_password: str = field(default_factory=_password, repr=False)
    web_password: str = field(default_factory=_password, repr=False)
    valkey_password: str = field(default_factory=_password, repr=False)
    postgres_port: int
    valkey_port: int
    web_port: int = WEB_PORT


def environment(home: Path) -> dict[str, str]:
    """The URLs and the key that the settings need. Makes the installation if there is none; starts nothing."""
    return describe(load_or_create(home))


def describe(own: Installation) -> dict[str, str]:
    """An installation as environment variables."""
    database = f"127.0.0.1:{own.postgres_port}/geoquorum"
    return {
        "DATABASE_URL": f"postgres://geoquorum_web:{own.web_password}@{database}",
        "DATABASE_OWNER_URL": f"postgres://geoquorum_owner:{own.owner_password}@{database}",
        "CELERY_BROKER_URL": f"redis://:{own.valkey_password}@127.0.0.1:{own.valkey_port}/0",
        "DJANGO_SECRET_KEY": own.secret_key,
        "GEOQUORUM_PSEUDONYM_KEY": own.pseudonym_key,
    }


def load(home: Path) -> Installation | None:
    """The installation in this folder, if there is one."""
    return _load(home / FILE) if (home / FILE).exists() else None


def load_or_create(home: Path) -> Installation:
    """The installation in this folder; of two processes that create it at once, both get the same."""
    if (home / FILE).exists() and _is_whole(home / FILE):
        return _load(home / FILE)
    with _full_disk_named(home):
        # As root the database server runs as another user, who must be able to enter; files inside are closed.
        home.mkdir(parents=True, exist_ok=True, mode=0o711 if os.geteuid() == 0 else 0o700)
        with (home / "installation.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not (home / FILE).exists():
                postgres_port = ports.find_free()
                valkey_port = ports.find_free(beside=(postgres_port,))
                save(home, Installation(postgres_port=postgres_port, valkey_port=valkey_port))
            elif not _is_whole(home / FILE):
                save(home, _load(home / FILE))  # a key that came with a later version is made once, and kept
    return _load(home / FILE)


def _is_whole(path: Path) -> bool:
    """Whether the file has every key; one that cannot be read is `_load`'s to name."""
    try:
        return "pseudonym_key" in json.loads(path.read_text())
    except (OSError, ValueError, TypeError):
        return True


def save(home: Path, installation: Installation) -> None:
    """Write beside, flush to disk, rename: a reader sees the old file or the new one, never half of one."""
    fresh = home / f"{FILE}.{os.getpid()}"
    with _full_disk_named(home):
        with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(asdict(installation), file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(home / FILE)


def _load(path: Path) -> Installation:
    try:
        stored = json.loads(path.read_text())
        layout = int(stored["layout"])
    except PermissionError as error:
        raise EmbeddedError(f"{path} belongs to another user: run as that user, or set GEOQUORUM_HOME.") from error
    except (ValueError, KeyError, TypeError) as error:
        raise EmbeddedError(
            f"{path} is not readable as an installation: restore it from a backup, or move it away."
        ) from error
    if layout > LAYOUT:
        raise EmbeddedError(
            f"{path.parent} was made by a newer Geoquorum (layout {layout}, this one knows {LAYOUT}): "
            "install that version, or set GEOQUORUM_HOME to another folder."
        )
    known = {one.name for one in fields(Installation)}
    try:
        return Installation(**{name: value for name, value in stored.items() if name in known})
    except TypeError as error:
        raise EmbeddedError(f"{path} lacks a value ({error}): restore it from a backup, or move it away.") from error


@contextmanager
def _full_disk_named(home: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise cannot_write(home, error) from error
