"""The API against its own description: made-up requests by three roles, for as long as GEOQUORUM_FUZZ_S says for each.

No answer may be a 5xx, and every status, media type, header and body must be one that the description promises.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from geoquorum.accounts import tokens
from geoquorum.accounts.models import Token
from tests.everything import World

SECONDS = os.environ.get("GEOQUORUM_FUZZ_S", "15")
# Left out: whether a cursor, a class code or an uploaded file fits is decided by what is stored, so a value may fit
# the description and still be refused with 400 in one sentence.
LEFT_OUT = "positive_data_acceptance"
TOKEN = "a" * 32  # the CSRF cookie and header of somebody signed in; any word of this length that is the same in both


@pytest.fixture
def world(live_server: object, tmp_path: Path) -> World:
    return World(tmp_path)


def enter(world: World, role: str) -> list[str]:
    """Headers with which this role enters: programs with a token, the administrator as a browser."""
    if role == "admin":
        cookies = f"Cookie: sessionid={world.cookies[role]}; csrftoken={TOKEN}"
        return ["-H", cookies, "-H", f"X-CSRFToken: {TOKEN}"]
    scopes = Token.Scope.values
    secret = tokens.make_token(user=world.people[role], project=world.project, name="fuzz", scopes=scopes)[1]
    return ["-H", f"Authorization: Bearer {secret}"]


@pytest.mark.slow
@pytest.mark.parametrize("role", ["expert", "curator", "admin"])
def test_made_up_requests_find_no_fault_and_nothing_undescribed(live_server, world, tmp_path, role):
    tool = shutil.which("schemathesis", path=str(Path(sys.executable).parent))
    assert tool, "schemathesis is in the test extra: pip install -e '.[test]'"
    command = [tool, "run", f"{live_server}/api/v1/openapi.json", *enter(world, role), "--max-time", SECONDS]
    options = [
        "--checks",
        "all",
        "--exclude-checks",
        LEFT_OUT,
        "--continue-on-failure",
        "--request-timeout",
        "20",
        "--warnings",
        "off",
    ]
    ended = subprocess.run(
        [*command, *options], cwd=tmp_path, capture_output=True, text=True, timeout=float(SECONDS) * 4 + 240
    )
    assert ended.returncode == 0, ended.stdout[-12_000:] + ended.stderr[-2_000:]
