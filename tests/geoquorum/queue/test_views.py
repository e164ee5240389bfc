"""The page of jobs: who sees which, and who may cancel."""

import pytest
from django.test import Client

from geoquorum.accounts.models import Project
from geoquorum.queue.models import Job
from tests import given

pytestmark = pytest.mark.django_db
KIND = "geoquorum.training.jobs.execute_run"


@pytest.fixture
def project() -> Project:
    return given.project()


def job(project: Project | None, **fields: object) -> Job:
    return Job.objects.create(project=project, kind=KIND, **fields)


def test_a_member_sees_the_jobs_of_the_own_project_alone(client: Client, project: Project) -> None:
    job(project, state="failed", reason="The disk is full.")
    job(given.project(name="Of others"))
    job(None)
    client.force_login(given.member(project))
    text = client.get("/jobs/").content.decode()
    assert "The disk is full." in text
    assert text.count("training: execute run") == 1


def test_htmx_gets_the_rows_alone_and_asks_again_while_a_job_lives(client: Client, project: Project) -> None:
    living = job(project)
    client.force_login(given.member(project))
    rows = client.get("/jobs/", headers={"HX-Request": "true"}).content
    assert b"<html" not in rows
    assert b'hx-trigger="every' in rows
    Job.objects.filter(pk=living.pk).update(state="done")
    assert b"hx-trigger" not in client.get("/jobs/", headers={"HX-Request": "true"}).content


def test_a_state_filters_the_list(client: Client, project: Project) -> None:
    job(project, state="done")
    client.force_login(given.member(project))
    assert b"execute run" in client.get("/jobs/?state=done").content
    assert b"execute run" not in client.get("/jobs/?state=failed").content


@pytest.mark.parametrize(("role", "status", "state"), [("expert", 403, "queued"), ("curator", 302, "cancelled")])
def test_curators_cancel_and_experts_do_not(
    client: Client, project: Project, role: str, status: int, state: str
) -> None:
    waiting = job(project)
    client.force_login(given.member(project, role))
    assert client.get(f"/jobs/{waiting.pk}/cancel/").status_code == 405
    assert client.post(f"/jobs/{waiting.pk}/cancel/").status_code == status
    waiting.refresh_from_db()
    assert waiting.state == state


def test_a_stranger_learns_nothing_of_a_job(client: Client, project: Project) -> None:
    waiting, housekeeping = job(project), job(None)
    client.force_login(given.member(given.project(), "admin"))
    for one in (waiting, housekeeping):
        assert client.post(f"/jobs/{one.pk}/cancel/").status_code == 404
        one.refresh_from_db()
        assert one.state == "queued"
