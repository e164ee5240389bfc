"""Three brokers on free ports in temporary folders: started, stopped hard, emptied."""

import os
import pwd
import secrets
import shutil
import socket
import subprocess
import time
from pathlib import Path
from typing import Any, ClassVar

import kombu
import pytest

from geoquorum.embedded import ports
from geoquorum.embedded.processes import end_marked
from geoquorum.embedded.valkey import find_program

MARK = "GEOQUORUM_TEST_BROKER"
ANSWERS_WITHIN_S = 60.0
RABBITMQ = Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # Debian's own wrapper insists on one user


class Broker:
    """One broker; kill -9 stops it, with every process it started."""

    name: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = ports.find_free()
        self.mark = secrets.token_hex(8)
        self.url = ""

    def start(self) -> None:
        """Returns once it answers."""
        self.process = self._spawn()
        deadline = time.monotonic() + ANSWERS_WITHIN_S
        while not self._answers():
            assert self.process.poll() is None, f"{self.name} ended: {self.folder}"
            assert time.monotonic() < deadline, f"{self.name} does not answer"
            time.sleep(0.1)

    def stop(self) -> None:
        """At once, as by a power cut."""
        end_marked(MARK, self.mark)  # RabbitMQ's port mapper leaves the family
        self.process.kill()  # Redis writes its title over its environment
        self.process.wait(10)

    def empty(self, queues: tuple[str, ...]) -> None:
        """FLUSHALL, or what comes near it."""
        raise NotImplementedError

    def _spawn(self) -> subprocess.Popen[bytes]:
        raise NotImplementedError

    def _answers(self) -> bool:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=1), kombu.Connection(self.url) as link:
                link.ensure_connection(max_retries=1, timeout=2)
                return True
        except Exception:  # each transport has errors of its own, and none of them is an answer
            return False

    def _run(self, *command: str, **options: Any) -> subprocess.Popen[bytes]:
        log = (self.folder / f"{self.name}.log").open("ab")
        environment = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C.UTF-8", MARK: self.mark}
        environment |= options.pop("env", {})
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment,
            start_new_session=True,
            **options,
        )


class Valkey(Broker):
    """The embedded one, with the settings it has there."""

    name = "valkey"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.url = f"redis://127.0.0.1:{self.port}/0"

    def empty(self, queues: tuple[str, ...]) -> None:
        with kombu.Connection(self.url) as link:
            link.default_channel.client.flushall()

    def _spawn(self) -> subprocess.Popen[bytes]:
        kept = ("--save", "", "--appendonly", "no", "--maxmemory-policy", "noeviction", "--dir", str(self.folder))
        return self._run(self._program(), "--bind", "127.0.0.1", "--port", str(self.port), *kept)

    def _program(self) -> str:
        return str(find_program())


class Redis(Valkey):
    """Debian's redis-server."""

    name = "redis"

    def _program(self) -> str:
        return shutil.which("redis-server") or pytest.skip("redis-server is not installed (Debian: redis-server)")


class RabbitMQ(Broker):
    """Debian's rabbitmq-server, with a node, a cookie, a home and a port mapper of its own, as an ordinary user.

    An unacknowledged message costs a consumer its channel after five seconds: what a visibility timeout is to Redis.
    """

    name = "rabbitmq"
    consumer_timeout_ms = 5_000

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        if not RABBITMQ.exists():
            pytest.skip("rabbitmq-server is not installed (Debian: rabbitmq-server)")
        self.url = f"amqp://guest:guest@127.0.0.1:{self.port}//"
        self.mapper_port, self.node_port = ports.find_free(), ports.find_free()
        (folder / "rabbitmq.conf").write_text(
            f"listeners.tcp.1 = 127.0.0.1:{self.port}\n"
            f"consumer_timeout = {self.consumer_timeout_ms}\n"
            "disk_free_limit.absolute = 50MB\n"
        )
        (folder / "advanced.config").write_text("[{rabbit, [{channel_tick_interval, 1000}]}].\n")  # looks each second
        (folder / "plugins").write_text("[].\n")
        self.user = "rabbitmq" if os.geteuid() == 0 else None
        if self.user:
            owner = pwd.getpwnam(self.user)
            for path in (folder, *folder.iterdir()):
                os.chown(path, owner.pw_uid, owner.pw_gid)

    def empty(self, queues: tuple[str, ...]) -> None:
        with kombu.Connection(self.url) as link:
            for queue in queues:
                link.default_channel.queue_purge(queue)

    def _spawn(self) -> subprocess.Popen[bytes]:
        own = {
            "HOME": str(self.folder),
            "RABBITMQ_NODENAME": f"gq{self.port}@localhost",
            "RABBITMQ_DIST_PORT": str(self.node_port),
            "ERL_EPMD_PORT": str(self.mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_MNESIA_BASE": str(self.folder / "data"),
            "RABBITMQ_LOG_BASE": str(self.folder / "logs"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONFIG_FILE": str(self.folder / "rabbitmq"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(self.folder / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": "/dev/null",
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(self.folder / "plugins"),
        }
        as_user = {"user": self.user, "group": self.user, "extra_groups": []} if self.user else {}
        return self._run(str(RABBITMQ), env=own, cwd=self.folder, **as_user)


BROKERS = {kind.name: kind for kind in (Valkey, Redis, RabbitMQ)}
