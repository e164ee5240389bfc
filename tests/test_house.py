"""The house rules that no single room can hold by itself."""

import importlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fusion import registry

ROOT = Path(__file__).resolve().parents[1]
KINDS = {
    "fusion.modalities": "MODALITY",
    "fusion.schemes": "SCHEME",
    "fusion.sources": "SOURCE",
    "fusion.tasks": "TASK",
    "fusion.engine.networks": "NETWORK",
    "fusion.engine.heads": "HEAD",
    "fusion.engine.objectives": "OBJECTIVE",
    "annotation.questions": "QUESTION",
    "annotation.methods": "METHOD",
    "annotation.exporters": "EXPORTER",
}


def run_python(code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        env=os.environ | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_platform_is_a_source_root_and_never_a_package() -> None:
    assert not (ROOT / "platform" / "__init__.py").exists()


def test_the_standard_library_keeps_its_platform_module_under_pytest() -> None:
    import platform

    assert platform.system()


@pytest.mark.slow
def test_the_standard_library_keeps_its_platform_module_under_python_m_pytest(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text("import platform\n\ndef test_it():\n    assert platform.system()\n")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:django", "-c", str(ROOT / "pyproject.toml")]
    answer = subprocess.run(
        [*command, "--rootdir", str(ROOT), str(tmp_path / "test_it.py")], cwd=ROOT, capture_output=True, text=True
    )
    assert "1 passed" in answer.stdout, answer.stdout + answer.stderr


@pytest.mark.slow
def test_the_standard_library_keeps_its_platform_module_under_manage_py() -> None:
    command = [sys.executable, "manage.py", "shell", "-v", "0", "-c", "import platform; print('on', platform.system())"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert "on " in answer.stdout, answer.stderr


@pytest.mark.slow
def test_the_standard_library_keeps_its_platform_module_in_a_worker() -> None:
    code = (
        "from celery.bin.celery import celery; import sys, platform; "
        "from geoquorum.celery import app; app.loader.import_default_modules(); print(platform.system())"
    )
    assert run_python(code).stdout.strip(), run_python(code).stderr


def test_web_processes_do_not_import_torch() -> None:
    code = (
        "import sys; from geoquorum.wsgi import application; from django.urls import get_resolver; "
        "[list(p.url_patterns) for p in get_resolver().url_patterns if hasattr(p, 'url_patterns')]; "
        "sys.exit('torch' in sys.modules)"
    )
    answer = run_python(code)
    assert answer.returncode == 0, answer.stderr


@pytest.mark.parametrize(("package", "constant"), KINDS.items())
def test_every_kind_file_declares_its_constant(package: str, constant: str) -> None:
    names = registry.list_names(package)
    assert names, f"{package} holds no kind"
    lacking = [name for name in names if not hasattr(importlib.import_module(f"{package}.{name}"), constant)]
    assert not lacking, f"{package}: {', '.join(lacking)} must declare {constant}"


def test_an_unknown_kind_is_answered_with_the_known_ones() -> None:
    from fusion import modality, scheme, task
    from fusion.errors import UnknownKindError

    for find, known in ((modality.find, "sentinel2"), (scheme.find, "lcz17"), (task.find, "lcz")):
        with pytest.raises(UnknownKindError, match=f"'nonsense'.*{known}"):
            find("nonsense")


@pytest.mark.django_db
def test_no_migration_is_missing() -> None:
    from django.core.management import call_command

    call_command("makemigrations", check=True, dry_run=True, verbosity=0)


def test_the_top_level_holds_what_it_should() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    if listed.returncode:
        pytest.skip("not a git checkout")
    tops = {line.split("/")[0] for line in listed.stdout.splitlines()}
    allowed = {"manage.py", "pyproject.toml", "README.md", "LICENSE", "platform", "annotation", "fusion", "tests"}
    assert {top for top in tops if not top.startswith(".")} <= allowed


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [
        str(Path(sys.executable).with_name("lint-imports")),
        "--config",
        str(folder / "pyproject.toml"),
        "--no-cache",
    ]
    paths = os.pathsep.join([str(folder / "platform"), str(folder)])
    return subprocess.run(
        command, cwd=folder, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, timeout=180
    )


def test_the_import_contracts_hold() -> None:
    answer = lint_imports(ROOT)
    assert answer.returncode == 0, answer.stdout + answer.stderr


@pytest.mark.slow
@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("fusion/scores.py", "import torch"),
        ("fusion/engine/dataset.py", "import rasterio"),
        ("annotation/votes.py", "import django"),
        ("fusion/grid.py", "import annotation"),
        ("platform/geoquorum/catalog/services.py", "import geoquorum.training.models"),
        ("platform/geoquorum/catalog/services.py", "import geoquorum.catalog.views"),
    ],
)
def test_the_import_contracts_fail_when_broken(tmp_path: Path, place: str, line: str) -> None:
    for name in ("platform", "annotation", "fusion"):
        shutil.copytree(
            ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__", "static", "templates")
        )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    with (tmp_path / place).open("a") as file:
        file.write(f"\n{line}\n")
    answer = lint_imports(tmp_path)
    assert answer.returncode != 0, "a broken import passed unseen"
    assert "BROKEN" in answer.stdout
