"""Runs that rest, go on, are moved, and are too many for one user (rows F9, F13)."""

import json
from concurrent.futures import ThreadPoolExecutor

import pytest
from django.db import connection
from django.test import Client

from fusion.errors import BadInputError, SpecError
from geoquorum.accounts.models import Project
from geoquorum.queue.claims import Paused
from geoquorum.queue.models import DeviceSlot, Job, JobState
from geoquorum.queue.services import GivenBack, LeaseLost, TimeLimit
from geoquorum.releases.models import BuildState, DatasetVersion
from geoquorum.training import control, services
from geoquorum.training.launcher import Outcome
from geoquorum.training.models import Run, RunState
from geoquorum.training.services import start_run
from geoquorum.training.wishes import Wishes, read_wishes
from tests import given

pytestmark = pytest.mark.django_db


@pytest.fixture
def project() -> Project:
    return given.project()


@pytest.fixture
def version(project):
    """A row that says READY; nothing here opens its pack."""
    return DatasetVersion.objects.create(
        project=project, name="set", number=1, state=BuildState.READY, uri="/nowhere", sha256="ab" * 32
    )


@pytest.fixture
def run(version):
    return start_run(version=version, task="lcz", by=None)


def end_by(monkeypatch, error):
    """Stands in for the child: what its watcher raises."""

    def launch(*_words, **_named):
        raise error

    monkeypatch.setattr(services, "launch", launch)


def fresh(run):
    return Run.objects.select_related("job").get(pk=run.pk)


@pytest.mark.django_db(transaction=True)
def test_of_fifty_starts_at_once_one_user_has_sixteen(settings):
    """Row F13: the cap holds, and the others are refused with a sentence."""
    settings.ACTIVE_RUNS = 16
    project = given.project()
    user = given.member(project, "curator")
    version = DatasetVersion.objects.create(
        project=project, name="set", number=1, state=BuildState.READY, uri="/nowhere", sha256="ab" * 32
    )

    def start(_):
        try:
            start_run(version=version, task="lcz", by=user)
        except BadInputError as refusal:
            return str(refusal)
        finally:
            connection.close()
        return ""

    with ThreadPoolExecutor(10) as pool:
        said = list(pool.map(start, range(50)))
    assert (said.count(""), Run.objects.count(), Job.objects.count()) == (16, 16, 16)
    assert {sentence for sentence in said if sentence} == {
        "You have 16 runs that wait or run, and one user may have 16. Wait until one ends, or stop or pause one."
    }


def test_what_rests_is_over_or_is_a_trial_does_not_count_and_going_on_does(version, settings):
    settings.ACTIVE_RUNS = 1
    user = given.user()
    first = start_run(version=version, task="lcz", by=user)
    start_run(version=version, task="lcz", by=user, parent=first)
    control.pause_run(run=first, by=user)
    second = start_run(version=version, task="lcz", by=user)
    with pytest.raises(BadInputError, match="one user may have 1"):
        control.go_on(run=first, by=user)
    assert fresh(first).state == RunState.PAUSED
    services.cancel_run(run=second, by=user)
    control.go_on(run=first, by=user)
    assert fresh(first).job.state == JobState.QUEUED


def test_a_waiting_run_rests_and_goes_on_in_the_same_job(run):
    control.pause_run(run=run, by=None)
    resting = fresh(run)
    assert (resting.state, resting.job.state, resting.is_over) == (RunState.PAUSED, JobState.PAUSED, False)
    control.go_on(run=run, by=None)
    again = fresh(run)
    assert (again.state, again.job.state, again.job_id) == (RunState.QUEUED, JobState.QUEUED, run.job_id)


@pytest.mark.parametrize(
    ("error", "run_state", "job_state"),
    [
        (Paused("Paused on request."), RunState.PAUSED, JobState.PAUSED),
        (GivenBack("The worker was stopped."), RunState.QUEUED, JobState.QUEUED),
        (TimeLimit("Timeout: took longer than its limit of 2 s."), RunState.FAILED, JobState.FAILED),
    ],
)
def test_a_running_run_ends_as_its_job_does(run, monkeypatch, error, run_state, job_state):
    """Rows F8 and F9."""
    end_by(monkeypatch, error)
    given.work(run.job, services.execute_run)
    ended = fresh(run)
    assert (ended.state, ended.job.state) == (run_state, job_state)
    assert ended.reason == (str(error) if run_state == RunState.FAILED else "")


def test_a_stale_worker_writes_nothing_into_the_run(run, monkeypatch):
    """Row F7: the job has been given on; neither state nor curves of the new attempt are touched."""

    def launch(*_words, watch, **_named):
        Job.objects.filter(pk=run.job_id).update(fence=None, state=JobState.QUEUED)
        Run.objects.filter(pk=run.pk).update(state=RunState.QUEUED)
        watch([{"event": "step", "step": 1, "loss": 1.0, "share": 0.5}])
        raise LeaseLost("given on")

    monkeypatch.setattr(services, "launch", launch)
    given.work(run.job, services.execute_run)
    found = fresh(run)
    assert (found.state, found.events, found.progress) == (RunState.QUEUED, [], {})


def test_a_failed_run_goes_on_with_all_its_attempts_in_a_job_of_its_own(run, monkeypatch):
    monkeypatch.setattr(
        services, "launch", lambda *_words, **_named: Outcome(code=1, words="", last_event={"cause": "No memory."})
    )
    given.work(run.job, services.execute_run)
    failed = fresh(run)
    assert (failed.state, failed.reason) == (RunState.FAILED, "No memory.")
    control.go_on(run=run, by=None)
    again = fresh(run)
    assert (again.state, again.reason, again.finished_at) == (RunState.QUEUED, "", None)
    assert (again.job_id != failed.job_id, again.job.attempts, again.job.devices) == (True, 0, 1)
    assert given.work(failed.job, services.execute_run).state == JobState.FAILED


@pytest.mark.parametrize("state", [RunState.QUEUED, RunState.DONE])
def test_only_what_rests_or_ended_early_goes_on(run, state):
    Run.objects.filter(pk=run.pk).update(state=state, report={} if state == RunState.DONE else None)
    with pytest.raises(BadInputError, match="nothing to go on with"):
        control.go_on(run=run, by=None)


def test_a_finished_run_cannot_rest(run):
    Run.objects.filter(pk=run.pk).update(state=RunState.FAILED)
    with pytest.raises(BadInputError, match="only one that waits or runs"):
        control.pause_run(run=fresh(run), by=None)


def test_a_run_whose_job_was_taken_back_waits_again(run):
    """Row F4: no run says RUNNING when its worker is dead."""
    Run.objects.filter(pk=run.pk).update(state=RunState.RUNNING)
    assert services.settle() == 1
    assert fresh(run).state == RunState.QUEUED


def test_before_others_goes_only_what_an_administrator_moves(project, version, run):
    curator, admin = given.member(project, "curator"), given.member(project, "admin")
    for by, priority in ((curator, -3), (admin, 3)):
        control.set_priority(run=run, priority=priority, by=by)
        assert fresh(run).job.priority == priority
    with pytest.raises(BadInputError, match="administrator"):
        control.set_priority(run=run, priority=1, by=curator)
    with pytest.raises(BadInputError, match="administrator"):
        start_run(version=version, task="lcz", by=curator, priority=1)
    with pytest.raises(BadInputError, match="-10 to 10"):
        control.set_priority(run=run, priority=99, by=admin)


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"processes": 0}, "processes must lie"),
        ({"processes": 2}, "no machine has more than 1"),
        ({"changes": {"device": "cuda:1"}}, "say auto, cpu or cuda"),
        ({"time_limit_s": 10**8}, "time limit"),
    ],
)
def test_what_cannot_be_had_is_refused_and_leaves_nothing(version, run, asked, said):
    DeviceSlot.objects.create(machine="one", device="cpu:0")
    with pytest.raises((SpecError, BadInputError), match=said):
        start_run(version=version, task="lcz", by=None, **asked)
    assert Run.objects.count() == 1


def test_wishes_of_a_form():
    assert read_wishes({"processes": "2", "priority": "-1", "time_limit_h": "1.5"}) == Wishes(
        processes=2, priority=-1, time_limit_s=5400
    )
    assert read_wishes({"processes": ""}) == Wishes()
    for field, value in (("processes", "two"), ("priority", "1.5"), ("time_limit_h", "inf")):
        with pytest.raises(BadInputError, match=field):
            read_wishes({field: value})


def test_the_buttons_do_what_they_say_and_refuse_with_a_sentence(client: Client, project, version, run):
    client.force_login(given.member(project, "curator"))
    page = f"/training/{run.pk}/"
    for verb, state in (("pause", RunState.PAUSED), ("go-on", RunState.QUEUED)):
        assert f'action="{page}{verb}/"' in client.get(page).content.decode()
        assert client.post(f"{page}{verb}/").status_code == 302
        assert fresh(run).state == state
    assert client.post(f"{page}priority/", {"priority": "-2"}).status_code == 302
    assert fresh(run).job.priority == -2
    refused = client.post(f"{page}priority/", {"priority": "first"}, follow=True)
    assert "priority must be a whole number" in refused.content.decode()


def test_the_api_pauses_moves_and_goes_on(client: Client, project, run):
    client.force_login(given.member(project, "curator"))

    def post(verb, body=None):
        return client.post(f"/api/v1/runs/{run.pk}/{verb}", json.dumps(body or {}), content_type="application/json")

    assert post("pause").json()["state"] == "paused"
    assert post("go-on").json()["state"] == "queued"
    moved = post("priority", {"priority": -4}).json()
    assert (moved["priority"], moved["processes"], moved["time_limit_s"]) == (-4, 1, 12 * 3600)
    refused = post("priority", {"priority": 4})
    assert (refused.status_code, "administrator" in refused.json()["detail"]) == (400, True)
