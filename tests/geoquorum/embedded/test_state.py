"""installation.json."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from geoquorum.embedded import state
from geoquorum.embedded.errors import EmbeddedError


def test_an_installation_is_made_once_and_closed_to_others(tmp_path: Path) -> None:
    home = tmp_path / "deep" / "home"
    first = state.load_or_create(home)
    assert state.load_or_create(home) == first
    assert (home / state.FILE).stat().st_mode & 0o777 == 0o600
    assert len(first.secret_key) >= 50
    assert first.postgres_port != first.valkey_port


def test_two_installations_share_no_secret(tmp_path: Path) -> None:
    one, other = state.environment(tmp_path / "one"), state.environment(tmp_path / "other")
    assert one.keys() == {
        "DATABASE_URL",
        "DATABASE_OWNER_URL",
        "CELERY_BROKER_URL",
        "DJANGO_SECRET_KEY",
        "GEOQUORUM_PSEUDONYM_KEY",
    }
    assert all(one[name] != other[name] for name in one)


def test_many_who_come_at_once_get_the_same_installation(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: state.load_or_create(tmp_path / "home"), range(8)))
    assert len(set(found)) == 1


def test_secrets_do_not_show_when_an_installation_is_printed(tmp_path: Path) -> None:
    own = state.load_or_create(tmp_path)
    assert own.secret_key not in repr(own)
    assert own.owner_password not in repr(own)


def test_a_folder_of_a_newer_version_is_refused_in_one_sentence(tmp_path: Path) -> None:
    state.load_or_create(tmp_path)
    stored = json.loads((tmp_path / state.FILE).read_text())
    (tmp_path / state.FILE).write_text(json.dumps(stored | {"layout": state.LAYOUT + 1}))
    with pytest.raises(
        EmbeddedError, match=r"made by a newer Geoquorum \(layout 2, this one knows 1\): install"
    ) as caught:
        state.environment(tmp_path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"layout": "x"}', '{"layout": 1}'])
def test_a_damaged_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / state.FILE).write_text(text)
    with pytest.raises(EmbeddedError, match=r"installation\.json"):
        state.load_or_create(tmp_path)


def test_a_home_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("not a folder")
    with pytest.raises(EmbeddedError, match=r"home cannot be written .* set GEOQUORUM_HOME"):
        state.load_or_create(tmp_path / "home")


def test_an_older_installation_gets_its_missing_key_once(tmp_path: Path) -> None:
    own = state.load_or_create(tmp_path)
    stored = json.loads((tmp_path / state.FILE).read_text())
    del stored["pseudonym_key"]
    (tmp_path / state.FILE).write_text(json.dumps(stored))
    first = state.load_or_create(tmp_path)
    assert len(first.pseudonym_key) >= 32
    assert first.pseudonym_key != own.pseudonym_key
    assert state.load_or_create(tmp_path) == first
    assert first.secret_key == own.secret_key


def test_the_embedded_part_works_without_django_and_celery(tmp_path: Path) -> None:
    code = (
        "import sys; sys.modules['django'] = sys.modules['celery'] = None\n"
        "from pathlib import Path\n"
        "from geoquorum import embedded\n"
        "from geoquorum.embedded import house, oneoff, supervisor\n"
        f"print(len(embedded.state.environment(Path({str(tmp_path / 'home')!r}))))"
    )
    path = Path(state.__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": f"{path}:{path.parent}"}, capture_output=True, text=True
    )
    assert done.stdout.strip() == "5", done.stderr
