"""One embedded PostgreSQL for the whole test run, started when the first test asks for a database."""

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


def pytest_configure(config: pytest.Config) -> None:
    os.environ["GEOQUORUM_HOME"] = str(Path(_folder.name) / "home")
    os.environ["DJANGO_SETTINGS_MODULE"] = "geoquorum.settings"
    import django

    django.setup()
    from django.conf import settings

    # A hash that takes half a second by design would be most of what page tests do.
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The folder of small real files, where a machine has it."""
    if not DATA.is_dir():
        pytest.skip("the folder of small real files is not on this machine")
    return DATA


@pytest.fixture(scope="session")
def django_db_modify_db_settings() -> Iterator[None]:
    """Starts PostgreSQL and connects as the owner, who may make the test database; row tests set the other role."""
    import environ
    from django.conf import settings
    from django.db import connections

    from geoquorum import embedded

    owner = environ.Env.db_url_config(os.environ["DATABASE_OWNER_URL"])
    with embedded.database(settings.GEOQUORUM_HOME, durable=False):
        connections["default"].settings_dict.update(USER=owner["USER"], PASSWORD=owner["PASSWORD"])
        yield
        connections.close_all()
