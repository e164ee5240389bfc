"""Starting runs on a page: every field is checked by the engine's own sentences, several seeds are sister runs."""

import json

import pytest
from django.urls import reverse

from fusion.errors import SpecError
from geoquorum.campaigns.models import ConsensusRun
from geoquorum.queue.models import Job
from geoquorum.releases.models import BuildState, DatasetVersion
from geoquorum.training.models import Run
from geoquorum.training.sisters import list_sisters, start_sisters
from tests import given

pytestmark = pytest.mark.django_db
SENSORS = [{"modality": "sentinel1", "season": ""}, {"modality": "sentinel2", "season": "summer"}]


@pytest.fixture
def version():
    """A row that says READY, of a campaign on zones; nothing here opens its pack."""
    campaign = given.campaign(given.project(), count=1)
    run = ConsensusRun.objects.create(campaign=campaign, round=campaign.rounds.get(), method="majority")
    return DatasetVersion.objects.create(
        project=campaign.project, name="set", number=1, state=BuildState.READY, uri="/nowhere", sha256="ab" * 32,
        consensus_run=run, modalities=SENSORS,
    )  # fmt: skip


@pytest.fixture
def curator(client, version):
    client.force_login(given.member(version.project, "curator"))
    return client


def post(client, version, page="start", **fields):
    return client.post(reverse(f"training:{page}", args=[version.pk]), {"task": "lcz", **fields})


def test_the_form_offers_tasks_that_fit_and_kinds_by_file_name(curator, version):
    page = curator.get(reverse("training:start", args=[version.pk]) + "?task=patch_classes").content.decode()
    assert '<option value="patch_classes" selected>' in page
    assert '<option value="resnext_cbam">' in page
    assert "sen2lcz (the task&#x27;s own)" in page
    DatasetVersion.objects.filter(pk=version.pk).update(modalities=SENSORS[:1])
    assert '<option value="lcz"' not in curator.get(reverse("training:start", args=[version.pk])).content.decode()


def test_what_is_left_empty_keeps_what_the_task_says(curator, version):
    answer = post(curator, version)
    run = Run.objects.get()
    assert answer.url == reverse("training:run", args=[run.pk])
    assert (run.spec["epochs"], run.spec["network"]["depth"], run.seed) == (40, 17, 0)


def test_fields_and_further_fields_reach_the_spec(curator, version):
    more = json.dumps({"network": {"width": 16}, "ema": 0.9, "epochs": 7})
    post(curator, version, epochs="3", learning_rate="0.01", batch_size="8", network="sen2lcz", device="cpu", more=more)
    spec = Run.objects.get().spec
    assert (spec["epochs"], spec["learning_rate"], spec["batch_size"], spec["device"]) == (3, 0.01, 8, "cpu")
    assert (spec["network"]["name"], spec["network"]["width"], spec["ema"]) == ("sen2lcz", 16, 0.9)


def test_several_seeds_start_sister_runs_that_know_each_other(curator, version):
    answer = post(curator, version, seeds="3, 1,2", name="trio")
    runs = list(Run.objects.order_by("pk"))
    assert [run.seed for run in runs] == [3, 1, 2]
    assert [run.name for run in runs] == ["trio, seed 3", "trio, seed 1", "trio, seed 2"]
    assert answer.url == reverse("training:run", args=[runs[0].pk])
    other = start_sisters(version=version, task="lcz", by=None, seeds=[4], changes={"epochs": 2})[0]
    assert list_sisters(runs[0]) == runs[1:]
    assert list_sisters(other) == []


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"epochs": "0"}, "epochs must lie from 1 to 100000; it is 0."),
        ({"learning_rate": "1000"}, "learning_rate must lie from"),
        ({"seeds": "1, 1"}, "different seeds"),
        ({"seeds": "one"}, "whole numbers with commas"),
        ({"seeds": "99999999999"}, "whole numbers with commas"),
        ({"seeds": "4294967296"}, "seed must lie from 0"),
        ({"more": "{epochs: 3}"}, "This is no JSON"),
        ({"more": "[1]"}, "Give a JSON object"),
        ({"more": '{"epoch": 3}'}, "&#x27;epoch&#x27; is not a field of RunSpec"),
        ({"more": '{"ema": 2}'}, "ema must lie from 0"),
        ({"more": '{"device": "cuda:1"}'}, "say auto, cpu or cuda"),
        ({"network": "magic"}, "magic is not one of the available choices"),
        ({"task": "weather"}, "weather is not one of the available choices"),
        ({"priority": "5"}, "Only an administrator"),
        ({"processes": "0"}, "processes must lie from 1"),
        ({"time_limit_h": "soon"}, "time_limit_h must be a number of hours"),
    ],
)
def test_a_field_that_is_wrong_is_named_and_nothing_is_stored(curator, version, fields, words):
    answer = post(curator, version, **fields)
    assert answer.status_code == 400
    assert words in answer.content.decode()
    assert Run.objects.count() == Job.objects.count() == 0


def test_of_several_seeds_all_start_or_none(version, settings):
    settings.ACTIVE_RUNS = 2
    user = given.user()
    with pytest.raises(Exception, match="one user may have 2"):
        start_sisters(version=version, task="lcz", by=user, seeds=[1, 2, 3])
    assert Run.objects.count() == Job.objects.count() == 0
    with pytest.raises(SpecError, match="different whole numbers"):
        start_sisters(version=version, task="lcz", by=user, seeds=[1, 1])


def test_a_search_is_started_on_its_page(curator, version):
    form = curator.get(reverse("training:start_search", args=[version.pk])).content.decode()
    assert "learning_rate" in form
    space = {"learning_rate": {"low": 0.001, "high": 0.1, "log": True}}
    fields = {"space": json.dumps(space), "trials": "5", "parallel": "2", "warm_up_epochs": "1", "seeds": "9"}
    answer = post(curator, version, page="start_search", **fields)
    run = Run.objects.get()
    assert answer.url == reverse("training:run", args=[run.pk])
    assert run.search["space"] == space
    assert (run.search["trials"], run.search["parallel"], run.search["seed"], run.spec["seed"]) == (5, 2, 9, 9)
    page = curator.get(answer.url).content.decode()
    assert "No trial has ended yet" in page
    wrong = post(curator, version, page="start_search", **fields | {"space": '{"epochs": {"low": 0, "high": 3}}'})
    assert wrong.status_code == 400
    assert "search space, epochs: epochs must lie from 1" in wrong.content.decode()


def test_the_api_starts_sisters_and_searches(curator, version):
    body = {"version": version.pk, "task": "lcz", "seeds": [5, 6], "spec": {"epochs": 2}}
    told = curator.post("/api/v1/runs/seeds", body, content_type="application/json")
    assert (told.status_code, len(told.json())) == (201, 2)
    assert sorted(Run.objects.values_list("seed", flat=True)) == [5, 6]
    body = {"version": version.pk, "task": "lcz", "space": {"epochs": {"low": 1, "high": 3}}, "trials": 2}
    told = curator.post("/api/v1/searches", body, content_type="application/json")
    assert told.status_code == 201
    assert told.json()["search"]["trials"] == 2
    wrong = curator.post("/api/v1/searches", body | {"space": {}}, content_type="application/json")
    assert wrong.status_code == 400
    assert "1 to 12 fields" in wrong.json()["detail"]
