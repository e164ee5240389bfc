"""Hyper-parameter search: the space is checked field by field, trials follow from our rows, test is scored once."""

from pathlib import Path

import pytest

from fusion.errors import SpecError
from fusion.run import RunSpec
from geoquorum.queue.models import Job, JobState
from geoquorum.queue.services import LeaseLost
from geoquorum.releases.models import BuildState, DatasetVersion
from geoquorum.training import search, services, study
from geoquorum.training.models import Checkpoint, Run, RunState
from geoquorum.training.pruning import Pruned, refuse_hopeless
from geoquorum.training.search_space import read_space, set_value
from tests import given

pytestmark = pytest.mark.django_db
SPACE = {
    "learning_rate": {"low": 0.0001, "high": 0.1, "log": True},
    "network.width": {"low": 4, "high": 16, "step": 4},
    "optimizer": {"choices": ["nadam", "adamw"]},
}
BASE = RunSpec.from_json({"task": "lcz", "pack": "/nowhere"}).to_json()


@pytest.fixture
def version():
    """A row that says READY; nothing here opens its pack."""
    return DatasetVersion.objects.create(
        project=given.project(), name="set", number=1, state=BuildState.READY, uri="/nowhere", sha256="ab" * 32
    )


def start(version, **choices) -> Run:
    asked = {"version": version, "task": "lcz", "space": SPACE, "by": None, "trials": 30, "seed": 7}
    return search.start_search(**asked | choices)


def add_trial(parent, parameters, values, state=RunState.DONE, reason="") -> Run:
    """A trial that gave these values on validation after its epochs, the last of them in its report."""
    events = [{"event": "epoch", "epoch": e, "step": e, "validation_accuracy": v} for e, v in enumerate(values)]
    report = {"metric": "oa", "validation": {"oa": {"value": values[-1]}}} if state == RunState.DONE else None
    number = parent.children.count() + 1
    return Run.objects.create(
        project=parent.project, version=parent.version, parent=parent, name=f"trial {number}", task="lcz",
        spec=parent.spec, search={"trial": number, "parameters": parameters}, state=state, reason=reason,
        events=events, report=report,
    )  # fmt: skip


def test_the_space_is_read_field_by_field():
    rate, width, optimizer = read_space(SPACE, BASE)
    assert (rate.kind, rate.is_log, width.kind, width.step) == ("float", True, "int", 4)
    assert [optimizer.read(one) for one in optimizer.choices] == ["nadam", "adamw"]
    assert set_value(BASE, "network.width", 12)["network"]["width"] == 12
    assert BASE["network"]["width"] == 8, "the spec itself is left alone"


@pytest.mark.parametrize(
    ("space", "words"),
    [
        ({}, "1 to 12 fields"),
        ({"epoch": {"low": 1, "high": 2}}, "search space, epoch: 'epoch' is not a field"),
        ({"epochs": {"low": 0, "high": 9}}, "search space, epochs: epochs must lie from 1"),
        ({"epochs": {"low": 1.5, "high": 9}}, "epochs must be int"),
        ({"epochs": {"low": 9, "high": 9}}, "low must lie below high"),
        ({"epochs": {"low": 1}}, "high must be a number"),
        ({"epochs": {"low": 1, "high": float("inf")}}, "high must be a number"),
        ({"weight_decay": {"low": 0, "high": 1.0, "log": True}}, "begins above 0"),
        ({"learning_rate": {"low": 0.1, "high": 1.0, "log": "yes"}}, "log must be true or false"),
        ({"optimizer": {"choices": ["nadam"]}}, "2 to 50 values"),
        ({"optimizer": {"choices": ["nadam", "nadam"]}}, "named twice"),
        ({"optimizer": {"choices": ["nadam", "sgd"]}}, "search space, optimizer: optimizer must be"),
        ({"network.name": {"choices": ["sen2lcz", "magic"]}}, "Unknown network 'magic'"),
        ({"seed": {"low": 0, "high": 9}}, "it stays as it is"),
        ({"epochs.more": {"low": 1, "high": 9}}, "epochs is no object"),
        ({"epochs": [1, 9]}, "low and high"),
    ],
)
def test_a_field_that_cannot_be_searched_is_refused_by_name(version, space, words):
    with pytest.raises(SpecError, match=words):
        start(version, space=space)
    assert Run.objects.count() == Job.objects.count() == 0


def test_the_next_trial_follows_from_the_rows_and_the_seed(version):
    """A search that was killed goes on as if it had not been."""
    parent = start(version)
    first = study.propose(parent)
    assert first == study.propose(parent)
    assert study.propose(start(version, seed=8)) != first
    assert study.propose(start(version, name="again")) == first
    for place in range(8):
        add_trial(parent, study.propose(parent), [0.1 * place])
    assert study.propose(parent) == study.propose(Run.objects.get(pk=parent.pk))


def test_proposals_gather_where_values_are_good(version):
    """Of forty trials whose value is the nearness to a rate of 0.01, the second half lies nearer than the first."""
    parent = start(version, space={"learning_rate": SPACE["learning_rate"]})
    far = []
    for _ in range(40):
        parameters = study.propose(parent)
        ratio = parameters["learning_rate"] / 0.01
        far.append(abs(max(ratio, 1 / ratio)))
        add_trial(parent, parameters, [1 / far[-1]])
    assert sorted(far[20:])[10] < sorted(far[:20])[10]
    best = study.find_best(parent)
    assert study.read_value(best) == pytest.approx(1 / min(far))


def test_trials_under_way_are_not_proposed_again(version):
    parent = start(version)
    for place in range(6):
        add_trial(parent, study.propose(parent), [0.1 * place])
    running = [add_trial(parent, study.propose(parent), [0.2], state=RunState.RUNNING) for _ in range(3)]
    assert len({trial.search["parameters"]["learning_rate"] for trial in running}) == 3


def test_a_trial_behind_the_median_is_ended(version):
    parent = start(version, space={"learning_rate": SPACE["learning_rate"]}, warm_up_epochs=1)
    for place in range(6):
        add_trial(parent, {"learning_rate": 0.001 * (place + 1)}, [0.1, 0.2 + 0.1 * place, 0.3 + 0.1 * place])
    trial = add_trial(parent, {"learning_rate": 0.02}, [0.01], state=RunState.RUNNING)
    refuse_hopeless(trial, trial.events)  # still warming up
    good = [*trial.events, {"event": "epoch", "epoch": 1, "validation_accuracy": 0.9}]
    refuse_hopeless(trial, good)
    bad = [*trial.events, {"event": "epoch", "epoch": 1, "validation_accuracy": 0.21}]
    with pytest.raises(Pruned, match=r"Pruned after epoch 1 with 0.210 .* behind the median"):
        refuse_hopeless(trial, bad)


def test_trials_that_somebody_cancelled_are_asked_for_again_and_pruned_ones_are_not(version):
    parent = start(version, space={"learning_rate": SPACE["learning_rate"]})
    for state, reason in (("done", ""), ("cancelled", "Pruned after epoch 1"), ("cancelled", "Cancelled on request.")):
        add_trial(parent, {"learning_rate": 0.01}, [0.5], state=state, reason=reason)
    add_trial(parent, {"learning_rate": 0.01}, [0.5], state=RunState.FAILED, reason="Out of memory.")
    alive, over = search.count_trials(parent)
    assert (alive, over) == ([], 3)
    states = [trial.state.name for trial in study.open_study(parent).trials]
    assert states == ["COMPLETE", "PRUNED", "FAIL", "FAIL"]


def test_what_matters_is_told_once_there_are_trials_enough(version):
    parent = start(version, space={key: SPACE[key] for key in ("learning_rate", "network.width")})
    assert study.weigh_fields(parent) == {}
    for place in range(12):
        width = 4 + 4 * (place % 4)
        add_trial(parent, {"learning_rate": 0.0001 * 1.5**place, "network.width": width}, [width / 16])
    weights = study.weigh_fields(parent)
    assert sum(weights.values()) == pytest.approx(1, abs=0.01)
    assert weights["network.width"] > 0.8


def test_cancelling_a_search_cancels_its_trials(version):
    parent = start(version)
    job = Job.objects.get(pk=parent.job_id)
    trial = services.start_run(version=version, task="lcz", by=None, parent=parent)
    services.cancel_run(run=parent, by=None)
    trial.refresh_from_db()
    parent.refresh_from_db()
    assert trial.job.parent_id == job.pk
    assert (parent.state, trial.state) == (RunState.CANCELLED, RunState.CANCELLED)


@pytest.mark.parametrize(("field", "value"), [("trials", 0), ("trials", 501), ("parallel", 0), ("parallel", 17)])
def test_bounds_are_bounded(version, field, value):
    with pytest.raises(SpecError, match=f"{field} must lie from 1"):
        start(version, **{field: value})


@pytest.mark.slow
def test_a_search_trains_its_trials_chooses_on_validation_and_scores_test_once(tmp_path, tiny, monkeypatch):
    """Interrupted after its second trial, it goes on with the third; the winner alone is scored on test."""
    version = given.version(given.project(), cities=3)
    space = {"learning_rate": SPACE["learning_rate"], "network.width": {"choices": [4, 8]}}
    asked = {"version": version, "task": "lcz", "space": space, "by": None, "changes": tiny, "trials": 3, "seed": 1}
    parent = search.start_search(**asked)
    calls = []
    real = search.run_claimed

    def interrupt(job, service):
        calls.append(job)
        if len(calls) == 3:
            raise LeaseLost("The worker died.")
        return real(job, service)

    monkeypatch.setattr(search, "run_claimed", interrupt)
    given.work(parent.job, search.execute_search)
    assert parent.children.filter(state=RunState.DONE).count() == 2
    monkeypatch.setattr(search, "run_claimed", real)
    Job.objects.filter(pk=parent.job_id).update(state=JobState.QUEUED, fence=None)
    given.work(parent.job, search.execute_search)
    parent.refresh_from_db()
    assert parent.state == RunState.DONE, parent.reason
    trials = list(parent.children.order_by("pk"))
    assert len(trials) == 3
    assert all(trial.report["test"] is None and trial.report["baselines"] == {} for trial in trials)
    values = [study.read_value(trial) for trial in trials]
    best = trials[values.index(max(values))]
    assert parent.progress["best"] == best.pk
    assert parent.report["weights_sha256"] == best.report["weights_sha256"]
    assert parent.report["test"]["n"] == given.CELLS**2
    assert parent.report["baselines"], "the winner stands beside the baselines"
    assert Path(Checkpoint.objects.get(run=parent).uri).is_relative_to(best.folder)
    again = search.start_search(**asked)
    assert study.propose(again) == trials[0].search["parameters"]
