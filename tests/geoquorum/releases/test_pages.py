"""Pages of versions: what is in one, where it came from, and the form that starts one."""

import shutil
from pathlib import Path

import pytest
from django.urls import reverse

from geoquorum.campaigns import services as campaigns
from geoquorum.campaigns.models import ConsensusRun
from geoquorum.catalog.models import Sample
from geoquorum.releases import services
from geoquorum.releases.models import BuildState, DatasetVersion
from tests import given

pytestmark = pytest.mark.django_db
BLOCKS = {"kind": "block", "block_m": 320.0, "buffer_m": 0.0}
FORM = {
    "name": "zones",
    "statuses": ["settled", "disputed"],
    "modalities": ["sentinel1:", "sentinel2:summer"],
    "design": "block",
    "block_m": "640",
    "buffer_m": "0",
    "seed": "",
}


@pytest.fixture(scope="module")
def shared_version(shared_rows):
    return given.version(given.project())


@pytest.fixture
def version(shared_version):
    return DatasetVersion.objects.select_related("project", "consensus_run").get(pk=shared_version.pk)


@pytest.fixture
def run(shared_run, settings, tmp_path):
    settings.GEOQUORUM_DATA = tmp_path / "data"
    return ConsensusRun.objects.select_related("campaign__project").get(pk=shared_run.pk)


def log_in(client, project, role="curator"):
    client.force_login(given.member(project, role))
    return client


def read_page(client, version) -> str:
    answer = client.get(reverse("releases:detail", args=[version.pk]))
    assert answer.status_code == 200
    return answer.content.decode()


def test_the_page_shows_counts_classes_maps_and_checksums(client, version):
    page = read_page(log_in(client, version.project), version)
    assert version.sha256 in page
    assert page.count("<svg") >= 2
    for city in version.summary["cities"]["test"]:
        assert f"Labels of {city}" in page
    assert "samples.parquet" in page
    assert "0 overlapping pairs" in page
    assert "Train on this version" in page
    assert "simulated" in page.lower()
    assert "LCZ" in page or "Compact" in page


def test_an_expert_sees_the_version_and_no_buttons(client, version):
    page = read_page(log_in(client, version.project, "expert"), version)
    assert version.sha256 in page
    assert "Train on this version" not in page
    assert "Make this export" not in page
    assert version.uri not in page


def test_labels_of_samples_that_are_voted_on_are_not_shown_to_experts(client, version):
    samples = list(Sample.objects.filter(consensus__run=version.consensus_run).order_by("pk")[:3])
    again = given.campaign(version.project, samples=samples)
    expert = log_in(client, version.project, "expert")
    hidden = read_page(expert, version)
    assert "voted on blindly" in hidden
    assert all(sample.key not in hidden for sample in samples)
    campaigns.close_campaign(campaign=again, by=None)
    assert samples[0].key in read_page(expert, version)


def test_a_curator_sees_labels_while_others_vote(client, version):
    samples = list(Sample.objects.filter(consensus__run=version.consensus_run).order_by("pk")[:3])
    given.campaign(version.project, samples=samples)
    assert samples[0].key in read_page(log_in(client, version.project), version)


def test_a_pack_that_is_gone_is_said_on_the_page(client):
    version = given.version(given.project())
    shutil.rmtree(version.uri)
    page = read_page(log_in(client, version.project), version)
    assert str(Path(version.uri)) in page
    assert "Train on this version" not in page


def test_a_failed_version_says_why(client, run):
    version = services.start_release(
        run=run, name="zones", modalities=[{"modality": "sentinel2", "season": "winter"}], design=BLOCKS, by=None
    )
    given.work(version.job, services.build)
    assert "no sentinel2 scene of winter" in read_page(log_in(client, run.campaign.project), version)


def test_a_version_refused_for_leaks_shows_the_report_the_pairs_and_the_next_step(client, run):
    design = {"kind": "random", "share": 0.3, "limits": {"scene": 0.5}}
    version = services.start_release(run=run, name="zones", modalities=given.MODALITIES, design=design, by=None)
    given.work(version.job, services.build)
    version.refresh_from_db()
    assert version.state == BuildState.FAILED
    page = read_page(log_in(client, run.campaign.project), version)
    assert "Block: " in page  # the kind that is above its limit
    assert "Split by blocks or by cities" in page
    assert "Hold whole cities out" in page  # for the scenes
    assert reverse("releases:new", args=[run.pk]) in page
    shared = version.summary["leaks"]["shared"]
    group, one, _split, two, _other = shared["block"]["pairs"][0]
    names = (one, two, group)
    assert all(f">{name}" in page for name in names)
    given.campaign(run.campaign.project, samples=[run.rows.first().sample])
    blind = read_page(log_in(client, run.campaign.project, "expert"), version)
    assert "Split by blocks or by cities" in blind
    assert reverse("releases:new", args=[run.pk]) not in blind
    assert f">{one} <small>" not in blind  # samples that are voted on are not named


def test_a_version_that_waits_shows_how_far_it_is(client, run):
    version = services.start_release(run=run, name="zones", modalities=given.MODALITIES, design=BLOCKS, by=None)
    page = read_page(log_in(client, run.campaign.project), version)
    assert 'hx-trigger="every 2s"' in page
    assert "Building" in page


def test_the_list_shows_versions_of_own_projects_only(client, version):
    other = given.project()
    log_in(client, other)
    assert version.sha256[:12] not in client.get(reverse("releases:list")).content.decode()
    log_in(client, version.project, "expert")
    assert version.sha256[:12] in client.get(reverse("releases:list")).content.decode()


def test_a_list_without_versions_says_where_they_come_from(client):
    page = log_in(client, given.project()).get(reverse("releases:list")).content.decode()
    assert reverse("campaigns:list") in page
    assert "closed campaign" in page


def test_the_form_starts_with_what_there_is(client, run):
    page = log_in(client, run.campaign.project).get(reverse("releases:new", args=[run.pk])).content.decode()
    assert "sentinel1:" in page
    assert "sentinel2:summer" in page
    assert f'value="{run.campaign.slug}"' in page
    assert run.rows.first().sample.region.name in page


def test_the_form_starts_a_version(client, run):
    answer = log_in(client, run.campaign.project).post(reverse("releases:new", args=[run.pk]), FORM)
    version = DatasetVersion.objects.get(project=run.campaign.project)
    assert answer.status_code == 302
    assert answer.url == reverse("releases:detail", args=[version.pk])
    assert version.design == {"kind": "block", "block_m": 640.0, "buffer_m": 0.0}
    assert version.modalities == given.MODALITIES
    assert version.created_by is not None
    given.work(version.job, services.build)
    version.refresh_from_db()
    assert version.state == BuildState.READY, version.reason


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": ""}, "required"),
        ({"name": "two words"}, "valid"),
        ({"statuses": []}, "required"),
        ({"modalities": []}, "required"),
        ({"modalities": ["sentinel9:"]}, "sentinel9"),
        ({"design": "city"}, "Name at least one held-out city"),
        ({"design": "luck"}, "luck"),
        ({"block_m": ""}, "how large the blocks are"),
        ({"block_m": "-5"}, "greater than or equal to 10"),
        ({"seed": "-1"}, "greater than or equal to 0"),
    ],
)
def test_the_form_says_what_is_wrong_and_starts_nothing(client, run, change, said):
    answer = log_in(client, run.campaign.project).post(reverse("releases:new", args=[run.pk]), FORM | change)
    assert answer.status_code == 400
    assert said in answer.content.decode()
    assert not run.versions.exists()


def test_a_single_city_cannot_be_held_out_whole(client, run):
    city = run.rows.first().sample.region.name
    form = FORM | {"design": "city", "test": [city], "validation": [city]}
    page = log_in(client, run.campaign.project).post(reverse("releases:new", args=[run.pk]), form).content.decode()
    assert "either for validation or held out" in page
    page = client.post(reverse("releases:new", args=[run.pk]), form | {"validation": []}).content.decode()
    assert "at least one city to train on" in page


def test_an_export_is_asked_for_on_the_page(client, version):
    log_in(client, version.project)
    client.post(reverse("releases:export", args=[version.pk, "votes_csv"]))
    export = version.exports.get()
    assert (export.exporter, export.state) == ("votes_csv", BuildState.QUEUED)
    given.work(export.job, services.execute_export)
    page = read_page(client, version)
    assert reverse("releases:download", args=[export.pk, 1]) in page


def test_an_unknown_format_is_said_on_the_page(client, version):
    log_in(client, version.project)
    page = client.post(reverse("releases:export", args=[version.pk, "papyrus"]), follow=True).content.decode()
    assert "Unknown" in page
    assert "papyrus" in page
    assert not version.exports.exists()
