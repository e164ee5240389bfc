"""A sample's page shows what was judged: the photo with its heading, the words and picture of a post, never a name."""

import pytest
from django.test import Client
from django.urls import reverse

from geoquorum.campaigns import services
from geoquorum.campaigns.models import Campaign, ConsensusRun
from geoquorum.campaigns.sample_pictures import LONGEST_WORDS, list_thumbs, say_heading
from geoquorum.campaigns.services.vote_files import import_vote_file
from geoquorum.catalog.media import find_photo
from geoquorum.catalog.models import Post
from tests import given

pytestmark = pytest.mark.django_db
SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(autouse=True)
def key(settings, tmp_path):
    settings.GEOQUORUM_PSEUDONYM_KEY = "a key of the tests, longer than it need be"


def close(campaign: Campaign, folder, codes: tuple[str, ...], model: str = "") -> ConsensusRun:
    """Votes of three people on every sample, perhaps one of a model, and the majority run of the closed campaign."""
    round = services.current_round(campaign=campaign)
    keys = list(round.round_samples.order_by("sample").values_list("sample__key", flat=True))
    path = folder / "votes.csv"
    said = [f"{key},e{voter},{codes[place % len(codes)]}\n" for place, key in enumerate(keys) for voter in range(3)]
    path.write_text("sample,voter,code\n" + "".join(said))
    import_vote_file(round=round, path=path, by=None)
    if model:
        path.write_text("sample,voter,code\n" + "".join(f"{key},net,{model}\n" for key in keys))
        import_vote_file(round=round, path=path, by=None, kind="model")
    services.close_campaign(campaign=campaign, by=None)
    for run in campaign.consensus_runs.select_related("job"):
        given.work(run.job, services.refit)
    return campaign.consensus_runs.get(method="majority")


def look(client: Client, campaign: Campaign, name: str, *more: object) -> str:
    client.force_login(given.member(campaign.project, "curator"))
    return client.get(reverse(f"campaigns:{name}", args=[campaign.pk, *more]) + "?below=0.9").content.decode()


def test_a_street_view_is_shown_with_its_photo_and_where_it_looks(client, tmp_path):
    campaign = given.photo_campaign(given.project(), count=2)
    run = close(campaign, tmp_path, ("house", "garage"))
    sample = run.rows.first().sample
    photo = reverse("catalog:photo", args=[sample.pk])
    page = look(client, campaign, "sample", sample.pk)
    assert f'<img src="{photo}"' in page
    assert f"({sample.heading_deg:.0f}°)" in page
    assert client.get(photo)["Content-Type"] == "image/jpeg"
    assert photo in look(client, campaign, "consensus")


def test_a_post_is_shown_with_its_words_as_text_and_no_author(client, tmp_path):
    project = given.project()
    campaign = given.post_campaign(project, count=3)
    run = close(campaign, tmp_path, ("residential", "commercial"))
    sample = run.rows.first().sample
    Post.objects.filter(sample=sample).update(text=f"A market {SCRIPT}")
    page, queue = look(client, campaign, "sample", sample.pk), look(client, campaign, "consensus")
    for shown in (page, queue):
        assert SCRIPT not in shown
        assert "A market &lt;script&gt;" in shown
        assert sample.post.author not in shown
    Post.objects.filter(sample=sample).update(text="", erased_at="2026-01-01T00:00Z")
    assert "This post was erased" in look(client, campaign, "sample", sample.pk)
    assert "This post was erased" in look(client, campaign, "consensus")


def test_posts_in_lists_have_their_first_words_and_their_picture_if_they_have_one():
    campaign = given.post_campaign(given.project(), count=12)
    samples = [row.sample for row in campaign.rounds.get().round_samples.select_related("sample__project")]
    thumbs = list_thumbs(campaign, samples)
    assert all(0 < len(thumbs[sample.pk].words) <= LONGEST_WORDS for sample in samples)
    for sample in samples:
        photo = reverse("catalog:photo", args=[sample.pk]) if find_photo(sample) else ""
        assert thumbs[sample.pk].picture == photo
    assert len({thumb.picture for thumb in thumbs.values()}) > 1, "some invented posts have pictures"


@pytest.mark.parametrize(
    ("heading", "wide", "words"),
    [
        (None, None, "Heading unknown"),
        (1, None, "north (1°)"),
        (359, 60, "north (359°), 60° wide"),
        (133, 9, "south-east"),
    ],
)
def test_headings_are_said_in_words_of_the_compass(heading, wide, words):
    assert words in say_heading(heading, wide)


def test_what_a_model_contradicts_is_shown_and_changes_no_label(client, tmp_path):
    project = given.project()
    campaign = given.campaign(project, count=4, quota=4)
    run = close(campaign, tmp_path, ("3", "A"), model="3")
    assert sorted(run.rows.values_list("code", flat=True)) == ["3", "3", "A", "A"]
    strange = run.rows.filter(code="A").values_list("sample", flat=True)
    page = look(client, campaign, "agreement")
    assert "The model net contradicts the labels of 2 samples" in page
    assert "Its votes do not count in this run." in page
    for row in run.rows.all():
        is_told = "The model net contradicts" in look(client, campaign, "sample", row.sample_id)
        assert is_told == (row.sample_id in strange)


def test_the_agreement_map_lies_on_pictures_of_its_scenes(client, tmp_path, settings):
    project = given.project()
    samples = list(given.city(project).samples.filter(kind="patch").order_by("pk"))
    campaign = given.campaign(project, samples=samples, quota=3)
    close(campaign, tmp_path, ("3", "A"))
    page = look(client, campaign, "agreement")
    address = page.split('<image href="')[1].split('"')[0]
    picture = client.get(address.replace("&amp;", "&"))
    assert (picture.status_code, picture["Content-Type"]) == (200, "image/png")
    assert "° N<" in page
    assert "agreement_map.js" not in page
    settings.BASEMAP_TILES_URL = "https://tiles.example/{z}/{x}/{y}.png"
    page = look(client, campaign, "agreement")
    assert "agreement_map.js" in page
    assert reverse("campaigns:sample", args=[campaign.pk, samples[0].pk]) in page
