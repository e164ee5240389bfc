"""A database for one short command: the running server, or one that starts and stops with the command."""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import EmbeddedError
from .locks import being_used, try_lock, without_users
from .postgres import PostgresServer
from .state import environment

PATIENCE_S = 40.0


@contextmanager
def database(home: Path, *, durable: bool = True) -> Iterator[None]:
    """Inside, the embedded server answers; with another DATABASE_URL nothing is done. `durable=False`: for tests."""
    own_url = environment(home)["DATABASE_URL"]
    if os.environ.get("DATABASE_URL", own_url) != own_url:
        yield
        return
    server = PostgresServer.of(home, say=lambda line: print(line, file=sys.stderr))
    server.durable = durable
    deadline = time.monotonic() + PATIENCE_S
    while True:
        lock = try_lock(home, is_supervisor=False)
        if lock is not None:
            with _owned(server, home, lock):
                yield
            return
        with being_used(home) as is_staying:
            if is_staying and server.is_answering():
                yield
                return
        if time.monotonic() > deadline:
            raise EmbeddedError(f"The database of {home} gave no answer for {PATIENCE_S:.0f} s: look at {server.log}.")
        time.sleep(0.1)


@contextmanager
def _owned(server: PostgresServer, home: Path, lock: int) -> Iterator[None]:
    try:
        server.start(locks=(lock,))
        try:
            yield
        finally:
            with without_users(home):
                server.stop()
    finally:
        os.close(lock)
