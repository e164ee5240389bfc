"""Rows that a whole file of tests may look at."""

from collections.abc import Iterator

import pytest
from django.db import transaction


@pytest.fixture(scope="module")
def shared_rows(django_db_setup: None, django_db_blocker: pytest.FixtureRequest) -> Iterator[None]:
    """An open transaction around all tests of a file, rolled back after the last; each test has a savepoint of its own.

    Fixtures of a module that ask for it make rows once. Files on disk are not rolled back: leave them as they are.
    """
    with django_db_blocker.unblock(), transaction.atomic():
        yield
        transaction.set_rollback(True)
