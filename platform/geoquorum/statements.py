"""Statements that PostgreSQL plans once per connection: for the few that run with every vote, planning cost most.

They go past Django's cursor, which writes values into the text, so that each statement would be a new one.
"""

from collections.abc import Mapping
from typing import Any

import psycopg
from django.db import connection
from psycopg.rows import dict_row


def fetch_row(statement: str, values: Mapping[str, Any]) -> dict[str, Any] | None:
    """The first row by column name, or None."""
    with _run(statement, values) as cursor:
        return cursor.fetchone()


def fetch_rows(statement: str, values: Mapping[str, Any]) -> list[dict[str, Any]]:
    """All rows by column name."""
    with _run(statement, values) as cursor:
        return cursor.fetchall()


def execute(statement: str, values: Mapping[str, Any]) -> None:
    """Run a statement that answers nothing."""
    _run(statement, values).close()


def _run(statement: str, values: Mapping[str, Any]) -> psycopg.Cursor[dict[str, Any]]:
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    with connection.wrap_database_errors:
        return psycopg.Cursor(connection.connection, row_factory=dict_row).execute(
            statement, values, prepare=True, binary=True
        )
