"""Settings are safe from the first start: what is unsafe does not start, what is named real is closed by default."""

import json
import os
import secrets
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
OWN = ("DATABASE", "DJANGO_", "GEOQUORUM_", "CELERY_", "BASEMAP_")


def ask(home: Path, *words: str, **named: str) -> subprocess.CompletedProcess[str]:
    """A Python process with these settings and none of the surrounding ones."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(OWN)}
    settings = {"GEOQUORUM_HOME": str(home), "DJANGO_SETTINGS_MODULE": "geoquorum.settings"}
    return subprocess.run(
        [sys.executable, *words],
        cwd=ROOT,
        env=inherited | settings | {"PYTHONPATH": str(ROOT / "platform")} | named,
        capture_output=True,
        text=True,
        timeout=120,
    )


def read(home: Path, *names: str, **named: str) -> dict[str, object]:
    """The values of some settings in a process of its own."""
    code = (
        "import json; from django.conf import settings as s; "
        f"print(json.dumps({{name: getattr(s, name) for name in {names!r}}}))"
    )
    answer = ask(home, "-c", code, **named)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)


@pytest.fixture
def production() -> dict[str, str]:
    """What an installation with its own services sets, and no more."""
    return {
        "DATABASE_URL": "postgres://web:word@db.example/geoquorum",
        "CELERY_BROKER_URL": "redis://broker.example/0",
        "DJANGO_SECRET_KEY": secrets.token_urlsafe(50),
        "DJANGO_ALLOWED_HOSTS": "lcz.example.org",
    }


@pytest.mark.slow
def test_production_settings_pass_the_deployment_check_without_a_warning(tmp_path, production):
    home = tmp_path / "home"
    answer = ask(home, "manage.py", "check", "--deploy", "--fail-level", "WARNING", **production)
    assert answer.returncode == 0, answer.stderr
    assert "no issues (0 silenced)" in answer.stdout
    assert not answer.stderr.strip()
    assert not home.exists(), "nothing is written where all services are named"


@pytest.mark.slow
def test_the_deployment_check_can_fail(tmp_path, production):
    answer = ask(
        tmp_path, "manage.py", "check", "--deploy", "--fail-level", "WARNING", GEOQUORUM_HTTPS="false", **production
    )
    assert answer.returncode != 0
    assert "security.W012" in answer.stderr


def test_real_services_are_spoken_to_over_https_alone(tmp_path, production):
    found = read(
        tmp_path, "SECURE_SSL_REDIRECT", "SESSION_COOKIE_SECURE", "CSRF_COOKIE_SECURE", "SECURE_HSTS_SECONDS", "DEBUG",
        "ALLOWED_HOSTS", **production,
    )  # fmt: skip
    assert found == {
        "SECURE_SSL_REDIRECT": True,
        "SESSION_COOKIE_SECURE": True,
        "CSRF_COOKIE_SECURE": True,
        "SECURE_HSTS_SECONDS": 31_536_000,
        "DEBUG": False,
        "ALLOWED_HOSTS": ["lcz.example.org"],
    }


@pytest.mark.parametrize("key", ["", "k" * 49])
def test_a_short_key_does_not_start(tmp_path, production, key):
    answer = ask(tmp_path, "manage.py", "check", **production | {"DJANGO_SECRET_KEY": key})
    assert answer.returncode != 0
    assert "DJANGO_SECRET_KEY must hold at least 50 random characters" in answer.stderr


def test_debugging_with_real_services_does_not_start(tmp_path, production):
    answer = ask(tmp_path, "manage.py", "check", DJANGO_DEBUG="true", **production)
    assert answer.returncode != 0
    assert "DJANGO_DEBUG is only for the embedded services" in answer.stderr


def test_each_installation_has_secrets_of_its_own(tmp_path):
    one, again, two = (
        read(tmp_path / name, "SECRET_KEY", "DATABASES", "CELERY_BROKER_URL") for name in ("one", "one", "two")
    )
    assert one == again
    assert one["SECRET_KEY"] != two["SECRET_KEY"]
    assert one["CELERY_BROKER_URL"] != two["CELERY_BROKER_URL"]
    assert one["DATABASES"]["default"]["PASSWORD"] != two["DATABASES"]["default"]["PASSWORD"]
    assert len(one["SECRET_KEY"]) >= 50


def test_an_installation_without_services_is_closed_and_speaks_to_this_machine_alone(tmp_path):
    home = tmp_path / "home"
    found = read(home, "ALLOWED_HOSTS", "DEBUG", "SECURE_SSL_REDIRECT", "DATABASES")
    own = found.pop("DATABASES")["default"]
    assert found == {"ALLOWED_HOSTS": ["127.0.0.1", "localhost", "[::1]"], "DEBUG": False, "SECURE_SSL_REDIRECT": False}
    assert (own["USER"], own["HOST"]) == ("geoquorum_web", "127.0.0.1"), "not the owner, not another machine"
    assert (home / "installation.json").stat().st_mode & 0o077 == 0


def test_pages_load_nothing_from_elsewhere_but_the_tiles_that_were_named(tmp_path, production):
    tiles = {"BASEMAP_TILES_URL": "https://tiles.example/{z}/{x}/{y}.png"}
    policy = read(tmp_path, "CONTENT_SECURITY_POLICY", **production, **tiles)["CONTENT_SECURITY_POLICY"]["DIRECTIVES"]
    assert policy["script-src"] == policy["style-src"] == policy["default-src"] == ["'self'"]
    assert policy["frame-ancestors"] == policy["object-src"] == ["'none'"]
    assert policy["img-src"] == ["'self'", "data:", "blob:", "https://tiles.example/"]


def test_a_broker_that_hands_messages_out_again_while_a_job_may_run_is_refused_at_the_start(tmp_path):
    """Row F6: the longest limit and a tenth must lie below the visibility timeout, or nothing starts."""
    said = "GEOQUORUM_VISIBILITY_TIMEOUT_S is 3960 s, but the longest job may take 3972 s"
    named = {"GEOQUORUM_LONGEST_JOB_S": "3600", "GEOQUORUM_JOB_GRACE_S": "12"}
    refused = ask(tmp_path, "-c", "import geoquorum.settings", GEOQUORUM_VISIBILITY_TIMEOUT_S="3960", **named)
    assert refused.returncode != 0
    assert said in refused.stderr
    allowed = ask(tmp_path, "-c", "import geoquorum.settings", GEOQUORUM_VISIBILITY_TIMEOUT_S="3973", **named)
    assert allowed.returncode == 0, allowed.stderr
