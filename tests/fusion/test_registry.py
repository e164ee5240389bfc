"""Kinds of one's own lie in folders that the environment names; a name that is taken is refused."""

import os

import pytest

from fusion import registry
from fusion import scheme as schemes
from fusion import task as tasks
from fusion.errors import GeoquorumError, UnknownKindError

PACKAGES = ("fusion.tasks", "fusion.schemes", "fusion.modalities")


@pytest.fixture
def add(monkeypatch):
    """Names the folders, and forgets them afterwards."""

    def name(*folders):
        monkeypatch.setenv("GEOQUORUM_KINDS", os.pathsep.join(map(str, folders)))
        registry.list_names.cache_clear()

    yield name
    monkeypatch.delenv("GEOQUORUM_KINDS", raising=False)
    registry.list_names.cache_clear()
    for package in PACKAGES:
        registry.list_names(package)


def write_task(folder, name, **words):
    (folder / "tasks").mkdir(parents=True, exist_ok=True)
    given = {"name": name, "title": name.title(), **words}
    (folder / "tasks" / f"{name}.py").write_text(
        "from dataclasses import replace\n"
        "from fusion.tasks.patch_classes import TASK as PATCHES\n"
        f"TASK = replace(PATCHES, **{given!r})\n"
    )


def test_a_file_in_an_added_folder_is_a_kind_among_the_others(tmp_path, add):
    write_task(tmp_path / "one", "added_roofs")
    write_task(tmp_path / "two", "added_roads")
    (tmp_path / "two" / "notes").mkdir()
    add(tmp_path / "one", tmp_path / "two")
    assert tasks.find("added_roofs").title == "Added_Roofs"
    assert {"added_roofs", "added_roads", "lcz"} <= set(tasks.load_all())
    assert "lcz17" in schemes.load_all()


def test_without_the_variable_an_added_kind_is_gone(tmp_path, add, monkeypatch):
    write_task(tmp_path, "added_walls")
    add(tmp_path)
    tasks.find("added_walls")
    add()
    with pytest.raises(UnknownKindError, match="Unknown task 'added_walls'"):
        tasks.find("added_walls")


def test_a_name_that_is_taken_is_refused_with_both_places(tmp_path, add):
    write_task(tmp_path, "lcz")
    add(tmp_path)
    with pytest.raises(GeoquorumError, match=r"tasks/lcz\.py: 'lcz' is declared in .*fusion/tasks already\. Rename"):
        tasks.find("lcz")


def test_two_added_folders_may_not_share_a_name_either(tmp_path, add):
    write_task(tmp_path / "one", "added_twice")
    write_task(tmp_path / "two", "added_twice")
    add(tmp_path / "one", tmp_path / "two")
    with pytest.raises(GeoquorumError, match=r"'added_twice' is declared in .*one/tasks already"):
        tasks.load_all()


def test_a_folder_that_is_missing_is_named(tmp_path, add):
    add(tmp_path / "nowhere")
    with pytest.raises(GeoquorumError, match=r"GEOQUORUM_KINDS names .*nowhere, which is no folder"):
        tasks.find("lcz")


def test_a_kind_is_called_as_its_file_is(tmp_path, add):
    write_task(tmp_path, "added_misnamed")
    path = tmp_path / "tasks" / "added_misnamed.py"
    path.rename(path.with_name("added_otherwise.py"))
    add(tmp_path)
    with pytest.raises(GeoquorumError, match=r"declares 'added_misnamed'\. Let the file and the name be the same"):
        tasks.find("added_otherwise")
