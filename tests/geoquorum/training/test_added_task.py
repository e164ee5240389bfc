"""A task costs one file: that of the README is offered on the version's page, trains and is evaluated."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from django.urls import reverse

from fusion import registry
from geoquorum.queue.models import JobState
from geoquorum.training import services
from geoquorum.training.models import RunState
from tests import given

pytestmark = pytest.mark.django_db

README = Path(__file__).parents[3] / "README.md"


def read_example() -> str:
    """The task that the README shows."""
    [text] = re.findall(r"```python\n(.*?)```", README.read_text(encoding="utf-8"), re.DOTALL)
    return text


@pytest.fixture(scope="module")
def version(shared_rows):
    return given.version(given.project())


@pytest.fixture
def own_task(tmp_path, monkeypatch):
    """The file in a folder that the environment names."""
    (tmp_path / "kinds" / "tasks").mkdir(parents=True)
    (tmp_path / "kinds" / "tasks" / "own_zones.py").write_text(read_example())
    monkeypatch.setenv("GEOQUORUM_KINDS", str(tmp_path / "kinds"))
    registry.list_names.cache_clear()
    yield "own_zones"
    monkeypatch.delenv("GEOQUORUM_KINDS")
    registry.list_names.cache_clear()
    registry.list_names("fusion.tasks")


def test_the_version_page_offers_it_beside_the_others(client, version, own_task):
    client.force_login(given.member(version.project, "curator"))
    page = client.get(reverse("releases:detail", args=[version.pk])).content.decode()
    assert '<option value="own_zones">Zones of our own</option>' in page
    assert '<option value="lcz">Local climate zones</option>' in page
    answer = client.post(reverse("training:start", args=[version.pk]), {"task": own_task})
    assert answer.status_code == 302
    assert version.runs.get().spec["task"] == own_task


def test_without_its_folder_it_is_not_offered(client, version):
    client.force_login(given.member(version.project, "curator"))
    assert "own_zones" not in client.get(reverse("releases:detail", args=[version.pk])).content.decode()


@pytest.mark.slow  # three child processes
def test_it_trains_as_a_job_and_evaluates_by_hand(version, own_task, tiny, tmp_path):
    run = services.start_run(version=version, task=own_task, by=None, changes=tiny)
    job = given.work(run.job, services.execute_run)
    run.refresh_from_db()
    assert (job.state, run.state) == (JobState.DONE, RunState.DONE), job.error
    assert run.report["task"] == own_task
    words = {"checkpoint": str(run.folder), "pack": version.uri, "baselines": ["majority_class"], "resamples": 20}
    (tmp_path / "score").mkdir()
    (tmp_path / "score" / "spec.json").write_text(json.dumps(words))
    child = subprocess.run(
        [sys.executable, "-m", "fusion", "evaluate", str(tmp_path / "score" / "spec.json")],
        env=dict(os.environ), capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert child.returncode == 0, child.stderr
    report = json.loads((tmp_path / "score" / "report.json").read_text())
    assert report["test"]["oa"]["value"] == pytest.approx(run.report["test"]["oa"]["value"])
