"""One turn of housekeeping ends what lost its job, in every app."""

import pytest
from django.core.management import call_command

from geoquorum.queue.models import Job, JobState
from geoquorum.releases.models import BuildState, DatasetVersion
from geoquorum.training.models import Run, RunState
from tests import given


@pytest.mark.django_db
def test_a_run_and_a_version_whose_job_failed_unseen_are_ended_with_its_reason() -> None:
    project = given.project()
    job = Job.objects.create(kind="any", project=project, state=JobState.FAILED, reason="worker gone")
    version = DatasetVersion.objects.create(project=project, name="set", number=1, job=job)
    run = Run.objects.create(project=project, version=version, name="run", task="lcz", spec={}, job=job)
    call_command("reap", "--once")
    version.refresh_from_db()
    run.refresh_from_db()
    assert (version.state, version.reason) == (BuildState.FAILED, "worker gone")
    assert (run.state, run.reason) == (RunState.FAILED, "worker gone")
