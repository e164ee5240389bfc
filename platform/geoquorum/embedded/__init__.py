"""PostgreSQL and Valkey that start when no URL names others; usable without Django."""

from contextlib import AbstractContextManager
from pathlib import Path


def database(home: Path, *, durable: bool = True) -> AbstractContextManager[None]:
    """Inside, the embedded server answers: the running one, or one that stops at the end (see oneoff)."""
    from .oneoff import database as open_database  # the guardian must start fast, without psycopg

    return open_database(home, durable=durable)
