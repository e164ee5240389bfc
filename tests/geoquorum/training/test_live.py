"""A run while it learns: curves beside its sisters, room and speed, attempts, log, and samples of what it says."""

import json
from pathlib import Path

import numpy as np
import pytest
from django.urls import reverse

from geoquorum.campaigns import services as campaigns
from geoquorum.campaigns.models import CampaignState
from geoquorum.catalog.models import Sample
from geoquorum.training import live, told_samples
from geoquorum.training.models import Run, RunState
from geoquorum.training.services import start_run
from tests import given
from tests.geoquorum.training.pages import log_in

pytestmark = pytest.mark.django_db


def step(number, **values):
    return {"event": "step", "step": number, "loss": 2.0, "accuracy": 0.2, **values}


def epoch(number, **values):
    return {"event": "epoch", "epoch": number, "step": 10 * number, "validation_loss": 1.5, **values}


@pytest.fixture(scope="module")
def version(shared_rows):
    return given.version(given.project())


@pytest.fixture
def run(version, tmp_path):
    """A run under way, whose folder holds what its process wrote."""
    made = start_run(version=version, task="lcz", by=None, changes={"seed": 1})
    Run.objects.filter(pk=made.pk).update(state=RunState.RUNNING, folder=str(tmp_path))
    made.refresh_from_db()
    return made


def tell(run, **changes):
    """What the process writes of three samples, one of which it takes for another class."""
    shares = np.full((3, 17), 0.0)
    shares[:, 1], shares[:, 3] = 0.7, 0.3
    values = {
        "head": "classes", "scheme": "lcz17", "codes": [*"123456789", "10", *"ABCDEFG"],
        "stored": "probability", "rows": [0, 1, 2], "ids": ["a", "b", "c"], "target": "lcz17",
        "truth": {"label": [1, 1, 3], "distribution": np.eye(17)[[1, 1, 3]].tolist()},
        "entries": [
            {"epoch": 1, "step": 5, "decoded": {"probability": np.full((3, 17), 1 / 17).tolist()}},
            {"epoch": 2, "step": 9, "decoded": {"probability": shares.tolist()}},
        ],
    } | changes  # fmt: skip
    Path(run.folder, told_samples.FILE).write_text(json.dumps(values))


def read_page(client, run, name="progress"):
    return client.get(reverse(f"training:{name}", args=[run.pk])).content.decode()


def test_room_speed_and_waiting_are_told_from_the_last_event(run, client):
    events = [step(1, memory_mb=300.0, waiting_share=0.2), step(2, images_per_second=640.0, memory_mb=345.6)]
    Run.objects.filter(pk=run.pk).update(events=events, progress={"epoch": 0, "step": 2, "eta_s": 75.0})
    page = read_page(log_in(client, run), run)
    for words in ("346 <small>MB", "640 <small>images/s", "20.0", "75 <small>s"):
        assert words in page


def test_the_validation_of_sisters_is_drawn_thin_behind(version, run, client):
    sister = start_run(version=version, task="lcz", by=None, changes={"seed": 2})
    other = start_run(version=version, task="lcz", by=None, changes={"seed": 3, "epochs": 2})
    for one in (run, sister, other):
        Run.objects.filter(pk=one.pk).update(events=[step(1), step(2), epoch(1, validation_accuracy=0.4), epoch(2)])
    run.refresh_from_db()
    told = live.describe_progress(run)
    assert told["sisters"] == [sister]
    assert [one.is_thin for one in told["loss"]] == [False, False, True]
    page = read_page(log_in(client, run), run)
    assert page.count("series s2 thin") == 2
    assert f"?run={run.pk}&amp;run={sister.pk}" in page


def test_attempts_say_from_which_step_they_went_on(run, client):
    starts = [{"event": "start", "step": 0, "resumed": False}, {"event": "start", "step": 12_000, "resumed": True}]
    Run.objects.filter(pk=run.pk).update(events=starts)
    page = read_page(log_in(client, run), run)
    assert "went on from the checkpoint of step 12,000" in page
    assert [one["step"] for one in live.list_attempts(Run.objects.get(pk=run.pk))] == [0, 12_000]


def test_the_end_of_the_log_is_for_curators(run, client):
    Path(run.folder, "train.log").write_bytes(b"x" * 9000 + b"\n" + b"\n".join(b"line %d" % n for n in range(40)))
    text = live.read_log(run)
    assert text.splitlines()[-1] == "line 39"
    assert len(text.splitlines()) == live.LOG_LINES
    assert "line 39" in read_page(log_in(client, run), run)
    assert "line 39" not in read_page(log_in(client, run, "expert"), run)


def test_samples_are_shown_with_what_is_true_and_what_the_run_says(run, client):
    tell(run)
    told = told_samples.describe_told(run)
    first, _second, third = told["samples"]
    assert [(label.code, share) for label, share in first.said] == [("2", 0.7), ("4", pytest.approx(0.3))]
    assert [label.code for label, _share in third.truth] == ["4"]
    assert (first.is_right, third.is_right) == (True, False)
    assert third.course == [pytest.approx(1 / 17), pytest.approx(0.3)]
    page = read_page(log_in(client, run), run)
    assert "after epoch 2" in page
    assert page.count(f"/training/{run.pk}/samples/") == 3


@pytest.mark.parametrize(
    "damage",
    [
        {"entries": []},
        {"entries": [{"decoded": {}}]},
        {"scheme": "nonsense"},
        {"truth": {"label": [99, 1, 2]}},
        {"codes": ["?"]},
        {"ids": "abc"},
        {"stored": "elsewhere"},
    ],
)
def test_a_file_that_says_nonsense_shows_nothing(run, client, damage):
    tell(run, **damage)
    assert not told_samples.describe_told(run).get("samples")
    assert read_page(log_in(client, run), run)


def test_the_look_of_a_sample_is_drawn_from_the_pack(run, client):
    tell(run)
    log_in(client, run)
    answer = client.get(reverse("training:sample", args=[run.pk, 1, "look"]))
    assert (answer.status_code, answer["Content-Type"]) == (200, "image/png")
    assert answer.content[:4] == b"\x89PNG"
    for number, kind in ((9, "look"), (1, "truth"), (1, "elsewhere")):
        assert client.get(reverse("training:sample", args=[run.pk, number, kind])).status_code == 404


def test_masks_are_drawn_true_and_said(run, client):
    plane = [[[0, 1], [1, 0]]] * 3
    tell(run, head="mask", stored="mask", truth={"mask": plane}, entries=[{"epoch": 1, "decoded": {"mask": plane}}])
    log_in(client, run)
    for kind in ("truth", "said"):
        assert client.get(reverse("training:sample", args=[run.pk, 0, kind])).status_code == 200
    assert read_page(client, run).count("/samples/") == 9


def test_experts_see_no_sample_while_its_version_is_voted_on(run, client):
    """Blind: what is true and what the run says would lead who votes."""
    tell(run)
    expert = log_in(client, run, "expert")
    address = reverse("training:sample", args=[run.pk, 0, "look"])
    assert "/samples/" in read_page(expert, run)
    samples = list(Sample.objects.filter(consensus__run=run.version.consensus_run)[:2])
    campaign = given.campaign(run.project, samples=samples)
    assert campaign.state == CampaignState.OPEN
    assert "/samples/" not in read_page(expert, run)
    assert expert.get(address).status_code == 404
    campaigns.close_campaign(campaign=campaign, by=None)
    assert expert.get(address).status_code == 200
