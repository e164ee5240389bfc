"""One embedded PostgreSQL for the whole test run, started when the first test asks for a database."""

import gc
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("DJANGO_ALLOW_ASYNC_UNSAFE", "true")  # Playwright's synchronous API runs an event loop

DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
_folder = tempfile.TemporaryDirectory(prefix="geoquorum-tests-", ignore_cleanup_errors=True)
Path(_folder.name).chmod(0o711)  # as root the database server runs as another user, who must enter


SURROUNDINGS = (
    "DJANGO_SETTINGS_MODULE", "DATABASE_URL", "DATABASE_OWNER_URL", "CELERY_BROKER_URL", "DJANGO_SECRET_KEY",
    "GEOQUORUM_PSEUDONYM_KEY",
)  # fmt: skip


def pytest_configure(config: pytest.Config) -> None:
    """Each test process has a home, and so a database, of its own; what it starts must find that home alone."""
    forget_surroundings()
    os.environ["GEOQUORUM_HOME"] = str(Path(_folder.name) / "home")
    os.environ["DJANGO_SETTINGS_MODULE"] = "geoquorum.settings"
    import django

    django.setup()
    from django.conf import settings

    # A hash that takes half a second by design would be most of what page tests do.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    settings.VOTES_PER_S = 1e6  # tests vote faster than a person looks; those about that say so themselves
    forget_surroundings()


def pytest_collection_finish() -> None:
    """What importing and collecting made stays until the end: the collector need not walk it again and again."""
    gc.collect()
    gc.freeze()


def forget_surroundings() -> None:
    """Names of real services from outside, and what the settings filled in."""
    for name in SURROUNDINGS:
        os.environ.pop(name, None)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of small real files, where a machine has it."""
    if not DATA.is_dir():
        pytest.skip("the folder of small real files is not on this machine")
    return DATA


@pytest.fixture(scope="session")
def django_db_keepdb() -> bool:
    """The database goes with its server, which is this run's own: nothing is gained by dropping it first."""
    return True


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> Iterator[None]:
    """Starts PostgreSQL and connects as the owner, who may make the test database; row tests set the other role."""
    import environ
    from django.conf import settings
    from django.db import connections

    from geoquorum import embedded
    from geoquorum.embedded import state

    owner = environ.Env.db_url_config(state.environment(settings.GEOQUORUM_HOME)["DATABASE_OWNER_URL"])
    with embedded.database(settings.GEOQUORUM_HOME, durable=False):
        connections["default"].settings_dict.update(USER=owner["USER"], PASSWORD=owner["PASSWORD"])
        yield
        connections.close_all()
