"""The loop closes: a run's doubts become a campaign, its votes are a machine's, and the next version holds both."""

from copy import copy
from pathlib import Path

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.urls import reverse

from annotation.panel import make_panel
from fusion.errors import BadInputError, SpecError
from fusion.pack import Pack
from geoquorum.campaigns import services as campaigns
from geoquorum.campaigns.models import Campaign, CampaignState, Vote
from geoquorum.catalog.models import Reference, Region, Sample
from geoquorum.queue.models import Job
from geoquorum.releases import services as releases
from geoquorum.training import preranking, services, unlabelled
from geoquorum.training.models import Run, RunState
from tests import given

pytestmark = [pytest.mark.django_db, pytest.mark.slow]  # a training and a prediction: eight seconds
BLOCKS = {"kind": "block", "block_m": 320.0, "buffer_m": 0.0}


@pytest.fixture(scope="module")
def run(shared_rows, tiny):
    """Trained on one city; two more are there without a label."""
    version = given.version(given.project())
    made = services.start_run(version=version, task="lcz", by=None, changes=tiny | {"epochs": 1})
    job = given.work(made.job, services.execute_run)
    assert job.state == "done", job.reason
    for number in (1, 2):
        given.city(version.project, number)
    return Run.objects.select_related("project", "version__consensus_run__campaign").get(pk=made.pk)


def ask(run, **choices) -> Campaign:
    job = preranking.start_asking(**{"run": run, "samples": 10, "by": None} | choices)
    given.work(job, preranking.execute_asking)
    assert job.state != "failed", job.reason
    job.refresh_from_db()
    return Campaign.objects.get(pk=job.result["campaign"])


@pytest.fixture(scope="module")
def drafted(run):
    return ask(run, votes=2, is_voting=True, name="Second")


def test_only_patches_that_nobody_labelled_or_is_asked_about_are_candidates(run):
    found = unlabelled.list_unlabelled(run)
    labelled = set(run.version.consensus_run.rows.values_list("sample_id", flat=True))
    assert len(found) == 2 * given.CELLS**2
    assert not {sample.pk for sample in found} & labelled
    given.campaign(run.project, samples=found[:5])
    assert len(unlabelled.list_unlabelled(run)) == 2 * given.CELLS**2 - 5
    one = Region.objects.get(pk=found[0].region_id)
    assert {sample.region_id for sample in unlabelled.list_unlabelled(run, [one])} == {one.pk}


def test_held_out_cities_and_cities_without_the_scenes_are_left_alone(run):
    version, other = copy(run.version), unlabelled.list_unlabelled(run)[0].region
    version.summary = version.summary | {"cities": {"train": ["Elsewhere"], "validation": [], "test": [other.name]}}
    assert unlabelled.is_held_out(version, other)
    assert not unlabelled.has_scenes(version, given.region(run.project))


def test_the_campaign_is_a_draft_that_says_what_chose_its_samples_and_nothing_that_was_answered(drafted, run):
    assert (drafted.state, drafted.name, drafted.question) == (CampaignState.DRAFT, "Second", "lcz_patch")
    chosen = drafted.chosen_by
    assert (chosen["run"], chosen["rule"], chosen["samples"], chosen["candidates"]) == (run.pk, "margin", 10, 32)
    assert chosen["weights_sha256"] == [run.report["weights_sha256"]]
    assert chosen["doubt"]["entropy"]["chosen"] > 0
    round = campaigns.current_round(campaign=drafted)
    assert (round.quota, round.round_samples.count()) == (3, 10), "two people and the run"
    assert not round.round_samples.exclude(prompt="").exists()


def test_the_run_votes_once_as_a_machine_when_the_campaign_opens(drafted, run):
    with pytest.raises(BadInputError, match="votes come in while it is open"):
        preranking.let_run_vote(campaign=drafted)
    campaigns.open_campaign(campaign=drafted, by=None)
    assert preranking.let_runs_vote() == {"votes of runs": 10}
    assert preranking.let_runs_vote() == {"votes of runs": 0}
    votes = Vote.objects.filter(campaign=drafted)
    assert set(votes.values_list("is_machine", "expert__pseudonym", "expert__kind")) == {
        (True, f"run-{run.pk}", "model")
    }
    with np.load(Path(run.folder) / "asking" / f"campaign-{drafted.pk}.npz") as file:
        said = dict(zip(file["sample"].tolist(), file["code"].tolist(), strict=True))
    assert dict(votes.values_list("sample_id", "code")) == said


def test_answers_that_are_gone_are_said_once_and_stop_nobody(drafted, run):
    campaigns.open_campaign(campaign=drafted, by=None)
    path = Path(run.folder) / "asking" / f"campaign-{drafted.pk}.npz"
    whole = path.read_bytes()
    path.write_bytes(b"no answers")
    assert preranking.let_runs_vote() == {"votes of runs": 0}
    path.write_bytes(whole)
    drafted.refresh_from_db()
    assert drafted.chosen_by["is_voting"] is False
    assert "cannot be read" in drafted.chosen_by["not_voting"]
    assert preranking.let_runs_vote() == {"votes of runs": 0}


def test_experts_learn_nothing_of_the_choice_or_of_the_answers(drafted, run, client):
    """Blind: neither the run's name, nor its rule, nor a code comes with what is asked."""
    campaigns.open_campaign(campaign=drafted, by=None)
    preranking.let_runs_vote()
    client.force_login(given.member(run.project))
    page = client.get(reverse("campaigns:campaign", args=[drafted.pk])).content.decode()
    assert run.name not in page
    assert "margin" not in page
    claim = client.post(reverse("campaigns:claim", args=[drafted.pk]), {"count": 5}, content_type="application/json")
    assert claim.status_code == 200
    told = claim.content.decode()
    assert "run-" not in told
    assert "margin" not in told
    run_page = client.get(reverse("training:run", args=[run.pk])).content.decode()
    assert drafted.name not in run_page


def test_lineage_is_on_the_pages_for_curators(drafted, run, client):
    client.force_login(given.member(run.project, "curator"))
    campaign = client.get(reverse("campaigns:campaign", args=[drafted.pk])).content.decode()
    assert reverse("training:run", args=[run.pk]) in campaign
    page = client.get(reverse("training:run", args=[run.pk])).content.decode()
    assert reverse("campaigns:campaign", args=[drafted.pk]) in page
    assert reverse("training:ask", args=[run.pk]) in page


def test_a_campaign_is_asked_for_on_the_page_by_command_and_over_the_api(run, client):
    client.force_login(given.member(run.project, "curator"))
    address = reverse("training:ask", args=[run.pk])
    left = len(unlabelled.list_unlabelled(run))
    page = client.get(address).content.decode()
    assert f"{left} unlabelled samples" in page, page[page.index("<main") :]
    fields = {"samples": "4", "question": "lcz_patch", "kind": "adaptive", "votes": "5", "minimum": "2"}
    answer = client.post(address, fields)
    assert answer.url == reverse("training:run", args=[run.pk])
    job = Job.objects.filter(kind=preranking.KIND).latest("created_at")
    assert job.arguments["policy"]["maximum"] == 5
    voting = client.post(address, fields | {"is_voting": "on"})
    assert voting.status_code == 400
    assert "before it is known whether the run is better" in voting.content.decode()
    told = client.post(f"/api/v1/runs/{run.pk}/ask", {"samples": 3}, content_type="application/json")
    assert told.status_code == 202
    call_command("ask_experts", run.pk, "--samples", "3", "--name", "By hand", "--rule", "spread")
    assert Campaign.objects.get(name="By hand").chosen_by["rule"] == "spread"
    assert ask(run, samples=2).name == "Further samples for zones"
    with pytest.raises(CommandError, match="no city 'Atlantis'"):
        call_command("ask_experts", run.pk, "--region", "Atlantis")


@pytest.mark.parametrize(
    ("choices", "words"),
    [
        ({"samples": 0}, "samples must lie from 1"),
        ({"votes": 0}, "votes must lie from 1"),
        ({"rule": "clever"}, "Unknown rule"),
        ({"question": "social_post"}, "does not ask for lcz17 of patches"),
        ({"policy": {"kind": "adaptive"}}, "adaptive policy needs"),
    ],
)
def test_what_cannot_be_asked_is_refused(run, choices, words):
    before = Job.objects.count()
    with pytest.raises((BadInputError, Exception), match=words):
        preranking.start_asking(**{"run": run, "samples": 10, "by": None} | choices)
    assert Job.objects.count() == before


def test_an_unfinished_run_is_unsure_of_nothing(run):
    Run.objects.filter(pk=run.pk).update(state=RunState.FAILED)
    run = Run.objects.get(pk=run.pk)
    with pytest.raises(SpecError, match="only a finished run"):
        preranking.start_asking(run=run, samples=10, by=None)


def vote(campaign, experts=3):
    """Simulated experts who know the world rather well answer all there is to answer."""
    round = campaigns.current_round(campaign=campaign)
    samples = round.round_samples.values("sample")
    truth = {row.sample_id: row.code for row in Reference.objects.filter(sample__in=samples)}
    panel, ids = make_panel(5, experts=experts, accuracy=0.9), tuple(sorted(truth))
    said = panel.vote([panel.codes.index(truth[key]) for key in ids], 5, sample_ids=ids)
    campaigns.import_votes(round=round, table=campaigns.tabulate_panel(said, panel.codes), by=None)
    campaigns.close_campaign(campaign=campaign, by=None)
    found = campaign.consensus_runs.select_related("campaign__project", "job").get(method="majority")
    given.work(found.job, campaigns.refit)
    found.refresh_from_db()
    return found


def release(run, consensus):
    earlier = [run.version.consensus_run]
    asked = {"run": consensus, "name": "zones", "modalities": given.MODALITIES, "design": {"kind": "city"}, "by": None}
    cities = sorted(Region.objects.filter(project=run.project, samples__isnull=False).distinct(), key=lambda r: r.pk)
    asked["design"] |= {"test": [cities[-1].name], "validation": []}
    made = releases.start_release(**asked, earlier=earlier)
    given.work(made.job, releases.build)
    made.refresh_from_db()
    return made


def test_the_next_version_holds_old_labels_and_new_ones_and_says_which_run_chose(drafted, run, client):
    campaigns.open_campaign(campaign=drafted, by=None)
    preranking.let_runs_vote()
    consensus = vote(drafted, experts=2)
    version = release(run, consensus)
    assert version.state == "ready", version.reason
    assert (version.name, version.number) == (run.version.name, run.version.number + 1)
    old, new = (Pack.open(one.uri).samples for one in (run.version, version))
    assert set(old.column("id").to_pylist()) < set(new.column("id").to_pylist())
    assert new.num_rows == old.num_rows + 10
    origin = Pack.open(version.uri).manifest["provenance"]
    assert origin["chosen_by"]["name"] == run.name
    assert "run" not in origin["chosen_by"], "no row number of this database"
    assert [one["campaign"] for one in origin["earlier"]] == [run.version.consensus_run.campaign.slug]
    client.force_login(given.member(run.project, "curator"))
    page = client.get(reverse("releases:detail", args=[version.pk])).content.decode()
    assert reverse("training:run", args=[run.pk]) in page
    assert str(run.version.consensus_run.campaign) in page


def test_the_form_of_the_next_version_begins_with_the_one_before(drafted, run, client):
    campaigns.open_campaign(campaign=drafted, by=None)
    consensus = vote(drafted, experts=2)
    client.force_login(given.member(run.project, "curator"))
    page = client.get(reverse("releases:new", args=[consensus.pk])).content.decode()
    assert f'value="{run.version.name}"' in page
    known = run.version.consensus_run
    assert f'name="earlier" value="{known.pk}"' in page
    assert page.split(f'name="earlier" value="{known.pk}"')[1].split(">")[0].count("checked") == 1


def test_a_sample_that_two_campaigns_label_has_the_newer_label(run):
    old = run.version.consensus_run
    again = given.campaign(run.project, samples=list(Sample.objects.filter(consensus__run=old)[:6]))
    consensus = vote(again)
    consensus.rows.update(code="G")
    asked = {"run": consensus, "name": "both", "modalities": given.MODALITIES, "design": BLOCKS, "by": None}
    made = releases.start_release(**asked, earlier=[old])
    given.work(made.job, releases.build)
    made.refresh_from_db()
    table = Pack.open(made.uri).samples
    assert table.num_rows == given.CELLS**2
    keys = set(consensus.rows.values_list("sample__key", flat=True))
    labels = dict(zip(table.column("id").to_pylist(), table.column("label").to_pylist(), strict=True))
    assert {labels[key] for key in keys} == {"G"}
    assert {label for key, label in labels.items() if key not in keys} - {"G"}


def test_labels_that_do_not_belong_together_are_refused(run):
    old = run.version.consensus_run
    asked = {"run": old, "name": "both", "modalities": given.MODALITIES, "design": BLOCKS, "by": None}
    with pytest.raises(BadInputError, match="take one consensus of each round"):
        releases.start_release(**asked, earlier=[old])
    other = given.project()
    elsewhere = given.consensus(other, [given.city(other)])
    with pytest.raises(BadInputError, match="same project"):
        releases.start_release(**asked, earlier=[elsewhere])


def test_train_predict_ask_vote_release_and_train_again(tiny):
    """The whole loop on the made-up world, with an ensemble of two sisters and the run's own votes."""
    version = given.version(given.project())
    runs = [services.start_run(version=version, task="lcz", by=None, changes=tiny | {"seed": seed}) for seed in (1, 2)]
    for made in runs:
        given.work(made.job, services.execute_run)
    for number in (1, 2):
        given.city(version.project, number)
    first = Run.objects.select_related("project", "version__consensus_run__campaign").get(pk=runs[0].pk)
    campaign = ask(first, samples=12, votes=3, is_voting=True)
    assert len(campaign.chosen_by["weights_sha256"]) == 2
    assert campaign.chosen_by["doubt"]["mutual_information"]["candidates"] > 0
    campaigns.open_campaign(campaign=campaign, by=None)
    preranking.let_runs_vote()
    consensus = vote(campaign)
    assert consensus.summary["models"][0]["expert"] == f"run-{first.pk}"
    following = release(first, consensus)
    assert following.state == "ready", following.reason
    assert following.summary["samples"] == version.summary["samples"] + 12
    again = services.start_run(version=following, task="lcz", by=None, changes=tiny)
    given.work(again.job, services.execute_run)
    again.refresh_from_db()
    assert again.state == RunState.DONE, again.reason
    assert again.report["pack_sha256"] == following.sha256
