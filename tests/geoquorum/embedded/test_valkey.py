"""The embedded broker."""

import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from geoquorum.embedded import ports
from geoquorum.embedded.errors import EmbeddedError
from geoquorum.embedded.guardian import Guardian
from geoquorum.embedded.service import Child
from geoquorum.embedded.valkey import ValkeyServer


@pytest.fixture
def server(tmp_path: Path) -> Iterator[ValkeyServer]:
    made = ValkeyServer(
        folder=tmp_path / "valkey", port=ports.find_free(), password="a-password", log=tmp_path / "valkey.log"
    )
    guardian = Guardian()
    child = Child(made.service(), guardian)
    child.wait_ready()
    yield made
    child.stop()
    guardian.dismiss()


def _ask(server: ValkeyServer, *lines: str) -> str:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as link:
        link.sendall("".join(f"{line}\r\n" for line in lines).encode())
        link.shutdown(socket.SHUT_WR)
        return link.makefile().read()


def test_nothing_is_said_without_the_password_and_nothing_is_dropped_for_room(server: ValkeyServer) -> None:
    assert "NOAUTH" in _ask(server, "GET thing")
    login = f"AUTH {server.password}"
    assert "noeviction" in _ask(server, login, "CONFIG GET maxmemory-policy")
    assert (server.folder / "valkey.conf").stat().st_mode & 0o777 == 0o600


def test_a_server_with_another_password_is_not_ours(server: ValkeyServer) -> None:
    assert server.is_answering()
    server.password = "another"
    assert not server.is_answering()


def test_a_port_held_by_another_program_is_one_sentence(server: ValkeyServer, tmp_path: Path) -> None:
    other = ValkeyServer(folder=tmp_path / "other", port=server.port, password="x", log=tmp_path / "other.log")
    with pytest.raises(EmbeddedError, match=rf"^Port {server.port}, kept for Valkey, is used by another program: stop"):
        other.service().before_start()
